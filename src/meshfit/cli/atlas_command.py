"""`meshfit atlas`: what happened when the classes of transformers ran on small meshes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from meshfit.cli.verdict import Verdict
from meshfit.errors import MeshfitError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from meshfit.evidence import Evidence

__all__ = ["DESCRIPTION", "EXIT_CODES", "configure", "run"]

DESCRIPTION: Final = """\
What happened when small twins of transformers' classes ran on real ranks: whether each axis of a mesh works for them,
or how it fails. An atlas comes with meshfit; build makes one anew.

  meshfit atlas show                              how many classes end how
  meshfit atlas show LlamaForCausalLM             all that is known of one
  meshfit atlas show --axis tp --outcome silent   what runs under tp and computes something else
  meshfit atlas disagreements                     where rules alone would have said something else
  meshfit atlas html --output atlas.html          one page to search and sort
  meshfit atlas build --output new.atlas          prove all anew: half an hour on two cores
  meshfit atlas diff old.atlas new.atlas          what another version of transformers changed
"""

EXIT_CODES: Final = (
    "exit codes: 0 done, 1 diff: something became worse, or disagreements: there are some, 2 the input is wrong,\n"
    "            3 a fault of meshfit\n"
)

OUTCOMES: Final = ("works", "silent", "late", "clean", "vacuous", "hang", "undecided")
"""The first words of the outcomes, as options spell them."""


class _Action(NamedTuple):
    purpose: str
    description: str
    exit_codes: str
    configure: Callable[[argparse.ArgumentParser], None]


def configure(atlas: argparse.ArgumentParser) -> None:
    """Give the command its actions."""
    actions = atlas.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)
    for name, action in _ACTIONS.items():
        parser = actions.add_parser(
            name,
            help=action.purpose,
            description=action.description,
            epilog=f"exit codes: {action.exit_codes}, 2 the input is wrong, 3 a fault of meshfit\n",
            formatter_class=atlas.formatter_class,
            allow_abbrev=False,
        )
        action.configure(parser)
    atlas.commands = actions.choices  # type: ignore[attr-defined]


def run(options: argparse.Namespace) -> Verdict:
    """Do what `options.action` names. Raises MeshfitError where the input is wrong."""
    if options.action == "build":
        from meshfit.cli.atlas_build import build

        return build(options)
    return _RUNS[options.action](options)


def _show(options: argparse.Namespace) -> Verdict:
    from meshfit.atlas import telling

    found = _asked(options)
    if options.json:
        return _as_json(found)
    if not found:
        return Verdict("no proof in the atlas answers to all of that", 0)
    if options.target and not _is_pattern(options.target):
        return Verdict(telling.detail(found), 0)
    filtered = options.target or options.axis or options.outcome
    return Verdict(telling.listed(found) if filtered else telling.overview(found), 0)


def _disagreements(options: argparse.Namespace) -> Verdict:
    found = _asked(options)
    wrong = [each for each in found if each.disagrees]
    code = 1 if wrong else 0
    if options.json:
        return _as_json(wrong, code)
    from meshfit.atlas import telling

    return Verdict(telling.disagreeing(found), code)


def _diff(options: argparse.Namespace) -> Verdict:
    from meshfit.atlas.changes import changes
    from meshfit.atlas.telling import changed
    from meshfit.readers.atlas_file import evidence_in

    found = changes(evidence_in(options.old), evidence_in(options.new), common=options.common)
    code = 1 if any(change.kind == "worse" for change in found) else 0
    if options.json:
        from meshfit.render.json_format import as_json

        listed = [
            {
                "kind": change.kind,
                "target": change.evidence.target,
                "old": change.old.to_dict() if change.old else None,
                "new": change.new.to_dict() if change.new else None,
            }
            for change in found
        ]
        return Verdict(as_json({"changes": listed}), code)
    return Verdict(changed(found), code)


def _html(options: argparse.Namespace) -> Verdict:
    from meshfit.atlas.page import page

    text = page(_evidence(options.atlas))
    try:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text, encoding="utf-8")
    except OSError as fault:
        raise MeshfitError(
            f"{options.output} cannot be written: {fault.strerror}; name another file with --output"
        ) from None
    return Verdict(f"{options.output}: {len(text.encode()) / 1024:.0f} KiB; open it in a browser", 0)


def _asked(options: argparse.Namespace) -> tuple[Evidence, ...]:
    """The evidence that the options ask for. Raises MeshfitError for a class that the atlas does not have."""
    target = getattr(options, "target", None)
    found = _evidence(options.atlas)
    if target:
        found = _of_class(target, found)
    if options.axis:
        from meshfit.atlas.questions import named_axes

        axes = named_axes(options.axis)
        found = tuple(each for each in found if each.axes == axes)
    outcome = getattr(options, "outcome", None)
    return tuple(each for each in found if outcome in (None, each.outcome.name.lower()))


def _of_class(target: str, found: Sequence[Evidence]) -> tuple[Evidence, ...]:
    if _is_pattern(target):
        from fnmatch import fnmatchcase

        some = tuple(each for each in found if fnmatchcase(each.target, target))
    else:
        some = tuple(each for each in found if each.target == target)
    if not some:
        from meshfit.cli.naming import unknown

        raise unknown("class", target, {each.target for each in found}, listed="meshfit atlas show '*' lists them all")
    return some


def _evidence(path: Path | None) -> tuple[Evidence, ...]:
    from meshfit.readers.atlas_file import SHIPPED, evidence_in

    return evidence_in(path or SHIPPED)


def _as_json(evidence: Sequence[Evidence], code: int = 0) -> Verdict:
    from meshfit.render.json_format import as_json

    return Verdict(as_json({"evidence": [each.to_dict() for each in evidence]}), code)


def _is_pattern(text: str) -> bool:
    return any(sign in text for sign in "*?[")


def _add_atlas(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--atlas",
        metavar="FILE",
        type=Path,
        help="an atlas, or the lines that meshfit verify --output writes (default: the atlas that comes with meshfit)",
    )


def _configure_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="CLASS", nargs="?", help="a class, or a pattern such as 'Llama*'")
    parser.add_argument("--axis", metavar="AXES", help="only these axes, such as tp or ep+tp")
    parser.add_argument("--outcome", choices=OUTCOMES, help="only what ended so")
    _add_atlas(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _configure_disagreements(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--axis", metavar="AXES", help="only these axes, such as tp or ep+tp")
    _add_atlas(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object, with the evidence of each")


def _configure_diff(parser: argparse.ArgumentParser) -> None:
    for name in ("old", "new"):
        parser.add_argument(name, metavar=name.upper(), type=Path, help=f"the {name} atlas, or lines of evidence")
    parser.add_argument("--common", action="store_true", help="leave out what only one of them has")
    parser.add_argument("--json", action="store_true", help="print one JSON object, with the evidence of both")


def _configure_html(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        default=Path("atlas.html"),
        help="where to write it (default: %(default)s)",
    )
    _add_atlas(parser)


def _configure_build(parser: argparse.ArgumentParser) -> None:
    from meshfit.cli.atlas_build import configure_build

    configure_build(parser)


_RUNS: Final[dict[str, Callable[[argparse.Namespace], Verdict]]] = {
    "show": _show,
    "diff": _diff,
    "disagreements": _disagreements,
    "html": _html,
}

_ACTIONS: Final = {
    "show": _Action(
        "print what is known",
        """\
