"""Builtins, and the methods of modules that the evaluator carries out itself."""

from __future__ import annotations

import ast
import copy
import itertools
import math
from typing import TYPE_CHECKING, Any, Final

from meshfit.readers.source import attributes as at, base_config, expressions as ex, plans, torch_modules
from meshfit.readers.source.frames import BudgetError, Evaluating, Frame, LoopExit, RaisedError, ReturnValue
from meshfit.readers.source.index import Assignment, ClassSource, External
from meshfit.readers.source.operators import plain
from meshfit.readers.source.values import (
    UNKNOWN,
    Bound,
    ConfigObject,
    Indices,
    Native,
    Node,
    Signature,
    Symbolic,
    Tensor,
    Trace,
    Traced,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "BUILTINS",
    "BY_NAME",
    "EXTERNAL",
    "SPECIAL",
    "activation_table",
    "module_method",
    "node_evaluator",
    "traced_items",
]


def node_evaluator(engine: Evaluating) -> Callable[[Node, ast.expr, Mapping[str, object]], object]:
    """What `Node.evaluate` does: an expression of one of the node's methods, in its class's module."""

    def evaluate(node: Node, expression: ast.expr, local: Mapping[str, object]) -> object:
        if node.cls is None:
            return UNKNOWN
        frame = Frame(engine, node.cls.module, {"self": node, **local}, node.cls, node)
        try:
            return plain(ex.evaluate(frame, expression))
        except (BudgetError, LoopExit, RaisedError, RecursionError, ReturnValue):
            return UNKNOWN

    return evaluate


def traced_items(value: Any) -> list[Any] | None:
    """The items of an iterable, the numbers of a range under observation."""
    if isinstance(value, range | Indices):
        return [Traced(number, lambda index: index, Trace()) for number in value[:4096]]
    return ex.iterate(value)


def activation_table(found: Assignment) -> Any:
    """`ACT2FN = ClassInstantier(ACT2CLS)`: the table behind transformers' activations; None for anything else."""
    value = found.value
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "ClassInstantier"):
        return None
    source = found.module.lookup(ast.unparse(value.args[0]))
    if not isinstance(source, Assignment) or not isinstance(source.value, ast.Dict):
        return None
    entries = zip(source.value.keys, source.value.values, strict=True)
    table = {str(key.value): entry for key, entry in entries if isinstance(key, ast.Constant)}
    return torch_modules.Activations(table, source.module)


def _values(frame: Frame, node: ast.Call) -> list[Any]:
    return [ex.evaluate(frame, arg) for arg in node.args]


def _getattr(frame: Frame, node: ast.Call) -> Any:
    holder, name, *default = _values(frame, node)
    if holder is UNKNOWN or not isinstance(name, str):
        return UNKNOWN
    found = at.lookup(frame, holder, name)
    if found is at.MISSING:
        return default[0] if default else UNKNOWN
    return found


def _hasattr(frame: Frame, node: ast.Call) -> Any:
    holder, name = _values(frame, node)
    if holder is UNKNOWN or not isinstance(name, str):
        return UNKNOWN
    found = at.lookup(frame, holder, name)
    if found is at.MISSING:
        return False
    return UNKNOWN if found is UNKNOWN and not isinstance(holder, ConfigObject | Node) else True


def _setattr(frame: Frame, node: ast.Call) -> Any:
    holder, name, value = _values(frame, node)
    if isinstance(name, str):
        at.store(frame, holder, name, value)
    return None


def _isinstance(frame: Frame, node: ast.Call) -> Any:
    value, kinds = _values(frame, node)
    if value is UNKNOWN or kinds is UNKNOWN:
        return UNKNOWN
    verdicts = [_is_a(plain(value), kind) for kind in (kinds if isinstance(kinds, tuple) else (kinds,))]
    if True in verdicts:
        return True
    return UNKNOWN if UNKNOWN in verdicts else False


def _is_a(value: Any, kind: Any) -> Any:
    cls = value.cls if isinstance(value, Node | ConfigObject) else None
    if isinstance(kind, ClassSource):
        return cls is not None and any(c.qualname == kind.qualname for c in cls.mro)
    if isinstance(kind, External):
        name = kind.dotted.rpartition(".")[2]
        if cls is not None:
            return name == "Module" or any(base.rpartition(".")[2] == name for base in cls.external_bases)
        if isinstance(value, Node):
            return name in (value.kind, "Module")
        return isinstance(value, _ABSTRACT.get(name, ()))
    if isinstance(kind, Native) and kind.name in _TYPES:
        return isinstance(value, _TYPES[kind.name])
    return UNKNOWN


