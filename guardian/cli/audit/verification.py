"""`guardian audit verify` and `checkpoint`: whether the log is whole, and how far it has gone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from guardian.cli.support.exit_codes import FINE, NO
from guardian.cli.support.render import Tone, Toned, fields, print_json, print_line, say, say_over
from guardian.cli.support.terminal import is_terminal
from guardian.cli.support.times import utc_time, with_relative
from guardian.errors import NotPrivate
from guardian.home.folder import checked_home
from guardian.store.log.checkpoint import Checkpoint
from guardian.store.log.verify import Progress, Report, verify
from guardian.system.clock import wall_clock_ms
from guardian.system.private_files import replace_file

SHOWS_PROGRESS: Final = 50_000
"""Rows: a log with fewer is verified before anybody could read how far that is."""


def verify_log(checkpoint: Checkpoint | None, *, as_json: bool) -> int:
    """Verify the log of the home, print what is found, and halt trading where it is broken; the exit code."""
    with progress_shown() as progress:
        report = verify(checked_home(), checkpoint, progress)
    if as_json:
        print_json(_report_dict(report))
    else:
        _print_report(report)
    if report.is_intact:
        return FINE
    # Only here: halting opens the store, and verifying does not.
    from guardian.cli.audit.broken_chain import halt_for

    halt_for(report)
    return NO


@contextmanager
def progress_shown() -> Iterator[Progress | None]:
    """Shows how far verifying is: one line of standard error, which ends empty. Nothing where that is no terminal."""
    if not is_terminal(sys.stderr):
        yield None
        return
    line = _ProgressLine()
    try:
        yield line.show
    finally:
        line.clear()


class _ProgressLine:
    """A line of a terminal that is written again and again."""

    def __init__(self) -> None:
        self._is_shown = False

    def show(self, done: int, total: int) -> None:
        """Shows the number of rows that were verified; nothing of a short log."""
        if total >= SHOWS_PROGRESS:
            self._is_shown = True
            say_over(f"verified {min(done, total)} of {total} rows")

    def clear(self) -> None:
        """Takes away what was shown."""
        if self._is_shown:
            say_over("")


def _report_dict(report: Report) -> dict[str, object]:
    return {
        "result": "intact" if report.is_intact else "tampered",
        "path": report.path,
        "rows": report.rows,
        "last_seq": report.last_seq,
        "head": report.head,
        "first": None if report.first_ts_ms is None else utc_time(report.first_ts_ms),
        "last": None if report.last_ts_ms is None else utc_time(report.last_ts_ms),
        "checkpoints": [{"source": a.source, "seq": a.seq, "holds": a.holds} for a in report.anchors],
        "unanchored": report.unanchored,
        "findings": [{"kind": f.kind.value, "seq": f.seq, "message": f.message} for f in report.findings],
    }


def _print_report(report: Report) -> None:
    shown: list[tuple[str, object]] = [("log", str(report.path)), ("rows", report.rows)]
    if report.first_ts_ms is not None and report.last_ts_ms is not None:
        shown.append(("from", with_relative(report.first_ts_ms, wall_clock_ms())))
        shown.append(("to", with_relative(report.last_ts_ms, wall_clock_ms())))
    shown += [
        (
            f"checkpoint ({a.source})",
            Toned(f"row {a.seq}, {'ok' if a.holds else 'NOT THERE'}", None if a.holds else Tone.BAD),
        )
        for a in report.anchors
    ]
    shown.append(("after the last checkpoint", f"{report.unanchored} rows"))
    result = Toned("INTACT", Tone.GOOD) if report.is_intact else Toned("TAMPERED OR DAMAGED", Tone.BAD)
    shown.append(("result", result))
    fields(shown)
    for finding in report.findings:
        say(f"{finding.kind.value}: {finding.message}", Tone.BAD)
    if not report.anchors and report.rows:
        say("without a checkpoint, rows that were cut off at the end cannot be seen")


def write_checkpoint(ctx: click.Context, out: Path | None) -> None:
    """Print how far an intact log has gone, or write it to a file; ends the command where no checkpoint can be kept."""
    report = verify(checked_home())
    if not report.is_intact:
        say("the log is not intact, so there is no checkpoint of it; `guardian audit verify` shows what is wrong")
        ctx.exit(NO)
    if report.head is None:
        say("the log is empty: no call has been made yet")
        ctx.exit(NO)
    found = Checkpoint(seq=report.last_seq, digest=report.head)
    if out is None:
        print_line(found.line.rstrip("\n"))
        return
    try:
        replace_file(out.absolute(), found.line.encode())
    except NotPrivate as error:
        raise click.BadParameter(f"{error.message}; nothing was written", ctx, param_hint="--out") from error
    except OSError as error:
        raise click.FileError(str(out), hint=error.strerror or "cannot be written") from error
    say(f"written to `{out}`: row {found.seq}; keep it away from this machine")
