"""What a forward body does to a pipeline: one sound body, and one change at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meshfit.readers.source.evaluator import Evaluator
from meshfit.readers.source.forward import body_facts
from meshfit.readers.source.index import ClassSource, Package
from meshfit.readers.source.pipeline import __doc__ as page, pipeline_faults
from meshfit.readers.source.values import UNKNOWN, Node

SOUND = """
import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput


class Config(PreTrainedConfig):
    def __init__(
        self, hidden_size=8, embedding_size=8, num_hidden_layers=4, vocab_size=16, scale=1.0, extra=False, **kwargs
    ):
        super().__init__(**kwargs)
        self.hidden_size = hidden_size
        self.embedding_size = embedding_size
        self.num_hidden_layers = num_hidden_layers
        self.vocab_size = vocab_size
        self.scale = scale
        self.extra = extra


class Output(ModelOutput):
    last_hidden_state: torch.Tensor | None = None
    past_key_values: object | None = None


class NoCacheOutput(ModelOutput):
    last_hidden_state: torch.Tensor | None = None


class HeadOutput(ModelOutput):
    logits: torch.Tensor | None = None
    past_key_values: object | None = None


class Rotary(nn.Module):
    def forward(self, hidden, position_ids):
        angles = position_ids.float().to(hidden.device)
        return angles.cos().to(dtype=hidden.dtype), angles.sin().to(dtype=hidden.dtype)


class Layer(nn.Module):
    def __init__(self, config, index):
        super().__init__()
        self.kind = "full"
        self.proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.reads = index > 0

    def forward(self, hidden, mask=None, position_embeddings=None, store=None, **kwargs):
        if store is not None:
            store["kv"] = hidden if not self.reads else store["kv"]
        return hidden + self.proj(hidden)


class TupleLayer(Layer):
    def forward(self, hidden, mask=None, position_embeddings=None, previous=None, **kwargs):
        return hidden + self.proj(hidden), hidden.mean()


class Base(PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.embedding_size)
        self.positions = nn.Embedding(64, config.hidden_size)
        self.layers = nn.ModuleList([Layer(config, i) for i in range(config.num_hidden_layers)])
        self.norm = nn.LayerNorm(config.hidden_size)
        self.first_norm = nn.LayerNorm(config.hidden_size)
        self.project = nn.Linear(config.hidden_size, config.hidden_size)
        self.drop = nn.Dropout(0.1)
        self.rotary = Rotary()
        self.scale = config.scale
        self.post_init()

    def prepare(self, hidden):
        return hidden * self.scale

    def forward(
        self, input_ids=None, attention_mask=None, position_ids=None, inputs_embeds=None, past_key_values=None, **kwargs
    ):
        if (input_ids is None) ^ (inputs_embeds is not None):
            raise ValueError("exactly one")
        if inputs_embeds is None:
            inputs_embeds = self.embed_tokens(input_ids)
        if position_ids is None:
            position_ids = torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device).unsqueeze(0)
        hidden = inputs_embeds
        # before
        position_embeddings = self.rotary(hidden, position_ids)
        store = {}
        side = None
        for index, layer in enumerate(self.layers):
            hidden = layer(hidden, mask=attention_mask, position_embeddings=position_embeddings)
            # between
        hidden = self.norm(hidden)
        # after
        return Output(last_hidden_state=hidden, past_key_values=past_key_values)


class Model(PreTrainedModel):
    base_model_prefix = "model"

    def __init__(self, config):
        super().__init__(config)
        self.model = Base(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size)
        self.post_init()

    def forward(
        self, input_ids=None, attention_mask=None, position_ids=None, inputs_embeds=None, past_key_values=None,
        labels=None, **kwargs
    ):
        outputs = self.model(
            input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids,
            inputs_embeds=inputs_embeds, past_key_values=past_key_values, **kwargs)
        logits = self.lm_head(outputs.last_hidden_state)
        return HeadOutput(logits=logits, past_key_values=outputs.past_key_values)
"""

CALL = "hidden = layer(hidden, mask=attention_mask, position_embeddings=position_embeddings)"
GUARD = """\
        if (input_ids is None) ^ (inputs_embeds is not None):
            raise ValueError("exactly one")
