"""What forward bodies do that sharded weights notice."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
from tests.readers.flow_models import build

from meshfit.readers.source.tensor import TENSOR_CONSEQUENCES, tensor_facts
from meshfit.report import Consequence

MODEL = """
class Model(PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.up = nn.Linear(64, 128)
        self.down = nn.Linear(128, 64)
{init}

    def forward(self, input_ids=None, **kwargs):
        x = input_ids
{body}
"""


def facts(folder: Path, body: str, init: str = "", before: str = "") -> Any:
    """The facts of a model with the given forward body, extra members and extra classes."""
    indent = "\n        "
    source = before + MODEL.replace("{init}", "        " + init.replace("\n", indent)).replace(
        "{body}", "        " + body.replace("\n", indent)
    )
    return tensor_facts(build(folder, source))


def test_a_plain_mlp_has_no_faults(tmp_path: Path) -> None:
    """Up, activation, down: nothing is shared, read or assumed."""
    found = facts(tmp_path, "return self.down(F.gelu(self.up(x)))")
    assert (found["inplace_outputs"], found["raw_weight_reads"], found["tensor_faults"]) == (
        frozenset(),
        frozenset(),
        (),
    )
    assert found["linear_inputs"] == (("up", frozenset()), ("down", frozenset({"up"})))


@pytest.mark.parametrize(
    "change",
    ["y.add_(x)", "y += x", "y[..., 0] = 0", "z = y.view(-1, 64)\nz.mul_(2)", "z = y.transpose(0, 1)\nz += 1"],
)
def test_writing_into_an_output_or_a_view_of_it_is_noticed(tmp_path: Path, change: str) -> None:
    """In-place methods, augmented and item assignment, through views too."""
    found = facts(tmp_path, f"y = self.down(self.up(x))\n{change}\nreturn y")
    assert found["inplace_outputs"] == {"down"}


def test_writing_into_a_copy_is_fine(tmp_path: Path) -> None:
    """A sum is a new tensor."""
    found = facts(tmp_path, "y = self.down(self.up(x)) + x\ny.add_(x)\nreturn y")
    assert found["inplace_outputs"] == frozenset()


def test_an_output_passed_on_by_its_parent_is_followed(tmp_path: Path) -> None:
    """The last module of an MLP gives the MLP's own output."""
    before = """
class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Linear(64, 64)

    def forward(self, x):
        return self.down(x)

"""
    found = facts(tmp_path, "y = self.mlp(x)\ny.add_(x)\nreturn y", "self.mlp = Mlp()", before)
    assert found["inplace_outputs"] == {"mlp", "mlp.down"}


def test_reading_the_weight_of_a_child_is_noticed(tmp_path: Path) -> None:
    """Outside its own forward a weight is read as it is."""
    found = facts(tmp_path, "return F.linear(x, self.up.weight)")
    assert found["raw_weight_reads"] == {"up"}


def test_asking_a_weight_for_its_dtype_is_no_read(tmp_path: Path) -> None:
    """Type and device are known without the data."""
    found = facts(tmp_path, "return self.up(x.to(self.up.weight.dtype))")
    assert found["raw_weight_reads"] == frozenset()


def test_a_norm_between_two_linears_is_fed_by_the_first(tmp_path: Path) -> None:
    """Its gradient would be partial after a column-wise cut."""
    found = facts(tmp_path, "return self.down(self.norm(self.up(x)))", "self.norm = Norm(128)")
    assert found["dataflow"]["norm"] == {"up"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("a, b = self.up(x).split([96, 32], dim=-1)\nreturn a", "assumes-whole-width"),
        ("return self.up(x).view(x.shape[0], x.shape[1], 8, 16)", "assumes-whole-width"),
        ("return self.up(x).view(-1, 128)", "assumes-whole-width"),
        ("return self.up(x)[..., :32]", "assumes-whole-width"),
        ("a, b = self.up(x).chunk(2, dim=-1)\nreturn a * b", "chunks-fused-output"),
        ("return self.up(x).softmax(-1)", "summarises-cut-output"),
        ("return torch.mean(self.up(x), dim=-1, keepdim=True)", "summarises-cut-output"),
    ],
)
def test_sizes_and_statistics_of_the_whole_output_are_faults(tmp_path: Path, body: str, kind: str) -> None:
    """Each takes for granted that the output is complete."""
    assert facts(tmp_path, body)["tensor_faults"] == ((kind, "up"),)


@pytest.mark.parametrize(
    "body",
    [
        "return self.up(x).view(x.shape[0], x.shape[1], -1, 16)",
        "return self.up(x).view(*x.shape[:-1], -1, 16).softmax(-1)",
        "y = self.up(x)\nreturn y.view(y.shape)",
        "a, b = self.up(x).view(*x.shape[:-1], -1, 16).chunk(2, dim=-1)\nreturn a",
    ],
)
def test_sizes_that_adapt_are_fine(tmp_path: Path, body: str) -> None:
    """Head counts left open, and operations within a head, survive the cut."""
    assert facts(tmp_path, body)["tensor_faults"] == ()


