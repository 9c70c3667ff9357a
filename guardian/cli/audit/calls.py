"""`guardian audit list` and `show`: rows of the log, and whether they are as they were written."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import click

from guardian.cli.support.exit_codes import NO
from guardian.cli.support.render import Column, Tone, Toned, fields, print_json, print_line, say, table
from guardian.cli.support.times import clock_time, local_time, relative, utc_time, with_relative
from guardian.domain.codes import Outcome
from guardian.domain.text.escaping import clean
from guardian.home.folder import checked_home
from guardian.store.log.encoding import client_order_id
from guardian.store.log.history import PENDING, CallFilter, History, HistoryLine, HistoryPage, open_history
from guardian.store.log.read_only import LogRow
from guardian.store.schema.files import CHECKPOINT_NAME, DATABASE_NAME
from guardian.system.clock import wall_clock_ms

_TONES: Final = {
    Outcome.DONE: Tone.GOOD,
    Outcome.CONFIRMATION_REQUIRED: Tone.WAITING,
    Outcome.UNKNOWN: Tone.WAITING,
    PENDING: Tone.WAITING,
    Outcome.DENIED: Tone.BAD,
    Outcome.REJECTED: Tone.BAD,
    Outcome.FAILED: Tone.BAD,
}
"""How the outcome of a call is shown."""
NOTHING_YET = "the log is empty: no call has been made yet"


def _has_log(home: Path) -> bool:
    return (home / DATABASE_NAME).exists() or (home / CHECKPOINT_NAME).exists()


def print_calls(wanted: CallFilter, *, as_json: bool) -> None:
    """Print the newest calls that are wanted, unresolved ones first."""
    home = checked_home()
    if not _has_log(home):
        if as_json:
            print_json([])
        say(NOTHING_YET)
        return
    with open_history(home) as log:
        listing = log.newest(wanted)
        unresolved = log.unresolved_count()
    lines = (*listing.unresolved, *listing.lines)
    if as_json:
        print_json([_as_dict(line) for line in lines])
    elif lines:
        _print_lines(listing)
    else:
        narrowed = wanted != CallFilter(limit=wanted.limit)
        say("no call fits" if narrowed else NOTHING_YET)
    if unresolved:
        say(f"{unresolved} order{'s' if unresolved != 1 else ''} may be at the exchange and not known to be")


def _when(milliseconds: int, now_ms: int) -> str:
    """`16:20:30 (3 min ago)` for a person; the whole time alone through a pipe, whose reader compares lists."""
    if not sys.stdout.isatty():
        return local_time(milliseconds)
    return f"{clock_time(milliseconds)} ({relative(milliseconds, now_ms)})"


def _print_lines(listing: HistoryPage) -> None:
    now_ms = wall_clock_ms()
    table(
        [Column("row", right=True, whole=True), "time", "tool", "symbol", "outcome", "detail"],
        [
            (
                Toned(f"{'' if line.is_whole else '!'}{line.row.seq}", None if line.is_whole else Tone.BAD),
                _when(line.row.ts_ms, now_ms),
                line.row.tool or f"({line.row.phase})",
                line.row.symbol,
                Toned(line.outcome, _TONES.get(line.outcome or "")),
                line.detail if line.reason is None else f"{line.detail}: {line.reason}",
            )
            for line in (*listing.unresolved, *listing.lines)
        ],
    )


def _as_dict(line: HistoryLine) -> dict[str, object]:
    row = line.row
    return {
        "seq": row.seq,
        "time": utc_time(row.ts_ms),
        "call_id": row.call_id,
        "phase": row.phase,
        "tool": row.tool,
        "symbol": row.symbol,
        "outcome": line.outcome,
        "detail": line.detail,
        "reason": line.reason,
        "environment": row.environment,
        "order_state": line.order_state,
        "verified": line.is_whole,
    }


def print_call(ctx: click.Context, name: str, *, as_json: bool) -> None:
    """Print every row of the call, the row or the order of that name; ends the command where there are no such rows."""
    home = checked_home()
    if not _has_log(home):
        say(NOTHING_YET)
        ctx.exit(NO)
    with open_history(home) as log:
        rows = [(row, _problem(log, row)) for row in log.find(name)]
    if as_json:
        print_json([_row_dict(row, problem) for row, problem in rows])
    elif rows:
        for number, (row, problem) in enumerate(rows):
            if number:
                print_line("")
            _print_row(row, problem)
    if not rows:
        say(f"nothing in the log is called `{name}`; `guardian audit list` shows what is")
        ctx.exit(NO)


def _problem(log: History, row: LogRow) -> str | None:
    if not row.has_its_digest:
        return "no: it was changed since it was written"
    if row.changed_columns:
        return f"no: {', '.join(row.changed_columns)} was changed since it was written"
    if not log.follows(row):
        return "no: the row before it is missing or another one"
    return None


def _print_row(row: LogRow, problem: str | None) -> None:
    shown: list[tuple[str, object]] = [
        ("row", row.seq),
        ("phase", row.phase),
        ("time", with_relative(row.ts_ms, wall_clock_ms())),
        ("call", row.call_id),
        ("tool", row.tool),
        ("symbol", row.symbol),
        ("outcome", None if row.outcome is None else Toned(row.outcome, _TONES.get(row.outcome))),
        ("environment", row.environment),
        ("account", row.account),
    ]
    if row.phase == "intent":
        shown.append(("client order id", client_order_id(row.digest)))
    shown += [
        (f"  {clean(key)}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True))
        for key, value in sorted(row.data.items())
    ]
    shown += [
        ("digest", bytes(row.digest).hex()),
        ("verified", Toned("yes", Tone.GOOD) if problem is None else Toned(problem, Tone.BAD)),
    ]
    fields([(label, value) for label, value in shown if value is not None])


def _row_dict(row: LogRow, problem: str | None) -> dict[str, object]:
    return {
        "seq": row.seq,
        "phase": row.phase,
        "time": utc_time(row.ts_ms),
        "call_id": row.call_id,
        "tool": row.tool,
        "symbol": row.symbol,
        "outcome": row.outcome,
        "environment": row.environment,
        "account": row.account,
        "client_order_id": client_order_id(row.digest) if row.phase == "intent" else None,
        "data": row.data,
        "digest": bytes(row.digest).hex(),
        "previous": bytes(row.prev_hash).hex(),
        "verified": problem is None,
        "problem": problem,
    }
