"""Environments in which meshfit is installed from its wheel, next to the same without it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]


def build_wheel(folder: Path) -> Path:
    """The wheel that `pip install` would build, in `folder`."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


class Environment:
    """A virtual environment without pip.

    Args:
        folder: where it is made.
        beside: a folder whose packages it sees as well: the real site-packages, when none is given.
    """

    def __init__(self, folder: Path, *, beside: Path | None = None) -> None:
        venv.create(folder, symlinks=True)
        scheme = sysconfig.get_preferred_scheme("prefix")
        self.packages = Path(sysconfig.get_path("purelib", scheme, {"base": str(folder), "platbase": str(folder)}))
        self.bin = folder / "bin"
        self.python = str(self.bin / "python")
        shown = beside or Path(sysconfig.get_path("purelib"))
        # Its own .pth files are not read, so an editable install of meshfit in there stays unseen.
        self.packages.joinpath("beside.pth").write_text(f"{shown}\n", encoding="utf-8")

    def install(self, wheel: Path) -> None:
        """Unpack a wheel."""
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(self.packages)

    @property
    def path(self) -> str:
        """A `PATH` on which its python comes first."""
        return f"{self.bin}{os.pathsep}{os.environ['PATH']}"
