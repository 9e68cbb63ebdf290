"""The live model needs torch; without it only the import and registry tests of this folder can be collected."""

from __future__ import annotations

from importlib.util import find_spec

TORCH_FREE = ("test_import.py", "test_registries.py", "test_targets.py")

if find_spec("torch") is None:
    collect_ignore_glob = ["test_[!irt]*.py", "test_roundtrip.py", "test_ranks.py"]
