"""Small widths that relate to each other, and to the counts of heads, as the widths of the original do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import lcm
from typing import Any, Final

from meshfit.proof.size_roles import family, role_of

__all__ = ["Widths", "sectioned"]

_HIDDEN: Final = ("hidden_size", "d_model", "n_embd", "dim", "hidden_dim", "embed_dim", "emb_dim", "embedding_size")
"""Keys of the width of the residual stream, the surest first."""
_ROPE: Final = ("rope_parameters", "rope_scaling")
_LEAST: Final = 64
"""A residual stream is not made narrower than this."""
_KEPT: Final = 32
"""Widths below stay as they are."""


class Widths:
    """The small widths of a config and of the configs inside it.

    Args:
        parts: the configs, the whole one first.
        counts: for each, the counts of heads that have been made smaller, by key.
    """

    def __init__(self, parts: Sequence[Mapping[str, Any]], counts: Sequence[Mapping[str, int]]) -> None:
        self._parts, self._counts = parts, counts
        self._streams: dict[int, int] = {}
        for part in parts:
            hidden = _hidden(part)
            if hidden is not None and hidden not in self._streams:
                self._streams[hidden] = self._stream(hidden)
        self._agree()

    def _agree(self) -> None:
        """Streams of different width stay different, else a projection between them would be left out."""
        taken: set[int] = set()
        for hidden in sorted(self._streams):
            small = self._streams[hidden]
            while small in taken:
                small += self._streams[hidden] // 2 if self._streams[hidden] % 32 == 0 else self._streams[hidden]
            taken.add(small)
            self._streams[hidden] = small

    def _stream(self, hidden: int) -> int:
        """The width of a stream, a multiple of what every part with that stream divides it into."""
        steps = [1]
        least = _LEAST
        for part, counts in zip(self._parts, self._counts, strict=True):
            if _hidden(part) != hidden:
                continue
            heads = [counts[key] for key in counts if role_of(key) == "heads" and hidden % part[key] == 0]
            unit = _rotary_unit(part)
            steps += [count * (unit if "head_dim" not in part else 1) for count in heads]
            least = max(least, unit * max(heads, default=1))
        step = lcm(*steps, 16)
        return -(-least // step) * step

    def of(self, number: int) -> dict[str, Any]:
        """Key -> small width of one config, its rotary tables included."""
        part, counts = self._parts[number], self._counts[number]
        hidden = _hidden(part)
        if hidden is None:
            return {key: self._streams[value] for key, value in _widths(part).items() if value in self._streams}
        stream = self._streams[hidden]
        heads = self._head_dims(part, counts, hidden, stream)
        products = {
            part[count] * part[dim]: counts[count] * heads[dim]
            for dim in heads
            for count in counts
            if role_of(count) == "heads" and family(count) == family(dim)
        }
        changed: dict[str, Any] = dict(heads)
        for key, value in _widths(part).items():
            changed[key] = self._width(value, hidden, stream, products)
        changed.update(_rotary(part, changed, hidden, stream, counts))
        return changed

    def _width(self, value: int, hidden: int, stream: int, products: Mapping[int, int]) -> int:
        if value in self._streams:
            return self._streams[value]
        if value in products:
            return products[value]
        if value % hidden == 0 and value // hidden <= 8:
            return value // hidden * stream
        scaled = round(value * stream / hidden / 16) * 16
        return min(value, max(scaled, 16))

    @staticmethod
    def _head_dims(part: Mapping[str, Any], counts: Mapping[str, int], hidden: int, stream: int) -> dict[str, int]:
        unit = _rotary_unit(part)
        found: dict[str, int] = {}
        for key, value in part.items():
            role = role_of(key)
            if type(value) is not int or value <= 0 or role not in ("head_dim", "rope_dim"):
                continue
            found[key] = min(value, _turning(part, value, unit) if role == "rope_dim" else unit)
            for count in counts:
                spread = part[count] * value
                same = role_of(count) == "heads" and family(count) == family(key)
                if role == "head_dim" and same and spread % hidden == 0 and spread // hidden <= 8:
                    found[key] = spread // hidden * stream // counts[count]
                    break
        for key, value in part.items():  # the part that turns, and the sum of it and of the part that does not
            if role_of(key) == "head_dim" and type(value) is int:
                others = {name: part[name] for name in found if name != key and family(name) == family(key)}
                turning = [name for name in others if role_of(name) == "rope_dim"]
                for name in turning:
                    rest = next((n for n in others if n != name and part[n] + part[name] == value), None)
                    if part[name] == value:
                        found[key] = found[name]
                    elif rest is not None and key not in ("v_head_dim", "qk_nope_head_dim"):
                        found[key] = found[name] + found[rest]
        return found


def _hidden(part: Mapping[str, Any]) -> int | None:
    return next((part[key] for key in _HIDDEN if type(part.get(key)) is int and part[key] >= _KEPT), None)


def _widths(part: Mapping[str, Any]) -> dict[str, int]:
    return {
        key: value for key, value in part.items() if type(value) is int and value >= _KEPT and role_of(key) == "width"
    }


def _share(part: Mapping[str, Any]) -> float:
    """The share of a head that turns."""
    tables = [part, *(part[key] for key in _ROPE if isinstance(part.get(key), Mapping))]
    tables += [inner for table in tables[1:] for inner in table.values() if isinstance(inner, Mapping)]
    shares = [table[key] for table in tables for key in ("partial_rotary_factor", "rotary_pct") if key in table]
    return min((float(share) for share in shares if isinstance(share, int | float) and share > 0), default=1.0)


def _rotary_unit(part: Mapping[str, Any]) -> int:
    """The smallest head of which the share that turns is a whole number of pairs, enough for each section of it."""
    share = _share(part)
    sections = max((len(value) for value in _sections(part)), default=1)
    fitting = (unit for unit in (16, 32, 64, 128) if unit * share % 2 == 0 and unit * share >= 2 * sections)
    return next(fitting, 16)


def _turning(part: Mapping[str, Any], size: int, unit: int) -> int:
    """The size of the part of a head that turns, in proportion to the part that does not."""
    still = part.get("qk_nope_head_dim")
    if type(still) is not int or still <= 0:
        return unit // 2
    return max(4, round(unit * size / max(still, size) / 4) * 4)


def _sections(part: Mapping[str, Any]) -> list[list[int]]:
    tables = [part, *(part[key] for key in _ROPE if isinstance(part.get(key), Mapping))]
    return [table["mrope_section"] for table in tables if isinstance(table.get("mrope_section"), list)]


def _rotary(
    part: Mapping[str, Any], changed: Mapping[str, Any], hidden: int, stream: int, counts: Mapping[str, int]
) -> dict[str, Any]:
    """Rotary sizes and tables, shrunk as the head is."""
    heads = next((key for key in ("num_attention_heads", "n_head", "num_heads", "n_heads") if key in counts), None)
    key = next((name for name in ("qk_rope_head_dim", "head_dim", "kv_channels") if name in changed), None)
    if key is not None:
        before, after = part[key], changed[key]
    elif heads is not None:
        before, after = hidden // part[heads], stream // counts[heads]
    else:
        return {}
    found: dict[str, Any] = {}
    for name, value in part.items():
        if role_of(name) == "rotary" and type(value) is int and value > 0:
            found[name] = max(2, value * after // before // 2 * 2)
        elif name in (*_ROPE, "mrope_section"):
            found[name] = _table(value, before, after)
    return found


def sectioned(part: Mapping[str, Any]) -> dict[str, Any]:
    """Rotary tables with three sections, for a config that leaves them to its class."""
    heads, hidden, table = part.get("num_attention_heads"), part.get("hidden_size"), part.get("rope_parameters")
    if type(heads) is not int or type(hidden) is not int or not isinstance(table, Mapping) or _sections(part):
        return {}
    pairs = int((part.get("head_dim") or hidden // heads) * _share(part)) // 2
    return {"rope_parameters": {**table, "mrope_section": _divided([3, 3, 2], pairs)}} if pairs >= 3 else {}


def _table(value: Any, before: int, after: int) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _table(inner, before, after) if isinstance(inner, Mapping | list) else inner
            for key, inner in value.items()
        }
    if isinstance(value, list) and value and all(type(one) is int for one in value) and len(value) <= 4:
        return _divided(value, max(len(value), sum(value) * after // before))
    if isinstance(value, list) and len(value) > 4:
        return value[: max(1, len(value) * after // before)]
    return value


def _divided(sections: list[int], total: int) -> list[int]:
    """Sections of at least one that sum up to `total`, in about the same proportion."""
    whole = sum(sections)
    found = [max(1, section * total // whole) for section in sections]
    while sum(found) != total:
        step = 1 if sum(found) < total else -1
        at = max(range(len(found)), key=lambda n: (sections[n] * total / whole - found[n]) * step)
        found[at] += step
    return found
