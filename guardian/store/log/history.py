"""Looking at the log: its newest calls, or one call with all of its rows. Reads only, and reads little."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from guardian.domain.orders import CLIENT_ORDER_ID_PREFIX
from guardian.store.log.read_only import ROW_SQL, LogRow, database_path, first_seq_at, read_only, row_at

PENDING: Final = "pending"
MOST_REASON: Final = 300
"""Characters of an event's reason that are shown."""
"""The outcome of a call that has none yet."""

_CALL_PHASES: Final = "phase IN ('call', 'intent', 'outcome')"
_C: Final = ", ".join(f"c.{name}" for name in ROW_SQL.split(", "))
_O: Final = ", ".join(f"o.{name}" for name in ROW_SQL.split(", "))
# The words of the partial index stand here as they stand there, or SQLite would not use it.
_OUTCOME_OF: Final = (
    "LEFT JOIN audit o ON o.call_id = c.call_id AND o.phase = 'outcome' AND o.phase IN ('call', 'intent', 'outcome')"
)
_CALL_OF: Final = (
    "LEFT JOIN audit c ON c.call_id = o.call_id AND c.phase = 'call' AND c.phase IN ('call', 'intent', 'outcome')"
)
_WIDTH: Final = len(ROW_SQL.split(", "))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which calls to list: every field that is set must fit. Times are ms since the epoch, `until_ms` is exclusive."""

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
        return reason[:MOST_REASON] if isinstance(reason, str) else None

    @property
    def is_whole(self) -> bool:
        """Whether every row of it has its own digest and says in its columns what it says in its body."""
        rows = [self.row] if self.outcome_row is None else [self.row, self.outcome_row]
        return all(row.has_its_digest and not row.changed_columns for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """Calls whose order is not resolved, oldest first, and the newest calls that were wanted, newest last."""

    unresolved: tuple[HistoryLine, ...]
    lines: tuple[HistoryLine, ...]


class Review:
    """The log of one home, open for reading."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def newest(self, wanted: Wanted) -> HistoryPage:
        """The newest calls and events that fit; calls of unresolved orders apart, whatever their time."""
        unresolved = tuple(line for line in self._unresolved() if _fits(line, wanted))
        known = {line.row.seq for line in unresolved}
        low = 0 if wanted.since_ms is None else first_seq_at(self._connection, wanted.since_ms)
        high = 2**62 if wanted.until_ms is None else first_seq_at(self._connection, wanted.until_ms)
        more = replace(wanted, limit=wanted.limit + len(known))
        lines = [line for line in self._lines(more, low, high) if line.row.seq not in known][: wanted.limit]
        return HistoryPage(unresolved=unresolved, lines=tuple(sorted(lines, key=lambda line: line.row.seq)))

    def unresolved_count(self) -> int:
        """How many orders may be at the exchange and are not known to be, in every environment and account."""
        sql = "SELECT count(*) FROM orders WHERE state IN ('reserved', 'unknown')"
        return int(self._connection.execute(sql).fetchone()[0])

    def find(self, name: str) -> tuple[LogRow, ...]:
        """All rows of a call, found by its id, the number of one of its rows, a client order id, or `last`."""
        first = self._named(name)
        if first is None:
            return ()
        if first.call_id is None:
            return (first,)
        sql = (
            f"SELECT {ROW_SQL} FROM audit WHERE call_id = ?1 AND {_CALL_PHASES} "  # noqa: S608 - constants
            f"UNION ALL SELECT {ROW_SQL} FROM audit WHERE call_id = ?1 AND phase = 'event' AND call_id IS NOT NULL"
        )
        return tuple(sorted(self._rows(sql, (first.call_id,)), key=lambda row: row.seq))

    def follows(self, row: LogRow) -> bool:
        """Whether the row before it has the digest that it names."""
        if row.seq == 1:
            return row.prev_hash == bytes(32)
        before = row_at(self._connection, row.seq - 1)
        return before is not None and before.digest == row.prev_hash

    def _named(self, name: str) -> LogRow | None:
        if name == "last":
            where, value = "phase = 'call' ORDER BY seq DESC LIMIT 1", None
        elif name.startswith(CLIENT_ORDER_ID_PREFIX):
            where, value = "client_order_id = ?", name
        else:
            where, value = f"call_id = ? AND {_CALL_PHASES} ORDER BY seq LIMIT 1", name
        found = self._rows(f"SELECT {ROW_SQL} FROM audit WHERE {where}", () if value is None else (value,))  # noqa: S608
        if not found and name.isascii() and name.isdigit() and len(name) < 18:
            return row_at(self._connection, int(name))
        return found[0] if found else None

    def _rows(self, sql: str, values: tuple[object, ...]) -> list[LogRow]:
        return [LogRow(*row) for row in self._connection.execute(sql, values).fetchall()]

    def _unresolved(self) -> Iterator[HistoryLine]:
        sql = (
            f"SELECT {_C}, {_O}, orders.state FROM orders "  # noqa: S608 - constants
            "JOIN audit c ON c.call_id = orders.call_id AND c.phase = 'call' "
            f"AND c.phase IN ('call', 'intent', 'outcome') {_OUTCOME_OF} "
            "WHERE orders.state IN ('reserved', 'unknown') ORDER BY orders.intent_seq"
        )
        for row in self._connection.execute(sql).fetchall():
            yield _line(row[: 2 * _WIDTH], row[2 * _WIDTH])

    def _lines(self, wanted: Wanted, low: int, high: int) -> list[HistoryLine]:
        sql, values = _query(wanted, low, high)
        return [_line(row, None) for row in self._connection.execute(sql, values).fetchall()]


