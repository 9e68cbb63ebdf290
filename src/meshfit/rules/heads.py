"""Findings about heads that several rules share: heads of attention, and the head that writes tokens."""

from __future__ import annotations

from collections.abc import Iterator

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Consequence
from meshfit.rules.registry import Finding
from meshfit.rules.sizes import common_divisors

__all__ = ["tied_head_of_another_width", "uneven_heads"]


def uneven_heads(key: str, counts: tuple[int, ...], mesh: MeshSpec) -> Iterator[Finding]:
    """One finding when a count is not divisible by tp_size.

    Args:
        key: the fact that holds the counts.
        counts: of every kind of layer.
        mesh: whose tensor ranks share them.
    """
    uneven = [count for count in counts if count % mesh.tp_size]
    if uneven:
        yield Finding(
            message=f"{key} ({', '.join(map(str, uneven))}) is not divisible by tp_size ({mesh.tp_size})",
            help="",
            alternatives=common_divisors(counts),
            facts=(key,),
        )


def tied_head_of_another_width(
    facts: ModelFacts, ranks: str, consequence: Consequence | None = None
) -> Iterator[Finding]:
    """One finding when the output head was made with other rows than the input embedding whose weight it takes.

    Args:
        facts: of the model.
        ranks: over which the weight is cut, as the message names them.
        consequence: where it is not that of the rule.
    """
    if not facts.tied_head or facts.head_name is None or facts.embedding_name is None:
        return
    head = facts.modules[facts.head_name].width if facts.head_name in facts.modules else None
    shape = facts.parameters.get(f"{facts.embedding_name}.weight")
    if head is not None and shape is not None and head != shape[0]:
        yield Finding(
            message=f"{facts.head_name} is made with {head} rows and takes the weight of {facts.embedding_name}, which "
            f"has {shape[0]}: over {ranks} the two are cut at different rows",
            help="give the config and its text_config the same vocab_size, or set tie_word_embeddings to false",
            alternatives=(1,),
            facts=("vocab_size", "tie_word_embeddings"),
            consequence=consequence,
        )
