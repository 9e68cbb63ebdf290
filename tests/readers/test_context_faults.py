"""What breaks in a forward when ranks hold parts of the sequence."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.readers.flow_models import ATTENTION, build, decoder

from meshfit.readers.source.context import CONTEXT_CONSEQUENCES, context_faults
from meshfit.readers.source.values import UNKNOWN, Node
from meshfit.report import Consequence


def faults(model: Node) -> object:
    """The context faults of a model that is its own base."""
    return context_faults(model, model)


def test_a_plain_causal_decoder_is_sound(tmp_path: Path) -> None:
    """Causal attention in `self_attn`, positions from the caller: nothing to report."""
    assert faults(decoder(tmp_path)) == ()


def test_a_mask_stays_where_the_attention_has_another_name(tmp_path: Path) -> None:
    """The hook takes the mask away from `*self_attn` only."""
    assert faults(decoder(tmp_path, name="attn")) == (("mask-reaches-attention", "layers.*.attn"),)


def test_without_position_ids_there_is_no_mask_to_take_away(tmp_path: Path) -> None:
    """A mask builder that sees no positions finds no packed documents, so any name will do."""
    assert faults(decoder(tmp_path, name="attn", mask="create_causal_mask(self.config, x, None)")) == ()


def test_positional_masks_escape_the_hook(tmp_path: Path) -> None:
    """The hook looks at keyword arguments; a mask passed by position reaches the attention."""
    positional = """
    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.self_attn = Attention()

        def forward(self, x, mask):
            return self.self_attn(x, mask)


    class Model(PreTrainedModel):
        def __init__(self, config):
            super().__init__(config)
            self.config = config
            self.embed_tokens = nn.Embedding(128, 64)
            self.layer = Layer()

        def forward(self, input_ids=None, position_ids=None, **kwargs):
            x = self.embed_tokens(input_ids)
            return self.layer(x, create_causal_mask(self.config, x, None, position_ids=position_ids))
    """
    model = build(tmp_path, ATTENTION + positional.replace("\n    ", "\n"))
    assert faults(model) == (("mask-reaches-attention", "layer.self_attn"),)


def test_positions_counted_from_the_local_length_are_reported(tmp_path: Path) -> None:
    """A table of learned positions read at `arange(local length)` repeats on every rank."""
    model = build(
        tmp_path,
        ATTENTION
        + """
