"""The page of the atlas in Chromium, from the disk, as a reader uses it: by mouse, by keys, by link, on a phone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.atlas.made import evidence, whole_atlas
from tests.atlas.test_page import HOSTILE

from meshfit.atlas.page import page
from meshfit.evidence import Compared, Evidence, Outcome

if TYPE_CHECKING:
    from selenium import webdriver
    from selenium.webdriver.remote.webelement import WebElement

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Chromium's own sandbox does not work for root in a container; the page is our own
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")


def recorded() -> Iterator[Evidence]:
    """A whole atlas in which rules and execution disagree here and there, and a few proofs no truth records."""
    for number, each in enumerate(whole_atlas()):
        refused = each.outcome.works is False
        yield replace(each, refused_by=("TP001",) if refused is (number % 61 > 0) else ())
    yield evidence("HostileForCausalLM", outcome=Outcome.HANG, step="forward", reason=HOSTILE, notes=(HOSTILE,))
    yield evidence("ButForCausalLM", "pp=2", compared={"reload": Compared("different", 0.95)})
    yield evidence("SeveralForCausalLM")
    yield evidence("SeveralForCausalLM", "tp=4", Outcome.LATE, step="forward", reason="four are too many", rank=3)


class Page:
    """The page in a browser."""

    def __init__(self, driver: webdriver.Chrome, address: str) -> None:
        self.driver = driver
        self.address = address

    def open(self, fragment: str = "", *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Load it anew."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get("about:blank")  # an address that differs in its fragment alone would not be loaded
        self.driver.get(self.address + fragment)

    def ask(self, script: str, *values: object) -> Any:
        """What an expression is."""
        return self.driver.execute_script(f"return {script}", *values)

    def find(self, selector: str) -> WebElement:
        """The first element."""
        return self.driver.find_element("css selector", selector)

    def press(self, *keys: str) -> None:
        """Keys by name, or text, one after another, on whatever has the focus."""
        from selenium.webdriver.common.keys import Keys

        for key in keys:
            self.driver.switch_to.active_element.send_keys(getattr(Keys, key, key))

    @property
    def shown(self) -> list[str]:
        """The classes in the table."""
        return self.texts("#atlas tbody tr:not([hidden]) th")

    def texts(self, selector: str) -> list[str]:
        """The texts of all elements."""
        found: list[str] = self.ask(
            "[...document.querySelectorAll(arguments[0])].map((found) => found.textContent)", selector
        )
        return found

    @property
    def fragment(self) -> str:
        """What the link says."""
        return str(self.ask("location.hash"))

    @property
    def title(self) -> str:
        """The class and axes of the open dialog; empty when it is closed."""
        return str(self.ask("document.querySelector('dialog[open] h2')?.textContent ?? ''"))

    @property
    def focus(self) -> str:
        """What has the focus, as it is called."""
        return str(self.ask("document.activeElement.getAttribute('aria-label') || document.activeElement.id"))


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    """Chromium, with what it says kept."""
    from selenium import webdriver

    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    assert all(programs.values()), f"needs Debian's packages chromium and chromium-driver: {programs}"
    options = webdriver.ChromeOptions()
    options.binary_location = str(programs["chromium"])
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(str(programs["chromedriver"]))
    with webdriver.Chrome(options=options, service=service) as started:
        yield started


@pytest.fixture(scope="module")
def written(driver: webdriver.Chrome, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page on the disk."""
    path: Path = tmp_path_factory.mktemp("page") / "atlas.html"
    path.write_text(page(tuple(recorded())), encoding="utf-8")
    return Page(driver, path.as_uri())


@pytest.fixture
def atlas(written: Page) -> Iterator[Page]:
    """The page, loaded; whatever a test does with it, it may not complain."""
    written.open()
    yield written
    assert written.driver.get_log("browser") == []


def test_it_loads_at_once_and_fetches_nothing(atlas: Page) -> None:
    """The best of three loads, to the end of the load event."""
    times = []
    for _ in range(3):
        atlas.open()
        times.append(atlas.ask("performance.getEntriesByType('navigation')[0].loadEventEnd"))
    assert 0 < min(times) < 2000
    assert atlas.ask("performance.getEntriesByType('resource').length") == 0
    assert len(atlas.shown) == 333


def test_a_slash_leads_to_the_search_and_escape_clears_it(atlas: Page) -> None:
    """Classes and reasons are searched, all words must be there."""
    atlas.press("/", "Qwen3", " ", "moe")
    assert (atlas.focus, atlas.fragment) == ("Search classes and reasons", "#q=Qwen3+moe")
    assert atlas.shown
    assert all("qwen3" in name.lower() and "moe" in name.lower() for name in atlas.shown)
    assert atlas.find("#count").text == f"{len(atlas.shown)} of 333 classes"
    atlas.press("ESCAPE")
    assert (len(atlas.shown), atlas.fragment) == (333, "")
    atlas.press("four are too many")
    assert atlas.shown == ["SeveralForCausalLM"]