"""
PLAIN_LAYER = "Layer(config, i) for"

Build = Callable[..., Node]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Build the toy model after replacing parts of its source."""
    count = 0

    def make(*changes: tuple[str, str], **config: Any) -> Node:
        nonlocal count
        source = SOUND
        for old, new in changes:
            assert old in source
            source = source.replace(old, new)
        count += 1
        root = tmp_path / f"toy{count}"
        root.mkdir()
        (root / "__init__.py").write_text("")
        (root / "modeling_toy.py").write_text(source)
        module = Package(root.name, root).module(f"{root.name}.modeling_toy")
        assert module is not None
        cls, config_cls = module.lookup("Model"), module.lookup("Config")
        assert isinstance(cls, ClassSource)
        assert isinstance(config_cls, ClassSource)
        evaluator = Evaluator()
        return evaluator.model(cls, evaluator.config(config_cls, config))

    return make


def kinds(model: Node) -> set[str]:
    """The kinds of fault found, a decided verdict taken for granted."""
    faults = pipeline_faults(model, model.attributes["model"])
    assert faults is not UNKNOWN
    return {kind for kind, _ in faults}


def before(line: str) -> tuple[str, str]:
    """The change that puts a line before the layers."""
    return ("# before", line)


HEAD_CALL = "        outputs = self.model(\n            input_ids=input_ids"
EMBEDDED = """\
        if inputs_embeds is None:
            inputs_embeds = self.model.embed_tokens(input_ids)
        outputs = self.model(
            input_ids=None"""

HARMLESS = {
    "nothing": (),
    "dropout": (before("hidden = self.drop(hidden)"),),
    "functional dropout": (before("hidden = nn.functional.dropout(hidden, p=0.5, training=self.training)"),),
    "a scale of one": (before("hidden = hidden * self.scale"),),
    "a scale of one in a helper": (before("hidden = self.prepare(hidden)"),),
    "a cast": (before("hidden = hidden.to(torch.float32).contiguous()"),),
    "a branch the config closes": (before("hidden = self.first_norm(hidden) if self.config.extra else hidden"),),
    "training only": (before("if self.training:\n            hidden = hidden * 2"),),
    "a norm of the embedding itself": (
        (
            "inputs_embeds = self.embed_tokens(input_ids)",
            "inputs_embeds = self.first_norm(self.embed_tokens(input_ids))",
        ),
    ),
    "a mask of the right shape": (before("attention_mask = torch.ones_like(hidden)[..., 0]"),),
    "a guarded tuple": (
        (CALL, CALL + "\n            if isinstance(hidden, tuple):\n                hidden = hidden[0]"),
    ),
    "an attribute with a default": (before("kind = [getattr(layer, 'kind', None) for layer in self.layers]"),),
    "a slice of all layers": (("enumerate(self.layers)", "enumerate(self.layers[: self.config.num_hidden_layers])"),),
    "layers by index": (
        ("for index, layer in enumerate(self.layers)", "for index in range(len(self.layers))"),
        (CALL, CALL.replace("layer(", "self.layers[index](")),
    ),
    "layers zipped with their kinds": (
        ("enumerate(self.layers)", "zip(range(self.config.num_hidden_layers), self.layers)"),
    ),
    "collected hidden states": (("# between", "side = (side or ()) + (hidden,)"),),
    "a mask mapping": (
        before('masks = {"full": attention_mask}'),
        ("mask=attention_mask, position_embeddings", 'mask=masks["full"], position_embeddings'),
    ),
    "a hidden state passed by name": ((CALL, CALL.replace("layer(hidden,", "layer(hidden=hidden,")),),
    "embeddings looked up in the head": ((HEAD_CALL, EMBEDDED),),
    "logits scaled in the head": (("self.lm_head(outputs", "3.0 * self.lm_head(outputs"),),
}


@pytest.mark.parametrize("changes", HARMLESS.values(), ids=HARMLESS)
def test_a_body_that_means_the_same_in_every_stage_has_no_fault(
    build: Build, changes: tuple[tuple[str, str], ...]
) -> None:
    """What a stage may repeat or lack without a difference is no fault."""
    assert kinds(build(*changes)) == set()


