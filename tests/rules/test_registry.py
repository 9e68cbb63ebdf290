"""The registry: what it refuses, how rules are found, and how other packages add theirs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import facts, mesh

from meshfit.facts import ModelFacts
from meshfit.mesh import MeshSpec
from meshfit.report import Consequence, Severity
from meshfit.rules import entry_points, loading, registry
from meshfit.rules.judge import judge
from meshfit.rules.registry import Finding, Rule, add_rule, all_rules, engine_names, find_rules, rules_for


def _rule(code: str = "XX001", slug: str = "x-rule", axis: str = "tp", engines: tuple[str, ...] = ("generic",)) -> Rule:
    def never(facts: ModelFacts, mesh: MeshSpec) -> Iterator[Finding]:
        """Nothing.

        Why: a test.
        Source: a test.
        """
        return iter(())

    return Rule(
        code=code,
        slug=slug,
        axis=axis,
        engines=engines,
        consequence=Consequence.LATE,
        severity=Severity.ERROR,
        size_free=False,
        judge=never,
    )


@pytest.fixture
def fresh_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the registry that a test may change."""
    all_rules()
    monkeypatch.setattr(registry, "_RULES", list(registry._RULES))
    monkeypatch.setattr(registry, "_SELECTED", {})


@pytest.fixture
def other_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_registry: None) -> Iterator[Path]:
    """A folder on `sys.path` for a made-up distribution, and a loader that has not looked yet."""
    monkeypatch.setattr(loading, "_others", {"packages": None, "begun": False})
    monkeypatch.setattr(loading, "_loaded", set())
    monkeypatch.setattr(loading, "BUILT_IN", {})
    monkeypatch.syspath_prepend(tmp_path)
    _forget()
    yield tmp_path
    _forget()
    for name in ("other_rules", "other_broken"):
        sys.modules.pop(name, None)


def _forget() -> None:
    entry_points.advertised.cache_clear()
    entry_points._entry_point_files.cache_clear()


def _advertise(folder: Path, text: str) -> None:
    metadata = folder / "other_pkg-1.0.dist-info"
    metadata.mkdir()
    (metadata / "entry_points.txt").write_text(text)


OTHER = '''
from meshfit.report import Consequence
from meshfit.rules.registry import Finding, rule

@rule("OT001", "ot-prime", axis="tp", engines=("generic", "mine"), consequence=Consequence.LATE)
def prime(facts, mesh):
    """`tp_size` is not 4.

    Why: a test.
    Source: a test.
    """
    if mesh.tp_size == 4:
        yield Finding(message="tp_size (4) is 4", help="use another", alternatives=(1,))
'''


def test_a_code_names_one_requirement(fresh_registry: None) -> None:
    """The same code with another slug, another axis, or twice for one engine is a mistake of the author."""
    add_rule(_rule())
    for clash in (_rule(slug="y-rule"), _rule(code="XX002"), _rule(axis="pp", engines=("nemo",)), _rule()):
        with pytest.raises(ValueError, match="XX001"):
            add_rule(clash)


def test_engines_may_share_a_code(fresh_registry: None) -> None:
    """Two engines that enforce one requirement differently have a rule each under its code."""
    add_rule(_rule())
    add_rule(_rule(engines=("nemo",)))
    assert [rule.engines for rule in find_rules("xx001")] == [("generic",), ("nemo",)]


def test_an_unknown_axis_is_refused(fresh_registry: None) -> None:
    """A rule of an axis that no mesh has would never run."""
    with pytest.raises(ValueError, match="unknown axis 'zz'"):
        add_rule(_rule(axis="zz"))


def test_rules_are_found_by_code_and_slug() -> None:
    """Letter case does not matter, and what is unknown finds nothing."""
    assert {rule.code for rule in find_rules("tp002")} == {"TP002"}
    assert find_rules("tp-kv-heads") == find_rules("TP002")
    assert find_rules("no-such-rule") == ()


def test_rules_come_in_the_order_of_their_codes() -> None:
    """So reports do not depend on which module was imported first."""
    codes = [rule.code for rule in rules_for("transformers", "tp")]
    assert codes == sorted(codes)
    assert len(codes) == len(set(codes))


