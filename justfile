# One line each; .ci/run and CONTRIBUTING.md call the same ones.

test:
    .venv/bin/pytest

check:
    .venv/bin/ruff format --check && .venv/bin/ruff check && .venv/bin/mypy && .venv/bin/lint-imports

bench:
    .venv/bin/python benchmarks/runtime.py && .venv/bin/python benchmarks/startup.py && .venv/bin/python benchmarks/accuracy.py && .venv/bin/python benchmarks/checker_cost.py --transformers

checker:
    .venv/bin/python benchmarks/checker_modes.py && .venv/bin/python benchmarks/checker_accuracy.py

docs:
    .venv/bin/pytest tests/docs

atlas:
    .venv/bin/meshfit atlas build --output src/meshfit/data/transformers.atlas --jobs 2

proofs:
    .venv/bin/python benchmarks/proofs.py
