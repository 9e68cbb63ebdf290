"""`meshfit rules`: every rule on a line."""

from __future__ import annotations

import argparse
from typing import Final

from meshfit.cli.terminal import wants_color
from meshfit.cli.verdict import Verdict
from meshfit.mesh import AXIS_WORDS

__all__ = ["DESCRIPTION", "EXIT_CODES", "configure", "run"]

DESCRIPTION: Final = """\
List the rules, one line for each way engines enforce one. `meshfit explain RULE` tells all about it.

  meshfit rules
  meshfit rules --engine torchtitan --axis ep
  meshfit rules --json
"""

EXIT_CODES: Final = "exit codes: 0 listed, 2 the input is wrong, 3 a fault of meshfit\n"


def configure(rules: argparse.ArgumentParser) -> None:
    """Give the command its arguments."""
    rules.add_argument(
        "--engine",
        metavar="NAME",
        help="only what is judged under this engine, with the rules of the engine it leaves an axis to",
    )
    rules.add_argument("--axis", choices=tuple(AXIS_WORDS), help="only the rules of this axis, or of the mesh itself")
    rules.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> Verdict:
    """The table of rules. Raises MeshfitError for an engine that nobody knows."""
    from meshfit.cli.naming import engine_name
    from meshfit.rules.explain import judged_under, rule_table, to_dict
    from meshfit.rules.registry import all_rules

    if options.engine is None:
        rules = tuple(rule for rule in all_rules() if options.axis in (None, rule.axis))
    else:
        rules = judged_under(engine_name(options.engine), options.axis)
    if options.json:
        from meshfit.render.json_format import as_json

        return Verdict(as_json({"rules": [to_dict(rule) for rule in rules]}), 0)
    if not rules:
        return Verdict(f"no rule judges {options.axis} under {options.engine}", 0)
    table = rule_table(rules)
    return Verdict(_colored(table) if wants_color() else table, 0)


def _colored(table: str) -> str:
    """The head in bold, and how severe each rule is in its colour."""
    head, *rows = table.split("\n")
    for kind, sign in (("error", "\033[31m"), ("warning", "\033[33m")):
        rows = [row.replace(f"  {kind}  ", f"  {sign}{kind}\033[0m  ", 1) for row in rows]
    return "\n".join([f"\033[1m{head}\033[0m", *rows])
