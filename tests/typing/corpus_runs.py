"""Cases that are run: what becomes of each statement, to hold the marks against.

A statement that raises is told and passed over, so that the next one runs too.
"""

from __future__ import annotations

import ast
import sys
import types
import typing
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice, product
from pathlib import Path
from typing import Any, Final
from unittest import mock

import torch
from tests.typing.harness import CASES, FAKES

from meshfit import MeshError, MeshSpec, UnsupportedMeshError

Outcomes = Mapping[int, list[BaseException | None]]

_RUNS: Final = 12
"""Combinations of arguments that a function is run with, at most."""


_OURS: Final = (
    *(folder.name for folder in CASES.iterdir()),
    *("torchtitan", "nemo_automodel", "model_zoo"),
)
"""Packages that are imported for a run and forgotten after it."""


class _Guarding(ast.NodeTransformer):
    """Puts each simple statement into a `try` that tells what became of it."""

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        return self._guarded(node)

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        return self._guarded(node)

    def visit_Return(self, node: ast.Return) -> ast.stmt:
        self.generic_visit(node)
        return node

    def _guarded(self, node: ast.stmt) -> ast.stmt:
        made = ast.parse(
            "try:\n    pass\n    __tell__(0, None)\nexcept Exception as __raised__:\n    __tell__(0, __raised__)"
        )
        guard = made.body[0]
        for part in ast.walk(guard):
            if isinstance(part, ast.Call):
                part.args[0] = ast.Constant(node.lineno)
        typing.cast("ast.Try", guard).body[0] = node
        return ast.fix_missing_locations(ast.copy_location(guard, node))


class _Mesh:
    """A device mesh without devices: what meshfit reads of one, and slices."""

    def __init__(self, names: tuple[str, ...] | None, shape: tuple[int, ...]) -> None:
        self.mesh_dim_names = names
        self.shape = shape

    def __getitem__(self, wanted: str | tuple[str, ...]) -> _Mesh:
        names = (wanted,) if isinstance(wanted, str) else wanted
        sizes = dict(zip(self.mesh_dim_names or (), self.shape, strict=True))
        return _Mesh(names, tuple(sizes[name] for name in names))


_Mesh.__name__ = "DeviceMesh"


def _made_mesh(device: str, shape: tuple[int, ...], *, mesh_dim_names: tuple[str, ...] | None = None) -> _Mesh:
    return _Mesh(mesh_dim_names, shape)


def _loaded(cls: Any, /, *_: Any, distributed_config: Any = None, **__: Any) -> Any:
    """`from_pretrained` of a model that needs no file; refuses as loading it would."""
    import meshfit

    model = cls(cls.config_class())
    meshfit.validate_for_mesh(model, distributed_config)
    return model


@contextmanager
def _stage() -> Iterator[None]:
    """Packages that are not installed come from the fakes, and nothing needs devices, files or a network.

    What a program writes onto torch's `Module`, and what it registers, is taken back.
    """
    from transformers import PreTrainedModel

    import meshfit

    before, attributes, registered = set(sys.modules), set(vars(torch.nn.Module)), dict(meshfit.tp_plans)
    with (
        mock.patch.object(sys, "path", [*sys.path, str(CASES), str(FAKES)]),
        mock.patch("torch.distributed.device_mesh.init_device_mesh", _made_mesh),
        mock.patch.object(PreTrainedModel, "from_pretrained", classmethod(_loaded)),
        torch.device("meta"),
    ):
        yield
    for name in set(vars(torch.nn.Module)) - attributes:
        delattr(torch.nn.Module, name)
    for key in [key for key in meshfit.tp_plans if key not in registered]:
        del meshfit.tp_plans[key]
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in _OURS:
            del sys.modules[name]


def outcomes(path: Path) -> Outcomes:
    """Line -> what became of the statement that begins there, once for each time it ran."""
    told: dict[int, list[BaseException | None]] = defaultdict(list)
    name = ".".join(path.relative_to(CASES).with_suffix("").parts)
    module = types.ModuleType(name)
    vars(module)["__tell__"] = lambda line, raised: told[line].append(raised)
    tree = _Guarding().visit(ast.parse(path.read_text(encoding="utf-8")))
    with _stage():
        sys.modules[name] = module
        exec(compile(tree, str(path), "exec"), vars(module))  # noqa: S102 - the project's own files
        for function in [value for value in vars(module).values() if isinstance(value, types.FunctionType)]:
            if function.__module__ == name:
                for arguments in islice(_arguments(function), _RUNS):
                    _called(function, arguments)
    return told


def _called(function: Any, arguments: Mapping[str, Any]) -> None:
    try:
        result = function(**arguments)
        if isinstance(result, types.CoroutineType):
            result.send(None)
    except (Exception, StopIteration):  # noqa: BLE001 - told where it was raised, or of no concern
        return


def _arguments(function: Any) -> Iterator[dict[str, Any]]:
    hints = typing.get_type_hints(function)
    hints.pop("return", None)
    try:
        choices = [list(_values(hint)) for hint in hints.values()]
    except LookupError:
        return
    for values in product(*choices):
        yield dict(zip(hints, values, strict=True))


def _values(hint: Any) -> Iterator[Any]:
    """Values of a type, two of a choice; nothing for a type nobody can guess."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        for part in parts:
            yield from islice(_values(part), 1)
    elif origin is list:
        yield [*islice(_values(parts[0]), 1)]
    elif origin is dict:
        yield dict(zip("a", _values(parts[1]), strict=False))
    elif origin is type:
        yield parts[0]
    elif hint in _GUESSES:
        yield from _GUESSES[hint]
    elif getattr(hint, "_is_protocol", False):
        return
    elif isinstance(hint, type) and hint.__module__.partition(".")[0] not in ("builtins", "meshfit", "typing"):
        yield _made(hint)


def _made(cls: Any) -> Any:
    """An instance, its arguments guessed from their types.

    Raises:
        LookupError: they cannot be.
    """
    config = getattr(cls, "config_class", None)
    if config is not None:
        return cls(config())
    try:
        return cls()
    except TypeError:
        # it has parameters
        try:
            hints = typing.get_type_hints(cls.__init__)
        except NameError as unknown:
            raise LookupError(f"{cls.__name__} does not tell the types of its arguments") from unknown
    hints.pop("return", None)
    values = [next(_values(hint), None) for hint in hints.values()]
    if None in values:
        raise LookupError(f"no value for an argument of {cls.__name__}")
    return cls(*values)


_GUESSES: Final[Mapping[Any, tuple[Any, ...]]] = {
    bool: (True, False),
    int: (8, 16),
    str: ("wide", "other"),
    type(None): (None,),
    MeshSpec: (MeshSpec(),),
    torch.nn.Module: (torch.nn.Linear(2, 2),),
    Any: (mock.MagicMock(),),
}


def refusals(outcome: BaseException | None) -> list[tuple[str, str]]:
    """The code and the text of each reason why a statement was refused; empty where it ran."""
    if isinstance(outcome, UnsupportedMeshError):
        return [(f"meshfit-{_FAMILY.get(one.axis, one.axis)}", one.message) for one in outcome.report.errors]
    # what another package says when it refuses a size of its own is no text of ours
    text = str(outcome) if isinstance(outcome, MeshError) else ""
    return [] if outcome is None else [("meshfit-mesh", text)]


_FAMILY: Final = {"sp": "cp", "dp_shard": "dp", "dp_replicate": "dp"}
