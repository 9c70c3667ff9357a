"""What a check finds, and how all of them are run: each for itself, whatever becomes wrong in another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from guardian.cli.support.exit_codes import COULD_NOT_TELL, FINE, NO
from guardian.domain.text.escaping import clean
from guardian.errors import GuardianError

if TYPE_CHECKING:
    from guardian.cli.doctor.examined import Examined

MAX_TEXT: Final = 500
"""Characters of what a finding says: some of it is a system's or a library's own words."""


class Health(StrEnum):
    """How well what was looked at works."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    COULD_NOT_TELL = "could not tell"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: its name, what it is, and what to do about it where something is to be done."""

    name: str
    health: Health
    text: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A check by its name, which its findings have or begin with."""

    name: str
    run: Callable[[Examined], Iterable[Finding]]


def ok(name: str, text: str) -> Finding:
    """Nothing is to be done."""
    return Finding(name, Health.OK, text)


def warning(name: str, text: str, remedy: str | None = None) -> Finding:
    """It works, and a person may want it otherwise."""
    return Finding(name, Health.WARNING, text, remedy)


def problem(name: str, text: str, remedy: str | None) -> Finding:
    """It does not work."""
    return Finding(name, Health.PROBLEM, text, remedy)


def unclear(name: str, text: str, remedy: str | None = None) -> Finding:
    """It could not be looked at."""
    return Finding(name, Health.COULD_NOT_TELL, text, remedy)


def findings_of(
    checks: Iterable[Check], examined: Examined, begins: Callable[[str], None] = lambda _name: None
) -> Iterator[Finding]:
    """Runs the checks in order, and yields what they find; `begins` is called with the name of each before.

    A check that fails yields what it found before, and that the rest is unclear, with the kind of the failure:
    the text of a foreign exception may hold anything.
    """
    for check in checks:
        begins(check.name)
        try:
            for finding in check.run(examined):
                yield Finding(
                    finding.name,
                    finding.health,
                    clean(finding.text, MAX_TEXT),
                    None if finding.remedy is None else clean(finding.remedy, MAX_TEXT),
                )
        except GuardianError as error:
            yield unclear(check.name, clean(error.message, MAX_TEXT), error.hint)
        except Exception as error:  # noqa: BLE001 - one check that fails must not cost the others
            yield unclear(check.name, f"could not be looked at ({type(error).__name__})")


def exit_code(findings: Iterable[Finding]) -> int:
    """0 where nothing is wrong, 1 where there is a problem, 3 where something is unclear and nothing is wrong."""
    healths = {finding.health for finding in findings}
    if Health.PROBLEM in healths:
        return NO
    return COULD_NOT_TELL if Health.COULD_NOT_TELL in healths else FINE
