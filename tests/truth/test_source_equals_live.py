"""The source reader sees what the live model has: names, shapes, plans, flags, layer types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from benchmarks.accuracy import TRUTH, Score, architecture_cases, changed_cases, read_rows, score

from meshfit.readers.config import read_config
from meshfit.readers.source.facts import build_model, facts_of_built
from meshfit.readers.source.structure import parameter_names

pytestmark = [pytest.mark.torch, pytest.mark.slow]


def _pairs() -> Iterator[tuple[str, Any, Any]]:
    """(class, what the source reader built, the live model on the meta device) for every row."""
    import torch
    import transformers

    for row in read_rows(TRUTH / "architectures.jsonl"):
        values = read_config(row["config"]).values
        cls = getattr(transformers, row["arch"])
        with torch.device("meta"):
            live = cls(cls.config_class.from_dict(dict(values)))
        built = build_model(values)
        yield row["arch"], (built, facts_of_built(built, values, lambda pointer: None)), live  # type: ignore[arg-type,return-value]


@pytest.fixture(scope="module")
def compared() -> dict[str, list[str]]:
    """What differs, and in which classes."""
    different: dict[str, list[str]] = {
        what: [] for what in ("tp", "ep", "pp", "fsdp", "sdpa", "layer_types", "names", "shapes")
    }
    for arch, (built, facts), live in _pairs():
        text = live.config.get_text_config()
        mine = dict(parameter_names(built.model))
        theirs = {name: tuple(p.shape) for name, p in live.named_parameters(remove_duplicate=False)}
        equal = {
            "tp": facts.tp_plan == live._tp_plan,
            "ep": facts.ep_plan == live._ep_plan,
            "pp": facts.pp_plan == live._pp_plan,
            "fsdp": facts.fsdp_plan == live._fsdp_plan,
            "sdpa": facts.supports_sdpa == (live._supports_sdpa is True),
            "layer_types": list(facts.layer_types or []) == list(getattr(text, "layer_types", None) or []),
            "names": mine.keys() == theirs.keys(),
            "shapes": all(mine[name] in (None, shape) for name, shape in theirs.items() if name in mine),
        }
        for what, same in equal.items():
            if not same:
                different[what].append(arch)
    return different


@pytest.mark.parametrize("what", ["tp", "ep", "pp", "fsdp", "sdpa", "layer_types", "shapes"])
def test_the_source_reader_equals_the_live_model(compared: dict[str, list[str]], what: str) -> None:
    """On every class of the truth file."""
    assert compared[what] == []


def test_the_set_of_parameter_names_equals_the_live_models(compared: dict[str, list[str]]) -> None:
    """On at least 95 of 100 classes."""
    assert len(compared["names"]) <= 0.05 * len(read_rows(TRUTH / "architectures.jsonl")), compared["names"]


@pytest.fixture(scope="module")
def live_scores() -> dict[str, Score]:
    """Every decided run of the truth file, judged on the meta model."""
    return score(architecture_cases(TRUTH / "architectures.jsonl"), live=True)


@pytest.mark.parametrize("axis", ["tp", "pp", "ep+tp", "ep+fsdp", "cp"])
def test_the_live_reader_scores_no_lower_than_the_source_reader(live_scores: dict[str, Score], axis: str) -> None:
    """One rule engine, two readers, one verdict."""
    config = score(case for case in architecture_cases(TRUTH / "architectures.jsonl") if case.axis == axis)[axis]
    assert live_scores[axis].share >= config.share, (live_scores[axis].misses, live_scores[axis].false_alarms)
    assert live_scores[axis].silent == []


def test_the_live_reader_scores_changed_sizes() -> None:
    """The same bar as for configs."""
    changed = score(changed_cases(), live=True).values()
    assert sum(s.right for s in changed) / sum(s.total for s in changed) >= 0.97
