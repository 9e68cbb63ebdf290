"""mypy plugin of meshfit."""
