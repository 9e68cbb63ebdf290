"""What the shipped atlas says of some classes is what they do when they run, other classes on other days."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Final

import pytest

from meshfit.evidence import Evidence
from meshfit.proof.proving import prove
from meshfit.proof.ranks import Pool
from meshfit.readers.atlas_file import shipped_atlas

pytestmark = [pytest.mark.torch, pytest.mark.slow]

CLASSES: Final = 20


def _todays() -> tuple[str, ...]:
    """Twenty classes in turn, spread over the alphabet."""
    targets = shipped_atlas().targets
    step = max(1, len(targets) // CLASSES)
    day = datetime.now(timezone.utc).timetuple().tm_yday
    return targets[day % step :: step][:CLASSES]


def test_twenty_classes_do_what_the_atlas_says() -> None:
    """Each axis ends as it did when the atlas was made; the versions are those of the constraints."""
    told: dict[str, str] = {}
    found: dict[str, str] = {}
    with Pool() as pool:
        for target in _todays():
            recorded: tuple[Evidence, ...] = shipped_atlas().of(target)
            told.update({f"{target} {each.axes}": each.outcome.value for each in recorded})
            meshes = [each.mesh for each in recorded]
            found.update({f"{target} {e.axes}": e.outcome.value for e in prove(pool, target, meshes, extras=False)})
    assert found == told