class Model(PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(128, 64)
        self.embed_positions = nn.Embedding(256, 64)
        self.self_attn = Attention()

    def forward(self, input_ids=None, **kwargs):
        positions = torch.arange(input_ids.shape[1])
        x = self.embed_tokens(input_ids) + self.embed_positions(positions)
        return self.self_attn(x)
""",
    )
    assert faults(model) == (("local-positions", ""),)


def test_positions_that_the_caller_gave_are_not_local(tmp_path: Path) -> None:
    """`arange` in the branch for missing `position_ids` never runs here."""
    model = build(
        tmp_path,
        ATTENTION
        + """
class Model(PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(128, 64)
        self.embed_positions = nn.Embedding(256, 64)
        self.self_attn = Attention()

    def forward(self, input_ids=None, position_ids=None, **kwargs):
        if position_ids is None:
            position_ids = torch.arange(input_ids.shape[1])
        x = self.embed_tokens(input_ids) + self.embed_positions(position_ids)
        return self.self_attn(x)
""",
    )
    assert faults(model) == ()


def test_a_bias_on_the_scores_is_reported(tmp_path: Path) -> None:
    """A tensor given as mask that no mask builder made cannot be shared out over the ring."""
    mask = "self.embed_tokens(input_ids)"
    assert faults(decoder(tmp_path, name="attn", mask=mask)) == (("bias-reaches-attention", "layers.*.attn"),)


def test_the_hook_makes_an_encoder_causal(tmp_path: Path) -> None:
    """A bidirectional module named `self_attn` runs causally, without a word."""
    attention = ATTENTION.replace("self.is_causal = True", "self.is_causal = False")
    model = decoder(tmp_path, attention=attention, mask="create_bidirectional_mask(self.config, x, None)")
    assert faults(model) == (("encoder-made-causal", "layers.*.self_attn"),)


def test_a_bidirectional_attention_of_another_name_stops(tmp_path: Path) -> None:
    """The balanced ring refuses what is not causal."""
    attention = ATTENTION.replace("self.is_causal = True", "self.is_causal = False")
    model = decoder(tmp_path, attention=attention, name="attn", mask="None")
    assert faults(model) == (("non-causal-attention", "layers.*.attn"),)


def test_a_generative_class_is_taken_as_causal(tmp_path: Path) -> None:
    """A class that generates is bidirectional only where `is_decoder` was left unset."""
    attention = ATTENTION.replace("self.is_causal = True", "self.is_causal = False")
    model = decoder(tmp_path, attention=attention, name="attn", mask="None", mixin=", GenerationMixin")
    assert faults(model) == ()


def test_attention_without_room_for_is_causal_is_reported(tmp_path: Path) -> None:
    """The hook passes `is_causal`; a forward that takes neither it nor `**kwargs` raises TypeError."""
    attention = ATTENTION.replace("attention_mask=None, **kwargs)", "attention_mask=None)").replace(", **kwargs)", ")")
    model = decoder(tmp_path, attention=attention)
    assert faults(model) == (("attention-rejects-is-causal", "layers.*.self_attn"),)


def test_a_convolution_over_hidden_states_is_reported(tmp_path: Path) -> None:
    """A kernel that reads neighbours misses those of the other ranks."""
    attention = ATTENTION.replace(
        "self.is_causal = True", "self.is_causal = True\n        self.conv = nn.Conv1d(64, 64, 3)"
    ).replace("        shape = (", "        x = self.conv(x)\n        shape = (")
    assert faults(decoder(tmp_path, attention=attention)) == (("mixes-tokens", "layers.*.self_attn.conv"),)


def test_sinks_are_reported(tmp_path: Path) -> None:
    """The ring knows nothing of extra entries in the softmax."""
    attention = ATTENTION.replace(
        "self.is_causal = True", "self.is_causal = True\n        self.sinks = nn.Parameter(torch.ones(4))"
    ).replace("attention_mask, **kwargs)", "attention_mask, s_aux=self.sinks, **kwargs)")
    assert faults(decoder(tmp_path, attention=attention)) == (("attention-sinks", "layers.*.self_attn"),)


def test_a_model_without_recognised_attention_is_unknown(tmp_path: Path) -> None:
    """Where no attention call is found, nothing can be said."""
    model = build(
        tmp_path,
        """
        class Model(PreTrainedModel):
            def __init__(self, config):
                super().__init__(config)
                self.embed_tokens = nn.Embedding(128, 64)

            def forward(self, input_ids=None, **kwargs):
                return self.embed_tokens(input_ids)
        """,
    )
    assert faults(model) is UNKNOWN


@pytest.mark.parametrize("word", sorted(CONTEXT_CONSEQUENCES.values()))
def test_consequences_are_words_of_reports(word: str) -> None:
    """The table speaks the language of `Consequence`."""
    assert Consequence(word).value == word


MOVED = """
class Model(PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(128, 64)
        self.self_attn = Attention()

    def forward(self, input_ids=None, position_ids=None, **kwargs):
        x = self.embed_tokens(input_ids)
        return self.self_attn(x + {moved})
"""


@pytest.mark.parametrize("moved", ["F.pad(x[:, :-1], (0, 0, 1, 0))", "F.pad(x[:, 1:], (0, 0, 0, 1))"])
def test_hidden_states_that_meet_their_neighbours_are_reported(tmp_path: Path, moved: str) -> None:
    """A rank does not hold the neighbour of its first or last token."""
    assert faults(build(tmp_path, ATTENTION + MOVED.replace("{moved}", moved))) == (("mixes-tokens", ""),)


def test_hidden_states_rolled_along_the_tokens_are_reported(tmp_path: Path) -> None:
    """`roll` moves tokens along dim 1, and features along the last."""
    along, across = (tmp_path / name for name in ("along", "across"))
    along.mkdir()
    across.mkdir()
    rolled = MOVED.replace("{moved}", "torch.roll(x, 1, dims=1)")
    assert faults(build(along, ATTENTION + rolled)) == (("mixes-tokens", ""),)
    assert faults(build(across, ATTENTION + rolled.replace("dims=1", "dims=2"))) == ()


def test_padding_of_features_and_of_tokens_moves_no_hidden_state(tmp_path: Path) -> None:
    """The whole of the tokens padded along the width, and ids padded before they are embedded."""
    wider = "F.pad(x[..., :-1], (0, 1)) + self.embed_tokens(F.pad(input_ids[:, 1:], (0, 1)))"
    assert faults(build(tmp_path, ATTENTION + MOVED.replace("{moved}", wider))) == ()


def test_a_table_of_positions_that_grows_with_the_length_is_no_position(tmp_path: Path) -> None:
    """A method that is called for what it keeps makes the table; what is read from it are the caller's positions."""
    table = """
class Model(PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(128, 64)
        self.self_attn = Attention()
        self.table = nn.Buffer(torch.ones(16, 64), persistent=False)

    def grow(self, length):
        self.table = torch.sin(torch.arange(length).float())

    def forward(self, input_ids=None, position_ids=None, **kwargs):
        length = input_ids.shape[1]
        if length > self.table.size(0):
            self.grow(length)
        return self.self_attn(self.embed_tokens(input_ids) + self.table.index_select(0, position_ids.view(-1)))
"""
    assert faults(build(tmp_path, ATTENTION + table)) == ()


POOLING = """
class Output:
    pass


class Model(PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(128, 64)
        self.self_attn = Attention()
        self.score = nn.Linear(64, 2)

    def forward(self, input_ids=None, position_ids=None, **kwargs):
        scores = self.score(self.self_attn(self.embed_tokens(input_ids)))
        return Output(logits=scores{taken})
"""


@pytest.mark.parametrize("taken", ["[:, -1]", "[:, 0, :]", "[torch.arange(2), position_ids]"])
def test_logits_of_one_token_of_the_text_are_reported(tmp_path: Path, taken: str) -> None:
    """Each rank takes the first or last of its own tokens."""
    assert faults(build(tmp_path, ATTENTION + POOLING.replace("{taken}", taken))) == (("pools-tokens", ""),)


@pytest.mark.parametrize("taken", ["", "[:, -4:]", "[:, 1:, :]", "[..., 0]"])
def test_logits_of_each_token_are_sound(tmp_path: Path, taken: str) -> None:
    """A run of tokens, or a column of each, is a part of what every rank has."""
    assert faults(build(tmp_path, ATTENTION + POOLING.replace("{taken}", taken))) == ()
