"""What became of a class from one atlas to another."""

from __future__ import annotations

import pytest
from tests.atlas.made import evidence

from meshfit.atlas.changes import KINDS, changes
from meshfit.evidence import Outcome

WORKS, CLEAN, LATE, SILENT, UNDECIDED = (
    *(Outcome.WORKS, Outcome.CLEAN, Outcome.LATE),
    *(Outcome.SILENT, Outcome.UNDECIDED),
)


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (WORKS, CLEAN, "worse"),
        (CLEAN, LATE, "worse"),
        (LATE, SILENT, "worse"),
        (SILENT, WORKS, "better"),
        (LATE, CLEAN, "better"),
        (WORKS, UNDECIDED, "no longer decided"),
        (UNDECIDED, SILENT, "decided now"),
    ],
)
def test_an_outcome_that_differs_is_a_change(old: Outcome, new: Outcome, kind: str) -> None:
    """For the worse where its error comes later, or never."""
    (found,) = changes([evidence(outcome=old)], [evidence(outcome=new)])
    assert found.kind == kind


def test_the_same_outcome_for_another_reason_is_no_change() -> None:
    """A message may be worded anew."""
    assert changes([evidence(outcome=LATE, reason="a")], [evidence(outcome=LATE, reason="b")]) == ()


def test_what_only_one_has_appeared_or_vanished() -> None:
    """By class and mesh; left out where only what both have is asked for."""
    old, new = [evidence("A"), evidence("B")], [evidence("B"), evidence("B", "pp=2")]
    assert [(c.kind, c.evidence.target, c.evidence.axes) for c in changes(old, new)] == [
        ("appeared", "B", "pp"),
        ("vanished", "A", "tp"),
    ]
    assert changes(old, new, common=True) == ()


def test_a_structure_is_held_against_itself() -> None:
    """Where there are several; a single one is held against the single one of the other atlas."""
    tied, untied = evidence(structure="tied"), evidence(structure="untied", outcome=LATE)
    assert changes([tied, untied], [untied, tied]) == ()
    assert [c.kind for c in changes([tied], [untied])] == ["worse"]
    assert [c.kind for c in changes([tied, untied], [tied])] == ["vanished"]


def test_the_worst_comes_first() -> None:
    """Then by class."""
    old = [evidence(name, outcome=outcome) for name, outcome in [("A", LATE), ("C", WORKS), ("B", WORKS)]]
    new = [evidence(name, outcome=outcome) for name, outcome in [("A", WORKS), ("C", LATE), ("B", SILENT)]]
    assert [(c.kind, c.evidence.target) for c in changes(old, new)] == [("worse", "B"), ("worse", "C"), ("better", "A")]
    assert next(iter(KINDS)) == "worse"
