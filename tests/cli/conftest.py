"""What the tests of the command share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from meshfit.cli.main import main

Answer = tuple[int, str, str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run the command in this process: exit code, output, errors."""

    def command(*arguments: str) -> Answer:
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command
