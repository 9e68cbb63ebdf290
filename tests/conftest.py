"""What every test runs under: no network, one thread, repeatable examples."""

from __future__ import annotations

import os

from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("OMP_NUM_THREADS", "1")
for variable in ("WORLD_SIZE", "RANK", "NO_COLOR", "FORCE_COLOR", "GITHUB_WORKSPACE"):
    # a verdict may not depend on them, and a test that sets one says so
    os.environ.pop(variable, None)

settings.register_profile("meshfit", deadline=None, derandomize=True)
settings.load_profile("meshfit")
