"""`meshfit index`: record what transformers' models are, for machines without it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Final

from meshfit.cli.verdict import Verdict
from meshfit.errors import TargetError

__all__ = ["DESCRIPTION", "EXIT_CODES", "configure", "run"]

DESCRIPTION: Final = """\
Record the facts of every model of transformers in one small file. Where transformers is not installed, verdicts come
from it: from the file that MESHFIT_INDEX names, else from the one this command made, else from the one that comes with
meshfit. An installed transformers is always preferred. Takes minutes; imports nothing of transformers.

  meshfit index
  meshfit index --source ~/src/transformers/src --output transformers.index
  meshfit index --show
"""

EXIT_CODES: Final = "exit codes: 0 made, 2 the input is wrong, 3 a fault of meshfit\n"


def configure(index: argparse.ArgumentParser) -> None:
    """Give the command its arguments."""
    index.add_argument("--source", metavar="FOLDER", type=Path, help="the folder that holds transformers' package")
    index.add_argument("--output", metavar="FILE", type=Path, help="where to write it (default: the user's cache)")
    index.add_argument(
        "--processes", metavar="N", type=int, default=os.cpu_count() or 1, help="how many work at once (default: all)"
    )
    index.add_argument("--show", action="store_true", help="say which index is in use, and make none")


def run(options: argparse.Namespace) -> Verdict:
    """Make the index. Raises TargetError where there is no transformers, or the file cannot be written."""
    from meshfit.readers.shipped.choice import index_in_use, index_version, user_index

    if options.show:
        index = index_in_use()
        return Verdict(f"transformers {index_version(index)}: {len(index.names)} classes, {index.path}", 0)
    from meshfit.cli.progress import progress
    from meshfit.readers.shipped.making import make_index
    from meshfit.readers.source.index import find_package

    if options.processes < 1:
        raise TargetError(f"--processes must be at least 1, got {options.processes}")
    package = find_package("transformers", options.source)
    if package is None:
        raise TargetError(
            f"there is no transformers in {options.source}; name the folder that holds the package"
            if options.source
            else "transformers is not installed; name the folder of its source with --source"
        )
    output = options.output or user_index()
    with progress("recording") as tell:
        made = make_index(package, processes=options.processes, progress=lambda done, all_: tell(done / all_))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        partial = output.with_name(f"{output.name}.part")
        partial.write_bytes(made)
        partial.replace(output)
    except OSError as fault:
        raise TargetError(f"{output} cannot be written: {fault.strerror}; name another file with --output") from None
    return Verdict(f"{output}: transformers {package.version}, {len(made) / 1024:.0f} KiB", 0)
