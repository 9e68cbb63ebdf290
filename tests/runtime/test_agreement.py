"""`model.supports_x`, `model.supports.x`, `isinstance(model, SupportsX)` and `check` are one definition."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings, strategies as st
from runtime_models import MoEFSDPSyncMixin
from torch import nn

import meshfit
from meshfit import CapabilityMixin, MeshSpec, check

pytestmark = pytest.mark.torch

AXES = ("tp", "pp", "cp", "ep")
PROTOCOLS = {
    "tp": meshfit.SupportsTP,
    "pp": meshfit.SupportsPP,
    "cp": meshfit.SupportsCP,
    "ep": meshfit.SupportsEP,
    "sequence_packing": meshfit.SupportsSequencePacking,
    "generate": meshfit.SupportsGenerate,
    "gradient_checkpointing": meshfit.SupportsGradientCheckpointing,
}


def disagreements(model: Any, wrapped: Any = None) -> list[str]:
    """Where the spellings differ; on a `PreTrainedModel` gradient checkpointing is transformers' own bool."""
    target = model if wrapped is None else wrapped
    found = []
    for name, protocol in PROTOCOLS.items():
        answers = {getattr(model.supports, name), getattr(model.supports, f"supports_{name}")}
        answers |= {isinstance(model, protocol), isinstance(target, protocol)}
        if name != "gradient_checkpointing":
            answers.add(getattr(model, f"supports_{name}"))
        if len(answers) != 1:
            found.append(f"{name}: {answers}")
    for axis in AXES:
        # An expert axis that re-tiles nothing is refused as a mesh; that says nothing of the model.
        sizes = {f"{axis}_size": 2}
        refused = any(violation.axis == axis for violation in check(target, MeshSpec(**sizes)).errors)
        if not getattr(model, f"supports_{axis}") and not refused:
            found.append(f"{axis}: check lets pass what the model says it cannot")
        larger = MeshSpec(**{f"{axis}_size": 6})
        if not getattr(model, f"supports_{axis}") and check(target, larger).ok:
            found.append(f"{axis}: only some sizes are refused")
    return found


def forward_plain(self: Any, x: Any) -> Any:
    """No sequence lengths."""


def forward_packed(self: Any, x: Any, seq_lens: Any = None) -> Any:
    """Sequence lengths."""


def forward_any(self: Any, x: Any, **kwargs: Any) -> Any:
    """Whatever is passed."""


plans = st.sampled_from([None, {}, {"layers.*.0": "colwise"}])
members = st.fixed_dictionaries(
    {"forward": st.sampled_from([forward_plain, forward_packed, forward_any])},
    optional={
        "_tp_plan": plans,
        "_supports_sdpa": st.sampled_from([True, False, 1, None]),
        "_owns_cp_attention": st.booleans(),
        "_supports_cp_sdpa": st.booleans(),
        "supports_gradient_checkpointing": st.sampled_from([True, False, 1]),
        "generate": st.sampled_from([None, lambda self: None]),
        "ModelCapabilities": st.dictionaries(
            st.sampled_from([f"supports_{name}" for name in PROTOCOLS]), st.booleans(), max_size=2
        ).map(lambda fields: type("ModelCapabilities", (), fields)),
    },
)
attributes = st.fixed_dictionaries(
    {},
    optional={
        "_pp_plan": st.sampled_from([None, {}, {"layers": (["x"], ["x"])}]),
        "_ep_plan": plans,
        "backend": st.sampled_from(["te", "sdpa", "flex", "magi", None]).map(lambda attn: SimpleNamespace(attn=attn)),
        "config": st.fixed_dictionaries(
            {},
            optional={
                "hybrid_override_pattern": st.sampled_from(["M-*", "**", 3]),
                "layers_block_type": st.sampled_from([["M"], ["attention"], None]),
                "is_hybrid_model": st.sampled_from([True, False, 1]),
                "layer_types": st.sampled_from([["full_attention"], ["mamba"], "odd"]),
                "num_attention_heads": st.sampled_from([4, "4", True]),
            },
        ).map(lambda values: SimpleNamespace(**values)),
    },
)


@settings(max_examples=150)
@given(body=members, state=attributes, moe=st.booleans())
def test_generated_models_agree(body: dict[str, Any], state: dict[str, Any], moe: bool) -> None:
    """Any class, any state, with and without a wrapper, before and after something was kept."""
    bases = (CapabilityMixin, *((MoEFSDPSyncMixin,) if moe else ()), nn.Module)
    model = type("Generated", bases, body)()
    for name, value in state.items():
        setattr(model, name, value)
    assert disagreements(model) == []
    assert disagreements(model, nn.DataParallel(model)) == []


def sweep_classes() -> list[type]:
    """Every class with a head that transformers' auto mappings name."""
    import transformers
    from transformers.models.auto import modeling_auto as auto

    names: set[str] = set()
    for mapping in dir(auto):
        if mapping.startswith("MODEL_FOR_") and mapping.endswith("_MAPPING_NAMES"):
            for entry in getattr(auto, mapping).values():
                names.update([entry] if isinstance(entry, str) else entry)
    return [getattr(transformers, name) for name in sorted(names) if hasattr(transformers, name)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_transformers_classes_agree() -> None:
    """At least 300 classes of transformers, built on the meta device with their default configs, wrapped ones too."""
    built, failures = 0, []
    for cls in sweep_classes():
        mine = type(f"My{cls.__name__}", (CapabilityMixin, cls), {"__module__": __name__})
        try:
            config = cls.config_class()
            with torch.device("meta"):
                model = mine(config)
        except Exception:  # noqa: BLE001, S112 - defaults that build no model say nothing about meshfit
            continue
        built += 1
        wrapped = nn.DataParallel(model) if built % 10 == 0 else None
        failures += [f"{cls.__name__} {text}" for text in disagreements(model, wrapped)]
        if built >= SWEPT:
            break
    assert failures == []
    assert built >= 300


SWEPT = 330