def _callable(frame: Frame, node: ast.Call) -> Any:
    (value,) = _values(frame, node)
    return UNKNOWN if value is UNKNOWN else isinstance(value, Bound | Native | ClassSource | External)


def _type(frame: Frame, node: ast.Call) -> Any:
    value = _values(frame, node)[0]
    return value.cls if isinstance(value, Node | ConfigObject) and value.cls is not None else UNKNOWN


def _deepcopy(value: Any) -> Any:
    if isinstance(value, Symbolic):
        return copy.deepcopy(value)
    if isinstance(value, ConfigObject):
        return value.deep_copy(_deepcopy)
    if isinstance(value, dict):
        return {key: _deepcopy(item) for key, item in value.items()}
    return [_deepcopy(item) for item in value] if isinstance(value, list) else value


def _shallow_copy(value: Any) -> Any:
    return value.copy() if isinstance(value, ConfigObject | dict | list) else copy.copy(value)


def _length(value: Any) -> Any:
    if isinstance(value, Symbolic):
        return value.length()
    return at.length(value) if isinstance(value, Node) else len(value)


def _enumerate(value: Any, start: int = 0) -> Any:
    items = ex.iterate(value)
    if items is None:
        return UNKNOWN
    numbers: Any = range(len(items))
    if isinstance(value, Symbolic):
        numbers = value.indices()
        items = [number.pick(value) for number in numbers]
    return [(Traced(start + i, lambda index: index, Trace()), item) for i, item in zip(numbers, items, strict=True)]


def _range(*bounds: Any) -> Any:
    if any(isinstance(bound, Symbolic) for bound in bounds):
        start, stop = bounds if len(bounds) == 2 else (0, bounds[0])
        if len(bounds) < 3 and start == 0 and isinstance(stop, Symbolic):
            return Indices(stop.indices())
        return range(*map(int, bounds))  # `int` asks each for its plain value, as `range` does not
    return range(*bounds)


def _int(value: Any = 0, *base: Any) -> Any:
    return value.converted(int) if isinstance(value, Symbolic) and not base else int(value, *base)


def _float(value: Any = 0.0) -> Any:
    return value.converted(float) if isinstance(value, Symbolic) else float(value)


def _square_root(value: Any) -> Any:
    return value.root() if isinstance(value, Symbolic) else math.sqrt(value)


def _zip(*values: Any, **_options: Any) -> Any:
    columns = [ex.iterate(value) for value in values]
    known = [column for column in columns if column is not None]
    return list(zip(*known, strict=False)) if len(known) == len(columns) else UNKNOWN


def _list(value: Any = ()) -> Any:
    items = ex.iterate(value)
    return UNKNOWN if items is None else items


def _tuple(value: Any = ()) -> Any:
    """`tuple(value)`; a list that keeps account of itself is never changed in place, and stays what it is."""
    return value if isinstance(value, Symbolic) and isinstance(value, list) else _known(tuple)(value)


