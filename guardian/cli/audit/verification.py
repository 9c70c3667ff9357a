"""`guardian audit verify` and `checkpoint`: whether the log is whole, and how far it has gone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from guardian.cli.audit.testimony import HeardExchange
from guardian.cli.support.exit_codes import COULD_NOT_TELL, FINE, NO
from guardian.cli.support.render import Tone, Toned, fields, print_json, print_line, say, say_hint, say_over
from guardian.cli.support.terminal import is_terminal
from guardian.cli.support.times import utc_time, with_relative
from guardian.cli.support.vault_prompt import unlock_or_say
from guardian.errors import NotPrivate
from guardian.gate.seal.log_evidence import gather_evidence
from guardian.home.folder import checked_home
from guardian.store.log.verify import Progress, verify
from guardian.store.log_findings import Finding, Report
from guardian.store.schema.records import Checkpoint
from guardian.store.seal.note import VerifierKey
from guardian.system.clock import wall_clock_ms
from guardian.system.private_files import replace_file

SHOWS_PROGRESS: Final = 50_000
"""Rows: a log with fewer is verified before anybody could read how far that is."""


def verify_log(
    checkpoint: Checkpoint | None,
    pubkey: VerifierKey | None = None,
    *,
    as_json: bool,
    witness: Callable[[], HeardExchange] | None = None,
) -> int:
    """Verify the log of the home, print what is found, and halt trading where it is broken; the exit code.

    With `witness` the exchange is asked as well: 1 where either finds something, else 3 where either cannot tell.
    """
    home = checked_home()
    unlock_or_say(home)
    # What is outside the folder is read first: the log only grows, so it must have all that is named there.
    evidence = gather_evidence(home, pubkey, asks_nothing=not is_terminal(sys.stderr))
    with progress_shown() as progress:
        report = verify(home, checkpoint, progress, evidence, now_ms=wall_clock_ms())
    say_halted = None
    if not report.is_intact:
        # Only here: halting opens the store, and verifying does not. Before anything is printed: whoever reads that may
        # have gone away, or not read on.
        from guardian.cli.audit.broken_chain import halt_for

        say_halted = halt_for(report)
    testimony = None if witness is None else witness()
    if as_json:
        document = _report_dict(report)
        print_json(document if testimony is None else {**document, "exchange": testimony.as_dict()})
    else:
        _print_report(report)
        if testimony is not None:
            testimony.print()
    if say_halted is not None:
        say_halted()
        return NO
    code = FINE if report.is_proven else COULD_NOT_TELL
    codes = {code} if testimony is None else {code, testimony.exit_code}
    return next(code for code in (NO, COULD_NOT_TELL, FINE) if code in codes)


@contextmanager
def progress_shown(done: str = "verified") -> Iterator[Progress | None]:
    """Shows how many rows are `done`: one line of standard error, which ends empty. Nothing where it is no terminal."""
    if not is_terminal(sys.stderr):
        yield None
        return
    line = _ProgressLine(done)
    try:
        yield line.show
    finally:
        line.clear()


class _ProgressLine:
    """A line of a terminal that is written again and again."""

    def __init__(self, done: str) -> None:
        self._done = done
        self._is_shown = False

    def show(self, done: int, total: int) -> None:
        """Shows the number of rows that are done; nothing of a short log."""
        if total >= SHOWS_PROGRESS:
            self._is_shown = True
            say_over(f"{self._done} {min(done, total)} of {total} rows")

    def clear(self) -> None:
        """Takes away what was shown."""
        if self._is_shown:
            say_over("")


def _report_dict(report: Report) -> dict[str, object]:
    return {
        "result": "intact" if report.is_proven else "unproven" if report.is_intact else "tampered",
        "proven_by": report.proven_by,
        "unchecked": report.unchecked,
        "tables_proven_from": report.tables_proven_from,
        "missing": _finding_dicts(report.missing),
        "without_mac": report.without_mac,
        "path": report.path,
        "rows": report.rows,
        "last_seq": report.last_seq,
        "head": report.head,
        "first": None if report.first_ts_ms is None else utc_time(report.first_ts_ms),
        "last": None if report.last_ts_ms is None else utc_time(report.last_ts_ms),
        "checkpoints": [{"source": a.source, "seq": a.seq, "holds": a.holds} for a in report.anchors],
        "unanchored": report.unanchored,
        "findings": _finding_dicts(report.findings),
        "accepted": _finding_dicts(report.accepted),
    }


def _finding_dicts(findings: Sequence[Finding]) -> list[dict[str, object]]:
    return [{"kind": f.kind.value, "seq": f.seq, "message": f.message} for f in findings]


def report_fields(report: Report) -> list[tuple[str, object]]:
    """Returns what verifying a log found, in words: a name and its value each, the result last."""
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
    if report.is_intact:
        shown.append(("proven by", report.proven_by or "nothing outside this folder"))
    shown.append(("result", _result(report)))
    return shown


def _print_report(report: Report) -> None:
    fields(report_fields(report))
    for finding in report.findings:
        say(f"{finding.kind.value}: {finding.message}", Tone.BAD)
    for finding in report.missing:
        say(f"{finding.kind.value}: {finding.message}", Tone.WAITING)
    for finding in report.accepted:
        say(f"accepted by you: {finding.kind.value}: {finding.message}")
    if report.without_mac:
        say(f"{report.without_mac} rows were written without the key: calls, reads, halts and rejections")
    if report.tables_proven_from > 1:
        say(
            f"the other tables are proven from row {report.tables_proven_from} on: it has them as they were when this "
            "guardian took over the home of an older one"
        )
    for sentence in report.unchecked:
        say(f"not checked: {sentence}")
    if not report.anchors and report.rows and not report.missing:
        say("without a checkpoint, rows that were cut off at the end cannot be seen")
    if report.is_intact and not report.is_proven:
        say_hint("`guardian audit seal` where a keyring works, or `--pubkey` or `--checkpoint` that you kept elsewhere")


def _result(report: Report) -> Toned:
    if not report.is_intact:
        return Toned("TAMPERED OR DAMAGED", Tone.BAD)
    if report.is_proven:
        return Toned("INTACT", Tone.GOOD)
    return Toned("INTACT IN ITSELF, NOT PROVEN", Tone.WAITING)


def write_checkpoint(ctx: click.Context, out: Path | None) -> None:
    """Print how far an intact log has gone, or write it to a file; ends the command where no checkpoint can be kept.

    It is signed where the keyring has the key of the log.
    """
    home = checked_home()
    unlock_or_say(home)
    evidence = gather_evidence(home, asks_nothing=not is_terminal(sys.stderr))
    report = verify(home, evidence=evidence)
    if not report.is_intact:
        say("the log is not intact, so there is no checkpoint of it; `guardian audit verify` shows what is wrong")
        ctx.exit(NO)
    if report.head is None:
        say("the log is empty: no call has been made yet")
        ctx.exit(NO)
    text = Checkpoint(seq=report.last_seq, digest=report.head).line
    if evidence.keys is not None and report.is_proven:
        text = evidence.keys.note(report.last_seq, report.head).text
    if out is None:
        for line in text.splitlines():
            print_line(line)
    else:
        _write(ctx, out, text)
        say(f"written to `{out}`: row {report.last_seq}; keep it away from this machine")
    if evidence.keys is not None and report.is_proven:
        say(f"signed; the public key is {evidence.keys.verifier.text}")
    else:
        say("not signed: the log is not sealed, or the keyring did not give its key")


def _write(ctx: click.Context, out: Path, text: str) -> None:
    try:
        replace_file(out.absolute(), text.encode())
    except NotPrivate as error:
        raise click.BadParameter(f"{error.message}; nothing was written", ctx, param_hint="--out") from error
    except OSError as error:
        raise click.FileError(str(out), hint=error.strerror or "cannot be written") from error
