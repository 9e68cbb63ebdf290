"""Models of a user's own design for transformers, with a config of their own: plans come to them in many ways."""

# ruff: noqa: RUF012 - plans are dicts on classes

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AutoModel, LlamaConfig, LlamaModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaPreTrainedModel

from meshfit import CapabilityMixin

KINDS = {"llama": LlamaModel}


class DesignConfig(PreTrainedConfig):
    """Without a plan."""

    model_type = "design"
    sub_configs = {"text_config": LlamaConfig}
    hidden_size: int = 8
    num_hidden_layers: int = 2
    is_wide: bool = False
    mixes: bool = True
    text_config: Any = None

    def __post_init__(self, **kwargs: Any) -> None:
        if not isinstance(self.text_config, LlamaConfig):
            self.text_config = LlamaConfig(**(self.text_config or {}))
        super().__post_init__(**kwargs)


class PlannedConfig(PreTrainedConfig):
    """With one."""

    model_type = "planned_design"
    base_model_tp_plan = {"up": "colwise", "down": "rowwise"}
    hidden_size: int = 8
    num_hidden_layers: int = 2


class Design(CapabilityMixin, PreTrainedModel):
    """What the models share."""

    config: DesignConfig
    config_class = DesignConfig
    base_model_prefix = "model"
    _supports_sdpa = True

    def forward(self, input_ids: Any = None, **kwargs: Any) -> Any:
        return self.model(input_ids, **kwargs)


class Plain(Design):
    """No part has a plan."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.up = nn.Linear(config.hidden_size, config.hidden_size)
        self.post_init()

    def forward(self, input_ids: Any = None, **kwargs: Any) -> Any:
        return self.up(input_ids)


class MixingLayer(nn.Module):
    """Neighbouring tokens meet, where the config says so."""

    def __init__(self, config: Any, by_choice: bool) -> None:
        super().__init__()
        self.conv = nn.Conv1d(config.hidden_size, config.hidden_size, 3, padding=2)
        self.mixes = config.mixes if by_choice else True

    def forward(self, hidden_states: Any, **kwargs: Any) -> Any:
        heads = hidden_states.unsqueeze(1)
        hidden_states = scaled_dot_product_attention(heads, heads, heads, is_causal=True).squeeze(1)
        if not self.mixes:
            return hidden_states
        return self.conv(hidden_states.transpose(1, 2))[..., : hidden_states.shape[1]].transpose(1, 2)


class Mixing(Design):
    """Of layers that mix tokens."""

    by_choice = False

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.embed_tokens = nn.Embedding(16, config.hidden_size)
        self.layers = nn.ModuleList([MixingLayer(config, self.by_choice) for _ in range(config.num_hidden_layers)])
        self.post_init()

    def forward(self, input_ids: Any = None, inputs_embeds: Any = None, **kwargs: Any) -> Any:
        hidden_states = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        for layer in self.layers:
            hidden_states = layer(hidden_states, **kwargs)
        return BaseModelOutputWithPast(last_hidden_state=hidden_states)


class MixingByChoice(Mixing):
    """With another config they do not."""

    by_choice = True


class MixingHead(Design):
    """A head over them."""

    body = Mixing

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = self.body(config)
        self.lm_head = nn.Linear(config.hidden_size, 16)
        self.post_init()

    def forward(self, input_ids: Any = None, inputs_embeds: Any = None, **kwargs: Any) -> Any:
        outputs = self.model(input_ids=input_ids, inputs_embeds=inputs_embeds, **kwargs)
        return CausalLMOutputWithPast(logits=self.lm_head(outputs.last_hidden_state))


class MixingHeadByChoice(MixingHead):
    """Over those that need not."""

    body = MixingByChoice


class OfClass(Plain):
    """The class has a plan."""

    _tp_plan = {"up": "colwise"}


class OfCall(Plain):
    """A plan that no literal is."""

    _tp_plan = dict(up="colwise")  # noqa: C408 - the point


class OfConfig(Plain):
    """The config has one."""

    config_class = PlannedConfig
    config: PlannedConfig


class SetAtEnd(Plain):
    """Set when the model is built."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._tp_plan = {"up": "colwise"}


