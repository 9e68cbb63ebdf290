# One line each; .ci/run and CONTRIBUTING.md call the same ones.

test:
    .venv/bin/pytest

check:
    .venv/bin/ruff format --check && .venv/bin/ruff check && .venv/bin/mypy && .venv/bin/lint-imports

bench:
    .venv/bin/python -m benchmarks

docs:
    .venv/bin/pytest tests/docs
