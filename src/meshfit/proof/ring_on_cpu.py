"""Torch's ring attention for a CPU, whose attention operator torch's own context parallelism does not know.

The operator that a CPU runs in place of CUDA's flash attention computes the same and gives the same logsumexp, so
torch's own ring carries it; only the table that leads there lacks it. What it shows is a result of the ring, not of
CUDA.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["NOTE", "teach_ring"]

NOTE: Final = "ring attention on a CPU, its flash attention led into torch's own ring: not a result of CUDA"
_SEQUENCE: Final = 2


def teach_ring() -> None:
    """Make `context_parallel` of this process know the flash attention of a CPU; twice does no harm."""
    import torch
    from torch.distributed.tensor.experimental._context_parallel import _attention

    aten = torch.ops.aten
    _attention.custom_ops[aten._scaled_dot_product_flash_attention_for_cpu.default] = _forward  # noqa: SLF001
    _attention.custom_ops[aten._scaled_dot_product_flash_attention_for_cpu_backward.default] = _backward  # noqa: SLF001


def _forward(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The operator on parts of a sequence: (query, key, value, dropout, is_causal, *, attn_mask, scale)."""
    import torch
    from torch.distributed.tensor.experimental._context_parallel._attention import _templated_ring_attention

    query, key, value, *rest = args
    given = {**dict(zip(("dropout_p", "is_causal"), rest, strict=False)), **kwargs}
    if given.pop("attn_mask", None) is not None:
        raise NotImplementedError("attn_mask is not supported by torch's ring attention")
    mesh = query.device_mesh
    output, logsumexp, *_rest = _templated_ring_attention(
        mesh.get_group(),
        _SEQUENCE,
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu,  # noqa: SLF001 - the operator that runs anyway
        query=query.to_local(),
        key=key.to_local(),
        value=value.to_local(),
        **given,
    )
    return _spread(output, mesh), _spread(logsumexp, mesh)


def _backward(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """(grad_out, query, key, value, out, logsumexp, dropout, is_causal, *, attn_mask, scale)."""
    import torch
    from torch.distributed.tensor.experimental._context_parallel._attention import _templated_ring_attention_backward

    mesh = args[1].device_mesh
    names = ("grad_out", "query", "key", "value", "out", "logsumexp", "dropout_p", "is_causal")
    given = {**dict(zip(names, args, strict=True)), **kwargs}
    given.pop("attn_mask", None)
    local = {name: one.to_local() if hasattr(one, "to_local") else one for name, one in given.items()}
    gradients = _templated_ring_attention_backward(
        mesh.get_group(),
        _SEQUENCE,
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward.default,  # noqa: SLF001 - as above
        local.pop("grad_out"),
        "grad_out",
        **local,
    )
    return tuple(_spread(gradient, mesh) for gradient in gradients[:3])


def _spread(local: Any, mesh: Any) -> Any:
    from torch.distributed.tensor import DTensor, Shard

    return DTensor.from_local(local, mesh, [Shard(_SEQUENCE)], run_check=False)
