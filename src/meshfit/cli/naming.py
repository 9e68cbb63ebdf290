"""Names that users give, looked up, with the nearest one for a slip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from meshfit.errors import MeshfitError

__all__ = ["engine_name", "nearest", "unknown"]


def unknown(kind: str, name: str, known: Iterable[str], *, listed: str) -> MeshfitError:
    """The error for a name that is none of `known`, with what was probably meant.

    Args:
        kind: what was named, such as "rule".
        name: what the user wrote.
        known: the names there are.
        listed: where they are listed, for a name that resembles none.
    """
    near = nearest(name, tuple(known))
    hint = f"did you mean {' or '.join(near)}?" if near else listed
    return MeshfitError(f"unknown {kind} {name!r}; {hint}")


def nearest(name: str, known: Sequence[str]) -> tuple[str, ...]:
    """At most three of `known` that resemble `name`, letter case ignored, the best first."""
    from difflib import get_close_matches

    lower = {candidate.lower(): candidate for candidate in known}
    found = get_close_matches(name.lower(), lower, n=3, cutoff=0.6)
    return tuple(lower[candidate] for candidate in found)


def engine_name(name: str) -> str:
    """The name, where meshfit or an installed package has an engine of it. Raises MeshfitError otherwise."""
    from meshfit.rules.registry import engine_names

    known = engine_names()
    if name not in known:
        raise unknown("engine", name, known, listed=f"engines are {', '.join(known)}")
    return name
