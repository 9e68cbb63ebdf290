"""The source reader on releases that are not installed: their wheels are unpacked, never imported.

`older_versions.json` holds what models of those releases had when they were built on the meta device: a digest of their
parameter names, their merged plan, their SDPA flag.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from meshfit.readers.source import auto
from meshfit.readers.source.facts import build_model, facts_from_config
from meshfit.readers.source.index import Package
from meshfit.readers.source.structure import parameter_names

pytestmark = pytest.mark.slow

SEEN: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("older_versions.json").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module", params=sorted(SEEN))
def release(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Package]:
    """A release of transformers as source."""
    folder = tmp_path_factory.mktemp("transformers")
    wanted = f"transformers=={request.param}"
    line = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), wanted]
    subprocess.run(line, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return request.param, Package("transformers", folder / "transformers")


def test_every_causal_language_model_is_read_without_a_crash(release: tuple[str, Package]) -> None:
    """With the defaults of its config class; the few whose file the release itself lacks are left out."""
    _, package = release
    names = auto.mapping(package, "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES")
    here = {kind: name for kind, name in names.items() if auto.find_class(package, name) is not None}
    facts = [facts_from_config({"model_type": kind}, class_name=name, package=package) for kind, name in here.items()]
    assert len(facts) > 120
    assert sum(known.knows("parameters") for known in facts) > 0.95 * len(facts)


def test_facts_are_those_of_the_models_of_that_release(release: tuple[str, Package]) -> None:
    """Parameter names, merged plans and flags, class by class."""
    version, package = release
    different = []
    for name, seen in SEEN[version].items():
        values = {"model_type": seen["model_type"], "architectures": [name]}
        facts = facts_from_config(values, package=package)
        parameters = "\n".join(sorted(n for n, _ in parameter_names(build_model(values, package=package).model)))
        digest = hashlib.sha256(parameters.encode()).hexdigest()[:16]
        if (digest, facts.tp_plan, facts.supports_sdpa) != (seen["parameters"], seen["tp_plan"], seen["sdpa"]):
            different.append(name)
    assert different == []
