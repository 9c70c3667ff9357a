"""Rows of the log as documents of a stable form, for NDJSON and CSV."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final

from guardian.cli.audit.export.left_out import LEFT_OUT, without_accounts
from guardian.cli.audit.export.manifest import FORMAT_VERSION
from guardian.cli.audit.export.spreadsheet_cells import spreadsheet_cell
from guardian.cli.support.times import utc_time
from guardian.store.log.encoding import client_order_id
from guardian.store.log.read_only import LogRow

LOG_COLUMNS: Final = (
    "seq", "time", "local_time", "phase", "call_id", "tool", "symbol", "outcome", "environment", "account", "key",
    "client_order_id", "data", "digest", "previous", "verified",
)  # fmt: skip
"""The columns of the CSV file; NDJSON has the same fields, with `v` first and `ts_ms` in the place of `local_time`."""


def ndjson_line(row: LogRow, *, verified: bool, redact: bool) -> str:
    """Returns one line of NDJSON, in ASCII, without its line end."""
    document = {"v": FORMAT_VERSION, **_document(row, verified=verified, redact=redact)}
    del document["local_time"]
    text = json.dumps(document, separators=(",", ":"), default=_as_text)
    return text.replace("\x7f", "\\u007f")  # the one control character that JSON leaves as it is


def csv_cells(row: LogRow, *, verified: bool, redact: bool) -> list[str]:
    """Returns the cells of one row, in the order of LOG_COLUMNS; what was recorded is one cell of JSON."""
    document = _document(row, verified=verified, redact=redact)
    document["data"] = json.dumps(document["data"], separators=(",", ":"), ensure_ascii=True, default=_as_text)
    document["verified"] = "yes" if verified else "no"
    return [spreadsheet_cell(document[name]) for name in LOG_COLUMNS]


def verified_rows(rows: Iterable[LogRow], before: LogRow | None) -> Iterator[tuple[LogRow, bool]]:
    """Yields each row with whether it is as it was written, and follows on the one before it.

    `before` is the row before the first; None where the first may be any.
    """
    for row in rows:
        follows = before is None or (row.prev_hash == before.digest and row.seq == before.seq + 1)
        yield row, follows and row.has_its_digest and not row.changed_columns
        before = row


def _document(row: LogRow, *, verified: bool, redact: bool) -> dict[str, object]:
    data: object = (row.document or {}).get("data") if row.document is not None else _as_text(row.body)
    account: object = row.account
    if redact:
        data = without_accounts(data, [row.account] if isinstance(row.account, str) and row.account else [])
        account = None if row.account is None else LEFT_OUT
    return {
        "seq": row.seq,
        "time": _time(row.ts_ms, utc_time),
        "local_time": _time(row.ts_ms, zoned_time),
        "ts_ms": row.ts_ms,
        "phase": row.phase,
        "call_id": row.call_id,
        "tool": row.tool,
        "symbol": row.symbol,
        "outcome": row.outcome,
        "environment": row.environment,
        "account": account,
        "key": row.key,
        "client_order_id": _client_order_id(row),
        "data": data,
        "digest": _hex(row.digest),
        "previous": _hex(row.prev_hash),
        "verified": verified,
    }


def zoned_time(milliseconds: int) -> str:
    """Returns `2026-11-22 16:20:30+01:00`: the time where the person is, with the zone that it is in."""
    return datetime.fromtimestamp(milliseconds // 1000).astimezone().isoformat(sep=" ")


def _time(milliseconds: object, written: Callable[[int], str]) -> str | None:
    """The time as text; None where the cell holds no time, which somebody wrote into it."""
    try:
        return written(milliseconds) if isinstance(milliseconds, int) else None
    except (ValueError, OverflowError, OSError):
        return None


def _client_order_id(row: LogRow) -> str | None:
    return client_order_id(row.digest) if row.phase == "intent" and isinstance(row.digest, bytes) else None


def _hex(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value


def _as_text(value: object) -> str:
    """A cell that is no JSON as text."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
