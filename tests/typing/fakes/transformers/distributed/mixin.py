from __future__ import annotations


class DistributedMixin:
    _tp_plan: dict[str, str] | None = None
    _ep_plan: dict[str, str] | None = None
    _pp_plan: dict[str, tuple[list[str], list[str]]] | None = None
