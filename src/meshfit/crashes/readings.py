"""Decoders: what the numbers of an error mean, as facts and sizes that the rules can judge."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from meshfit.crashes.pattern import Read, Reading, Scene
from meshfit.structure import ModuleInfo

__all__ = [
    "broadcast_by_cp",
    "cut_view",
    "grouped_rows",
    "mixed_tensors",
    "multiplied",
    "named_sizes",
    "no_plan",
    "plain_division",
    "products",
    "refused_layers",
    "unknown_names",
]

_LAYER: Final = "model.layers.*"
_EXPERTS: Final = f"{_LAYER}.mlp.experts.down_proj"
_QUERY: Final = re.compile(r"\b(?:q_proj|wq|query|q_b_proj)\b")
_KEY: Final = re.compile(r"\b(?:k_proj|v_proj|wk|wv|key|value)\b")
_WIDEST_HEAD: Final = 512
_MOST_RANKS: Final = 64
"""What a text alone must stay within: masks and images are reshaped too, and their last size is a length."""
_SHOWN: Final = 4
"""Meshes that are listed when the size of the axis is not known."""


def heads_facts(key: str, count: int) -> dict[str, Any]:
    """Facts of a model whose projections of these heads are cut column-wise, for every engine's rule."""
    name = f"{_LAYER}.self_attn.{'k' if key == 'num_key_value_heads' else 'q'}_proj"
    per_layer = "kv_heads_per_layer" if key == "num_key_value_heads" else "heads_per_layer"
    return {
        key: count,
        per_layer: (count,),
        "tp_plan": {name: "colwise"},
        "modules": {name: ModuleInfo("Linear", None, (key, count))},
    }


def experts_facts(count: int) -> dict[str, Any]:
    """Facts of a model with so many experts, for every engine's rule."""
    return {"num_experts": count, "ep_plan": {_EXPERTS: "grouped_gemm"}, "parameters": {_EXPERTS: (count, 1, 1)}}


def named_sizes(axis: str, fact: str = "") -> Read:
    """Reads groups named `count` (of `fact`) and `size` (of `axis`), each where the text has it."""

    def read(match: re.Match[str], scene: Scene) -> Reading:
        given = match.groupdict()
        size = int(given["size"]) if given.get("size") else scene.sizes.get(axis)
        mesh = {axis: size} if size else {}
        facts: dict[str, Any] = {}
        told = []
        if given.get("count"):
            count = int(given["count"])
            told.append(f"{fact} is {count}")
            if fact in ("num_attention_heads", "num_key_value_heads"):
                facts = heads_facts(fact, count)
            else:
                facts = experts_facts(count) if fact == "num_experts" else {fact: count}
        if size and given.get("size"):
            told.append(f"{axis}_size is {size}")
        return Reading(", ".join(told), mesh, facts)

    return read


def products(*axes: str) -> Read:
    """Reads a mesh that does not cover its ranks: groups named after `axes` or `ranks`, their product, and `world`."""

    def read(match: re.Match[str], scene: Scene) -> Reading:
        given = {name: int(text) for name, text in match.groupdict().items() if text}
        world = given.pop("world", None)
        ranks = given.pop("ranks", None)
        mesh: Mapping[str, int] = {axis: given[axis] for axis in axes if axis in given}
        told = [f"{axis}_size is {size}" for axis, size in mesh.items()]
        if ranks is not None:
            told.append(f"the mesh is of {ranks} ranks")
            mesh = mesh or _one_axis(ranks, scene)
        if world is not None:
            told.append(f"{world} ranks were started")
        return Reading(", ".join(told), mesh, {} if world is None else {"world_size": world})

    return read


def _one_axis(ranks: int, scene: Scene) -> Mapping[str, int]:
    """The known sizes where their product is `ranks`, else nothing: the text tells the product alone."""
    product = 1
    for axis, size in scene.sizes.items():
        product *= size if axis != "ep" else 1
    return scene.sizes if product == ranks else {}


def no_plan(match: re.Match[str], scene: Scene) -> Reading:
    """A size was asked of a model without the plan for it."""
    kind, size, owner = match["kind"], int(match["size"]), match["owner"]
    axis = {"fsdp": "dp_shard"}.get(kind, kind)
    replicated = kind == "fsdp" and scene.sizes.get("dp_replicate", 1) > scene.sizes.get("dp_shard", 1) == 1
    code = {"tp": "TP001", "ep": "EP001"}.get(kind, "DP002" if replicated else "DP001")
    return Reading(
        f"{axis}_size is {size}, and {owner} has no {kind}_plan",
        {"dp_replicate" if replicated else axis: size},
        {f"{kind}_plan": {}},
        codes=(code,),
    )