class SetLater(Plain):
    """Set by a method."""

    def shard(self) -> None:
        self._tp_plan = {"up": "colwise"}


class SetByName(Plain):
    """Set by a name that is computed."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        setattr(self, "_tp" + "_plan", {"up": "colwise"})


class SetOutside(Plain):
    """Set after the class."""


SetOutside._tp_plan = {"up": "colwise"}


class AddedAtEnd(Plain):
    """Its own `post_init` adds to it."""

    def post_init(self) -> None:
        super().post_init()
        self._tp_plan.update({"up": "colwise"})


def with_plan(cls: Any) -> Any:
    """A decorator that gives a plan."""
    cls._tp_plan = {"up": "colwise"}
    return cls


@with_plan
class OfDecorator(Plain):
    """A decorator that nobody knows gives it."""


class ForwardReplaced(MixingHead):
    """Its forward is another one."""


def plain_forward(self: Any, input_ids: Any = None, inputs_embeds: Any = None, **kwargs: Any) -> Any:
    """Leaves the layers out."""
    hidden_states = self.model.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
    return CausalLMOutputWithPast(logits=self.lm_head(hidden_states))


ForwardReplaced.forward = plain_forward


def replaced(method: Any) -> Any:
    """A decorator that puts another forward in the place of one."""
    return plain_forward


class ForwardDecorated(MixingHead):
    """Its forward is another one too."""

    @replaced
    def forward(self, input_ids: Any = None, inputs_embeds: Any = None, **kwargs: Any) -> Any:
        return super().forward(input_ids, inputs_embeds, **kwargs)


class LayerReplaced(MixingLayer):
    """As its base, until its forward is replaced."""

    def forward(self, hidden_states: Any, **kwargs: Any) -> Any:
        return super().forward(hidden_states, **kwargs)


def attend(self: Any, hidden_states: Any, **kwargs: Any) -> Any:
    """Mixes nothing else."""
    heads = hidden_states.unsqueeze(1)
    return scaled_dot_product_attention(heads, heads, heads, is_causal=True).squeeze(1)


LayerReplaced.forward = attend


class PartReplaced(Mixing):
    """The forward of its layers is another one."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.layers = nn.ModuleList([LayerReplaced(config, False) for _ in range(config.num_hidden_layers)])


class PartReplacedHead(MixingHead):
    """A head over them."""

    body = PartReplaced


class OfChild(Design):
    """A part of transformers has one."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = LlamaModel(config.text_config)
        self.post_init()


class OfAuto(Design):
    """A part that the config chooses."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = AutoModel.from_config(config.text_config)
        self.post_init()


class OfSwitch(Design):
    """A part that is there with another config."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = LlamaModel(config.text_config) if config.is_wide else nn.Linear(8, 8)
        self.post_init()


class OfHelper(Design):
    """A part that a method makes, found by its name."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = getattr(self, "make_" + "part")(config)
        self.post_init()

    def make_part(self, config: Any) -> Any:
        """The part."""
        return LlamaModel(config.text_config)


class OfTable(Design):
    """A part whose class a table holds."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = KINDS["llama"](config.text_config)
        self.post_init()


class OfArgument(Design):
    """A part that may be given."""

    def __init__(self, config: Any, part: Any = None) -> None:
        super().__init__(config)
        self.model = part or LlamaModel(config.text_config)
        self.post_init()


class OfAdded(Design):
    """A part that is added by name."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.add_module("model", LlamaModel(config.text_config))
        self.post_init()


class OfOwnChild(Design):
    """A part of one's own has one."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = OfClass(config)
        self.post_init()


class OfList(Design):
    """Parts in a list."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.parts = nn.ModuleList([OfClass(config) for _ in range(2)])
        self.post_init()


class OnShippedBase(CapabilityMixin, LlamaPreTrainedModel):
    """A model of one's own over a base of transformers."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([LlamaDecoderLayer(config, i) for i in range(config.num_hidden_layers)])
        self.post_init()

    def forward(self, input_ids: Any = None, **kwargs: Any) -> Any:
        hidden = self.embed_tokens(input_ids)
        for layer in self.layers:
            hidden = layer(hidden, **kwargs)
        return hidden
