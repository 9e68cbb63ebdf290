"""Meshes in Python files: the calls that make one, and those that hold a model against one. Nothing is imported.

The verdicts are those of the mypy plugin, as far as names lead: what is bound once, in the same file. What more than
one binding, a branch, an attribute or another function decides stays unknown; the plugin follows more of it.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from meshfit.errors import MeshError
from meshfit.lint.documents import DocumentError
from meshfit.lint.python_models import Models
from meshfit.lint.python_names import Asked, Names, Scope
from meshfit.lint.recipe import Problem, Recipe, Spot, Written
from meshfit.mesh import MeshSpec
from meshfit.readers.mesh_calls import CONSTRUCTORS, DeviceMesh, UnreadableCall, mesh_of_value
from meshfit.readers.spellings import MESH_KEYS, SETTINGS, meant_key
from meshfit.readers.unknown import UNKNOWN
from meshfit.report import Consequence

__all__ = ["read_python"]

_SIGNS: Final = ("mesh", "paral", "distributedconfig", "distributed_config")
_VALIDATE: Final = frozenset({"meshfit.validate_for_mesh", "meshfit.capability.validate_for_mesh"})
_MESH_SPEC: Final = frozenset(name for name in CONSTRUCTORS if name.startswith("meshfit."))
_REFUSING: Final = frozenset(
    name for name in CONSTRUCTORS if name.endswith((".DistributedConfig", ".ParallelismConfig", ".ParallelDims"))
)
"""What refuses sizes that do not go together when it is made."""
_TORCHTITAN: Final = frozenset(
    f"torchtitan.config{module}.{name}"
    for module in ("", ".configs", ".job_config", "_manager")
    for name in ("ParallelismConfig", "Parallelism")
)
_VLLM: Final = frozenset(
    {
        *("vllm.LLM", "vllm.entrypoints.llm.LLM", "vllm.EngineArgs", "vllm.AsyncEngineArgs"),
        *("vllm.engine.arg_utils.EngineArgs", "vllm.engine.arg_utils.AsyncEngineArgs"),
    }
)
_VLLM_SETTINGS: Final = ("enable_expert_parallel", "decode_context_parallel_size")
_FACTS: Final = ("world_size", "seq_len", "gpus_per_node", "attn_implementation", "experts_implementation")
_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {"world_size": "world", "attn_implementation": "attn", "experts_implementation": "experts"}
)


def read_python(text: str, path: str) -> Iterator[Recipe]:
    """The meshes of a file, in its order.

    Args:
        text: of the file.
        path: where it is; its folder is not looked into.

    Raises:
        DocumentError: it is no Python of this version, or is nested too deeply.
    """
    lower = text.lower()
    if not any(sign in lower for sign in _SIGNS):
        return
    yield from _File(_parsed(text), text, path).recipes()


def _parsed(text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        raise DocumentError(f"is no Python: {error.msg}", error.lineno, error.offset or 1) from None
    except (ValueError, RecursionError, MemoryError) as error:
        told = "it is nested too deeply" if not isinstance(error, ValueError) else str(error)
        raise DocumentError(f"is no Python: {told}") from None


class _File:
    def __init__(self, tree: ast.Module, text: str, path: str) -> None:
        self._names = Names(tree)
        self._models = Models(tree, self._names, path, text)
        self._lines = re.split(r"\r\n|\r|\n", text)
        self._judged: set[ast.AST] = set()

    def recipes(self) -> Iterator[Recipe]:
        found: list[Recipe] = []
        for asked in self._names.calls:
            for read in (self._validated, self._loaded, self._served):
                found += read(asked)
        for asked in self._names.calls:
            if asked.call not in self._judged and not asked.guarded:
                found += self._made(asked)
        yield from sorted(found, key=lambda recipe: recipe.spot)

    def _validated(self, asked: Asked) -> Iterator[Recipe]:
        """`model.validate_for_mesh(mesh)`, `Model.validate_for_mesh(model, mesh)`, `validate_for_mesh(model, mesh)`."""
        call, scope, _ = asked
        arguments = _arguments(call)
        if arguments is None or asked.guarded:
            return
        positional, named = arguments
        function = call.func
        by_function = self._names.dotted(function, scope) in _VALIDATE
        if not by_function and not (isinstance(function, ast.Attribute) and function.attr == "validate_for_mesh"):
            return
        if not by_function and isinstance(function, ast.Attribute):
            facts = self._models.facts(function.value, scope, method=True)
            if facts is None and self._models.class_facts(function.value, scope, method=True) is None:
                return
            if facts is not None:
                positional = [function.value, *positional]
        model = positional[0] if positional else named.get("model")
        mesh = positional[1] if len(positional) > 1 else named.get("mesh")
        if model is None or mesh is None:
            return
        facts = self._models.facts(model, scope, method=not by_function)
        given = None if facts is None else self._given(named, scope)
        if facts is None or given is None:
            return
        yield from self._against(asked, mesh, given, model_facts=facts)

    def _loaded(self, asked: Asked) -> Iterator[Recipe]:
        """`A.from_pretrained("id", distributed_config=DistributedConfig(tp_size=8))`."""
        call, scope, _ = asked
        function = call.func
        if not isinstance(function, ast.Attribute) or function.attr != "from_pretrained" or asked.guarded:
            return
        arguments = _arguments(call)
        mesh = None if arguments is None else arguments[1].get("distributed_config")
        if arguments is None or mesh is None:
            return
        facts = self._models.class_facts(function.value, scope)
        if facts is not None:
            yield from self._against(asked, mesh, {}, model_facts=facts)
        elif self._names.dotted(function.value, scope).startswith("transformers.Auto"):
            named = arguments[0][0] if arguments[0] else arguments[1].get("pretrained_model_name_or_path")
            plain = not set(arguments[1]) - _HARMLESS
            model = self._written(named, scope, "model") if named is not None and plain else None
            if model is not None and isinstance(model.value, str):
                yield from self._against(asked, mesh, {}, model=model)

    def _against(self, asked: Asked, mesh: ast.expr, given: dict[str, Any], **model: Any) -> Iterator[Recipe]:
        """A recipe of a model and the mesh that an expression makes; none where nothing is known of the mesh."""
        spot = self._spot(asked.call)
        try:
            value = self._names.value(mesh, asked.scope)
            spec = mesh_of_value(value)
        except UnreadableCall:
            return
        except MeshError as error:
            if not self._speaks_itself(mesh, asked.scope):
                yield Recipe(tool="python", spot=spot, problems=(_refused(error, spot),))
            return
        self._judged.update(self._sources(mesh, asked.scope))
        yield Recipe(tool="python", spot=spot, mesh=spec, **given, **model)

    def _served(self, asked: Asked) -> Iterator[Recipe]:
        """`LLM(model="…", tensor_parallel_size=8)` of vLLM."""
        call, scope, _ = asked
        callee = self._names.dotted(call.func, scope)
        if callee in _VLLM:
            keys = MESH_KEYS["vllm"]
            told = self._told(call, scope)
            sizes = self._sizes(call, told, keys)
            problems = tuple(self._unknown(call, told, keys))
            if not problems and not any(key in told for key in keys):
                return
            given = call.args[0] if call.args and not isinstance(call.args[0], ast.Starred) else None
            model = told.get("model") if given is None else self._written(given, scope, "model")
            if "hf_overrides" in told or model is None or not isinstance(model.value, str):
                model = None
            settings: dict[str, Written] = {name: told[name] for name in _VLLM_SETTINGS if name in told}
            yield Recipe(
                tool="vllm",
                spot=self._spot(call),
                engine="vllm",
                sizes=sizes,
                settings=settings,
                model=model,
                problems=problems,
            )

    def _made(self, asked: Asked) -> Iterator[Recipe]:
        """A mesh by itself: one that is refused, or whose sizes do not go together."""
        call, scope, _ = asked
        callee = self._names.dotted(call.func, scope)
        if callee in _TORCHTITAN:
            yield from self._torchtitan(call, scope)
        if callee not in _MESH_SPEC and callee not in _REFUSING:
            return
        spot = self._spot(call)
        try:
            value = self._names.value(call, scope)
        except MeshError as error:
            if callee in _MESH_SPEC and not any(
                isinstance(inner, ast.Call)
                and inner is not call
                and self._names.dotted(inner.func, scope) in _MESH_SPEC
                for inner in self._sources(call, scope)
            ):
                yield Recipe(tool="python", spot=spot, problems=(_refused(error, spot),))
            return
        if callee in _REFUSING and isinstance(value, MeshSpec):
            places = self._places(call, scope)
            yield Recipe(tool=value.engine or "python", spot=spot, engine=value.engine, mesh=value, sizes=places)

    def _torchtitan(self, call: ast.Call, scope: Scope) -> Iterator[Recipe]:
        keys = MESH_KEYS["torchtitan"]
        told = self._told(call, scope)
        sizes = self._sizes(call, told, keys)
        problems = tuple(self._unknown(call, told, keys))
        shard = sizes.get("dp_shard")
        fill = None
        if shard is None or shard.value == -1:
            sizes.pop("dp_shard", None)
            fill = "dp_shard"
        if problems or any(key in told for key in keys):
            yield Recipe(
                tool="torchtitan",
                spot=self._spot(call),
                engine="torchtitan",
                sizes=sizes,
                fill=fill,
                settings={name: told[name] for name in SETTINGS if name in told},
                problems=problems,
            )

    def _told(self, call: ast.Call, scope: Scope) -> dict[str, Written]:
        """The keyword arguments; one that makes a refused mesh is unknown."""
        return {
            keyword.arg: self._written(keyword.value, scope, keyword.arg)
            for keyword in call.keywords
            if keyword.arg is not None
        }

    def _sizes(self, call: ast.Call, told: Mapping[str, Written], keys: Mapping[str, str]) -> dict[str, Written]:
        sizes = {axis: told[key] for key, axis in keys.items() if key in told and told[key].value is not None}
        if any(keyword.arg is None for keyword in call.keywords):
            for key, axis in keys.items():
                sizes.setdefault(axis, Written(UNKNOWN, self._spot(call), key))
        return sizes

    def _unknown(self, call: ast.Call, told: Mapping[str, Written], keys: Mapping[str, str]) -> Iterator[Problem]:
        for keyword in call.keywords:
            name = keyword.arg
            if name is None or name in keys:
                continue
            meant = meant_key(name, keys, slips=True)
            if meant is not None and meant not in told:
                line, column, _, _ = self._spot(keyword)
                yield Problem(
                    "RC001",
                    f"unknown argument {name!r} of the mesh, which the call refuses; did you mean {meant!r}?",
                    f"write {meant!r}",
                    Spot(line, column, line, column + len(name)),
                    Consequence.CLEAN,
                )

    def _places(self, call: ast.Call, scope: Scope) -> dict[str, Written]:
        """Where a constructor is given its sizes, by axis."""
        axes = {**MESH_KEYS["transformers"], "cp_size": "cp", "sp_size": "sp", "dp_shard_size": "dp_shard"}
        axes |= {axis: axis for axis in ("tp", "pp", "cp", "ep", "dp_shard", "dp_replicate")}
        told = self._told(call, scope)
        return {axes[name]: written for name, written in told.items() if name in axes}

    def _given(self, named: Mapping[str, ast.expr], scope: Scope) -> dict[str, Any] | None:
        """The options of a call that decide; None where one is not known."""
        given: dict[str, Any] = {}
        if "engine" in named:
            engine = self._written(named["engine"], scope, "engine").value
            if engine is not None and not isinstance(engine, str):
                return None
            given["engine"] = engine
        for name in _FACTS:
            if name in named:
                given[_FIELDS.get(name, name)] = self._written(named[name], scope, name)
        return given

    def _written(self, node: ast.expr, scope: Scope, key: str) -> Written:
        try:
            value = self._names.value(node, scope)
        except MeshError:
            value = UNKNOWN
        while isinstance(node, ast.Name) and value is not UNKNOWN:
            found = self._names.bound(node.id, scope)
            if found is None or not isinstance(found[0], ast.expr):
                break
            node, scope = found  # type: ignore[assignment]
        return Written(UNKNOWN if isinstance(value, DeviceMesh) else value, self._spot(node), key)

    def _speaks_itself(self, node: ast.AST, scope: Scope) -> bool:
        """Whether an expression leads to a `MeshSpec` being made, which is refused there."""
        return any(
            self._names.dotted(inner.func, scope) in _MESH_SPEC
            for inner in self._sources(node, scope)
            if isinstance(inner, ast.Call)
        )

    def _sources(self, node: ast.AST, scope: Scope) -> set[ast.AST]:
        """The expressions that an expression is made of, names followed."""
        found: set[ast.AST] = set()
        waiting = [(node, scope)]
        while waiting:
            root, where = waiting.pop()
            for inner in ast.walk(root):
                if inner in found:
                    continue
                found.add(inner)
                to = self._names.bound(inner.id, where) if isinstance(inner, ast.Name) else None
                if to is not None and isinstance(to[0], ast.expr):
                    waiting.append((to[0], to[1]))
        return found

    def _spot(self, node: ast.expr | ast.keyword) -> Spot:
        return Spot(*self._place(node.lineno, node.col_offset), *self._place(node.end_lineno, node.end_col_offset))

    def _place(self, line: int | None, offset: int | None) -> tuple[int, int]:
        """Line and column in characters; the parser counts bytes."""
        if line is None or offset is None or not 0 < line <= len(self._lines):
            return 1, 1
        return line, len(self._lines[line - 1].encode()[:offset].decode(errors="replace")) + 1


_HARMLESS: Final = frozenset(
    {
        *(
            "pretrained_model_name_or_path",
            "distributed_config",
            "tp_plan",
            "dtype",
            "torch_dtype",
            "device_map",
            "token",
        ),
        *("cache_dir", "revision", "local_files_only", "trust_remote_code", "low_cpu_mem_usage", "use_safetensors"),
    }
)
"""Arguments of `from_pretrained` that change no fact."""


def _arguments(call: ast.Call) -> tuple[list[ast.expr], dict[str, ast.expr]] | None:
    """The arguments by place and by name; None where a star hides some."""
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return None
    named = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
    return (list(call.args), named) if len(named) == len(call.keywords) else None


def _refused(error: MeshError, spot: Spot) -> Problem:
    message, _, advice = str(error).partition("; ")
    return Problem("RC002", message, advice, spot)
