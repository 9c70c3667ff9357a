"""`guardian audit show`: every row of one call, with whether it is as it was written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

import click

from guardian.cli.audit.listing.line_words import time_or_none
from guardian.cli.audit.listing.list_command import NOTHING_YET, has_log
from guardian.cli.support.exit_codes import NO
from guardian.cli.support.render import Tone, Toned, fields, print_json, print_line, say
from guardian.cli.support.times import local_time, with_relative
from guardian.domain.codes import Outcome
from guardian.home.folder import checked_home
from guardian.store.history.history import History, open_history
from guardian.store.history.history_lines import PENDING
from guardian.store.log.encoding import client_order_id
from guardian.store.log.read_only import LogRow
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
_TIME_NAMES: Final = re.compile(r"(?:_ms|time|timestamp)\Z")
"""The names of fields that hold milliseconds since 1970, if their value can be that."""
_MILLISECONDS: Final = re.compile(r"[1-3][0-9]{12}", re.ASCII)


def print_call(ctx: click.Context, name: str, *, as_json: bool) -> None:
    """Print every row of the call, the row or the order of that name; ends the command where there are no such rows."""
    home = checked_home()
    if not has_log(home):
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
        ("time", _with_local_time(row.ts_ms)),
        ("call", row.call_id),
        ("tool", row.tool),
        ("symbol", row.symbol),
        ("outcome", None if row.outcome is None else Toned(row.outcome, _TONES.get(row.outcome))),
        ("environment", row.environment),
        ("account", row.account),
    ]
    if row.phase == "intent":
        shown.append(("client order id", client_order_id(row.digest)))
    fields([(label, value) for label, value in shown if value is not None])
    for line in _indented(row.data):
        print_line(f"  {line}")
    fields(
        [
            ("digest", bytes(row.digest).hex()),
            ("verified", Toned("yes", Tone.GOOD) if problem is None else Toned(problem, Tone.BAD)),
        ]
    )


def _indented(data: Mapping[str, object]) -> list[str]:
    """Returns what a row holds as the lines of its JSON, with the local time beside each time since 1970."""
    text = json.dumps(_with_times(data), ensure_ascii=False, sort_keys=True, indent=2)
    # Not `splitlines`, which also splits at what a model wrote into a text.
    return text.split("\n")[1:-1] if data else []


def _with_times(data: object, name: str = "") -> object:
    match data:
        case dict():
            return {str(key): _with_times(value, str(key)) for key, value in data.items()}
        case list():
            return [_with_times(value, name) for value in data]
        case int() | str() if _TIME_NAMES.search(name) and _MILLISECONDS.fullmatch(str(data)):
            return f"{data} ({local_time(int(data))})"
    return data


def _with_local_time(milliseconds: object) -> str:
    """Returns when a row was written and how long ago; what is no time, which somebody put there, as it is."""
    try:
        return with_relative(int(str(milliseconds)), wall_clock_ms())
    except (ValueError, OverflowError, OSError):
        return str(milliseconds)


def _row_dict(row: LogRow, problem: str | None) -> dict[str, object]:
    return {
        "seq": row.seq,
        "phase": row.phase,
        "time": time_or_none(row.ts_ms),
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
