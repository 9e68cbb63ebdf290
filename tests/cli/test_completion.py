"""Completion, typed at the shells themselves."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
STARTS: Final = {
    "bash": (("--norc", "--noprofile", "-i"), "source {script}"),
    "zsh": (("-f", "-i"), "fpath=({folder} $fpath); autoload -Uz compinit; compinit -D -u"),
    "tcsh": (("-f", "-i"), "set edit; bindkey '^I' complete-word; source {script}"),
}
"""Shell -> how it is started without the settings of anybody, and what its settings are to be."""
CONTROL: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|[\r\x07]")
PATIENCE: Final = 20.0
"""Seconds that a shell has for an answer on a machine that is busy."""

Type = Callable[[str, str], str]


@contextmanager
def typing_at(shell: str, *arguments: str) -> Iterator[Type]:
    """Type at a shell on a terminal of its own, until a text appears; the text that did."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        environment = {"PATH": os.environ["PATH"], "TERM": "xterm", "PS1": "> ", "COLUMNS": "250", "HOME": str(ROOT)}
        os.execvpe(shell, [shell, *arguments], environment)  # noqa: S606 - a path that `which` told

    def type_in(text: str, awaited: str) -> str:
        os.write(terminal, text.encode())
        shown, end = "", time.monotonic() + PATIENCE
        while awaited not in shown and time.monotonic() < end:
            if select.select([terminal], [], [], 0.1)[0]:
                shown = CONTROL.sub("", shown + os.read(terminal, 65_536).decode(errors="replace"))
        return shown

    try:
        yield type_in
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(terminal)


@pytest.mark.parametrize("shell", STARTS)
def test_a_shell_completes_commands_options_choices_and_paths(
    run: Callable[..., tuple[int, str, str]], shell: str, tmp_path: Path
) -> None:
    """Each shell that this machine has; the others have at least a script."""
    code, script, _ = run("completion", shell)
    (tmp_path / "_meshfit").write_text(script, encoding="utf-8")
    assert (code, "explain-error" in script) == (0, True)
    for program in filter(None, [shutil.which(shell)]):
        arguments, settings = STARTS[shell]
        with typing_at(program, *arguments) as type_in:
            # what appears is computed, so that it is not the echo of the line
            ready = settings.format(script=tmp_path / "_meshfit", folder=tmp_path) + "; printf 're%s' ady; echo\n"
            assert "ready" in type_in(ready, "ready")
            for typed, completed in (
                ("meshfit chec", "check"),
                ("meshfit check --eng", "--engine"),
                ("meshfit check x --engine transf", "transformers"),
                ("meshfit lint --format sa", "sarif"),
                ("meshfit check exam", "examples"),
            ):
                assert completed in type_in(f"{typed}\t", completed)
                type_in("\x15", "")
