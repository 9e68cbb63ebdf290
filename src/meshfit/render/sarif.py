"""Notices as SARIF 2.1.0, which code-scanning services and editors read.

Source: OASIS SARIF 2.1.0; the sections are named where a choice rests on one.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from meshfit.notice import Notice, Place
from meshfit.render.paths import uri

__all__ = ["Description", "to_sarif"]

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT: Final = "%SRCROOT%"
"""Where relative references begin; whoever reads the log knows where that is (3.14.14)."""
FINGERPRINT: Final = "meshfit/v1"


class Description(NamedTuple):
    """What is known of a code that is no rule of the registry.

    Args:
        holds: what must hold, on one line.
        why: the reason.
        text: the whole explanation.
    """

    holds: str
    why: str
    text: str


def to_sarif(
    notices: Sequence[Notice],
    *,
    failures: Sequence[str] = (),
    described: Mapping[str, Description] = MappingProxyType({}),
) -> str:
    """One log with one run, ASCII only, the same for the same notices.

    Args:
        notices: what was found; a place with an empty path gives a result without a location.
        failures: what could not be judged, one line each; the run then counts as unsuccessful.
        described: the codes that are no rules of the registry.
    """
    codes = sorted({notice.code for notice in notices})
    index = {code: number for number, code in enumerate(codes)}
    slugs = {notice.code: notice for notice in reversed(notices)}
    seen: Counter[str] = Counter()
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "meshfit",
                "version": _version(),
                "rules": [_rule(slugs[code], described.get(code)) for code in codes],
            },
        },
        "invocations": [_invocation(failures)],
        "columnKind": "unicodeCodePoints",
        "results": [_result(notice, index[notice.code], seen) for notice in notices],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _version() -> str:
    from importlib.metadata import version

    return version("meshfit")


def _invocation(failures: Sequence[str]) -> dict[str, Any]:
    told = [{"level": "error", "message": {"text": failure}} for failure in failures]
    return {"executionSuccessful": not told, **({"toolExecutionNotifications": told} if told else {})}


def _rule(notice: Notice, described: Description | None) -> dict[str, Any]:
    """What is known of the rule of a notice: by the registry, by its description, or by its name alone."""
    from meshfit.rules.registry import find_rules

    rules = find_rules(notice.code)
    if not rules:
        told = described or Description(notice.slug.replace("-", " "), "", "")
        return {
            "id": notice.code,
            "name": notice.slug,
            "shortDescription": {"text": told.holds},
            "fullDescription": {"text": f"{told.holds} Why: {told.why}" if told.why else told.holds},
            **({"help": {"text": told.text}} if told.text else {}),
            "defaultConfiguration": {"level": notice.severity.value},
            "properties": {"consequence": _consequence(notice)},
        }
    from meshfit.rules.explain import explanation, rule_section, rule_text

    explained = [explanation(rule) for rule in rules]
    first = rules[0]
    return {
        "id": first.code,
        "name": first.slug,
        "shortDescription": {"text": explained[0].formula},
        "fullDescription": {"text": " ".join(dict.fromkeys(f"{part.formula} Why: {part.why}" for part in explained))},
        **_help_uri(f"{first.code}-{first.slug}".lower()),
        "help": {"text": rule_text(rules), "markdown": rule_section(rules)},
        "defaultConfiguration": {"level": first.severity.value},
        "properties": {
            "consequence": first.consequence.value,
            "axis": first.axis,
            "engines": list(dict.fromkeys(engine for rule in rules for engine in rule.engines)),
            "tags": [first.axis, first.consequence.value],
        },
    }


def _help_uri(anchor: str) -> dict[str, str]:
    """The rule's place on the page of rules, where the installed package says on which site its documents are."""
    from importlib.metadata import metadata

    for line in metadata("meshfit").get_all("Project-URL") or ():
        label, _, address = line.partition(", ")
        if label.lower() == "documentation":
            return {"helpUri": f"{address.rstrip('/')}/rules.md#{anchor}"}
    return {}


def _result(notice: Notice, index: int, seen: Counter[str]) -> dict[str, Any]:
    related = [
        {"id": number, **_location(place), "message": {"text": read}}
        for number, (place, read) in enumerate(notice.related, 1)
    ]
    return {
        "ruleId": notice.code,
        "ruleIndex": index,
        "level": notice.severity.value,
        "message": {"text": " ".join(_ended(text) for text in _sentences(notice))},
        **({"locations": [_location(notice.place)]} if notice.place.path else {}),
        **({"relatedLocations": related} if related else {}),
        "partialFingerprints": {FINGERPRINT: _fingerprint(notice, seen)},
        "properties": {"consequence": _consequence(notice)},
    }


def _sentences(notice: Notice) -> Iterator[str]:
    yield notice.message
    if notice.help:
        yield f"Help: {notice.help}"
    if notice.consequence is not None:
        yield f"If ignored: {notice.consequence.sentence}"


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."


def _consequence(notice: Notice) -> str | None:
    return notice.consequence.value if notice.consequence is not None else None


def _location(place: Place) -> dict[str, Any]:
    address = uri(place.path)
    artifact = {"uri": address} if address.startswith("file:") else {"uri": address, "uriBaseId": ROOT}
    numbers = {
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    }
    known = place.line is not None
    region = {name: number for name, number in numbers.items() if known and number is not None}
    return {"physicalLocation": {"artifactLocation": artifact, **({"region": region} if region else {})}}


def _fingerprint(notice: Notice, seen: Counter[str]) -> str:
    """What stays when lines move: the rule, the file, the words with their numbers, and a count of those alike."""
    told = "\0".join((notice.code, uri(notice.place.path) if notice.place.path else "", notice.message))
    digest = hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()[:32]
    seen[digest] += 1
    return f"{digest}:{seen[digest]}"
