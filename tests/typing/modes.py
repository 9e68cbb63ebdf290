"""The ways mypy is run: with and without caches, in parallel, as a daemon, before and after edits.

Each mode takes one program through the same steps. What it says after each step must be what the newest mypy says of
that state from nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.typing.harness import CASES, FAKES, Diagnostic, expected, interpreter, parse, write_config

Said = frozenset[Diagnostic]

GROUPS: Final = ("across", "classes", "dims", "errors", "flows", "receivers", "silences", "suppression")
"""The cases of a whole round; `registered` would silence the others."""


class Edit(NamedTuple):
    """Text to replace in a file, relative to the workspace. Empty `before`: append."""

    path: str
    before: str
    after: str


class Step(NamedTuple):
    """Edits made together, on top of the original program and not of the step before."""

    name: str
    edits: tuple[Edit, ...]


_MODELS: Final = "program/across/models.py"
_SIZES: Final = "program/across/sizes.py"
_CONFIGS: Final = "program/across/configs.py"
_CONFIGURED: Final = "program/across/configured.py"
_USES: Final = "program/across/uses.py"
_ZOO: Final = "packages/model_zoo/__init__.py"
_PLANNED: Final = 'class Planned(CapabilityMixin, nn.Module):\n    _tp_plan = {"up": "colwise"}\n'
_STAGED: Final = '_pp_plan = {"layers": (["hidden_states"], ["hidden_states"])}'

STEPS: Final = (
    Step("nothing is edited", ()),
    Step("a file is touched", (Edit(_USES, "", "# touched\n"), Edit("program/across/installed.py", "", "# touched\n"))),
    Step("the call", (Edit(_USES, "MeshSpec(tp_size=NONE)", "MeshSpec(tp_size=NONE + 1)"),)),
    Step(
        "a plan is emptied",
        (Edit(_MODELS, _PLANNED, _PLANNED.replace('{"up": "colwise"}', "{}  # type: ignore[var-annotated]")),),
    ),
    Step("edited back", ()),
    Step("a plan is added", (Edit(_MODELS, '"""Carries no plan."""', '_tp_plan = {"up": "colwise"}'),)),
    Step("an attribute is removed", (Edit(_MODELS, _STAGED, '"""Nothing."""'),)),
    Step("a base is changed", (Edit(_MODELS, "class Emptied(Planned)", "class Emptied(nn.Module)"),)),
    Step("a write is removed", (Edit(_MODELS, "\nSetElsewhere._tp_plan = PLAN\n", "\n"),)),
    Step("a size is changed", (Edit(_SIZES, "TP: Final = 8", "TP: Final = 2"),)),
    Step("a mesh is changed", (Edit(_SIZES, "\nMESH = MeshSpec(tp_size=8)", "\nMESH = MeshSpec(tp_size=1)"),)),
    Step("a mesh is rebound", (Edit(_SIZES, "", "MESH = MeshSpec()\n"),)),
    Step(
        "a returned mesh is changed",
        (Edit(_SIZES, "    return MeshSpec(tp_size=8)\n\n\ndef make_or", "    return SMALL\n\n\ndef make_or"),),
    ),
    Step("an attribute's mesh is changed", (Edit(_SIZES, "self.own = MeshSpec(tp_size=8)", "self.own = MeshSpec()"),)),
    Step("a config class is changed", (Edit(_CONFIGS, 'base_model_tp_plan = {"up": "colwise"}', '"""Nothing."""'),)),
    Step("a config is changed", (Edit(_CONFIGURED, "num_key_value_heads=8", "num_key_value_heads=2"),)),
    Step("a package's plan is removed", (Edit(_ZOO, '_tp_plan = {"up": "colwise"}', '"""Nothing."""'),)),
    Step("a package's mesh is changed", (Edit(_ZOO, "MeshSpec(tp_size=8)", "MeshSpec()"),)),
    Step(
        "several at once",
        (
            Edit(_MODELS, _STAGED, '"""No."""'),
            Edit(_MODELS, "class Emptied(Planned)", "class Emptied(nn.Module)"),
            Edit(_SIZES, "TP: Final = 8", "TP: Final = 1"),
            Edit(_SIZES, "self.own = MeshSpec(tp_size=8)", "self.own = MeshSpec()"),
            Edit(_ZOO, '_tp_plan = {"up": "colwise"}', '"""No."""'),
        ),
    ),
    Step("all edited back", ()),
)


class Workspace:
    """A copy of the program and of the packages it uses, which steps edit.

    Args:
        folder: an empty one.
        groups: which cases the program is made of.
    """

    def __init__(self, folder: Path, groups: Sequence[str] = GROUPS) -> None:
        self.folder = folder
        self.program = folder / "program"
        for group in groups:
            shutil.copytree(CASES / group, self.program / group, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(FAKES, folder / "packages", ignore=shutil.ignore_patterns("__pycache__"))
        self.python = interpreter(folder / "python", packages=folder / "packages")
        self.config = write_config(folder)
        self._edited: dict[Path, str] = {}
        self._clock = 0

    def make(self, step: Step) -> None:
        """Bring the files into the state of a step. Raises ValueError for an edit that changes nothing."""
        states = dict(self._edited)
        for edit in step.edits:
            path = self.folder / edit.path
            before = states.get(path) or path.read_text(encoding="utf-8")
            self._edited.setdefault(path, before)
            after = before.replace(edit.before, edit.after, 1) if edit.before else before + edit.after
            if after == before:
                raise ValueError(f"step {step.name!r} finds nothing to edit in {edit.path}")
            states[path] = after
        self._clock += 2
        for path, text in states.items():
            if path.read_text(encoding="utf-8") != text:
                self._write(path, text)

    def touch(self) -> None:
        """Add a line to each file that has an error to report."""
        self._clock += 2
        for path in self.program.rglob("*.py"):
            if expected(path):
                self._write(path, path.read_text(encoding="utf-8") + "# touched\n")

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text, encoding="utf-8")
        # mypy compares whole seconds, and steps follow each other faster
        time = path.stat().st_mtime + self._clock
        os.utime(path, (time, time))


class Checker(NamedTuple):
    """An installed mypy."""

    scripts: Path
    version: tuple[int, ...]

    @classmethod
    def at(cls, scripts: Path) -> Checker:
        """The mypy whose commands lie in that folder."""
        told = subprocess.run([scripts / "mypy", "--version"], capture_output=True, text=True, check=True).stdout
        return cls(scripts, tuple(int(part) for part in told.split()[1].split(".")[:3]))

    @property
    def name(self) -> str:
        """Its version, as pip writes it."""
        return ".".join(map(str, self.version))


Lack = Callable[[tuple[int, ...]], str]


def _has_all(version: tuple[int, ...]) -> str:
    return ""


def _no_workers(version: tuple[int, ...]) -> str:
    if version < (1, 20):
        return "has no -n"
    return "hides -n" if version < (2, 0) else ""


def _no_native_parser(version: tuple[int, ...]) -> str:
    if version < (1, 20):
        return "has no native parser"
    return "hides the native parser" if version < (2, 0) else ""


_NOT_FIXED: Final = "--no-fixed-format-cache"


class Mode(NamedTuple):
    """A way to run mypy.

    Args:
        name: what the matrix calls it.
        flags: mypy's.
        runner: takes the program through the steps.
        lacks: why a version has no such mode; empty when it has.
    """

    name: str
    flags: tuple[str, ...]
    runner: Callable[[Checker, Sequence[str], Workspace, Sequence[Step]], Iterator[Said]]
    lacks: Lack = _has_all

    def flags_for(self, checker: Checker) -> tuple[str, ...]:
        """The flags as a version knows them: before 1.20 the fixed format is off unless it is asked for."""
        return tuple(flag for flag in self.flags if flag != _NOT_FIXED or checker.version >= (1, 20))


def _environment(workspace: Workspace) -> dict[str, str]:
    return {**os.environ, "MESHFIT_DEBUG": "1", "MYPYPATH": str(workspace.program), "MYPY_FORCE_COLOR": "0"}


def _arguments(workspace: Workspace, flags: Sequence[str]) -> list[str]:
    python = ("--python-executable", str(workspace.python))
    return ["--config-file", str(workspace.config), *python, *flags, "--no-pretty", str(workspace.program)]


def _call(checker: Checker, command: str, arguments: Sequence[str], workspace: Workspace) -> list[Diagnostic]:
    done = subprocess.run(
        [checker.scripts / command, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=_environment(workspace),
        cwd=workspace.folder,
    )
    found = parse(done.stdout + done.stderr, Path("program"))
    crash = Diagnostic("", 0, "error", f"{command} ended with exit code {done.returncode}", "crash")
    return [*found, crash] if done.returncode not in (0, 1) else found


def comparable(found: Sequence[Diagnostic]) -> Said:
    """What must not differ between versions: all of ours, crashes, and which ignores are unused."""
    kept = (one for one in found if one.code == "crash" or one.code.partition("-")[0] == "meshfit")
    unused = (one._replace(text="") for one in found if one.code == "unused-ignore")
    return frozenset([*kept, *unused])


def _cold(checker: Checker, flags: Sequence[str], workspace: Workspace, steps: Sequence[Step]) -> Iterator[Said]:
    for number, step in enumerate(steps):
        workspace.make(step)
        cache = ["--cache-dir", str(workspace.folder / f"cache-{number}")]
        yield comparable(_call(checker, "mypy", _arguments(workspace, [*cache, *flags]), workspace))


def _warm(checker: Checker, flags: Sequence[str], workspace: Workspace, steps: Sequence[Step]) -> Iterator[Said]:
    arguments = _arguments(workspace, ["--cache-dir", str(workspace.folder / "cache"), *flags])
    workspace.make(Step("filling the cache", ()))
    _call(checker, "mypy", arguments, workspace)
    for step in steps:
        workspace.make(step)
        yield comparable(_call(checker, "mypy", arguments, workspace))


def _daemon(checker: Checker, flags: Sequence[str], workspace: Workspace, steps: Sequence[Step]) -> Iterator[Said]:
    status = ["--status-file", str(workspace.folder / "dmypy.json")]
    cache = ["--cache-dir", str(workspace.folder / "cache")]
    arguments = [*status, "run", "--", *_arguments(workspace, [*cache, *flags])]
    workspace.make(Step("starting the daemon", ()))
    if "--use-fine-grained-cache" in flags:
        filled = [flag for flag in flags if flag != "--use-fine-grained-cache"]
        _call(checker, "mypy", _arguments(workspace, [*cache, *filled, "--cache-fine-grained"]), workspace)
        # a daemon that starts from a cache keeps to itself what the cache holds of unchanged files, mypy's errors too
        workspace.touch()
    try:
        _call(checker, "dmypy", arguments, workspace)
        for step in steps:
            workspace.make(step)
            yield comparable(_call(checker, "dmypy", arguments, workspace))
    finally:
        _call(checker, "dmypy", [*status, "stop"], workspace)


_SQLITE: Final = {True: "--sqlite-cache", False: "--no-sqlite-cache"}
_FIXED: Final = {True: "--fixed-format-cache", False: _NOT_FIXED}

MODES: Final = (
    Mode("cold", (), _cold),
    Mode("no incremental", ("--no-incremental",), _cold),
    Mode("warm, sqlite, fixed format", (_SQLITE[True], _FIXED[True]), _warm),
    Mode("warm, sqlite, json", (_SQLITE[True], _FIXED[False]), _warm),
    Mode("warm, files, fixed format", (_SQLITE[False], _FIXED[True]), _warm),
    Mode("warm, files, json", (_SQLITE[False], _FIXED[False]), _warm),
    Mode("cold, two workers", ("-n", "2"), _cold, _no_workers),
    Mode("warm, two workers", ("-n", "2"), _warm, _no_workers),
    Mode("cold, native parser", ("--native-parser",), _cold, _no_native_parser),
    Mode("cold, Python's parser", ("--no-native-parser",), _cold, _no_native_parser),
    Mode("warm, native parser", ("--native-parser",), _warm, _no_native_parser),
    Mode("warm, Python's parser", ("--no-native-parser",), _warm, _no_native_parser),
    Mode("daemon", (), _daemon),
    Mode("daemon from a cache", ("--use-fine-grained-cache",), _daemon),
)


def newest(checker: Checker, folder: Path, steps: Sequence[Step] = STEPS, groups: Sequence[str] = GROUPS) -> list[Said]:
    """What a mypy says from nothing of each step: the answers every mode is held against."""
    return list(_cold(checker, (), Workspace(folder, groups), steps))


def _without_unused(said: Said) -> Said:
    return frozenset(one for one in said if one.code != "unused-ignore")


def differences(
    checker: Checker,
    mode: Mode,
    folder: Path,
    answers: Sequence[Said],
    steps: Sequence[Step] = STEPS,
    groups: Sequence[str] = GROUPS,
) -> Mapping[str, list[str]]:
    """Step -> what a mode says beyond the answers (`+`) or leaves out (`-`), for the steps where it does."""
    told: dict[str, list[str]] = {}
    pairs = list(zip(steps, answers, strict=True))
    if mode.runner is _cold:
        # nothing of one step is left in the next: the original and the most edited state tell all
        pairs = [pairs[0], max(pairs, key=lambda pair: len(pair[0].edits))]
    said = mode.runner(checker, mode.flags_for(checker), Workspace(folder, groups), [step for step, _ in pairs])
    for (step, answer), here in zip(pairs, said, strict=True):
        if mode.runner is _daemon:
            # of files that it does not check anew the daemon forgets which ignores are unused, with any plugin or none
            here, answer = _without_unused(here), _without_unused(answer)
        lines = [f"+ {one}" for one in sorted(here - answer)] + [f"- {one}" for one in sorted(answer - here)]
        if lines:
            told[step.name] = lines
    return told
