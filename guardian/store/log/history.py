"""Reads the history of calls: the newest of them, or one with all of its rows. Reads few rows, and writes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from guardian.domain.orders import CLIENT_ORDER_ID_PREFIX
from guardian.store.log.encoding import GENESIS
from guardian.store.log.read_only import LogRow, database_path, first_seq_at, read_only, row_at
from guardian.store.log.statements import (
    CALLS_AND_EVENTS,
    CALLS_OF_SYMBOL,
    CALLS_OF_TOOL,
    CALLS_OF_UNRESOLVED_ORDERS,
    CALLS_WITH_OUTCOME,
    CALLS_WITHOUT_OUTCOME,
    FIRST_OF_CALL,
    INTENT_OF_ORDER,
    LAST_CALL,
    ROW_COLUMNS,
    ROWS_OF_CALL,
    UNRESOLVED_COUNT,
)

PENDING: Final = "pending"
"""The outcome of a call that has none yet."""
MAX_REASON_SHOWN: Final = 300
"""Characters of an event's reason that are shown."""

_WIDTH: Final = len(ROW_COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """Which calls to list: every field that is set must match. Times are ms since 1970, `until_ms` is exclusive."""

    since_ms: int | None = None
    until_ms: int | None = None
    tool: str | None = None
    symbol: str | None = None
    outcome: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLine:
    """One call with its outcome, or one event."""

    row: LogRow
    outcome_row: LogRow | None = None
    order_state: str | None = None
    """`reserved` or `unknown`, for a call whose order is not resolved."""

    @property
    def outcome(self) -> str | None:
        """The outcome; `pending` while a call has none; None for events."""
        if self.outcome_row is not None:
            return self.outcome_row.outcome
        return PENDING if self.row.phase == "call" else None

    @property
    def detail(self) -> str | None:
        """The code of an error, the state of an order, or what an event is about."""
        if self.row.phase == "event":
            kind = self.row.data.get("kind")
            return kind if isinstance(kind, str) else None
        if self.order_state is not None:
            return f"order {self.order_state}"
        data = {} if self.outcome_row is None else self.outcome_row.data
        error = data.get("error")
        code = error.get("code") if isinstance(error, dict) else data.get("state")
        return code if isinstance(code, str) else None

    @property
    def reason(self) -> str | None:
        """Why it happened, where an event says so: for instance what trading was halted for."""
        reason = self.row.data.get("reason") if self.row.phase == "event" else None
        return reason[:MAX_REASON_SHOWN] if isinstance(reason, str) else None

    @property
    def is_whole(self) -> bool:
        """Whether every row of it has its own digest, and the same in its columns as in its body."""
        rows = [self.row] if self.outcome_row is None else [self.row, self.outcome_row]
        return all(row.has_its_digest and not row.changed_columns for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """Calls whose order is not resolved, oldest first, and the newest calls that were wanted, newest last."""

    unresolved: tuple[HistoryLine, ...]
    lines: tuple[HistoryLine, ...]


class History:
    """The log of one home, open for reading."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def newest(self, wanted: CallFilter) -> HistoryPage:
        """Returns the newest calls and events that match.

        Calls of unresolved orders come separately, whatever their time.
        """
        unresolved = tuple(line for line in self._unresolved() if _fits(line, wanted))
        known = {line.row.seq for line in unresolved}
        low = 0 if wanted.since_ms is None else first_seq_at(self._connection, wanted.since_ms)
        high = 2**62 if wanted.until_ms is None else first_seq_at(self._connection, wanted.until_ms)
        more = replace(wanted, limit=wanted.limit + len(known))
        lines = [line for line in self._lines(more, low, high) if line.row.seq not in known][: wanted.limit]
        return HistoryPage(unresolved=unresolved, lines=tuple(sorted(lines, key=lambda line: line.row.seq)))

    def unresolved_count(self) -> int:
        """Returns how many orders may be at the exchange and are not known there, in every environment and account."""
        return int(self._connection.execute(UNRESOLVED_COUNT).fetchone()[0])

    def find(self, name: str) -> tuple[LogRow, ...]:
        """Returns all rows of a call, by its id, the number of one of its rows, a client order id, or `last`."""
        first = self._named(name)
        if first is None:
            return ()
        if first.call_id is None:
            return (first,)
        rows = self._connection.execute(ROWS_OF_CALL, {"call_id": first.call_id}).fetchall()
        return tuple(sorted((LogRow(*row) for row in rows), key=lambda row: row.seq))

    def follows(self, row: LogRow) -> bool:
        """Returns whether the row before it has the digest that it names."""
        if row.seq == 1:
            return row.prev_hash == GENESIS
        before = row_at(self._connection, row.seq - 1)
        return before is not None and before.digest == row.prev_hash

    def _named(self, name: str) -> LogRow | None:
        if name == "last":
            statement = LAST_CALL
        elif name.startswith(CLIENT_ORDER_ID_PREFIX):
            statement = INTENT_OF_ORDER
        else:
            statement = FIRST_OF_CALL
        found = self._connection.execute(statement, {"name": name}).fetchone()
        if found is None and name.isascii() and name.isdigit() and len(name) < 18:
            return row_at(self._connection, int(name))
        return None if found is None else LogRow(*found)

    def _unresolved(self) -> Iterator[HistoryLine]:
        for row in self._connection.execute(CALLS_OF_UNRESOLVED_ORDERS).fetchall():
            yield _line(row[: 2 * _WIDTH], row[2 * _WIDTH])

    def _lines(self, wanted: CallFilter, low: int, high: int) -> list[HistoryLine]:
        values = {
            "low": low,
            "high": high,
            "tool": wanted.tool,
            "symbol": wanted.symbol,
            "outcome": wanted.outcome,
            "limit": wanted.limit,
        }
        return [_line(row, None) for row in self._connection.execute(_listing(wanted), values).fetchall()]


@contextmanager
def open_history(place: Path) -> Iterator[History]:
    """Opens the log of a home for reading. Raises StoreUnavailable and StoreCorrupt."""
    with read_only(database_path(place)) as connection:
        yield History(connection)


def _listing(wanted: CallFilter) -> str:
    """Returns the statement that lists the newest calls and events, and reads no more rows than it must."""
    if wanted.outcome == PENDING:
        return CALLS_WITHOUT_OUTCOME
    if wanted.outcome is not None:
        return CALLS_WITH_OUTCOME
    if wanted.symbol is not None:
        return CALLS_OF_SYMBOL
    if wanted.tool is not None:
        return CALLS_OF_TOOL
    return CALLS_AND_EVENTS


def _line(columns: tuple[object, ...], order_state: object) -> HistoryLine:
    """Returns the line of a row and the other row of its call, if that is there."""
    this = LogRow(*columns[:_WIDTH])  # type: ignore[arg-type]  # columns of audit
    there = columns[_WIDTH : 2 * _WIDTH]
    other = None if there[0] is None else LogRow(*there)  # type: ignore[arg-type]  # columns of audit
    if this.phase == "outcome":
        # Without its call row, which somebody removed, the outcome is shown in its place; verify says more.
        return HistoryLine(row=other or this, outcome_row=this)
    return HistoryLine(row=this, outcome_row=other, order_state=order_state if isinstance(order_state, str) else None)


def _fits(line: HistoryLine, wanted: CallFilter) -> bool:
    """Returns whether a call is of the wanted kind, whatever its time."""
    return (
        wanted.tool in {None, line.row.tool}
        and wanted.symbol in {None, line.row.symbol}
        and wanted.outcome in {None, line.outcome}
    )