HARMFUL = {
    "rescales-embeddings": (before("hidden = hidden * self.config.hidden_size**0.5"),),
    "normalises-embeddings": (before("hidden = self.first_norm(hidden)"),),
    "adds-to-embeddings": (before("hidden = hidden + self.positions(position_ids)"),),
    "projects-embeddings": (before("hidden = self.project(hidden)"),),
    "slices-embeddings": (before("hidden = hidden[:, 1:]"),),
    "overwrites-embeddings": (before("hidden[:, 0] = 0.0"),),
    "transforms-embeddings": (before("hidden = torch.tanh(hidden)"),),
    "rescales-hidden-between-layers": (("# between", "hidden = hidden * 0.5"),),
    "adds-to-hidden-between-layers": (("# between", "hidden = hidden + self.positions(position_ids)"),),
    "rescales-hidden-after-layers": (("# after", "hidden = hidden / 4"),),
    "normalises-hidden-after-layers": (("# after", "hidden = self.first_norm(hidden)"),),
    "unpacks-layer-output": (
        (PLAIN_LAYER, "TupleLayer(config, i) for"),
        (CALL, CALL.replace("hidden =", "hidden, _ =")),
    ),
    "indexes-layer-output": ((PLAIN_LAYER, "TupleLayer(config, i) for"), (CALL, CALL + "[0]")),
    "reads-layer-attribute": ((CALL, CALL.replace("mask=", "kind=layer.kind, mask=")),),
    "reads-embedding-attribute": (
        ("self.lm_head(outputs.last_hidden_state)", "self.model.embed_tokens.weight @ outputs"),
    ),
    "reads-norm-attribute": (("# after", "hidden = hidden.to(self.norm.weight.dtype)"),),
    "layer-input-not-first": ((CALL, "hidden = layer(attention_mask, hidden)"),),
    "repeats-layers": (
        ("for index, layer in enumerate(self.layers)", "for index, layer in enumerate([*self.layers, *self.layers])"),
    ),
    "layers-read-embeddings": ((CALL, CALL.replace("mask=", "original=inputs_embeds, mask=")),),
    "shares-state-across-layers": ((CALL, CALL.replace("mask=", "store=store, mask=")),),
    "needs-input-ids": (before("attention_mask = self.positions(input_ids)"),),
    "returns-no-cache": (
        ("return Output(last_hidden_state=hidden, past_key_values=past_key_values)", "return NoCacheOutput(hidden)"),
    ),
    "returns-no-hidden-state": (
        ("return Output(last_hidden_state=hidden, past_key_values=past_key_values)", "return HeadOutput(hidden)"),
    ),
    "returns-no-logits": (
        ("return HeadOutput(logits=logits, past_key_values=outputs.past_key_values)", "return (logits, outputs)"),
    ),
    "embeds-outside-base": ((HEAD_CALL, EMBEDDED.replace("(input_ids)", "(input_ids) * 2")),),
    "refuses-inputs-embeds": (
        ("position_ids=None, inputs_embeds=None", "position_ids=None"),
        ("inputs_embeds=inputs_embeds, past", "past"),
        (GUARD, ""),
        ("        if inputs_embeds is None:\n            inputs_embeds", "        inputs_embeds"),
        ("past_key_values=None, **kwargs", "past_key_values=None"),
        ("labels=None, **kwargs", "labels=None"),
        (", **kwargs)\n        logits", ")\n        logits"),
    ),
    "refuses-argument": (("past_key_values=None, **kwargs", "past_key_values=None"),),
}


@pytest.mark.parametrize(("kind", "changes"), HARMFUL.items(), ids=HARMFUL)
def test_one_change_is_found_by_its_cause(build: Build, kind: str, changes: tuple[tuple[str, str], ...]) -> None:
    """Each cause is named, and only a change of signature may have a second one."""
    found = kinds(build(*changes))
    assert kind in found
    assert kind.startswith(
        ("refuses", "returns", "layer-input", "unpacks", "indexes", "needs", "reads-emb")
    ) or found == {kind}


@pytest.mark.parametrize("kind", HARMFUL)
def test_every_kind_is_on_the_page(kind: str) -> None:
    """The table of the module names each kind, or its first word for the phases."""
    first = kind.removesuffix("-hidden-between-layers").removesuffix("-hidden-after-layers")
    assert page is not None
    assert f"``{kind}``" in page or f"``{first}-embeddings``" in page


