"""Making an index: every model type of a transformers source tree, in as many processes as there are cores."""

from __future__ import annotations

import gc
import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from meshfit.errors import TargetError
from meshfit.readers.shipped.archive import Section, written
from meshfit.readers.shipped.class_entries import Idle, class_variants
from meshfit.readers.shipped.config_classes import completed
from meshfit.readers.shipped.config_entries import config_entry
from meshfit.readers.shipped.config_trials import checked_entry
from meshfit.readers.shipped.model_trials import without, wrong_facts
from meshfit.readers.shipped.texts import POINTWISE
from meshfit.readers.source import auto, configs, natives
from meshfit.readers.source.evaluator import Evaluator
from meshfit.readers.source.facts import OF_TRANSFORMERS, declared_config, signature_facts
from meshfit.readers.source.frames import BudgetError, Frame, RaisedError
from meshfit.readers.source.index import Assignment, ClassSource, Package, find_package
from meshfit.readers.source.values import Node

__all__ = ["make_index"]

_CLASS: Final = re.compile(r"^class (\w+)\(", re.MULTILINE)
Progress = Callable[[int, int], None]
"""Told after each model type: how many are done, of how many."""


def make_index(
    package: Package, *, only: Collection[str] = (), processes: int = 1, progress: Progress | None = None
) -> bytes:
    """The bytes of the index of a transformers source tree.

    Args:
        package: transformers, as source.
        only: the folders of the model types to record; all of them when empty.
        processes: how many work at once.
        progress: told how far it is.

    Raises:
        TargetError: the tree holds no models.
    """
    folders = [folder for folder in _folders(package) if not only or folder in only]
    if not folders:
        raise TargetError(f"{package.root} holds no models; name the folder that holds transformers")
    kinds = _kinds(package)
    sections = []
    record = partial(_section, str(package.root.parent), kinds)
    for number, text in enumerate(_each(record, folders, processes)):
        sections.append(Section(**json.loads(text)))
        if progress is not None:
            progress(number + 1, 2 * len(folders))
    known = {name for section in sections for name in section.configs}
    types = {kind: name for kind, name in sorted(_types(package).items()) if name in known}
    sections = [section for section in sections if section.classes or section.configs]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "untried.index"
        path.write_bytes(written(package.version, sections, types, kinds))
        tried = []
        try_one = partial(wrong_facts, path, package.root.parent)
        for number, wrong in enumerate(_each(try_one, [list(section.classes) for section in sections], processes)):
            tried.append(without(sections[number], wrong))
            if progress is not None:
                progress(len(folders) + number + 1, len(folders) + len(sections))
    return written(package.version, tried, types, kinds)


def _each(work: Callable[[Any], Any], items: list[Any], processes: int) -> Iterator[Any]:
    """What the work makes of each item, in order."""
    if processes < 2:
        yield from map(work, items)
        return
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(work, items)


def _folders(package: Package) -> list[str]:
    models = package.root / "models"
    files = [*models.glob("*/modeling_*.py"), *models.glob("*/configuration_*.py")]
    return sorted({path.parent.name for path in files})


def _types(package: Package) -> Mapping[str, str]:
    return auto.mapping(package, "CONFIG_MAPPING_NAMES")


def _kinds(package: Package) -> dict[str, str]:
    """The class behind each pointwise activation."""
    module = package.module(f"{package.name}.activations")
    found = None if module is None else module.lookup("ACT2FN")
    table = natives.activation_table(found) if isinstance(found, Assignment) else None
    kinds = {}
    for name in POINTWISE:
        made = None if table is None or module is None else table.build(Frame(Evaluator(), module), name)
        if isinstance(made, Node):
            kinds[name] = str(made.kind)
    return kinds


def _section(place: str, kinds: Mapping[str, str], folder: str) -> str:
    """One model type as JSON: the classes that the auto mappings name, and the configuration classes."""
    package = find_package("transformers", Path(place))
    assert package is not None
    gc.disable()
    try:
        entries = {cls.name: entry for cls in _defined(package, folder, "configuration_*.py") if (entry := _entry(cls))}
        classes = {}
        idle: Idle = {}
        listed = auto.listed_classes(package)
        for cls in _defined(package, folder, "modeling_*.py"):
            if cls.name in listed:
                made = _model(cls, kinds, idle)
                if made is not None:
                    classes[cls.name] = made
        return json.dumps({"classes": classes, "configs": entries}, sort_keys=False)
    finally:
        gc.enable()


def _defined(package: Package, folder: str, pattern: str) -> Iterator[ClassSource]:
    for path in sorted((package.root / "models" / folder).glob(pattern)):
        module = package.module(f"{package.name}.models.{folder}.{path.stem}")
        if module is None:
            continue
        for name in dict.fromkeys(_CLASS.findall(path.read_text(encoding="utf-8"))):
            found = module.lookup(name)
            if isinstance(found, ClassSource) and found.module is module:
                yield found


def _entry(cls: ClassSource) -> dict[str, Any] | None:
    if not configs.is_config_class(cls):
        return None
    try:
        return checked_entry(cls, config_entry(cls))
    except Exception:
        if os.environ.get("MESHFIT_DEBUG"):
            raise
        return None


def _model(cls: ClassSource, kinds: Mapping[str, str], idle: Idle) -> dict[str, Any] | None:
    config_class = declared_config(cls)
    if config_class is None or cls.method("forward") is None:
        return None
    try:
        config = Evaluator().config(config_class, {})
    except (RaisedError, BudgetError, RecursionError):
        return None
    always: dict[str, Any] = {"class_name": cls.name, **OF_TRANSFORMERS, **signature_facts(cls)}
    try:
        variants = class_variants(cls, completed(config), kinds, frozenset(always), idle)
    except Exception:
        # A class that meets code the recorder was not made for is left out, which is never wrong.
        if os.environ.get("MESHFIT_DEBUG"):
            raise
        return None
    return {"config": config_class.name, "always": always, "variants": variants} if variants else None
