"""Verdicts as mypy shows them: one error and one note for each violation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from meshfit.render.text import advice, headline
from meshfit.report import Severity
from meshfit_mypy.codes import code_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy.nodes import Context
    from mypy.plugin import CheckerPluginInterface

    from meshfit.errors import MeshError
    from meshfit.report import Report, Violation

__all__ = ["level_of", "refuse_mesh", "speak"]

_BY_SEVERITY: Final = {Severity.ERROR: "error", Severity.WARNING: "off"}


def speak(
    reports: Sequence[Report],
    severity: Mapping[str, str],
    context: Context,
    api: CheckerPluginInterface,
    *,
    notes_only: bool = False,
) -> None:
    """Say what every report refuses: one that does not mind the axis may be the one that comes true.

    Args:
        reports: one for each model and mesh that may meet at the call.
        severity: rule code or name -> "error", "note" or "off".
        context: the call.
        api: the checker.
        notes_only: nothing is an error here.
    """
    spoken: dict[str, list[tuple[Violation, str]]] = {}
    for violation in reports[0].violations:
        level = level_of(violation, severity)
        if level != "off":
            spoken.setdefault(violation.axis, []).append((violation, level))
    for axis, found in spoken.items():
        weakest = min((_weight(report, axis, severity) for report in reports), default=0)
        for violation, level in found:
            if weakest:
                error = level == "error" and weakest == _ERROR and not notes_only
                _say(violation, reports[0], context, api, error=error)


def level_of(violation: Violation, severity: Mapping[str, str]) -> str:
    """How the violation may speak: as the options say of its rule, else errors do and warnings do not."""
    asked = severity.get(violation.code, severity.get(violation.slug))
    return asked or _BY_SEVERITY[violation.severity]


_ERROR: Final = 2


def _weight(report: Report, axis: str, severity: Mapping[str, str]) -> int:
    """0: nothing to say of the axis, 1: a note, 2: an error."""
    levels = {level_of(violation, severity) for violation in report.violations if violation.axis == axis}
    return _ERROR if "error" in levels else int("note" in levels)


def _say(violation: Violation, report: Report, context: Context, api: CheckerPluginInterface, *, error: bool) -> None:
    code = code_of(violation.axis)
    text = f"Unsupported mesh for {report.target}: {headline(violation, report.engine)}"
    if error:
        api.fail(text, context, code=code)
    else:
        api.msg.note(text, context, code=code)
    api.msg.note(advice(violation), context, code=code)


def refuse_mesh(error: MeshError, context: Context, api: CheckerPluginInterface) -> None:
    """Say that a mesh cannot be read."""
    api.fail(str(error), context, code=code_of("mesh"))
