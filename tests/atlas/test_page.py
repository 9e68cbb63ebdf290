"""The page of the atlas as a file: whole, small, and safe to open."""

from __future__ import annotations

import json
import re

from tests.atlas.made import evidence, whole_atlas

from meshfit.atlas.page import page
from meshfit.evidence import Compared, Outcome

HOSTILE = "</script><script>document.title = 'taken'</script><!-- /* data */ & \"quoted\" 'too'"


def data_of(text: str) -> dict[str, object]:
    """What the page holds as JSON."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    values: dict[str, object] = json.loads(found[1])
    return values


def test_a_whole_atlas_is_a_page_of_less_than_two_megabytes() -> None:
    """With every class in it."""
    recorded = tuple(whole_atlas())
    text = page(recorded)
    assert len(text.encode()) < 2_000_000
    classes = data_of(text)["classes"]
    assert isinstance(classes, list)
    assert [name for name, _ in classes] == sorted({each.target for each in recorded})


def test_the_page_asks_nothing_of_a_network() -> None:
    """No address in it, and a policy that forbids to fetch."""
    text = page([evidence()])
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", text)
    assert "default-src 'none'" in text


def test_no_place_of_the_template_is_left_open() -> None:
    """Style, script and data are in."""
    assert not re.search(r"/\* (?:style|script|data) \*/", page([evidence()]))


def test_text_of_a_proof_cannot_end_the_element_that_holds_it() -> None:
    """It comes back letter by letter."""
    text = page([evidence(reason=HOSTILE, notes=(HOSTILE,), compared={"loss": Compared("failed", None, HOSTILE)})])
    pool = data_of(text)["pool"]
    assert isinstance(pool, list)
    assert HOSTILE in pool
    assert text.count("<script") == 2


def test_every_outcome_has_a_word_a_sign_and_a_meaning() -> None:
    """Colour is not all that tells them apart."""
    listed = data_of(page([evidence()]))["outcomes"]
    assert isinstance(listed, list)
    assert {name for name, *_ in listed} == {outcome.value for outcome in Outcome}
    assert all(len(set(column)) == len(Outcome) for column in zip(*listed, strict=True))


def test_axes_are_told_in_words() -> None:
    """Experts first, since they are what the axis is about."""
    recorded = [evidence(mesh=mesh) for mesh in ("tp=2", "ep=2,dp_shard=2", "cp=2")]
    assert data_of(page(recorded))["axes"] == [
        ["tp", "Tensor parallelism"],
        ["cp", "Context parallelism"],
        ["ep+fsdp", "Expert and sharded data parallelism"],
    ]


def test_an_empty_atlas_is_a_page_too() -> None:
    """It has nothing to show."""
    assert data_of(page([]))["classes"] == []
