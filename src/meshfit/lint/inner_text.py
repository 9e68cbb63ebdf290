"""Texts within a file: the code of a notebook, a config that a script writes. Finds in them are places of the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from meshfit.facts import ModelFacts
from meshfit.lint.recipe import Recipe, Spot, Written
from meshfit.lint.shell_text import Places, Run

__all__ = ["InnerText", "moved"]

_SINGLE: Final = ("model", "world", "nodes", "gpus_per_node", "seq_len", "attn", "experts")
_MANY: Final = ("sizes", "settings", "facts")

Move = Callable[[Spot], Spot]


class InnerText:
    """A text with the places of the file that it is taken from.

    Args:
        run: the text; each of its characters knows its offset in the file.
        places: of the file.
    """

    def __init__(self, run: Run, places: Places) -> None:
        self._run = run
        self._places = places
        self._lines = [0]
        at = run.text.find("\n")
        while at >= 0:
            self._lines.append(at + 1)
            at = run.text.find("\n", at + 1)

    def spot(self, spot: Spot) -> Spot:
        """The region of the file for a region of the text; of one that spans pieces of the file, the first piece."""
        begin, end = self._offset(spot.line, spot.column), self._offset(spot.end_line, spot.end_column)
        if begin < end:
            return self._places.spot(self._run.part(begin, end))
        return self._places.spot(Run("", self._nearest(begin)))

    def moved(self, recipe: Recipe, path: str) -> Recipe:
        """A recipe that was found in the text, at its places in the file.

        Args:
            recipe: what a reader found in the text.
            path: the file, in which the facts of the model may have been read too.
        """
        facts = recipe.model_facts
        if facts is not None:
            facts = self._moved_facts(facts, path)
        return replace(moved(recipe, self.spot), model_facts=facts)

    def _moved_facts(self, facts: ModelFacts, path: str) -> ModelFacts:
        origins = dict(facts.origins)
        for name, origin in facts.origins.items():
            if origin.where == path and origin.line is not None:
                column = origin.column or 1
                spot = self.spot(Spot(origin.line, column, origin.line, column + 1))
                origins[name] = origin._replace(line=spot.line, column=spot.column)
        return facts.replace(origins=origins)

    def _offset(self, line: int, column: int) -> int:
        line = min(max(line, 1), len(self._lines))
        return min(self._lines[line - 1] + column - 1, len(self._run.text))

    def _nearest(self, offset: int) -> tuple[tuple[int, int], ...]:
        at = self._run.at
        if not at:
            return ()
        begin, end = at[min(offset, len(at) - 1)]
        return ((end, end),) if offset >= len(at) else ((begin, begin),)


def moved(recipe: Recipe, to: Move) -> Recipe:
    """The recipe with each of its places moved."""
    changed: dict[str, Any] = {name: _moved_one(getattr(recipe, name), to) for name in _SINGLE}
    changed |= {name: _moved_all(getattr(recipe, name), to) for name in _MANY}
    problems = tuple(problem._replace(spot=to(problem.spot)) for problem in recipe.problems)
    return replace(recipe, spot=to(recipe.spot), problems=problems, **changed)


def _moved_one(written: Written | None, to: Move) -> Written | None:
    return None if written is None else written._replace(spot=to(written.spot))


def _moved_all(found: Mapping[str, Written], to: Move) -> dict[str, Written]:
    return {name: written._replace(spot=to(written.spot)) for name, written in found.items()}
