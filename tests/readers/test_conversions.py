"""Checkpoint conversions, read from a mapping of the form transformers keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.readers.flow_models import build

from meshfit.readers.source.conversions import conversions_of, model_conversions
from meshfit.readers.source.index import Package, find_package
from meshfit.structure import Conversion

MAPPING = """
_MODEL_TO_CONVERSION_PATTERN = {
    "cousin": "fused",
}


def _build_checkpoint_conversion_mapping():
    mapping = {
        "fused": [
            WeightRenaming("a", "b"),
            WeightConverter(
                source_patterns="attn.qkv.weight",
                target_patterns=["self_attn.q.weight", r"^self_attn\\.k\\.weight"],
                operations=[Chunk(dim=0)],
            ),
        ],
        "experts": [
            WeightConverter(
                source_patterns=["experts.*.w1", "experts.*.w3"],
                target_patterns="experts.gate_up_proj",
                operations=[MergeModulelist(dim=0), Concatenate(1)],
            ),
        ],
    }
    mapping["experts"] += [
        WeightConverter("conv", r"\\.conv1d\\.weight", [Concatenate()]),
    ]
    mapping["both"] = mapping["fused"].copy()
    mapping["both"] += mapping["experts"].copy()
    mapping["renamed"] = [WeightRenaming("x", "y")]

    return mapping
"""

FUSED = Conversion(("self_attn.q.weight", "self_attn.k.weight"), (("Chunk", 0),))
EXPERTS = Conversion(("experts.gate_up_proj",), (("MergeModulelist", 0), ("Concatenate", 1)))
CONVOLUTION = Conversion((".conv1d.weight",), (("Concatenate", 0),))


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """A package with a mapping of its own."""
    folder = tmp_path / "transformers"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "conversion_mapping.py").write_text(MAPPING, encoding="utf-8")
    found = find_package("transformers", tmp_path)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("fused", (FUSED,)),
        ("cousin", (FUSED,)),
        ("experts", (EXPERTS, CONVOLUTION)),
        ("both", (FUSED, EXPERTS, CONVOLUTION)),
        ("renamed", ()),
        ("absent", None),
    ],
)
def test_entries_are_resolved_through_copies_and_additions(
    package: Package, key: str, expected: tuple[Conversion, ...] | None
) -> None:
    """Literal entries, `+=`, copies and the table of cousins; renamings move no numbers."""
    assert conversions_of(package, key) == expected


def test_a_package_without_a_mapping_has_no_conversions(tmp_path: Path) -> None:
    """Older releases of transformers keep none."""
    (tmp_path / "transformers").mkdir()
    (tmp_path / "transformers" / "__init__.py").touch()
    found = find_package("transformers", tmp_path)
    assert found is not None
    assert conversions_of(found, "fused") is None


def test_conversions_of_a_nested_model_are_bound_to_its_name(tmp_path: Path) -> None:
    """A pretrained model inside another converts its own parameters only."""
    model = build(
        tmp_path,
        """
        class Tower(PreTrainedModel):
            def __init__(self, config):
                super().__init__(config)
                self.config = config

            def forward(self, x):
                return x


        class Model(PreTrainedModel):
            def __init__(self, config):
                super().__init__(config)
                self.config = config
                self.tower = Tower(config)

            def forward(self, input_ids=None):
                return self.tower(input_ids)
        """,
    )
    mapping = MAPPING.replace('"fused": [', '"Tower": [')
    (tmp_path / "transformers" / "conversion_mapping.py").write_text(mapping, encoding="utf-8")
    (found,) = model_conversions(model)
    assert found.targets == ("tower.*self_attn.q.weight", "tower.*self_attn.k.weight")
