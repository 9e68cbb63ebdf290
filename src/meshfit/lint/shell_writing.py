"""Configs that a script writes by a here-document: `cat > x.yaml <<EOF`, `tee x.yaml <<EOF`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from meshfit.lint.documents import DocumentError
from meshfit.lint.files_beside import NamedConfig
from meshfit.lint.inner_text import InnerText
from meshfit.lint.shell_parts import Redirect
from meshfit.lint.shell_text import LOST, OUTER, Places, Run
from meshfit.lint.shell_values import Variables

__all__ = ["CHANGING", "Writing", "writing"]

CHANGING: Final = frozenset(
    {
        *("sed", "yq", "jq", "perl", "awk", "envsubst", "mv", "cp", "rm", "truncate", "patch", "sponge", "ln"),
        *("git", "wget", "curl", "unzip", "tar"),
    }
)
"""Commands that may make something else of a file."""
_FORMATS: Final = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".toml": "toml"}
_TO: Final = frozenset({">", ">|"})
_TO_ALL: Final = frozenset({">", ">|", ">>", "&>", "&>>"})


class Writing(NamedTuple):
    """A file that a command writes.

    Args:
        name: as the script spells it; with unknown characters where only a run can tell it.
        config: what is in it, with places of the script; None where that is not followed.
    """

    name: Run
    config: NamedConfig | None


def writing(
    fields: Sequence[Run], redirects: Sequence[Redirect], variables: Variables, places: Places
) -> tuple[Writing, ...]:
    """The files that a command writes.

    Args:
        fields: of the command.
        redirects: of the command.
        variables: as they are when it runs.
        places: of the script.
    """
    targets = [(each.operator, variables.text(each.word)) for each in redirects if each.operator in _TO_ALL]
    documents = [each for each in redirects if each.operator.startswith("<<") and each.operator != "<<<"]
    copies = fields[0].text == "cat" and all(field.text == "-" for field in fields[1:])
    if fields[0].text == "tee":
        flags = [field.text for field in fields[1:] if field.text.startswith("-")]
        targets += [(">>" if flags else ">", field) for field in fields[1:] if not field.text.startswith("-")]
        copies = True
    found = []
    for operator, name in targets:
        kind = next((kind for suffix, kind in _FORMATS.items() if name.text.endswith(suffix)), None)
        if kind is None:
            continue
        plain = copies and operator in _TO and len(documents) == 1
        document = documents[0].document if plain else None
        found.append(Writing(name, None if document is None else _config(variables.text(document), kind, places)))
    return tuple(found)


def _config(text: Run, kind: str, places: Places) -> NamedConfig | None:
    """The config that a text is, what is not known of it as a placeholder that every reader passes over."""
    from meshfit.lint.reading import read_recipes

    told = text._replace(text=text.text.replace(LOST, "$").replace(OUTER, "$"))
    inner = InnerText(told, places)
    try:
        recipes = read_recipes(told.text, "", kind)
    except DocumentError:
        return None
    return NamedConfig(None, told.text, tuple(inner.moved(recipe, "") for recipe in recipes))
