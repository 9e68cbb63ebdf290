r"""What loading a checkpoint does to its tensors before they become parameters, read from transformers' own mapping.

Why it matters: a sharded parameter is cut while it is read, before the operations run.
`convert_and_load_state_dict_in_model` gives every checkpoint tensor of a converter the placement of the
*first target's* parameter (`DtensorShardOperation`), so an operation sees the rank's slice where it expects the whole:

- `Chunk(0)` onto q, k, v cut at dim 0: rank 0 of 2 reads the first half of the rows of `[q; k; v]` and chunks that half
  into three. The sizes are right, the rows are not: silent. Tensor parallelism (colwise) and FSDP2 alike, which cuts
  every parameter at dim 0.
- `Concatenate(0)` of several tensors into one parameter cut at dim 0: every rank holds a slice of each,
  `[q0; k0; v0]`, where a contiguous slice of `[q; k; v]` belongs: silent, and right only for `packed_colwise` with as
  many parts.
- `Interleave(0)` permutes rows across the whole dim, hence wrongly inside a slice: silent.
- `Split(0)` asks the whole parameters for their sizes and `PermuteForRope` the config for its heads: both fail, or
  permute wrongly, on a slice. `Transpose` cuts the wrong dim: the shapes then disagree and loading fails.
- An operation along a dim that the placement leaves whole is sound, and so is merging along the expert dim:
  `MergeModulelist(0)` collects only the experts that the rank owns, `Concatenate(1)` joins gate and up row slices.

Source: transformers 5.23 core_model_loading.py (`convert_and_load_state_dict_in_model`, the `ConversionOps`),
conversion_mapping.py, distributed/sharding_utils.py (`shard_tensor`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from meshfit.readers.source.flow_values import is_instance
from meshfit.readers.source.index import Package
from meshfit.readers.source.values import Instance
from meshfit.structure import Conversion

__all__ = ["conversions_of", "model_conversions"]

_SIGNATURE: Final = ("source_patterns", "target_patterns", "operations")
_ENTRY: Final = re.compile(r'^        "([^"]+)": \[', re.MULTILINE)
_ASSIGNED: Final = re.compile(r'^    mapping\["([^"]+)"\] (\+?=) ', re.MULTILINE)
_ALIAS: Final = re.compile(r'^    "([^"]+)": "([^"]+)",$', re.MULTILINE)
_COPY: Final = re.compile(r'mapping\["([^"]+)"\]\.copy\(\)')
_MODEL_TYPE: Final = ast.parse("self.config.model_type", mode="eval").body
_DIM_LAST: Final = {"Conv3dToLinear": None, "LinearToConv3d": None}


def model_conversions(model: Instance) -> tuple[Conversion, ...]:
    """The conversions of a whole model: its own and those of the pretrained models it holds, bound to their names.

    A target is a part of a parameter's name, `*` in it standing for anything.

    A class name is looked up before a model type, and a nested model whose name or type an ancestor has claimed is
    covered by that one (transformers `get_model_conversion_mapping`).
    """
    if model.cls is None:
        return ()
    package = model.cls.module.package.shipped
    found: list[Conversion] = []
    claimed: dict[str, list[str]] = {}
    for name, module in _pretrained(model, ""):
        assert module.cls is not None
        class_name = module.cls.name
        kind = module.evaluate(_MODEL_TYPE, {})
        model_type = kind if isinstance(kind, str) else ""
        if _is_below(name, claimed.get(class_name, ())):
            continue
        entries = conversions_of(package, class_name)
        by_class = entries is not None
        if entries is None and model_type and not _is_below(name, claimed.get(model_type, ())):
            entries = conversions_of(package, model_type)
        if entries is None:
            continue
        claimed.setdefault(class_name, []).append(name)
        if not by_class:
            claimed.setdefault(model_type, []).append(name)
        found.extend(_scoped(entry, name) for entry in entries)
    return tuple(found)


def _is_below(name: str, claims: list[str] | tuple[()]) -> bool:
    return any(claim == "" or name.startswith(f"{claim}.") for claim in claims)


def _pretrained(module: Instance, name: str) -> Iterator[tuple[str, Instance]]:
    if module.cls is not None and any(base.endswith(".PreTrainedModel") for base in module.cls.external_bases):
        yield name, module
        for attribute, child in module.attributes.items():
            if is_instance(child):
                yield from _pretrained(child, f"{name}.{attribute}" if name else attribute)


def _scoped(conversion: Conversion, name: str) -> Conversion:
    if not name:
        return conversion
    return Conversion(tuple(f"{name}.*{target.lstrip('.')}" for target in conversion.targets), conversion.operations)


def conversions_of(package: Package, key: str) -> tuple[Conversion, ...] | None:
    """The conversions registered under a class name or a model type; None when there is no such entry.

    Renamings are left out: they move no numbers. The file is long, so only the entries asked for are parsed.
    """
    return _registered(package, str(key))  # a text that keeps account of itself is not compared with earlier ones


@lru_cache(maxsize=64)
def _registered(package: Package, key: str) -> tuple[Conversion, ...] | None:
    text = _mapping_text(package)
    return None if text is None else _resolve(text, key, frozenset())


@lru_cache(maxsize=4)
def _mapping_text(package: Package) -> str | None:
    path = package.root / "conversion_mapping.py"
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _resolve(text: str, key: str, above: frozenset[str]) -> tuple[Conversion, ...] | None:
    if key in above:
        return ()
    found: tuple[Conversion, ...] | None = None
    for replaces, body in _bodies(text).get(key, ()):
        entries: list[Conversion] = [] if replaces or found is None else list(found)
        for source in _COPY.findall(body):
            entries.extend(_resolve(text, source, above | {key} if source != key else above) or ())
        entries.extend(_converters(body))
        found = tuple(entries)
    if found is None:
        alias = _aliases(text).get(key)
        return None if alias is None else _resolve(text, alias, above | {key})
    return found


@lru_cache(maxsize=4)
def _aliases(text: str) -> dict[str, str]:
    start = text.find("_MODEL_TO_CONVERSION_PATTERN = {")
    end = text.find("\n}", start)
    return dict(_ALIAS.findall(text[start:end])) if start >= 0 else {}


@lru_cache(maxsize=4)
def _bodies(text: str) -> dict[str, list[tuple[bool, str]]]:
    """Key -> the texts that make its entry, in order; True: it replaces what came before."""
    found: dict[str, list[tuple[bool, str]]] = {}
    for match in _ENTRY.finditer(text):
        end = text.find("\n        ]", match.end())
        found.setdefault(match[1], []).append((True, f"[{text[match.end() : end]}\n]"))
    for match in _ASSIGNED.finditer(text):
        rest = re.compile(r"^    (?=[^\s\])}])", re.MULTILINE).search(text, match.end())
        body = text[match.end() : rest.start() if rest else len(text)]
        found.setdefault(match[1], []).append((match[2] == "=", body))
    return found


def _converters(body: str) -> Iterator[Conversion]:
    if "WeightConverter(" not in body:
        return
    try:
        tree = ast.parse(f"({body.strip()}\n)", mode="eval")
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "WeightConverter":
            conversion = _conversion(node)
            if conversion is not None:
                yield conversion


def _conversion(node: ast.Call) -> Conversion | None:
    given = dict(zip(_SIGNATURE, node.args, strict=False))
    given.update({keyword.arg: keyword.value for keyword in node.keywords if keyword.arg in _SIGNATURE})
    targets = tuple(_plain_name(pattern) for pattern in _strings(given.get("target_patterns")))
    operations = given.get("operations")
    if not targets or not isinstance(operations, ast.List):
        return None
    steps = tuple(_operation(step) for step in operations.elts if isinstance(step, ast.Call))
    return Conversion(targets, steps)


def _strings(node: ast.expr | None) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.List | ast.Tuple):
        for element in node.elts:
            yield from _strings(element)


def _plain_name(pattern: str) -> str:
    """A target pattern as part of a parameter name: anchors, lookarounds and escapes gone, groups as `*`."""
    pattern = re.sub(r"\(\?.+?\)", "", pattern.removeprefix("^").removesuffix("$"))
    pattern = re.sub(r"\(.+?\)|\\\d", "*", pattern)
    return pattern.replace("\\.", ".").replace("\\d+", "*")


def _operation(step: ast.Call) -> tuple[str, int | None]:
    """Name and dim of an operation: its first argument, `dim`, `dim0` or `stack_dim`; 0 by default."""
    name = step.func.id if isinstance(step.func, ast.Name) else getattr(step.func, "attr", "")
    if name in _DIM_LAST:
        return name, _DIM_LAST[name]
    keywords = {keyword.arg: keyword.value for keyword in step.keywords}
    checks = keywords.get("check_dims")
    if isinstance(checks, ast.Constant) and checks.value is True:
        return name, None
    positional = step.args[0] if step.args else None
    given = next((keywords[k] for k in ("dim", "dim0", "stack_dim") if k in keywords), positional)
    if given is None:
        return name, 0
    try:
        dim = ast.literal_eval(given)
    except ValueError:
        return name, None
    return name, dim if isinstance(dim, int) else 0
