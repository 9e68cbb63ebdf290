"""`meshfit lint`: every mesh that files write down, judged."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from meshfit.cli.verdict import Verdict
from meshfit.errors import MeshfitError

if TYPE_CHECKING:
    from meshfit.lint.files import Found
    from meshfit.lint.judging import Question
    from meshfit.lint.models import Models
    from meshfit.lint.sweep import Choice, FileResult

__all__ = ["DESCRIPTION", "EXIT_CODES", "configure", "run"]

DESCRIPTION: Final = """\
Find the meshes that recipes, configs, scripts, programs and notebooks write down, and judge each of them.
Nothing in a file is executed, and nothing is fetched.

  meshfit lint recipes/
  meshfit lint train.yaml --world 16 --model-map meta-llama/Llama-3.1-8B=models/llama-8b
  meshfit lint . --exclude 'tests/*' --format github
  meshfit lint . --write-baseline known.json; meshfit lint . --baseline known.json
"""

EXIT_CODES: Final = (
    "exit codes: 0 no error was found, 1 one was, 2 the input is wrong or unreadable, 3 a fault of meshfit\n"
)


def configure(lint: argparse.ArgumentParser) -> None:
    """Give the command its arguments."""
    lint.add_argument("paths", metavar="PATH", nargs="+", help="files, folders, patterns, or - for standard input")
    lint.add_argument("--exclude", action="append", default=[], metavar="GLOB", help="leave out; may be repeated")
    lint.add_argument(
        "--stdin-filename", metavar="NAME", help="what to call standard input; its suffix tells the format"
    )
    lint.add_argument(
        "--model", metavar="TARGET", help="the model of files that name none, as `meshfit check` takes it"
    )
    lint.add_argument(
        "--model-map",
        action="append",
        default=[],
        metavar="ID=FOLDER",
        help="where the config.json of a model is that files name, or a file of such pairs; may be repeated",
    )
    lint.add_argument("--world", type=int, metavar="N", help="ranks that will start, whatever the files say")
    lint.add_argument("--gpus-per-node", type=int, metavar="N", help="devices that share one node's fast links")
    lint.add_argument("--seq-len", type=int, metavar="N", help="tokens in one sequence")
    lint.add_argument("--engine", metavar="NAME", help="who will run every mesh; told by each file when left out")
    lint.add_argument("--strict", action="store_true", help="count warnings as errors")
    lint.add_argument("--show-unknown", action="store_true", help="list what was not judged for want of a fact")
    lint.add_argument("--select", metavar="CODES", help="tell only these: codes, beginnings of codes (TP), rule names")
    lint.add_argument("--ignore", metavar="CODES", help="tell all but these")
    lint.add_argument("--unused-ignores", action="store_true", help="tell of ignore comments that silence nothing")
    lint.add_argument("--baseline", metavar="FILE", help="tell only what this file does not know yet")
    lint.add_argument("--write-baseline", metavar="FILE", help="write what is found as known, and tell nothing")
    lint.add_argument("--statistics", action="store_true", help="count findings by rule and meshes by tool")
    formats = ("text", "json", "sarif", "github")
    lint.add_argument("-f", "--format", choices=formats, default="text", help="how to print (text)")
    lint.add_argument("--json", dest="format", action="store_const", const="json", help="short for --format json")


def run(options: argparse.Namespace) -> Verdict:
    """The findings in `options.paths`. Raises MeshfitError for a mistake of the user."""
    from os.path import realpath

    from meshfit.lint.baseline import Baseline, write_baseline
    from meshfit.lint.files import find_files
    from meshfit.lint.judging import Question
    from meshfit.lint.models import Models
    from meshfit.lint.sweep import Choice
    from meshfit.readers.model_map import read_model_map

    for name in ("world", "gpus_per_node", "seq_len"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise MeshfitError(f"--{name.replace('_', '-')} must be at least 1, got {value}")
    _refuse_engine(options.engine)
    baseline = Baseline(options.baseline) if options.baseline else None
    models = Models(read_model_map(options.model_map))
    files = list(find_files(options.paths, options.exclude))
    if options.model:
        models.asked(options.model)  # a mistake in the name is told even when no file has a mesh
    question = Question(
        models=models,
        model=options.model,
        engine=options.engine,
        world_size=options.world,
        gpus_per_node=options.gpus_per_node,
        seq_len=options.seq_len,
        strict=options.strict,
        files=frozenset(realpath(found.path) for found in files),
    )
    choice = Choice(_codes(options.select), _codes(options.ignore), options.unused_ignores)
    results = list(_results(files, question, choice, options.stdin_filename))
    if options.write_baseline:
        found = [(notice, result.lines) for result in results if not result.broken for notice in result.notices]
        number = write_baseline(options.write_baseline, found)
        told = f"{options.write_baseline} knows {number} finding{'' if number == 1 else 's'}"
        broken = [f"{each.path} {notice.message}" for each in results if each.broken for notice in each.notices]
        return Verdict("\n".join([*broken, told]), 2 if broken else 0)
    if baseline is not None:
        from dataclasses import replace

        results = [replace(each, notices=tuple(baseline.new(each.notices, each.lines))) for each in results]
    return Verdict(_text(results, models, options), _code(results))


def _refuse_engine(engine: str | None) -> None:
    from meshfit.rules.registry import engine_names

    if engine is not None and engine not in engine_names():
        raise MeshfitError(f"unknown engine {engine!r}; engines are {', '.join(engine_names())}")


def _codes(listed: str | None) -> tuple[str, ...]:
    """The codes and names of an option. Raises MeshfitError for one that no rule has: a slip would hide findings."""
    names = tuple(name.strip() for name in (listed or "").split(",") if name.strip())
    if not names:
        return ()
    from meshfit.lint.recipe import PROBLEMS
    from meshfit.readers.spellings import guess
    from meshfit.rules.registry import all_rules

    codes = {rule.code for rule in all_rules()} | set(PROBLEMS)
    slugs = {rule.slug for rule in all_rules()} | {kind.slug for kind in PROBLEMS.values()}
    for name in names:
        if name.lower() not in slugs and not any(code.startswith(name.upper()) for code in codes):
            close = guess(name.upper(), sorted(codes)) or guess(name.lower(), sorted(slugs))
            raise MeshfitError(f"no rule is called {name!r}{close}; meshfit rules lists them")
    return names


def _results(files: Sequence[Found], question: Question, choice: Choice, stdin: str | None) -> Iterator[FileResult]:
    from meshfit.cli.progress import progress
    from meshfit.lint.sweep import lint_file

    with progress("linting") as tell:
        for number, found in enumerate(files):
            tell(number / len(files))
            result = lint_file(found, question, choice, shown=stdin if found.path == "-" else None)
            if result is not None:
                yield result


def _code(results: Iterable[FileResult]) -> int:
    """2: a file cannot be read; 1: an error was found; 0: neither."""
    worst = 0
    for result in results:
        if result.broken:
            return 2
        worst = max(worst, int(any(notice.severity.value == "error" for notice in result.notices)))
    return worst


def _text(results: list[FileResult], models: Models, options: argparse.Namespace) -> str:
    from meshfit.cli.terminal import wants_color
    from meshfit.lint import output
    from meshfit.lint.recipe import BROKEN

    if options.format == "json":
        return output.findings_json(results)
    notices = [notice for result in results for notice in result.notices]
    if options.format == "sarif":
        from meshfit.lint.explanations import EXPLANATIONS, problem_text
        from meshfit.render.sarif import Description, to_sarif

        described = {code: Description(told.holds, told.why, problem_text(code)) for code, told in EXPLANATIONS.items()}
        broken = [f"{notice.place.path} {notice.message}" for notice in notices if notice.code == BROKEN]
        return to_sarif(notices, failures=broken, described=described)
    if options.format == "github":
        from meshfit.render.github import to_github

        return to_github(notices)
    lines = list(output.findings_text(results, color=wants_color()))
    if options.show_unknown:
        lines += output.unknown_lines(results, sorted(models.missing))
    if options.statistics:
        lines += output.statistics(results)
    return "\n".join(lines)
