"""`ModelFacts`: known, known not to hold, unknown; and where each fact was read."""

from __future__ import annotations

import pytest

from meshfit.errors import MissingFact
from meshfit.facts import FACTS, ModelFacts, Origin


def test_an_unknown_fact_is_missing_by_name() -> None:
    """A rule that asks for it ends, and the engine can say what was missing."""
    with pytest.raises(MissingFact) as caught:
        _ = ModelFacts().num_attention_heads
    assert caught.value.name == "num_attention_heads"


def test_known_to_be_absent_is_not_unknown() -> None:
    """None and False are facts."""
    facts = ModelFacts(num_experts=None, is_hybrid=False)
    assert (facts.num_experts, facts.is_hybrid) == (None, False)
    assert facts.knows("num_experts")
    assert not facts.knows("head_dim")


def test_a_name_that_is_no_fact_is_refused() -> None:
    """A misspelt fact would otherwise stay unknown for ever."""
    with pytest.raises(TypeError, match="not facts: heads"):
        ModelFacts(heads=8)
    with pytest.raises(AttributeError):
        _ = ModelFacts().heads  # type: ignore[attr-defined]


def test_facts_are_frozen_and_replaced() -> None:
    """A change is a copy; the original and its origins stay."""
    where = Origin("config.json", line=3, column=5, pointer="/vocab_size")
    facts = ModelFacts(vocab_size=100, origins={"vocab_size": where})
    changed = facts.replace(vocab_size=101, hidden_size=8)
    assert (facts.vocab_size, changed.vocab_size, changed.hidden_size) == (100, 101, 8)
    assert changed.origin("vocab_size", "hidden_size") == (where,)
    assert changed.without("vocab_size", "hidden_size") == ModelFacts()
    assert changed.without("vocab_size").origins == {}
    with pytest.raises(AttributeError, match="frozen"):
        facts.vocab_size = 7


def test_equal_facts_are_equal_and_listed() -> None:
    """Origins do not count; the repr names what is known."""
    facts = ModelFacts(vocab_size=100, origins={"vocab_size": Origin("a")})
    assert facts == ModelFacts(vocab_size=100)
    assert facts != ModelFacts(vocab_size=101)
    assert dict(facts) == {"vocab_size": 100}
    assert repr(facts) == "ModelFacts(vocab_size=100)"
    assert "vocab_size" in FACTS


@pytest.mark.parametrize(
    ("origin", "text"),
    [
        (Origin("config.json", line=14, column=3, pointer="/heads"), "config.json:14:3"),
        (Origin("modeling_llama.py", line=14), "modeling_llama.py:14"),
        (Origin("LlamaConfig", pointer="num_key_value_heads"), "LlamaConfig num_key_value_heads"),
        (Origin("model"), "model"),
    ],
)
def test_an_origin_reads_as_editors_link_it(origin: Origin, text: str) -> None:
    """File, line and column where there are any, else the place and the pointer."""
    assert str(origin) == text


def test_an_origin_as_json_leaves_out_what_is_absent() -> None:
    """No nulls to skip."""
    assert Origin("model").to_dict() == {"where": "model"}
    assert Origin("c", line=1, column=2, pointer="/a").to_dict() == {
        "where": "c",
        "line": 1,
        "column": 2,
        "pointer": "/a",
    }
