"""How findings are printed, and the file of them that a person can send to somebody who helps."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Final

from guardian.cli.doctor.checks.installation import versions
from guardian.cli.doctor.findings import Finding, Health, exit_code
from guardian.cli.support.exit_codes import COULD_NOT_TELL, FINE
from guardian.cli.support.render import Tone, Toned, fields, say
from guardian.cli.support.times import utc_time
from guardian.domain.text.escaping import clean_strings
from guardian.errors import GuardianError
from guardian.system.clock import wall_clock_ms
from guardian.system.typed_command import as_typed

_TONES: Final = {
    Health.OK: Tone.GOOD,
    Health.WARNING: Tone.WAITING,
    Health.PROBLEM: Tone.BAD,
    Health.COULD_NOT_TELL: Tone.WAITING,
}


def print_finding(finding: Finding) -> None:
    """Print one finding on a line, and below it what to do, as it can be typed."""
    width = max(len(health) for health in Health)
    fields([(finding.health.ljust(width), Toned(f"{finding.name}: {as_typed(finding.text)}", _tone(finding)))])
    if finding.remedy is not None:
        fields([("".ljust(width), f"-> {as_typed(finding.remedy)}")])


def _tone(finding: Finding) -> Tone | None:
    return None if finding.health is Health.OK else _TONES[finding.health]


def say_summary(findings: Sequence[Finding]) -> None:
    """One line of words: whether all is well, and how much is not."""
    code = exit_code(findings)
    counts = [(sum(one.health is health for one in findings), health) for health in Health]
    counted = ", ".join(f"{count} {health}" for count, health in counts if count)
    words = {FINE: "nothing is wrong", COULD_NOT_TELL: "not everything could be found out"}.get(
        code, "something is wrong"
    )
    say(f"{words}: {counted}", Tone.GOOD if code == FINE else Tone.BAD)


def document(findings: Iterable[Finding]) -> dict[str, object]:
    """Returns the findings and versions as one JSON document."""
    found = list(findings)
    numbers: dict[str, str | None] = {}
    with suppress(PackageNotFoundError):
        numbers = versions()
    return {
        "made": utc_time(wall_clock_ms()),
        "result": {FINE: "ok", COULD_NOT_TELL: "could not tell"}.get(exit_code(found), "problem"),
        "versions": numbers,
        "findings": [
            {"name": one.name, "health": one.health.value, "text": one.text, "remedy": one.remedy} for one in found
        ],
    }


def write_bundle(path: Path, findings: Iterable[Finding], home: Path) -> None:
    """Writes the document into a new file that only its owner can read; the user's folders are shortened in it.

    Raises GuardianError where there is a file already, or it cannot be written.
    """
    text = json.dumps(clean_strings(document(findings)), indent=2, ensure_ascii=True)
    # A path names the user, who may not want that to be sent along.
    for place, short in ((home, "HOME_OF_GUARDIAN"), (Path.home(), "~")):
        text = text.replace(json.dumps(str(place))[1:-1], short)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise GuardianError(f"`{path}` is there already", hint="name a new file") from None
    except OSError as error:
        raise GuardianError(f"`{path}` cannot be written: {error.strerror}", hint="name another place") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
