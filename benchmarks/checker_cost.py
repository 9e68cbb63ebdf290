"""What the mypy plugin costs: CPU time of mypy with and without it, paired. `python benchmarks/checker_cost.py`.

The project is generated: 200 modules of 5 model classes, one mesh and one call, half of the calls faulty, nothing
third-party. Only the ratios carry over between machines.
"""

from __future__ import annotations

import argparse
import compileall
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

MODULES, CLASSES = 200, 5
BUDGETS = {"cold": 1.08, "warm": 1.05, "one edit": 1.08, "transformers, cold": 1.02, "transformers, warm": 1.03}

MODEL = '''
class Model{number}(CapabilityMixin):
    """A model of {layers} layers."""

    _supports_sdpa = True
    {plan}

    def __init__(self, width: int = {width}) -> None:
        self.width = width
        self.layers = [width] * {layers}

    def forward(self, input_ids: list[int], scale: float = 1.0) -> float:
        total = 0.0
        for layer in self.layers:
            total += layer * scale * len(input_ids)
        return total
'''

CALL = """

MESH = MeshSpec(tp_size=8, dp_shard_size=2)


def train(model: Model{number}) -> None:
    model.validate_for_mesh(MESH)
"""

SCRIPT = """
from transformers import LlamaConfig, LlamaForCausalLM

from meshfit import CapabilityMixin, MeshSpec


class MyLlama(CapabilityMixin, LlamaForCausalLM):
    pass


model = MyLlama(LlamaConfig(num_key_value_heads=2))
model.validate_for_mesh(MeshSpec(tp_size=8))
"""


def main() -> int:
    """Print the table; 1 when a budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=9, help="pairs of cold runs; warm ones take 31 or as many")
    parser.add_argument("--transformers", action="store_true", help="also a script that imports transformers")
    options = parser.parse_args()
    missed = 0
    print(f"{'':24}{'with s':>10}{'without s':>12}{'ratio':>9}{'budget':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for name, (ours, theirs, ratio) in rows(Path(folder), options.pairs, transformers=options.transformers):
            budget = BUDGETS[name]
            missed += ratio > budget
            print(f"{name:24}{ours:10.3f}{theirs:12.3f}{ratio:9.3f}{budget:9.2f}", flush=True)
    return 1 if missed else 0


def rows(folder: Path, pairs: int, *, transformers: bool) -> Iterator[tuple[str, tuple[float, float, float]]]:
    """Each row: its name, median seconds with and without, median of the ratios of neighbours."""
    _compile()
    project = folder / "project"
    write_project(project)
    measured = Runs(folder, project)
    yield "cold", measured.paired(measured.cold, pairs)
    yield "warm", measured.paired(measured.warm, max(31, pairs))
    yield "one edit", measured.paired(measured.edited, max(15, pairs))
    if transformers:
        script = folder / "script"
        script.mkdir()
        (script / "train.py").write_text(SCRIPT)
        measured = Runs(folder / "real", script)
        yield "transformers, cold", measured.paired(measured.cold, 3)
        yield "transformers, warm", measured.paired(measured.warm, 15)


def write_project(folder: Path) -> None:
    """The generated project."""
    folder.mkdir()
    for module in range(MODULES):
        text = '"""Models."""\n\nfrom __future__ import annotations\n\nfrom meshfit import CapabilityMixin, MeshSpec\n'
        for number in range(CLASSES):
            plan = '_tp_plan = {"layers": "colwise"}' if (module + number) % 2 else "_no_split: tuple[str, ...] = ()"
            text += MODEL.format(number=number, layers=module + 2, width=64 * (number + 1), plan=plan)
        text += CALL.format(number=CLASSES - 1)
        (folder / f"models_{module}.py").write_text(text)


class Runs:
    """Runs of mypy on one project, with and without the plugin, each with a cache of its own."""

    def __init__(self, folder: Path, project: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.project = folder, project
        self.configs = {}
        for name, plugins in (("with", "meshfit_mypy"), ("without", "")):
            self.configs[name] = folder / f"{name}.ini"
            self.configs[name].write_text(f"[mypy]\nplugins = {plugins}\n")
        self._begun = time.time()
        self._edits = 0

    def paired(self, run: Callable[[str], float], pairs: int) -> tuple[float, float, float]:
        """Median seconds with and without the plugin, and the median of the ratios."""
        for name in self.configs:
            self._mypy(name)
        found = []
        for index in range(pairs):
            order = ("with", "without") if index % 2 else ("without", "with")
            seconds = {name: run(name) for name in order}
            found.append((seconds["with"], seconds["without"]))
        ratio = statistics.median(ours / theirs for ours, theirs in found)
        return statistics.median(o for o, _ in found), statistics.median(t for _, t in found), ratio

    def cold(self, name: str) -> float:
        """A run without a cache."""
        shutil.rmtree(self.folder / f"cache-{name}", ignore_errors=True)
        return self._mypy(name)

    def warm(self, name: str) -> float:
        """A run that finds everything in its cache."""
        return self._mypy(name)

    def edited(self, name: str) -> float:
        """A run after an edit of one module, seen by both caches."""
        self._edits += 1
        path = self.project / "models_7.py"
        path.write_text(path.read_text().partition("# edit")[0] + f"# edit {self._edits}\nEDIT = {self._edits}\n")
        moment = self._begun + 2 * self._edits  # mypy compares whole seconds, and several runs end in one
        os.utime(path, (moment, moment))
        return self._mypy(name)

    def _mypy(self, name: str) -> float:
        command = [sys.executable, "-m", "mypy", "--config-file", str(self.configs[name]), "--cache-dir"]
        command += [str(self.folder / f"cache-{name}"), str(self.project)]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode not in (0, 1) or "INTERNAL" in done.stderr:
            raise SystemExit(done.stdout + done.stderr)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _compile() -> None:
    """Users start with compiled modules; an editable install in this environment may not have them."""
    root = Path(__file__).parent.parent
    for part in ("src", "mypy_plugin"):
        compileall.compile_dir(root / part, quiet=1)


if __name__ == "__main__":
    sys.exit(main())