def _known(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, answering UNKNOWN as soon as an argument or an item of one is."""

    def run(*args: Any, **kwargs: Any) -> Any:
        for value in args:
            if value is UNKNOWN or (isinstance(value, list | tuple) and any(v is UNKNOWN for v in value)):
                return UNKNOWN
        return function(*args, **kwargs)

    return run


_TYPES: Final[Mapping[str, type]] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "dict": dict,
    "list": list,
    "tuple": tuple,
    "set": set,
}
_ABSTRACT: Final[Mapping[str, tuple[type, ...]]] = {
    "Sequence": (list, tuple, str, range),
    "Iterable": (list, tuple, str, range, dict, set),
    "Mapping": (dict,),
}
_PLAIN: Final[Mapping[str, Callable[..., Any]]] = {
    **{name: kind for name, kind in _TYPES.items() if name not in ("list", "tuple")},
    "int": _int,
    "float": _float,
    "abs": abs,
    "all": all,
    "any": any,
    "divmod": divmod,
    "max": max,
    "min": min,
    "range": _range,
    "round": round,
    "sorted": sorted,
    "sum": sum,
    "pow": pow,
    "repr": repr,
    "frozenset": frozenset,
    "reversed": lambda value: list(reversed(value)),
}
BUILTINS: Final[Mapping[str, Any]] = {
    **{name: Native(name, _known(function)) for name, function in _PLAIN.items()},
    "len": Native("len", _length),
    "list": Native("list", _list),
    "tuple": Native("tuple", _tuple),
    "enumerate": Native("enumerate", _enumerate),
    "iter": Native("iter", lambda value: iter(_list(value))),
    "next": Native("next", lambda iterator, default=UNKNOWN: next(iterator, default)),
    "zip": Native("zip", _zip),
    "print": Native("print", lambda *_a, **_k: None),
}
SPECIAL: Final[Mapping[str, Callable[[Frame, ast.Call], Any]]] = {
    "getattr": _getattr,
    "hasattr": _hasattr,
    "setattr": _setattr,
    "isinstance": _isinstance,
    "callable": _callable,
    "type": _type,
}
EXTERNAL: Final[Mapping[str, Callable[..., Any]]] = {
    "copy.deepcopy": _deepcopy,
    "copy.copy": _shallow_copy,
    "collections.OrderedDict": dict,
    "inspect.signature": lambda function: function if isinstance(function, Signature) else UNKNOWN,
    "functools.partial": lambda function, *_args, **_options: function,
    "itertools.cycle": lambda value: itertools.cycle(_list(value)),
    "collections.abc.Iterable": lambda *_a: UNKNOWN,
    "math.sqrt": _square_root,
    **{f"math.{name}": getattr(math, name) for name in ("log", "log2", "ceil", "floor", "pow", "prod", "gcd", "exp")},
}


def _flash_attention(config: Any = None, requested_attention_implementation: Any = None) -> bool:
    """What transformers' `is_flash_attention_requested` answers."""
    chosen = requested_attention_implementation
    if isinstance(config, ConfigObject):
        chosen = config.values.get("_attn_implementation")
    return isinstance(chosen, str) and "flash" in chosen


def _remapped(layer_types: Any = None, config: Any = None) -> Any:
    kinds = layer_types if config is None else UNKNOWN
    return base_config.current_layer_types(kinds) if isinstance(kinds, list | tuple) else UNKNOWN


BY_NAME: Final[Mapping[str, Callable[..., Any]]] = {
    "is_flash_attention_requested": _flash_attention,
    "remap_legacy_layer_types": _remapped,
}
"""Functions of transformers' utilities, wherever a version keeps them."""


def module_method(frame: Frame, node: Node, name: str) -> Native | None:
    """A method every `nn.Module` has, and the few of `PreTrainedModel` that change what a model is."""
    engine = frame.engine

    def add(child_name: Any, child: Any = UNKNOWN) -> None:
        node.attributes[str(plain(child_name))] = child

    def register_parameter(parameter_name: Any, value: Any = UNKNOWN) -> None:
        node.attributes[str(parameter_name)] = value

    def register_buffer(buffer_name: Any, value: Any = None, persistent: Any = True) -> None:
        shape = value.shape if isinstance(value, Tensor) else None
        kept = None if value is None else Tensor(shape, persistent=persistent is not False)
        node.attributes[str(buffer_name)] = kept

    def append(child: Any) -> Node:
        node.attributes[str(at.length(node))] = child
        return node

    def extend(items: Any) -> None:
        for child in ex.iterate(items) or []:
            append(child)

    methods: dict[str, Callable[..., Any]] = {
        "add_module": add,
        "register_module": add,
        "register_buffer": register_buffer,
        "register_parameter": register_parameter,
        "append": append,
        "extend": extend,
        "post_init": lambda: plans.post_init(Frame(engine, frame.module), node),
        "named_children": lambda: list(node.children()),
        "children": lambda: [child for _, child in node.children()],
        "values": lambda: [child for _, child in node.children()],
        "keys": lambda: [child_name for child_name, _ in node.children()],
        "items": lambda: list(node.children()),
        "get_input_embeddings": lambda: plans.input_embeddings(frame, node),
        "to": lambda *_a, **_k: node,
        "eval": lambda: node,
        "train": lambda *_a: node,
        "requires_grad_": lambda *_a: node,
    }
    inert = (
        "apply",
        "init_weights",
        "_init_weights",
        "tie_weights",
        "register_load_state_dict_pre_hook",
        "parameters",
        "register_state_dict_pre_hook",
        "_register_load_state_dict_pre_hook",
        "named_parameters",
        "modules",
    )
    if name in inert:
        return Native(name, lambda *_a, **_k: UNKNOWN)
    return Native(name, methods[name]) if name in methods else None