def test_a_parameter_for_each_head_meets_the_cut_heads(tmp_path: Path) -> None:
    """Eight scales against the heads of one rank."""
    body = "y = self.up(x).view(*x.shape[:-1], -1, 16)\nreturn y * torch.tanh(self.alpha).view(1, 1, -1, 1)"
    found = facts(tmp_path, body, "self.alpha = nn.Parameter(torch.ones(8))")
    assert found["tensor_faults"] == (("whole-parameter-meets-cut-output", "up with alpha"),)


def test_a_parameter_within_a_head_is_fine(tmp_path: Path) -> None:
    """Sixteen scales for sixteen entries of every head."""
    body = "y = self.up(x).view(*x.shape[:-1], -1, 16)\nreturn y * self.alpha"
    found = facts(tmp_path, body, "self.alpha = nn.Parameter(torch.ones(16))")
    assert found["tensor_faults"] == ()


def test_an_embedding_that_assigns_its_output_is_noticed(tmp_path: Path) -> None:
    """The output is a DTensor while the table is sharded."""
    before = """
class Embed(nn.Embedding):
    def __init__(self):
        super().__init__(128, 64)
        self.extra = nn.Parameter(torch.ones(64))

    def forward(self, ids):
        out = super().forward(ids) * 2.0
        out[ids == 3] = self.extra
        return out

"""
    found = facts(tmp_path, "return self.embed(x)", "self.embed = Embed()", before)
    assert found["tensor_faults"] == (("embedding-assigns-output", "embed"),)


@pytest.mark.parametrize(
    ("returned", "faults"),
    [
        ("self.norm(super().forward(ids))", (("embedding-transforms-output", "embed"),)),
        ("super().forward(ids) * 8.0", ()),
        ("self.drop(super().forward(ids))", ()),
    ],
)
def test_an_embedding_that_transforms_its_lookup_is_noticed(tmp_path: Path, returned: str, faults: object) -> None:
    """A partial lookup can be scaled, but not normalised."""
    before = f"""
class Embed(nn.Embedding):
    def __init__(self):
        super().__init__(128, 64)
        self.norm = Norm(64)
        self.drop = nn.Dropout(0.1)

    def forward(self, ids):
        return {returned}

"""
    assert facts(tmp_path, "return self.embed(x)", "self.embed = Embed()", before)["tensor_faults"] == faults


def test_fused_expert_weights_are_named_by_their_parameter(tmp_path: Path) -> None:
    """A bare parameter used by `linear` and chunked is a fused projection."""
    body = "g, u = F.linear(x, self.gate_up[0]).chunk(2, dim=-1)\nreturn g * u"
    found = facts(tmp_path, body, "self.gate_up = nn.Parameter(torch.ones(4, 64, 32))")
    assert found["tensor_faults"] == (("chunks-fused-output", "gate_up"),)


def test_branches_that_the_config_rules_out_are_not_walked(tmp_path: Path) -> None:
    """Only what runs can break."""
    found = facts(tmp_path, "y = self.down(x)\nif self.twice:\n    y.add_(x)\nreturn y", "self.twice = False")
    assert found["inplace_outputs"] == frozenset()


def test_layers_of_one_name_keep_their_inputs_apart(tmp_path: Path) -> None:
    """One kind of layer feeds its last linear from a projection, the other does not."""
    before = """
class Layer(nn.Module):
    def __init__(self, wide):
        super().__init__()
        self.wide = wide
        self.q = nn.Linear(64, 64)
        self.o = nn.Linear(64, 64)

    def forward(self, x):
        return self.o(self.q(x) if self.wide else x)

"""
    body = "for layer in self.layers:\n    x = layer(x)\nreturn x"
    found = facts(tmp_path, body, "self.layers = nn.ModuleList([Layer(i == 0) for i in range(4)])", before)
    inputs = {sources for module, sources in found["linear_inputs"] if module == "layers.*.o"}
    assert frozenset({"layers.*.q"}) in inputs
    assert any("layers.*.q" not in sources for sources in inputs)


def test_a_walk_keeps_no_model_alive(tmp_path: Path) -> None:
    """The last walk is remembered without holding on to what was walked."""
    model = build(tmp_path, MODEL.replace("{init}", "").replace("{body}", "        return self.up(x)"))
    assert tensor_facts(model)["tensor_faults"] == ()
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None


def test_a_model_without_source_has_no_facts() -> None:
    """Nothing is claimed of a forward that cannot be read."""

    class Sealed:
        kind = "Sealed"
        cls = None
        attributes: dict[str, object] = {}  # noqa: RUF012

        def evaluate(self, expression: object, local: object) -> object:
            raise AssertionError

    assert tensor_facts(Sealed()) == {}


@pytest.mark.parametrize("word", sorted(TENSOR_CONSEQUENCES.values()))
def test_consequences_are_words_of_reports(word: str) -> None:
    """The table speaks the language of `Consequence`."""
    assert Consequence(word).value == word