def test_a_fault_points_at_its_line(build: Build) -> None:
    """The place is the file and line of the operation."""
    model = build(before("hidden = self.first_norm(hidden)"))
    source = SOUND.replace("# before", "hidden = self.first_norm(hidden)").splitlines()
    line = next(i for i, text in enumerate(source, 1) if "hidden = self.first_norm(hidden)" in text)
    assert pipeline_faults(model, model.attributes["model"]) == (("normalises-embeddings", f"modeling_toy.py:{line}"),)


def test_a_scale_is_a_fault_only_where_the_config_sets_one(build: Build) -> None:
    """The same body, two configs."""
    change = before("hidden = self.prepare(hidden)")
    assert kinds(build(change, scale=1.0)) == set()
    assert kinds(build(change, scale=12.0)) == {"rescales-embeddings"}


def test_a_change_nobody_can_decide_leaves_the_verdict_open(build: Build) -> None:
    """A branch on a value of the call is neither taken nor left."""
    model = build(before("if attention_mask.all():\n            hidden = hidden * 2"))
    assert pipeline_faults(model, model.attributes["model"]) is UNKNOWN
    assert "pipeline_faults" not in body_facts(model)


def test_a_base_without_layers_is_not_judged(build: Build) -> None:
    """Structure is another rule's matter."""
    model = build()
    del model.attributes["model"].attributes["layers"]
    assert pipeline_faults(model, model.attributes["model"]) is UNKNOWN


def test_an_embedding_of_another_width_cannot_be_received(build: Build) -> None:
    """The receive buffer is hidden_size wide."""
    assert kinds(build(hidden_size=8, embedding_size=4)) == {"other-hidden-width"}


def test_a_config_without_hidden_size_has_no_buffer(build: Build) -> None:
    """Transformers reads `config.hidden_size` in every later stage."""
    changes = (("self.hidden_size =", "self.width ="), ("config.hidden_size", "config.width"))
    assert kinds(build(*changes)) == {"no-hidden-size"}


def test_state_that_only_its_own_layer_reads_is_not_shared(build: Build) -> None:
    """A store that no layer reads from another crosses no stage."""
    changes = (
        (CALL, CALL.replace("mask=", "store=store, mask=")),
        ('store["kv"] = hidden if not self.reads else store["kv"]', 'store["kv"] = hidden'),
    )
    assert kinds(build(*changes)) == set()


def test_a_slice_that_a_helper_may_leave_out_leaves_the_verdict_open(build: Build) -> None:
    """One return of the helper is the hidden state, the other a part of it."""
    helper = "        if position_ids.any():\n            return hidden, 1\n        return hidden[:, 1:], 2\n"
    change = ("        return hidden * self.scale\n", helper)
    model = build(
        change,
        before("hidden, _ = self.prepare(hidden)"),
        ("def prepare(self, hidden)", "def prepare(self, hidden, position_ids=torch.ones(1))"),
    )
    assert pipeline_faults(model, model.attributes["model"]) is UNKNOWN


def test_a_store_of_another_package_is_a_store(build: Build) -> None:
    """Any kind of dict that layers write to and read from is shared."""
    changes = (("store = {}", "store = SharingDict()"), (CALL, CALL.replace("mask=", "store=store, mask=")))
    model = build(*changes, ("from torch import nn", "from torch import nn\nfrom stores import SharingDict"))
    assert kinds(model) == {"shares-state-across-layers"}


def test_an_output_of_unknown_kind_leaves_the_verdict_open(build: Build) -> None:
    """Nobody knows what another package's function returns."""
    model = build(("# after", "return torch.compile(hidden)"))
    assert pipeline_faults(model, model.attributes["model"]) is UNKNOWN


def test_a_layer_called_over_an_unknown_list_leaves_the_verdict_open(build: Build) -> None:
    """Layers that the walk never meets prove nothing."""
    model = build(("enumerate(self.layers)", "enumerate(self.absent)"))
    assert pipeline_faults(model, model.attributes["model"]) is UNKNOWN


def test_the_facts_of_a_body_hold_the_faults(build: Build) -> None:
    """`body_facts` finds the base model by its prefix."""
    assert body_facts(build())["pipeline_faults"] == ()


MASKED = (CALL, CALL.replace("mask=attention_mask", "mask=make_mask(inputs_embeds)"))


def test_a_function_that_no_source_shows_leaves_the_verdict_open(build: Build) -> None:
    """What it makes of the embeddings may be their length alone."""
    model = build(MASKED)
    assert pipeline_faults(model, model.attributes["model"]) is UNKNOWN