def test_nothing_found_is_said_and_left_by_a_button(atlas: Page) -> None:
    """In the place of the table."""
    atlas.press("/", "zzzz")
    assert (atlas.shown, atlas.find("#nothing").is_displayed()) == ([], True)
    atlas.find("#reset").click()
    assert len(atlas.shown) == 333


def test_a_column_sorts_both_ways(atlas: Page) -> None:
    """What works first, then last; the header says so."""
    head = "button[data-sort='tp']"
    atlas.find(head).click()
    first = "#atlas tbody tr:not([hidden]) td[data-axis='tp']"
    assert atlas.find(first).text.split()[-1] == "works"
    assert atlas.find("th:has([data-sort='tp'])").get_attribute("aria-sort") == "ascending"
    atlas.find(head).click()
    assert atlas.find(first).text.split()[-1] != "works"
    assert atlas.fragment == "#sort=-tp"
    atlas.find("button[data-sort='class']").click()
    assert atlas.shown[:2] == ["AfmoeForCausalLM", "AlbertForMaskedLM"]


def test_axis_and_outcome_filter_together(atlas: Page) -> None:
    """One axis shows why; several outcomes are one or the other."""
    atlas.find(".axis[data-axis='tp']").click()
    atlas.find("[data-outcome='silent']").click()
    atlas.find("[data-outcome='hang']").click()
    assert atlas.fragment == "#axis=tp&outcome=silent%2Chang"
    assert {text.strip("◆").split()[1] for text in atlas.texts("tr:not([hidden]) .cell")} == {"silent", "hang"}
    assert atlas.texts("#atlas thead th") == ["class ↑", "tp", "step", "why"]
    assert atlas.find(".axis[data-axis='tp']").get_attribute("aria-pressed") == "true"
    atlas.find(".axis[data-axis='tp']").click()
    atlas.find("[data-outcome='hang']").click()
    assert atlas.fragment == "#outcome=silent"


def test_where_rules_say_otherwise_can_be_asked_for(atlas: Page) -> None:
    """Each such cell has a mark, and the dialog says what the rules said."""
    atlas.find("#disagree").click()
    assert 0 < len(atlas.shown) == len(atlas.texts("#atlas tr:not([hidden]):has(td .mark)")) < 333
    atlas.find("tr:not([hidden]) button.cell:not(.dim)").click()
    assert "unlike what happened" in atlas.find("dialog .body").text


def test_a_link_shows_what_its_sender_saw(atlas: Page) -> None:
    """Filters, order, and the open cell; what it names wrongly is left out."""
    fragment = "#q=for&axis=pp&outcome=works&sort=-pp&open=LlamaForCausalLM%2Fpp"
    atlas.open(fragment)
    assert atlas.title == "LlamaForCausalLM Pipeline parallelism"
    assert (len(atlas.shown), atlas.fragment) == (93, fragment)
    atlas.ask("location.hash = '#q=llama'")
    assert (atlas.title, all("lama" in name for name in atlas.shown)) == ("", True)
    atlas.open("#axis=zz&outcome=zz&sort=zz&open=No%2Fzz")
    assert (len(atlas.shown), atlas.title, atlas.fragment) == (333, "", "")


def test_keys_lead_through_the_table_into_a_cell_and_back(atlas: Page) -> None:
    """One cell takes part in the order of Tab; arrows go on from there."""
    assert atlas.ask("document.querySelectorAll('#atlas td [tabindex=\"0\"]').length") == 1
    atlas.press("/", "ARROW_DOWN")
    assert atlas.focus == "AfmoeForCausalLM, tp: works"
    atlas.press("ARROW_RIGHT", "ARROW_DOWN")
    assert atlas.focus.startswith("AlbertForMaskedLM, pp: clean error")
    atlas.press("END", "ARROW_RIGHT", "HOME", "ARROW_LEFT", "ENTER")
    assert (atlas.title, atlas.fragment) == ("AlbertForMaskedLM Tensor parallelism", "#open=AlbertForMaskedLM%2Ftp")
    atlas.press("ARROW_RIGHT")
    assert atlas.title == "AlbertForMaskedLM Pipeline parallelism"
    atlas.press("ESCAPE")
    assert (atlas.title, atlas.fragment) == ("", "")
    assert atlas.focus.startswith("AlbertForMaskedLM, pp: clean error")


def test_a_cell_tells_its_evidence(atlas: Page) -> None:
    """Outcome, reason, step, comparisons, sizes, versions, and how to run it again."""
    atlas.find("button.cell[data-class='ApertusForCausalLM'][data-axis='tp']").click()
    told = atlas.find("dialog .body").text
    for part in ("silent mismatch", "gradients different 0.25", "ended in\ncompare", "hidden_size 64", "torch 2.13.0"):
        assert part in told
    assert "meshfit verify ApertusForCausalLM --mesh tp=2" in told
    atlas.find("dialog [data-close]").click()
    assert atlas.title == ""


