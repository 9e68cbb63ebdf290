"""Facts of forward bodies that tensor parallelism depends on: shared storage, foreign weights, dataflow, whole sizes.

Kinds of `tensor_faults`, each with a place. The place is the module whose output is concerned; for
`whole-parameter-meets-cut-output` it reads "<module> with <parameter>".

- `assumes-whole-width` (late): the output is split, sliced or viewed by sizes that only fit the whole width, so a
  column-wise cut of the module leaves too little ("shape is invalid", "split_with_sizes").
- `chunks-fused-output` (silent): the output holds several projections one after the other and is chunked; a plain
  `colwise` cut gives each rank a slice of one projection instead of a slice of each (`packed_colwise` with as many
  parts, or `colwise_gather_output`, is right). The place may be a bare parameter (the fused experts' gate and up):
  loaded expert by expert its shards do come out as slices of each, but the whole then saved, or compared in a
  gradient, holds them in another order.
- `embedding-transforms-output` (late): an embedding passes its own lookup through another module before returning it;
  a vocabulary-parallel lookup is a partial DTensor by then, which a norm cannot reduce (AssertionError in
  `_MaskPartial._reduce_value`).
- `summarises-cut-output` (silent): a mean, norm, softmax or top-k runs over the output's last dim, hence over the
  local part of it when the module is cut column-wise without gathering.
- `whole-parameter-meets-cut-output` (late): a parameter with one entry per head, or per feature, meets the output
  after it was cut: the plan must cut the parameter too.
- `embedding-assigns-output` (late): an embedding assigns into its own output, which is a DTensor while its table is
  sharded ("aten.index_put got mixed torch.Tensor and DTensor").

`inplace_outputs` matter because the output of a sharded module is the view that `DTensor.to_local` returns, whose
in-place change autograd refuses ("Output 0 of _ToTorchTensor is a view and is being modified inplace").
`linear_inputs` keep apart what `dataflow` merges: layers of different kinds share names, and a `rowwise` linear (its
input `Shard(-1)`) fails in the kind whose input no cut module feeds ("mat1 and mat2 shapes cannot be multiplied").
Sources: transformers 5.23 distributed/tensor_parallel.py, the `transform_output_post_forward` of each style.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from meshfit.readers.source.flow import observe
from meshfit.readers.source.values import Instance

__all__ = ["TENSOR_CONSEQUENCES", "tensor_facts"]

TENSOR_CONSEQUENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "assumes-whole-width": "late",
        "chunks-fused-output": "silent",
        "embedding-assigns-output": "late",
        "embedding-transforms-output": "late",
        "summarises-cut-output": "silent",
        "whole-parameter-meets-cut-output": "late",
    }
)
"""Kind of tensor fault -> what happens when the plan cuts the module."""


def tensor_facts(model: Instance) -> dict[str, object]:
    """`inplace_outputs`, `raw_weight_reads`, `dataflow`, `linear_inputs` and `tensor_faults` of the whole module tree.

    Names carry `*` for layer numbers. Empty when the forward of the model cannot be read.
    """
    seen = observe(model)
    if seen is None or seen.incomplete:
        return {}
    return {
        "inplace_outputs": frozenset(seen.inplace),
        "raw_weight_reads": frozenset(seen.weight_reads),
        "dataflow": {module: frozenset(sources) for module, sources in seen.dataflow.items() if sources},
        "linear_inputs": tuple(seen.linear_inputs),
        "tensor_faults": tuple(seen.tensor_faults),
    }