def unknown_names(match: re.Match[str], scene: Scene) -> Reading:  # noqa: ARG001 - the signature of a reader
    """Keys or styles of a plan that transformers does not know."""
    kind, names = match["kind"], re.findall(r"'([^']{1,200})'", match["names"])
    if kind == "ep":
        settings = {"ep_plan": dict.fromkeys(names, "grouped_gemm")}
        return Reading("", {"ep": 2}, {"ep_plan": {}, "parameters": {}, "modules": {}}, settings, ("EP008",))
    if "styles" in match[0]:
        plan = {f"{_LAYER}.{number}": style for number, style in enumerate(names)}
        return Reading("", {"tp": 2}, {"tp_plan": plan}, codes=("TP006",))
    settings = {"tp_plan": dict.fromkeys(names, "colwise")}
    return Reading("", {"tp": 2}, {"tp_plan": {}, "parameters": {}, "modules": {}}, settings, ("TP005",))


def refused_layers(match: re.Match[str], scene: Scene) -> Reading:
    """Kinds of layers that an axis cannot run."""
    kinds = tuple(dict.fromkeys(re.findall(r"'(\w{1,60})'", match["kinds"])))
    axis = "cp" if match["axis"] == "Context" else "sp"
    told = f"{match['owner']} has layers of type {', '.join(kinds)}"
    return Reading(told, {axis: scene.sizes.get(axis, 2)}, {"layer_types": kinds})


