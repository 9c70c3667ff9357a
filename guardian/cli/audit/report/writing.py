"""Makes the report of a home and writes it to a file."""

from __future__ import annotations

import sys
import webbrowser
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Final

import click

from guardian import __version__
from guardian.cli.audit.report.collecting import collect
from guardian.cli.audit.verification import progress_shown, report_fields
from guardian.cli.support.exit_codes import FINE, NO, USAGE
from guardian.cli.support.render import Tone, Toned, say, say_error, say_hint, say_warning
from guardian.cli.support.terminal import is_terminal
from guardian.cli.support.times import local_time
from guardian.cli.support.vault_prompt import unlock_or_say
from guardian.errors import NotPrivate
from guardian.gate.seal.log_evidence import gather_evidence
from guardian.home.folder import checked_home
from guardian.report.page import report_page
from guardian.report.report_figures import VerificationWords
from guardian.store.log.verify import verify
from guardian.store.log_findings import Report
from guardian.store.schema.files import CHECKPOINT_NAME, DATABASE_NAME
from guardian.system.clock import wall_clock_ms
from guardian.system.private_files import create_file, replace_file

DAYS: Final = 30
_TONES: Final = {Tone.GOOD: "good", Tone.WAITING: "wait", Tone.BAD: "bad"}


def write_report(since_ms: int | None, until_ms: int | None, out: Path, *, force: bool, opens: bool) -> int:
    """Write the report of a period to a file, and say so on standard error; the exit code.

    Raises StoreError where the log cannot be read.
    """
    out, now_ms = out.absolute(), wall_clock_ms()
    until_ms = now_ms if until_ms is None else until_ms
    since_ms = _days_before(until_ms) if since_ms is None else since_ms
    if since_ms >= until_ms:
        raise click.UsageError("there is no time from `--since` to `--until`")
    if not force and out.exists():
        say_error(f"`{out}` is there already; nothing was written")
        say_hint("name another file with `--out`, or replace it with `--force`")
        return USAGE
    home = checked_home()
    verification = _verified(home) if (home / DATABASE_NAME).exists() or (home / CHECKPOINT_NAME).exists() else None
    figures = collect(home, since_ms, until_ms, now_ms=now_ms, version=__version__, verification=verification)
    content = report_page(figures).encode("utf-8", "backslashreplace")
    try:
        (replace_file if force else create_file)(out, content)
    except NotPrivate as error:
        raise click.BadParameter(f"{error.message}; nothing was written", param_hint="--out") from error
    except OSError as error:
        raise click.FileError(str(out), hint=error.strerror or "cannot be written") from error
    say(f"wrote `{out}` ({-(-len(content) // 1000)} kB); open it in a browser")
    if opens:
        webbrowser.open(out.as_uri())
    if verification is None or verification.tone != "bad":
        return FINE
    say_warning(f"the log: {verification.result}; `guardian audit verify` shows what is wrong")
    return NO


def _days_before(until_ms: int) -> int:
    """The midnight that begins the first of DAYS days, of which the last is that of `until_ms`."""
    last = datetime.fromtimestamp(until_ms // 1000).astimezone().date()
    first = datetime.combine(last - timedelta(days=DAYS - 1), time.min).astimezone()
    return int(first.timestamp() * 1000)


def _verified(home: Path) -> VerificationWords:
    unlock_or_say(home)
    evidence = gather_evidence(home, asks_nothing=not is_terminal(sys.stderr))
    with progress_shown() as progress:
        return in_words(verify(home, None, progress, evidence))


def in_words(found: Report) -> VerificationWords:
    """Returns what verifying found as the page shows it: the words of `guardian audit verify`, times without `ago`."""
    times = {"from": found.first_ts_ms, "to": found.last_ts_ms}
    *details, (_, result) = report_fields(found)
    toned = result if isinstance(result, Toned) else Toned(result, None)
    shown = []
    for name, value in details:
        time_ms = times.get(name)
        plain = value.value if isinstance(value, Toned) else value
        shown.append((name, str(plain) if time_ms is None else local_time(time_ms)))
    findings = [f"{one.kind.value}: {one.message}" for one in found.findings]
    notes = [f"{one.kind.value}: {one.message}" for one in found.missing]
    notes += [f"accepted by you: {one.kind.value}: {one.message}" for one in found.accepted]
    notes += [f"not checked: {sentence}" for sentence in found.unchecked]
    return VerificationWords(
        result=str(toned.value),
        tone=_TONES.get(toned.tone, "wait") if toned.tone is not None else "wait",
        details=tuple(shown),
        findings=tuple(findings),
        notes=tuple(notes),
    )
