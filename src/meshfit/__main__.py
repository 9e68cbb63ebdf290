"""`python -m meshfit` is the `meshfit` command."""

from __future__ import annotations

import sys

from meshfit.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
