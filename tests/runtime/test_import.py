"""What `import meshfit` and its names load."""

from __future__ import annotations

import json
import subprocess
import sys

import meshfit

HEAVY = {"torch", "transformers", "mypy", "rich", "typer", "yaml", "importlib.metadata", "accelerate", "numpy"}
BASELINE = 12
"""Modules beyond bare Python that the package itself may load: its own, and what `from __future__` needs."""


def loaded_by(code: str) -> set[str]:
    """Modules that running `code` adds to those of a bare interpreter."""
    script = (
        f"import sys, json; before = set(sys.modules); {code}; print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout))


def test_importing_the_package_loads_next_to_nothing() -> None:
    """The package itself defines only where its names live."""
    modules = loaded_by("import meshfit")
    assert not modules & HEAVY
    assert len(modules) <= BASELINE, sorted(modules)


def test_the_module_bound_can_fail() -> None:
    """The same measurement sees a heavy import and more modules than the bound."""
    modules = loaded_by("import importlib.metadata, yaml, email.parser")
    assert modules & HEAVY
    assert len(modules) > BASELINE


def test_naming_the_mixin_loads_no_framework() -> None:
    """A class statement with the mixin decides when torch is loaded, not the mixin."""
    modules = loaded_by(
        "from meshfit import CapabilityMixin, ModelSupports, SupportsTP, check, tp_plans, MeshSpec, Report"
    )
    assert not modules & HEAVY


def test_public_names_are_pinned() -> None:
    """A name is public because it is listed here."""
    assert meshfit.__all__ == [
        "CapabilityMixin",
        "Evidence",
        "HasPPPlan",
        "HasTPPlan",
        "MeshError",
        "MeshSpec",
        "MeshfitError",
        "ModelSupports",
        "PlanError",
        "Report",
        "SupportsCP",
        "SupportsEP",
        "SupportsGenerate",
        "SupportsGradientCheckpointing",
        "SupportsPP",
        "SupportsSequencePacking",
        "SupportsTP",
        "TargetError",
        "UndecidedError",
        "UnsupportedMeshError",
        "Violation",
        "check",
        "custom_models",
        "tp_plans",
        "validate_for_mesh",
        "verify",
    ]


def test_every_public_name_resolves() -> None:
    """`dir` lists the names before they are loaded, and each loads."""
    assert set(meshfit.__all__) <= set(dir(meshfit))
    assert all(getattr(meshfit, name) is not None for name in meshfit.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """Lazy names do not swallow typing mistakes."""
    assert not hasattr(meshfit, "validate_for_mesch")