def test_another_package_adds_a_module_of_rules(other_package: Path) -> None:
    """An entry point that names a module declares its rules by being imported."""
    (other_package / "other_rules.py").write_text(OTHER)
    _advertise(other_package, "[console_scripts]\nx = y:z\n\n[meshfit.rules]\nmine = other_rules\n")
    assert judge(facts(), mesh("tp=4"), engine="generic").codes == ("OT001",)


def test_another_package_adds_rules_by_a_callable(other_package: Path) -> None:
    """A callable may return its rules instead of registering them."""
    (other_package / "other_rules.py").write_text(
        "from test_registry import _rule\ndef make():\n    return [_rule('OT002', 'ot-callable')]\n"
    )
    _advertise(other_package, "[meshfit.rules]\nmine = other_rules:make\n")
    assert [rule.code for rule in find_rules("ot-callable")] == ["OT002"]


@pytest.mark.parametrize(
    "target", ["other_broken", "other_absent", "other_broken:missing", "meshfit.mesh:AXES", "builtins:dict.nothing"]
)
def test_a_broken_package_is_named_and_left_out(other_package: Path, target: str) -> None:
    """Its rules are missing, the verdict is not, and the warning says whom to update."""
    (other_package / "other_broken.py").write_text("raise RuntimeError('boom')")
    _advertise(other_package, f"[meshfit.rules]\nbad = {target}\n")
    with pytest.warns(loading.RuleLoadWarning, match=r"'bad' of other_pkg .* update or uninstall other_pkg"):
        assert judge(facts(), mesh("tp=2"), engine="generic").ok


def test_another_package_names_an_engine(other_package: Path) -> None:
    """The names under `meshfit.engines` follow meshfit's own, and no module is imported for them."""
    _advertise(other_package, "[meshfit.engines]\nmine = other_absent\ngeneric = other_absent\n")
    assert engine_names() == (*registry.ENGINES, "mine")


def test_distributions_without_rules_cost_no_import(other_package: Path) -> None:
    """An entry point of another group is not touched."""
    _advertise(other_package, "[console_scripts]\nx = other_absent:main\n")
    assert judge(facts(), mesh("tp=2"), engine="generic").ok
    assert entry_points.advertised("meshfit.rules") == ()


def test_a_verdict_waits_for_the_modules_that_have_a_rule_for_it_alone() -> None:
    """The table of modules says of each what its rules say."""
    declared: dict[str, set[tuple[str, str]]] = {}
    for rule in all_rules():
        module = rule.judge.__module__.rpartition(".")[2]
        declared.setdefault(module, set()).update((engine, rule.axis) for engine in rule.engines)
    assert declared.keys() == loading.BUILT_IN.keys()
    for module, (axes, engines) in loading.BUILT_IN.items():
        assert engines is None or {engine for engine, _ in declared[module]} == set(engines), module
        assert axes is None or {axis for _, axis in declared[module]} == set(axes), module


def test_rules_asked_for_one_axis_are_those_asked_for_all() -> None:
    """In whatever order a process comes to ask."""
    code = (
        "import sys\n"
        "from meshfit.mesh import AXES\n"
        "from meshfit.rules.registry import ENGINES, all_rules, rules_for\n"
        "asked = [(e, a) for e in ENGINES for a in (*AXES, 'mesh')][:: int(sys.argv[1])]\n"
        "found = [[r.code for r in rules_for(*one)] for one in asked]\n"
        "print(found == [[r.code for r in all_rules() if r.axis == a and e in r.engines] for e, a in asked])"
    )
    for step in ("1", "-1", "5"):
        done = subprocess.run([sys.executable, "-c", code, step], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["True"]


def test_threads_that_ask_first_see_every_rule() -> None:
    """A thread that comes while another loads the rules waits for them."""
    code = (
        "from threading import Barrier, Thread\n"
        "from meshfit.rules.registry import all_rules\n"
        "start, seen = Barrier(8), []\n"
        "def ask():\n"
        "    start.wait()\n"
        "    seen.append(len(all_rules()))\n"
        "threads = [Thread(target=ask) for _ in range(8)]\n"
        "[t.start() for t in threads], [t.join() for t in threads]\n"
        "print(len(seen), seen == [len(all_rules())] * 8)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["8", "True"]