@contextmanager
def review(place: Path) -> Iterator[Review]:
    """Open the log of a home for looking. Raises StoreUnavailable and StoreCorrupt."""
    with read_only(database_path(place)) as connection:
        yield Review(connection)


def _query(wanted: Wanted, low: int, high: int) -> tuple[str, tuple[object, ...]]:
    """The statement that reads no more rows than it must: from the end, along the index of what is wanted."""
    terms: list[tuple[str, object]] = [("{}.seq >= ?", low), ("{}.seq < ?", high)]
    by_outcome = wanted.outcome is not None and wanted.outcome != PENDING
    if wanted.tool is not None:
        terms.append(("{}.tool = ?", wanted.tool))
    if wanted.symbol is not None:
        terms.append(("{}.symbol = ?", wanted.symbol))
    driver = "o" if by_outcome else "c"
    where = " AND ".join(term.format(driver) for term, _ in terms)
    values = [value for _, value in terms]
    if by_outcome:
        source = f"audit o {_CALL_OF} WHERE o.phase = 'outcome' AND o.outcome = ? AND {where}"
        values.insert(0, wanted.outcome)
    elif wanted.outcome == PENDING:
        # One walk along the index of calls, which has all that this needs: half a million joins take far longer.
        without = f"SELECT call_id FROM audit WHERE {_CALL_PHASES} GROUP BY call_id HAVING max(phase) <> 'outcome'"  # noqa: S608
        source = f"({without}) p JOIN audit c ON c.call_id = p.call_id AND c.phase = 'call' "
        source += f"AND c.phase IN ('call', 'intent', 'outcome') {_OUTCOME_OF} WHERE {where}"
    elif wanted.tool is not None or wanted.symbol is not None:
        source = f"audit c {_OUTCOME_OF} WHERE c.phase = 'call' AND {where}"
    else:
        source = f"audit c {_OUTCOME_OF} AND c.phase = 'call' WHERE c.phase IN ('call', 'event') AND {where}"
    return f"SELECT {_C}, {_O} FROM {source} ORDER BY {driver}.seq DESC LIMIT ?", (*values, wanted.limit)  # noqa: S608


def _line(row: tuple[object, ...], order_state: object) -> HistoryLine:
    first, second = row[:_WIDTH], row[_WIDTH : 2 * _WIDTH]
    outcome_row = LogRow(*second) if second[0] is not None else None  # type: ignore[arg-type]  # columns of audit
    if first[0] is None and outcome_row is not None:  # its call row is gone; verify says more
        return HistoryLine(row=outcome_row, outcome_row=outcome_row)
    return HistoryLine(
        row=LogRow(*first),  # type: ignore[arg-type]  # columns of audit
        outcome_row=outcome_row,
        order_state=order_state if isinstance(order_state, str) else None,
    )


def _fits(line: HistoryLine, wanted: Wanted) -> bool:
    """Whether a call is of the wanted kind, whatever its time."""
    return (
        wanted.tool in {None, line.row.tool}
        and wanted.symbol in {None, line.row.symbol}
        and wanted.outcome in {None, line.outcome}
    )
