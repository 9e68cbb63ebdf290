"""`meshfit explain`: what a rule is, why, an example of it, and what to do instead."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from meshfit.cli.verdict import Verdict

if TYPE_CHECKING:
    from meshfit.rules.registry import Rule

__all__ = ["DESCRIPTION", "EXIT_CODES", "configure", "run"]

DESCRIPTION: Final = """\
Say what a rule is: what must hold, why, what happens if not, an example, what to do instead, and its source.
`meshfit rules` lists them.

  meshfit explain TP002
  meshfit explain tp-kv-heads pp-structure
  meshfit explain TP002 --json
"""

EXIT_CODES: Final = "exit codes: 0 told, 2 the input is wrong, 3 a fault of meshfit\n"


def configure(explain: argparse.ArgumentParser) -> None:
    """Give the command its arguments."""
    explain.add_argument("rules", metavar="RULE", nargs="+", help="the code or the name of a rule: TP002, tp-kv-heads")
    explain.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> Verdict:
    """The explanation of each rule. Raises MeshfitError for a name that no rule has."""
    from meshfit.cli.naming import unknown
    from meshfit.lint.explanations import explained, problem_dict, problem_text
    from meshfit.mesh import AXIS_WORDS
    from meshfit.rules.explain import rule_text, to_dict
    from meshfit.rules.registry import all_rules, find_rules

    found: dict[str, tuple[Rule, ...]] = {}
    for name in options.rules:
        rules = find_rules(name.strip())
        if not rules:
            code = explained(name)
            if code is not None:
                found[code] = ()
                continue
            names = {text for rule in all_rules() for text in (rule.code, rule.slug)}
            meant = names & {_padded(name)} or names
            axis = name.strip().lower()
            only = f" --axis {axis}" if axis in AXIS_WORDS else ""
            raise unknown("rule", name, sorted(meant), listed=f"meshfit rules{only} lists them")
        found[rules[0].code] = rules
    if options.json:
        from meshfit.render.json_format import as_json

        told = [each for code, rules in found.items() for each in ([*map(to_dict, rules)] or [problem_dict(code)])]
        return Verdict(as_json({"rules": told}), 0)
    return Verdict("\n\n".join(rule_text(rules) if rules else problem_text(code) for code, rules in found.items()), 0)


def _padded(name: str) -> str:
    """`TP002` for `tp2`: a code whose zeros were left out resembles many others as much."""
    letters = name.rstrip("0123456789")
    return f"{letters}{name[len(letters) :].lstrip('0'):0>3}".upper()