def cut_view(match: re.Match[str], scene: Scene) -> Reading | None:
    """`shape '[2, 16, -1, 16]' is invalid for input of size 256`: a view of a projection as heads.

    The leading sizes are batch and sequence, the last is head_dim. What is left of the input is the width that one rank
    holds; a width that is no whole number of heads is a projection cut inside a head.
    """
    shape = [int(part) for part in match["shape"].split(",")]
    numel = int(match["numel"])
    if len(shape) not in (3, 4) or numel == 0 or shape[-1] < 1 or any(size < 1 for size in shape[:-2]):
        return None
    if len(shape) == 3 and "tp" not in scene.axes:
        return None  # [tokens, heads, dim] is written everywhere, [batch, sequence, heads, dim] by attention
    lead = 1
    for size in shape[:-2]:
        lead *= size
    if numel % lead:
        return None
    width, head = numel // lead, shape[-1]
    if shape[-2] == -1:
        return _part_of_a_head(shape, width, head, scene)
    heads = shape[-2]
    if "tp" not in scene.axes or heads < 1 or width * scene.sizes.get("tp", heads * head // width) != heads * head:
        return None
    told = f"{_dims(shape)}; this rank holds {width} columns, {Fraction(width, head)} heads, and the view wants {heads}"
    return Reading(told, codes=("TP016",), certain=False)


def _part_of_a_head(shape: list[int], width: int, head: int, scene: Scene) -> Reading | None:
    held = Fraction(width, head)
    if held.denominator == 1:
        return None
    told = f"{_dims(shape)}; this rank holds {width} columns, which is {_number(held)} heads"
    code = scene.frames[-1].code if scene.frames else ""
    query, key = bool(_QUERY.search(code)), bool(_KEY.search(code))
    if scene.frames and code and not (query or key) and "tp" not in scene.axes:
        return None  # the line that failed is no projection of an attention
    # attention computes q before k, and a tp_size that does not divide the heads divides the fewer k/v heads neither
    codes = {(True, False): ("TP003", "TP002"), (False, True): ("TP002",)}.get((query, key), ("TP002", "TP003"))
    fact = "num_attention_heads" if codes[0] == "TP003" else "num_key_value_heads"
    tp = scene.sizes.get("tp")
    plausible = head <= _WIDEST_HEAD and head % 8 == 0 and held.denominator <= _MOST_RANKS
    if not (plausible or "tp" in scene.axes):
        return None
    if tp is None:
        counts = [(size, held * size) for size in range(2, 129) if (held * size).denominator == 1]
        shown = ", ".join(f"{count} with tp_size {size}" for size, count in counts[:_SHOWN])
        return Reading(f"{told}: {fact} is {shown} …" if shown else told, codes=codes, certain=False)
    total = round(held * tp)
    if tp < 2 or total < 1 or abs(total * head - width * tp) >= tp:
        return None
    told = f"{told}: {fact} is {total} over tp_size {tp}"
    return Reading(told, {"tp": tp}, heads_facts(fact, total), codes=codes, certain="tp" in scene.axes)


def _dims(shape: list[int]) -> str:
    lead = f"batch {shape[0]}, sequence {shape[1]}" if len(shape) == 4 else f"{shape[0]} tokens"
    return f"{lead}, head_dim {shape[-1]}"


def _number(value: Fraction) -> str:
    """Short decimals as decimals: 0.5, 1.5, 1/3."""
    text = f"{float(value):g}"
    return text if Fraction(text) == value else str(value)


def grouped_rows(match: re.Match[str], scene: Scene) -> Reading | None:
    """The grouped matmul takes rows that start at multiples of 16 bytes; in fp8 it asks that of tokens too."""
    if scene.frames and not any("transformers/integrations/moe.py" in frame.path for frame in scene.frames):
        return None
    return Reading(f"rows must start at multiples of {match['bytes']} bytes", certain=bool(scene.frames))


def mixed_tensors(match: re.Match[str], scene: Scene) -> Reading:  # noqa: ARG001 - the signature of a reader
    """A plain tensor met a distributed one. Which rule it breaks shows in the operation."""
    operation = match["operation"]
    if operation in ("mm", "addmm", "t"):
        codes = ("TP010", "TP015")
    elif operation in ("index_put", "index_put_", "copy_"):
        codes = ("TP016", "TP015")
    else:
        codes = ("TP015", "TP016")
    return Reading(f"in the operation {operation}", codes=codes, certain=False)


def multiplied(match: re.Match[str], scene: Scene) -> Reading | None:
    """Two matrices that do not fit, where one inner size is the other cut over the tensor group."""
    left, right = int(match["left"]), int(match["right"])
    small, large = sorted((left, right))
    tp = scene.sizes.get("tp")
    if small < 1 or large % small or (tp is not None and large != small * tp):
        return None
    whole = "whole" if left > right else "cut"
    told = f"the input is {left} wide ({whole}), the weight takes {right}: {large // small} ranks"
    return Reading(told, certain=False)


def plain_division(match: re.Match[str], scene: Scene) -> Reading | None:
    """`52 is not divisible by 8`, of Megatron and vLLM: what was divided stands in the line of code that did it."""
    count, size = int(match["count"]), int(match["size"])
    code = " ".join(frame.code for frame in scene.frames[-6:])
    if any(_TOWER.search(f"{frame.path} {frame.code}") for frame in scene.frames):
        return None  # the heads of a vision tower are not the heads that the rules judge
    for axis, pattern, fact, rule in _DIVIDED:
        if re.search(pattern, code):
            facts = experts_facts(count) if fact == "num_experts" else heads_facts(fact, count)
            return Reading(
                f"{fact} is {count}, {axis}_size is {size}", {axis: size}, facts, codes=(rule,), certain=False
            )
    return None


_TOWER: Final = re.compile(r"vision|visual|audio|\bvit\b", re.IGNORECASE)
_DIVIDED: Final = (
    ("tp", r"divide\([^)]{0,80}(?:kv_heads|key_value_heads|query_groups)", "num_key_value_heads", "TP002"),
    ("tp", r"divide\([^)]{0,80}(?:num_heads|attention_heads|q_heads)", "num_attention_heads", "TP003"),
    ("ep", r"divide\([^)]{0,80}experts", "num_experts", "EP003"),
)


def broadcast_by_cp(match: re.Match[str], scene: Scene) -> Reading | None:
    """Two tensors along the sequence, one whole and one a rank's part."""
    shapes = [[int(part) for part in match[name].split(",")] for name in ("have", "want")]
    cp = scene.sizes.get("cp")
    for have, want in zip(*(reversed(shape) for shape in shapes), strict=False):
        small, large = sorted((have, want))
        if small > 1 and small != large and large % small == 0 and cp in (None, large // small):
            return Reading(f"{large} positions met {small}: the whole sequence and one rank's part", certain=False)
    return None
