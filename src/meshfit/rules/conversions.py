"""Which checkpoint conversions break once a parameter is cut before it is converted.

transformers reads from disk only this rank's slice of each tensor, cut as the *target* parameter is, and converts the
slices. An operation along a dim that is cut then sees part of the tensor it was written for.
Source: transformers 5.23 distributed/sharding_utils.py `DtensorShardOperation.shard_tensor`, core_model_loading.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from meshfit.rules.plans import Cut
from meshfit.structure import Conversion

__all__ = ["broken_conversions", "merged_lists"]

REARRANGING: Final = frozenset({"Chunk", "Split", "Concatenate", "Interleave"})
"""Operations that move rows along their dim. Merging a list of experts does not: a rank keeps its experts whole."""

PERMUTING: Final = frozenset({"PermuteForRope", "VisionFuseAndPermuteForRope", "VisionUnfuseAndPermuteForRope"})
"""Operations that move rows of whole heads, always along dim 0."""


def broken_conversions(conversions: Sequence[Conversion], cuts: Iterable[Cut]) -> Iterator[tuple[Cut, str]]:
    """(cut, operation) for each parameter that is cut along a dim which every conversion onto it rearranges.

    Where several lead to one parameter, the names in the checkpoint tell which of them runs, and one may be sound.
    """
    if not conversions:
        return
    patterns = _patterns(conversions)
    for cut in cuts:
        operations = [_broken(conversion, cut) for conversion in _leading_to(cut.parameter, patterns)]
        if operations and None not in operations:
            yield cut, str(operations[0])


def merged_lists(
    conversions: Sequence[Conversion], parameters: Mapping[str, tuple[int, ...]]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """(name, shape) of each parameter that every conversion onto it stacks from tensors listed one by one."""
    if not conversions:
        return
    patterns = _patterns(conversions)
    for name, shape in parameters.items():
        found = [conversion.operations for conversion in _leading_to(name, patterns)]
        if shape and found and all(("MergeModulelist", 0) in operations for operations in found):
            yield name, shape


_Patterns = Sequence[tuple[Conversion, tuple[re.Pattern[str], ...]]]


def _patterns(conversions: Sequence[Conversion]) -> _Patterns:
    return [(conversion, tuple(map(_pattern, conversion.targets))) for conversion in conversions]


def _leading_to(parameter: str, patterns: _Patterns) -> Iterator[Conversion]:
    return (conversion for conversion, targets in patterns if any(one.search(parameter) for one in targets))


def _broken(conversion: Conversion, cut: Cut) -> str | None:
    merged = False
    for name, dim in conversion.operations:
        if name == "MergeModulelist":
            merged = True
        elif (name in PERMUTING and cut.dim == 0) or (name == "Transpose" and (dim is None or 0 <= cut.dim - dim <= 1)):
            return name
        elif name in REARRANGING and dim is not None and dim % len(cut.shape) == cut.dim:
            # Experts listed one by one are cut each on its own, so packed halves meet again in the right order.
            if name == "Concatenate" and merged and cut.packed:
                continue
            return name
    return None


@lru_cache(maxsize=512)
def _pattern(target: str) -> re.Pattern[str]:
    """A target (whole parts of a name, `*` for anything) against parameter names."""
    escaped = re.escape(target.strip(".")).replace(r"\*", ".*")
    return re.compile(rf"(?:^|\.){escaped}(?:\.|$)")
