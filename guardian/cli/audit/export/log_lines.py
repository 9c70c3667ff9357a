"""Rows of the log as documents of a stable form, for NDJSON and CSV."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from guardian.cli.audit.export.left_out import LEFT_OUT, without_accounts, without_paper_keys
from guardian.cli.audit.export.manifest import FORMAT_VERSION, utc_or_none
from guardian.cli.audit.export.spreadsheet_cells import spreadsheet_cell
from guardian.store.log.encoding import COLUMNS, client_order_id
from guardian.store.log.read_only import LogRow

LOG_COLUMNS: Final = (
    "seq", "time", "local_time", "phase", "call_id", "tool", "symbol", "outcome", "environment", "account", "key",
    "client_order_id", "data", "digest", "previous", "verified",
)  # fmt: skip
"""The columns of the CSV file; NDJSON has the same fields, with `v` first and `ts_ms` in the place of `local_time`."""


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A row of the log whose body was read, once: that is most of the work."""

    row: LogRow
    document: dict[str, object] | None
    """The body; None where it is not one of guardian's."""
    verified: bool
    """Whether the row is as it was written, and follows on the one before it."""


def read_rows(rows: Iterable[LogRow], before: LogRow | None) -> Iterator[ReadRow]:
    """Yields each row with its body. `before` is the row before the first; None where the first may be any."""
    for row in rows:
        document = row.document
        follows = before is None or (row.prev_hash == before.digest and row.seq == before.seq + 1)
        is_whole = document is not None and all(getattr(row, name) == document.get(name) for name in COLUMNS)
        yield ReadRow(row, document, follows and is_whole and row.has_its_digest)
        before = row


def ndjson_line(read: ReadRow, *, redact: bool) -> str:
    """Returns one line of NDJSON, in ASCII, without its line end."""
    document = {"v": FORMAT_VERSION, **_document(read, redact=redact)}
    return _COMPACT.encode(document).replace("\x7f", "\\u007f")  # the one control character that JSON leaves as it is


def csv_cells(read: ReadRow, *, redact: bool) -> list[str]:
    """Returns the cells of one row, in the order of LOG_COLUMNS; what was recorded is one cell of JSON."""
    document = _document(read, redact=redact)
    document["local_time"] = None if document["time"] is None else zoned_time(read.row.ts_ms)
    document["data"] = _COMPACT.encode(document["data"])
    document["verified"] = "yes" if read.verified else "no"
    return [spreadsheet_cell(document[name]) for name in LOG_COLUMNS]


def _document(read: ReadRow, *, redact: bool) -> dict[str, object]:
    row = read.row
    data: object = _as_text(row.body) if read.document is None else read.document.get("data")
    account: object = row.account
    if row.phase == "event":
        data = without_paper_keys(data)
    if redact:
        data = without_accounts(data, [row.account] if isinstance(row.account, str) and row.account else [])
        account = None if row.account is None else LEFT_OUT
    return {
        "seq": row.seq,
        "time": utc_or_none(row.ts_ms),
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
        "verified": read.verified,
    }


def zoned_time(milliseconds: int) -> str:
    """Returns `2026-11-22 16:20:30+01:00`: the time where the person is, with the zone that it is in."""
    return datetime.fromtimestamp(milliseconds // 1000).astimezone().isoformat(sep=" ")


def _client_order_id(row: LogRow) -> str | None:
    return client_order_id(row.digest) if row.phase == "intent" and isinstance(row.digest, bytes) else None


def _hex(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value


def _as_text(value: object) -> str:
    """A cell that is no JSON as text."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


_COMPACT: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, default=_as_text)
