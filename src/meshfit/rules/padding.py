"""What an engine pads to by itself, so that a size need not divide."""

from __future__ import annotations

from typing import Final

from meshfit.mesh import MeshSpec

__all__ = ["vocabulary_multiple"]

ROWS_A_RANK: Final = 128
"""Megatron-LM's `--make-vocab-size-divisible-by` where it is left out."""


def vocabulary_multiple(mesh: MeshSpec, engine: str) -> int | None:
    """What the rows of embedding and head are filled up to a multiple of; None where they stay as they are.

    `make_vocab_size_divisible_by * tp_size` under Megatron, whose checkpoints then have more rows than the tokenizer
    has words. transformers, NeMo and torchtitan cut an uneven vocabulary unevenly.

    Raises:
        MissingFact: the mesh may say anything of `make_vocab_size_divisible_by`.

    Source: Megatron-LM training/vocab_utils.py `calculate_padded_vocab_size`.
    """
    if engine != "megatron":
        return None
    given = mesh.settings.get("make_vocab_size_divisible_by")
    return (given if type(given) is int and given > 0 else ROWS_A_RANK) * mesh.tp_size
