"""A mypy plugin: a mesh that the model's class cannot support is an error while typing.

Enable it with `plugins = ["meshfit_mypy"]`. This module only dispatches; what a hook needs is imported when the hook
first runs, so that a warm run without a mesh in it pays for nothing else.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from mypy.errorcodes import TYPE_ARG
from mypy.nodes import ClassDef
from mypy.plugin import Plugin

from meshfit_mypy import codes
from meshfit_mypy.options import read_options
from meshfit_mypy.texts import begin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy.nodes import MypyFile
    from mypy.options import Options as MypyOptions
    from mypy.plugin import AnalyzeTypeContext, ClassDefContext, ReportConfigContext
    from mypy.types import Type

__all__ = ["MeshfitPlugin", "codes", "plugin"]

__version__: Final = "0.1.0"
"""meshfit's version. mypy's cache holds it, so that verdicts of other rules are made anew."""

_SCHEMA: Final = 1
"""Of what the plugin leaves in mypy's cache."""

_FOREIGN: Final = frozenset(
    {*sys.stdlib_module_names, "_typeshed", "typing_extensions", "torch", "transformers", "meshfit"}
)
"""Where classes are not recorded: they are no models, or it is known otherwise what they say."""

_FUNCTIONS: Final = {
    "meshfit.capability.validate_for_mesh": "validate_function",
    "meshfit.checking.check": "check_function",
    "meshfit.mesh.MeshSpec": "mesh_call",
    "transformers.distributed.configuration_utils.DistributedConfig": "mesh_call",
    "torch.distributed.device_mesh.init_device_mesh": "mesh_call",
    "accelerate.parallelism_config.ParallelismConfig": "mesh_call",
}
_METHODS: Final = {"validate_for_mesh": "validate_method", "from_pretrained": "from_pretrained"}
"""By the plain name: the whole one begins with that of the receiver's class."""
_MESH_METHODS: Final = {"meshfit.mesh.MeshSpec.parse": "mesh_call", "meshfit.mesh.MeshSpec.of": "mesh_call"}
_MESH_CLASSES: Final = frozenset(
    {"meshfit.mesh.MeshSpec", "transformers.distributed.configuration_utils.DistributedConfig"}
)


def plugin(version: str) -> type[Plugin]:  # noqa: ARG001 - mypy passes its version
    """Mypy's entry point."""
    return MeshfitPlugin


