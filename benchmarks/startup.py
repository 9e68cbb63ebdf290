"""Wall time of what starts anew each time: the import, one check, and the whole truth file in one process.

    python benchmarks/startup.py

Medians of runs that alternate with bare Python, so that a busy machine slows both.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
REPEATS: Final = 11
CHECK: Final = ("-m", "meshfit", "check", str(ROOT / "examples" / "llama-8b"), "--mesh", "tp=16")
EXPLAIN: Final = ("-m", "meshfit", "explain", "TP002")
FIT: Final = ("-m", "meshfit", "fit", str(ROOT / "examples" / "llama-8b"), "--world", "4096")
EXPERTS: Final = ("-m", "meshfit", "fit", "MixtralForCausalLM", "--world", "4096", "--engine", "generic")
"""The most meshes that any engine lets through."""
WHOLE_FILE: Final = """
import time
from benchmarks.accuracy import TRUTH, architecture_cases, score
start = time.perf_counter()
score(architecture_cases(TRUTH / "architectures.jsonl"))
print(time.perf_counter() - start)
"""


def seconds(*arguments: str) -> float:
    """Wall seconds of one interpreter with these arguments, from start to exit."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=False, cwd=ROOT)
    return time.perf_counter() - start


def main() -> int:
    """Print the table; 1 when a budget is missed."""
    runs = [(seconds("-c", "pass"), seconds("-c", "import meshfit"), seconds(*CHECK)) for _ in range(REPEATS)]
    done = subprocess.run([sys.executable, "-c", WHOLE_FILE], capture_output=True, text=True, check=True, cwd=ROOT)
    told = [seconds(*EXPLAIN) for _ in range(REPEATS)]
    fits = [(seconds(*FIT), seconds(*EXPERTS)) for _ in range(REPEATS)]
    rows = (
        ("import meshfit, over bare Python", statistics.median(b - a for a, b, _ in runs), 0.06),
        ("meshfit check of a config.json, with the interpreter", statistics.median(c for *_, c in runs), 0.4),
        ("meshfit explain of a rule, with the interpreter", statistics.median(told), 0.25),
        ("meshfit fit of a world of 4096 ranks", statistics.median(a for a, _ in fits), 1.0),
        ("the same with experts, by the engine that refuses least", statistics.median(b for _, b in fits), 1.0),
        ("the whole truth file on five axes, cold", float(done.stdout), 10.0),
    )
    print(f"{'':54}{'seconds':>9}{'budget':>8}")
    for name, took, budget in rows:
        print(f"{name:54}{took:9.3f}{budget:8.2f}")
    return int(any(took > budget for _, took, budget in rows))


if __name__ == "__main__":
    sys.exit(main())