Print the evidence: without CLASS and filters how many classes end how, for one class all that is known, else a line
each.

  meshfit atlas show
  meshfit atlas show LlamaForCausalLM
  meshfit atlas show 'Qwen*' --axis ep+tp
  meshfit atlas show --outcome silent --json
""",
        "0 shown",
        _configure_show,
    ),
    "diff": _Action(
        "tell what changed from one atlas to another",
        """\
Tell which classes end otherwise: what works no more, what works now, what appeared and what vanished. Works is best;
then come clean errors, vacuous runs, late errors, hangs, and at the end silent mismatches.

  meshfit atlas diff old.atlas new.atlas
  meshfit atlas diff old.atlas new.atlas --common --json
""",
        "0 nothing became worse, 1 something did",
        _configure_diff,
    ),
    "disagreements": _Action(
        "list where rules and execution disagree",
        """\
List where rules alone say something else than what happened, after how often they say the same: on each such line a
general rule is missing or wrong, or the class is an exception that the evidence carries.

  meshfit atlas disagreements
  meshfit atlas disagreements --axis tp --json
""",
        "0 none, 1 some",
        _configure_disagreements,
    ),
    "html": _Action(
        "write one page to search and sort",
        """\
Write the atlas as one page that needs nothing else: open it from the disk.

  meshfit atlas html --output atlas.html
""",
        "0 written",
        _configure_html,
    ),
    "build": _Action(
        "prove all classes anew",
        """\
Run a small twin of every class of transformers on real ranks, and compare each with one process. Needs torch, and an
hour on two cores. What is done is in a journal beside the output: interrupt it and go on with --resume.

  meshfit atlas build --output new.atlas --jobs 2
  meshfit atlas build --output new.atlas --resume
  meshfit atlas build --output some.atlas --classes LlamaForCausalLM,Qwen3ForCausalLM --axes tp,pp
  meshfit atlas build --output part.atlas --every 18 --offset 3
""",
        "0 made, 130 interrupted",
        _configure_build,
    ),
}
