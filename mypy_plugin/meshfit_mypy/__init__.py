"""The place of the mypy plugin; it has no entry point yet, so mypy cannot load it."""