class MeshfitPlugin(Plugin):
    """The hooks. Each is guarded: a fault of ours must never end a user's mypy."""

    def __init__(self, options: MypyOptions) -> None:
        super().__init__(options)
        self.settings = read_options(options.config_file)
        begin(options)
        self._daemon = options.fine_grained_incremental
        self._own_state = repr([_SCHEMA, self.settings.state()])
        # mypy asks tens of thousands of times, so it asks tables: a method would cost more than all verdicts together
        hooks = {name: self._hook(hook) for name, hook in _FUNCTIONS.items()}
        annotations = {name: partial(self._annotation, name) for name in _MESH_CLASSES}
        self.__dict__["get_function_hook"] = hooks.get
        self.__dict__["get_type_analyze_hook"] = annotations.get
        self.__dict__["get_method_hook"] = _MethodHooks(self._hook).__getitem__
        self._classes = _ClassHooks(self._record_class)
        self.__dict__["get_customize_class_mro_hook"] = self._classes.__getitem__

    @property
    def files(self) -> dict[str, MypyFile]:
        """Dotted name -> every module mypy has loaded, from source or from its cache."""
        return self._modules or {}

    def report_config_data(self, ctx: ReportConfigContext) -> Any:
        """What a cached verdict rests on besides source: options are none of an installed package's concern."""
        return None if "site-packages" in ctx.path or "typeshed" in ctx.path else self._own_state

    def get_additional_deps(self, file: MypyFile) -> list[tuple[int, str, int]]:
        """No module needs more than it imports; but here mypy shows each file that it has just parsed, one by one.

        Read then, their classes take half the time that they would take while mypy analyses them. The daemon parses
        files without showing them.
        """
        if not self._daemon:
            try:
                self._read_classes(file)
            except Exception:  # noqa: BLE001 - see `_give_up`
                _give_up()
        return []

    def _read_classes(self, file: MypyFile) -> None:
        name, models = file.fullname, None
        if name.partition(".")[0] not in _FOREIGN:
            from meshfit_mypy.classes import recorded_classes

            models = recorded_classes(file)
        if models is None:
            self._classes.update(dict.fromkeys([f"{name}.{cls.name}" for cls in file.defs if type(cls) is ClassDef]))
            return
        for cls, metadata in models.items():
            self._classes[f"{name}.{cls.name}"] = partial(self._take, cls.line, metadata)

    def _hook(self, name: str) -> Callable[[Any], Type]:
        return partial(self._guarded, name)

    def _take(self, line: int, metadata: Mapping[str, dict[str, Any]], ctx: ClassDefContext) -> None:
        """Give a class what was read of it; another of the same name is read by itself."""
        cls = ctx.cls
        if cls.line == line:
            cls.info.metadata.update(metadata)
        else:
            self._record_class(ctx)

    def _record_class(self, ctx: ClassDefContext) -> None:
        """Record what a class says of itself, beside its other facts in mypy's cache."""
        try:
            from meshfit_mypy.classes import record

            record(ctx.cls, ctx.api.modules.get(ctx.api.cur_mod_id))
            if self._daemon:
                from meshfit_mypy.daemon import publish

                publish(ctx)
        except Exception:  # noqa: BLE001 - see `_give_up`
            _give_up()

    def _guarded(self, name: str, ctx: Any) -> Type:
        try:
            from meshfit_mypy import calls

            hook: Callable[[Any, MeshfitPlugin], Type] = getattr(calls, name)
            return hook(ctx, self)
        except Exception:  # noqa: BLE001 - see `_give_up`
            _give_up()
            given: Type = ctx.default_return_type
            return given

    def _annotation(self, name: str, ctx: AnalyzeTypeContext) -> Type:
        made = ctx.api.named_type(name, [])
        made.set_line(ctx.context)
        if ctx.type.args:
            counted = f'"{made.type.name}" expects no type arguments, but {len(ctx.type.args)} given'
            ctx.api.fail(counted, ctx.context, code=TYPE_ARG)  # as mypy would have said
        try:
            from meshfit_mypy.carried import carry_function

            return carry_function(ctx, made)
        except Exception:  # noqa: BLE001 - see `_give_up`
            _give_up()
            return made


class _ClassHooks(dict[str, "Callable[[ClassDefContext], None] | None"]):
    """Full name of a class that was read -> its hook; for others, one that reads it, or None where no model is."""

    def __init__(self, read: Callable[[ClassDefContext], None]) -> None:
        self._read = read

    def __missing__(self, fullname: str) -> Callable[[ClassDefContext], None] | None:
        return None if fullname.partition(".")[0] in _FOREIGN else self._read


class _MethodHooks(dict[str, "Callable[[Any], Type] | None"]):
    """Full name of a method -> its hook, None where there is none."""

    def __init__(self, hook: Callable[[str], Callable[[Any], Type]]) -> None:
        self._hook = hook

    def __missing__(self, fullname: str) -> Callable[[Any], Type] | None:
        name = _METHODS.get(fullname.rpartition(".")[2]) or _MESH_METHODS.get(fullname)
        found = self[fullname] = None if name is None else self._hook(name)
        return found


def _give_up() -> None:
    """Silence is better than a crash; with MESHFIT_DEBUG set, whoever works on the plugin sees the fault."""
    if os.environ.get("MESHFIT_DEBUG"):
        raise  # noqa: PLE0704 - inside the handler of the caller
