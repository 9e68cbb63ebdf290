"""The causes that readers find, against the words the rules have for them."""

from __future__ import annotations

import re

import pytest
from builders import facts, mesh

from meshfit.readers.source import pipeline as pipeline_reader
from meshfit.readers.source.context import CONTEXT_CONSEQUENCES
from meshfit.readers.source.tensor import TENSOR_CONSEQUENCES
from meshfit.report import Consequence
from meshfit.rules import context, pipeline, sharding
from meshfit.rules.causes import Cause, cause
from meshfit.rules.judge import judge

PIPELINE_KINDS = dict(re.findall(r"^``([a-z-]+)``\s+(late|silent)", pipeline_reader.__doc__ or "", re.MULTILINE))


@pytest.mark.parametrize("kind", sorted(TENSOR_CONSEQUENCES))
def test_every_tensor_fault_has_its_words(kind: str) -> None:
    """The table knows the kind, and means the same consequence."""
    assert sharding.FAULTS[kind].consequence.value == TENSOR_CONSEQUENCES[kind]


@pytest.mark.parametrize("kind", sorted(CONTEXT_CONSEQUENCES))
def test_every_context_fault_has_its_words(kind: str) -> None:
    """The table knows the kind, and means the same consequence."""
    assert context.FAULTS[kind].consequence.value == CONTEXT_CONSEQUENCES[kind]


@pytest.mark.parametrize("kind", sorted(PIPELINE_KINDS))
def test_every_pipeline_fault_has_its_words(kind: str) -> None:
    """The table knows the kind, and means the same consequence."""
    assert pipeline.FAULTS[kind].consequence.value == PIPELINE_KINDS[kind]


def test_the_pipeline_reader_documents_its_kinds() -> None:
    """The two tests above would pass on an empty list."""
    assert len(PIPELINE_KINDS) > 15


def test_a_kind_without_words_is_told_by_its_name() -> None:
    """A reader may know more than the table; nothing is lost."""
    fallback = Cause(Consequence.SILENT, "it breaks", "do else")
    assert cause({}, "drops-last-token", fallback) == Cause(
        Consequence.SILENT, "drops last token: it breaks", "do else"
    )


def test_each_fault_of_a_forward_is_a_violation_of_its_own() -> None:
    """With the consequence of its cause, not of the rule."""
    known = facts(pipeline_faults=(("needs-input-ids", "m.py:3"), ("rescales-embeddings", "m.py:9")))
    errors = judge(known, mesh("pp=2"), engine="transformers").errors
    assert [error.consequence for error in errors] == [Consequence.LATE, Consequence.SILENT]
    assert ["m.py:3" in errors[0].message, "m.py:9" in errors[1].message] == [True, True]


def test_a_tied_head_fails_late_or_silently_by_the_vocabulary() -> None:
    """Where tp divides the vocabulary the first forward stops; where it does not the logits are wrong."""
    plan = {key: style for key, style in facts().tp_plan.items() if key != "model.embed_tokens"}
    known = facts(tied_head=True, tp_plan=plan)
    consequences = [
        error.consequence
        for size in (2, 3)
        for error in judge(known, mesh(f"tp={size}"), engine="transformers").errors
        if error.code == "TP010"
    ]
    assert consequences == [Consequence.LATE, Consequence.SILENT]


def test_a_tied_head_of_an_older_release_is_whole() -> None:
    """Where the head is styled `colwise_rep`, the name older releases used, its tied weight is replicated."""
    plan = {key: style for key, style in facts().tp_plan.items() if key != "model.embed_tokens"}
    known = facts(tied_head=True, tp_plan={**plan, "lm_head": "colwise_rep"})
    assert judge(known, mesh("tp=2"), engine="transformers").ok