def test_several_proofs_of_one_axis_are_all_told(atlas: Page) -> None:
    """The cell shows one that fails."""
    cell = atlas.find("button.cell[data-class='SeveralForCausalLM']")
    assert cell.text.split()[:2] == ["✕", "late"]
    cell.click()
    told = atlas.find("dialog .body").text
    assert ("tp=2" in told, "tp=4" in told, "forward, rank 3 first" in told) == (True, True, True)


def test_what_works_may_have_a_but(atlas: Page) -> None:
    """A mark in the table, the words in the dialog."""
    cell = atlas.find("button.cell[data-class='ButForCausalLM']")
    assert cell.text.split()[1] == "works*"
    assert cell.get_attribute("aria-label").startswith("ButForCausalLM, pp: works but reload different")
    cell.click()
    assert "but reload different" in atlas.find("dialog pre").text


def test_text_of_a_proof_is_text(atlas: Page) -> None:
    """Whatever it looks like."""
    atlas.open("#axis=tp&q=hostile&open=HostileForCausalLM%2Ftp")
    assert atlas.driver.title == "The atlas of meshfit"
    assert atlas.find("dialog pre").text == HOSTILE
    assert atlas.texts("#atlas tr:not([hidden]) .why") == [HOSTILE]


def brightness(atlas: Page) -> float:
    """Of the paper, 0 to 255."""
    color = atlas.ask("getComputedStyle(document.body).backgroundColor")
    return sum(int(part) for part in color[4:-1].split(",")) / 3


def test_colours_follow_the_system_until_the_reader_chooses(atlas: Page) -> None:
    """And what was chosen is remembered."""
    atlas.open(dark=True)
    assert brightness(atlas) < 60
    atlas.find("#theme").click()
    assert (brightness(atlas) > 200, atlas.focus) == (True, "Colours: light. Change")
    atlas.open()
    atlas.find("#theme").click()
    assert brightness(atlas) < 60
    atlas.find("#theme").click()
    assert (brightness(atlas) > 200, atlas.focus) == (True, "Colours: system. Change")


_CONTRASTS = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = (color) => {
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const part = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const paper = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return color === "rgba(0, 0, 0, 0)" && element.parentElement ? paper(element.parentElement) : color;
  };
  const seen = {};
  for (const element of document.querySelectorAll("body *:not(script):not(option)")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest(":disabled, .dim")) continue;
    const [one, other] = [light(getComputedStyle(element).color), light(paper(element))].sort((a, b) => b - a);
    seen[`${element.tagName} ${element.className}`] = Math.min(seen[`${element.tagName} ${element.className}`] ?? 99,
      (one + 0.05) / (other + 0.05));
  }
  return seen;
})()"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("fragment", ["#axis=tp&sort=-tp", "", "#open=ApertusForCausalLM%2Ftp"])
def test_all_text_stands_out_from_its_ground(atlas: Page, fragment: str, dark: bool) -> None:
    """By 4.5 to 1, as WCAG 2 AA asks."""
    atlas.open(fragment, dark=dark)
    contrasts = atlas.ask(_CONTRASTS)
    assert len(contrasts) > 20
    assert {name: ratio for name, ratio in contrasts.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("fragment", ["", "#axis=tp", "#open=ApertusForCausalLM%2Ftp"])
@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_scrolls_in_one_direction(atlas: Page, width: int, fragment: str) -> None:
    """Cells name their axis, since the columns are gone; fingers hit them."""
    atlas.open(fragment, width=width, height=844)
    assert atlas.ask("document.documentElement.scrollWidth") <= width
    cell = "document.querySelector('#atlas td button.cell')"
    if not fragment:
        assert atlas.ask(f"getComputedStyle({cell}, '::before').content") == '"tp"'
    assert atlas.ask(f"{cell}.getBoundingClientRect().height") >= 24


def test_every_control_has_a_name_and_a_role(atlas: Page) -> None:
    """In the tree that screen readers are given."""
    atlas.open("#open=ApertusForCausalLM%2Ftp")
    nodes = atlas.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    atlas.press("ESCAPE")
    nodes += atlas.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = [(node["role"]["value"], node["name"]["value"]) for node in nodes if "name" in node and not node["ignored"]]
    controls = [(role, name) for role, name in named if role in ("button", "checkbox", "searchbox", "dialog", "grid")]
    assert {role for role, _ in controls} == {"button", "checkbox", "searchbox", "dialog", "grid"}
    assert all(name.strip() for _, name in controls)
    assert ("rowheader", "LlamaForCausalLM") in named


def test_comparisons_that_were_not_reached_are_told_once(atlas: Page) -> None:
    """Not five times."""
    atlas.open("#open=AlbertForMaskedLM%2Ftp")
    assert "compared\nnothing: not reached" in atlas.find("dialog .body").text
