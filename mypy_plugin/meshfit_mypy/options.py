"""The `[tool.meshfit]` table of pyproject.toml, or the `[meshfit]` section of mypy's ini file."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NoReturn

from mypy.errors import CompileError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LEVELS", "USAGE", "Options", "read_options"]

LEVELS: Final = ("error", "note", "off")
"""How a rule may speak."""

USAGE: Final = """\
[tool.meshfit] takes:
  parameters = true               judge models that are parameters, not only those built in sight
  checks = false                  show what check(model, mesh) finds as notes
  checkpoints = ["./ckpt"]        folders whose config.json tells the sizes of from_pretrained("./ckpt")
  constructors = {"my.make_mesh" = {tensor = "tp"}}   callables that make meshes: parameter = axis
  rule_packages = ["my.rules"]    modules that declare rules when they are imported
  severity = {TP009 = "error"}    rule code or name = "error", "note" or "off"\
"""


class Options:
    """What the table says; see `USAGE`. Paths are absolute."""

    __slots__ = ("checkpoints", "checks", "constructors", "parameters", "root", "rule_packages", "severity")

    def __init__(
        self,
        *,
        parameters: bool = True,
        checks: bool = False,
        checkpoints: tuple[str, ...] = (),
        constructors: dict[str, dict[str, str]] | None = None,
        rule_packages: tuple[str, ...] = (),
        severity: dict[str, str] | None = None,
        root: str = "",
    ) -> None:
        self.parameters = parameters
        self.checks = checks
        self.checkpoints = checkpoints
        self.constructors = constructors or {}
        self.rule_packages = rule_packages
        self.severity = severity or {}
        self.root = root

    def state(self) -> list[Any]:
        """What a cached verdict rests on: the options, and the content of the configs they name, JSON-able."""
        configs = [
            [os.path.relpath(folder, self.root), _content(os.path.join(folder, "config.json"))]
            for folder in self.checkpoints
        ]
        return [self.parameters, self.checks, configs, list(self.rule_packages), self.constructors, self.severity]


_NONE: Final = Options()


def read_options(config_file: str | None) -> Options:
    """The options that stand in mypy's configuration, or in the pyproject.toml beside it.

    Raises:
        CompileError: a bad option; mypy prints it and exits with 2.
    """
    if not config_file:
        return _NONE
    folder = os.path.dirname(os.path.abspath(config_file))
    table = _table(config_file)
    if table is None and os.path.basename(config_file) != "pyproject.toml":
        config_file = os.path.join(folder, "pyproject.toml")
        table = _table(config_file)
    return _NONE if table is None else _checked(table, config_file, folder)


def _table(path: str) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as file:
            raw = file.read()
    except OSError:
        return None
    if path.endswith(".toml"):
        return _toml_table(raw, path) if b"meshfit" in raw else None
    return _ini_table(raw, path) if b"[meshfit]" in raw else None


def _toml_table(raw: bytes, path: str) -> dict[str, Any] | None:
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")  # the one mypy has loaded
    try:
        table: Any = toml.loads(raw.decode()).get("tool", {}).get("meshfit")
    except (ValueError, AttributeError):
        return None  # mypy itself says what is wrong with the file
    if not isinstance(table, dict | None):
        _refuse(path, "", f"must be a table, got {table!r}")
    return table


def _ini_table(raw: bytes, path: str) -> dict[str, Any]:
    from configparser import ConfigParser, Error

    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # codes and module names keep their case
    try:
        parser.read_string(raw.decode())
    except (Error, ValueError):
        return {}
    return {key: _ini_value(key, text, path) for key, text in parser["meshfit"].items()}


def _ini_value(key: str, text: str, path: str) -> Any:
    """A value as TOML would hold it: `true`, a list by commas or lines, a table by `name = value` pairs."""
    kind = _KINDS.get(key)
    text = text.strip()
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    parts = [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]
    if kind is list:
        return parts
    if kind is dict:
        pairs = [part.partition("=") for part in parts]
        if key == "constructors":
            _refuse(path, key, "is a table of tables, which an ini file cannot hold; use pyproject.toml")
        return {name.strip(): value.strip() for name, _, value in pairs}
    return text


_KINDS: Final[dict[str, type]] = {
    "parameters": bool,
    "checks": bool,
    "checkpoints": list,
    "constructors": dict,
    "rule_packages": list,
    "severity": dict,
}
_WORDS: Final = {bool: "true or false", list: "a list of strings", dict: "a table"}


def _checked(table: dict[str, Any], path: str, folder: str) -> Options:
    for key, value in table.items():
        kind = _KINDS.get(key)
        if kind is None:
            _refuse(path, key, "is not an option")
        if type(value) is not kind or (isinstance(value, list) and not all(isinstance(part, str) for part in value)):
            _refuse(path, key, f"must be {_WORDS[kind]}, got {value!r}")
    for rule, level in table.get("severity", {}).items():
        if level not in LEVELS:
            _refuse(path, f"severity.{rule}", f"must be one of {', '.join(LEVELS)}, got {level!r}")
    for name, mapping in table.get("constructors", {}).items():
        _check_axes(path, f"constructors.{name}", mapping)
    checkpoints = tuple(os.path.normpath(os.path.join(folder, place)) for place in table.get("checkpoints", ()))
    for given, place in zip(table.get("checkpoints", ()), checkpoints, strict=True):
        if not os.path.isfile(os.path.join(place, "config.json")):
            _refuse(path, "checkpoints", f"names {given!r}, where no config.json is")
    packages, severity = table.get("rule_packages", []), table.get("severity", {})
    if packages or severity:
        _check_rules(path, packages, severity)
    lists = {"checkpoints": checkpoints, "rule_packages": tuple(packages)}
    return Options(**{**table, **lists}, root=folder)


def _check_axes(path: str, name: str, mapping: object) -> None:
    from meshfit.mesh import AXES

    if not isinstance(mapping, dict):
        _refuse(path, name, f"must be a table of names and axes, got {mapping!r}")
    axes: dict[str, object] = mapping
    for axis in axes.values():
        if axis not in AXES:
            _refuse(path, name, f"names the axis {axis!r}; axes are {', '.join(AXES)}")


def _check_rules(path: str, packages: list[str], severity: Iterable[str]) -> None:
    """Load the rules now, which a table that names any pays for: inside a hook it is too late to refuse one."""
    import warnings

    from meshfit.rules.loading import load, use_packages
    from meshfit.rules.registry import all_rules

    with warnings.catch_warnings(record=True) as faults:
        warnings.simplefilter("always")
        use_packages(packages)
        load()
    for fault in faults:
        _refuse(path, "rule_packages", f"names what cannot be loaded: {fault.message}")
    known = {name for rule in all_rules() for name in (rule.code, rule.slug)}
    for name in severity:
        if name not in known:
            _refuse(path, "severity", f"names {name!r}, which is no rule; docs/rules.md lists them")


def _refuse(path: str, key: str, why: str) -> NoReturn:
    option = f"tool.meshfit.{key}".rstrip(".")
    raise CompileError([f"{path}: {option} {why}", *USAGE.splitlines()], use_stdout=False)


def _content(path: str) -> str:
    """A digest of a file; empty where it cannot be read."""
    from hashlib import sha256

    try:
        with open(path, "rb") as file:
            return sha256(file.read()).hexdigest()
    except OSError:
        return ""
