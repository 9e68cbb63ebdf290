"""Where torch is not installed, what imports it at once is not collected."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("torch") is None:
    collect_ignore = ["test_reference.py"]
