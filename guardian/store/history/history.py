"""Reads the history of calls: those that a filter wants, or one with all of its rows. Writes nothing."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from guardian.domain.orders import CLIENT_ORDER_ID_PREFIX
from guardian.store.history.call_filter import CallFilter, OrderNames
from guardian.store.history.history_lines import HistoryLine
from guardian.store.history.log_walks import LogWalks, line_of
from guardian.store.log.encoding import GENESIS
from guardian.store.log.read_only import (
    LogRow,
    database_path,
    first_seq_at,
    last_seq,
    read_only,
    row_at,
    row_to_show,
    rows_after,
)
from guardian.store.log.statements import (
    BODIES_OF_NEWEST_CALLS,
    CALLS_UNRESOLVED,
    COUNT_OF_CALLS,
    COUNT_OF_STATES,
    COUNT_OF_TOOL,
    FIRST_AND_LAST_SEQ,
    FIRST_OF_CALL,
    INTENT_OF_ORDER,
    LAST_CALL,
    LINE_AT,
    NAMES_BY_CALL,
    NAMES_BY_CLIENT_ORDER_ID,
    NAMES_BY_ORDER_ID,
    NAMES_BY_PROPOSAL,
    NAMES_OF_LAST,
    NEXT_SYMBOL,
    QUOTE_ASSET,
    ROWS_OF_CALL,
    SYMBOLS_OF_ORDERS,
    UNRESOLVED_COUNT,
)
from guardian.store.schema.records import PROPOSAL_ID_LENGTH

COUNTING_S: Final = 0.25
"""How long lines that are not shown are counted, where each has to be looked at."""
_NEWEST_CALLS: Final = 2000
_PLAIN: Final = CallFilter()
Progress = Callable[[int, int], None]
"""Receives how many rows were looked at, of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """Calls whose order is not resolved, oldest first, and the newest lines that were wanted, newest last."""

    unresolved: tuple[HistoryLine, ...]
    lines: tuple[HistoryLine, ...]
    total: int = 0
    """How many lines are wanted in all, `unresolved` left aside, where they were counted."""
    is_exact: bool = True
    """False where there are more: looking at each of very many lines would take too long."""


class History:
    """The log of one home, open for reading."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    # Lists

    def newest(
        self,
        wanted: CallFilter,
        *,
        counts: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
        progress: Progress | None = None,
    ) -> HistoryPage:
        """Returns the newest lines that are wanted, no more than the filter's limit; with `counts` how many there are.

        Calls of unresolved orders come separately, whatever their time. `progress` is called as a text is looked for.
        """
        unresolved = self.unresolved(wanted)
        known = {line.row.seq for line in unresolved}
        patience = _Patience(monotonic)
        walked = self._wanted(wanted, newest_first=True, looks=(patience.look, progress))
        found = (line for line in walked if line.row.seq not in known)
        lines = tuple(islice(found, wanted.limit))
        total, is_exact = len(lines), True
        if counts and total == wanted.limit:
            count = self._count(wanted)
            if count is None:
                more, is_exact = patience.counted(found)
                total += more
            else:
                total = count - sum(wanted.admits_time(line.row.ts_ms) for line in unresolved)
        return HistoryPage(unresolved=unresolved, lines=lines[::-1], total=max(total, len(lines)), is_exact=is_exact)

    def unresolved(self, wanted: CallFilter) -> tuple[HistoryLine, ...]:
        """Returns the calls of unresolved orders that are wanted, whatever their time."""
        return tuple(line for line in self._unresolved() if wanted.fits(line))

    def others(
        self, wanted: CallFilter, unresolved: Iterable[HistoryLine], progress: Progress | None = None
    ) -> Iterator[HistoryLine]:
        """Yields every line that is wanted but those, oldest first, whatever the filter's limit.

        It holds a few of them at a time, so that it takes any log. `progress` is called while a text is looked for.
        """
        known = {line.row.seq for line in unresolved}
        for line in self._wanted(wanted, newest_first=False, looks=(None, progress)):
            if line.row.seq not in known:
                yield line

    def oldest_first(self, wanted: CallFilter, progress: Progress | None = None) -> Iterator[HistoryLine]:
        """Yields every line that is wanted, unresolved ones within its time first, then all others in their order."""
        unresolved = self.unresolved(wanted)
        yield from (line for line in unresolved if wanted.admits_time(line.row.ts_ms))
        yield from self.others(wanted, unresolved, progress)

    def rows_after(self, seq: int, limit: int) -> list[LogRow]:
        """Returns the rows that follow that one, oldest first, `limit` at most."""
        return rows_after(self._connection, seq, limit)

    def line_at(self, seq: int) -> HistoryLine | None:
        """Returns the line whose first row that is, as it is now; None where the log has no such row."""
        found = self._connection.execute(LINE_AT, {"seq": seq}).fetchone()
        return None if found is None else line_of(found)

    def is_wanted(self, wanted: CallFilter, line: HistoryLine) -> bool:
        """Returns whether a filter wants a line."""
        return wanted.admits_time(line.row.ts_ms) and self._fits(wanted, line)

    def line_of_row(self, row: LogRow) -> HistoryLine | None:
        """Returns the line that a row belongs to, as it is now; None for a row that somebody removed."""
        first = row
        if row.phase != "event" and row.call_id is not None:
            found = self._connection.execute(FIRST_OF_CALL, {"name": row.call_id}).fetchone()
            first = row if found is None else row_to_show(found)
        return self.line_at(first.seq)

    def _wanted(
        self, wanted: CallFilter, *, newest_first: bool, looks: tuple[Callable[[], None] | None, Progress | None]
    ) -> Iterator[HistoryLine]:
        all_ranges = [(self._first_at(start), self._first_at(end)) for start, end in wanted.times]
        ranges = [(low, high) for low, high in all_ranges if low < high]
        look, progress = looks
        last, done = self.last_seq(), 0
        total = sum(max(min(high, last + 1) - low, 0) for low, high in ranges)

        def looked_at(rows: int) -> None:
            nonlocal done
            done += rows
            if progress is not None:
                progress(done, total)
            if look is not None:
                look()

        walks = LogWalks(self._connection, wanted, newest_first=newest_first, looked_at=looked_at)
        for line in walks.lines(ranges):
            if self._fits(wanted, line):
                yield line

    def _fits(self, wanted: CallFilter, line: HistoryLine) -> bool:
        if line.is_event and wanted.is_of_calls:
            line = self.with_call(line)
        return wanted.fits(line)

    def with_call(self, line: HistoryLine) -> HistoryLine:
        """Returns an event with the rows and the order of its call, where it has one."""
        if line.row.call_id is None:
            return line
        found = self._connection.execute(FIRST_OF_CALL, {"name": line.row.call_id}).fetchone()
        if found is None:
            return line
        call = self._connection.execute(LINE_AT, {"seq": row_to_show(found).seq}).fetchone()
        its = line_of(call)
        return replace(line, call_row=its.row, outcome_row=its.outcome_row, intent_row=its.intent_row, order=its.order)

    def _first_at(self, ts_ms: int) -> int:
        if ts_ms <= 0:
            return 0
        return 2**62 if ts_ms >= 2**62 else first_seq_at(self._connection, ts_ms)

    def _unresolved(self) -> Iterator[HistoryLine]:
        for (seq,) in self._connection.execute(CALLS_UNRESOLVED).fetchall():
            yield line_of(self._connection.execute(LINE_AT, {"seq": seq}).fetchone())

    def _count(self, wanted: CallFilter) -> int | None:
        """Returns how many lines are wanted, where an index knows; None where each line has to be looked at."""
        bare = replace(wanted, since_ms=None, until_ms=None, spans=None, limit=_PLAIN.limit)
        if bare == replace(_PLAIN, tool=wanted.tool):
            ranges = [(self._first_at(start), self._first_at(end)) for start, end in wanted.times]
            return sum(self._count_between(wanted.tool, low, high) for low, high in ranges)
        return None

    def _count_between(self, tool: str | None, low: int, high: int) -> int:
        """Returns how many calls and events, or calls of a tool, begin within two rows of the log."""
        values = {"tool": tool, "low": low, "high": high}
        if tool is not None:
            return int(self._connection.execute(COUNT_OF_TOOL, values).fetchone()[0])
        least, most = self._connection.execute(FIRST_AND_LAST_SEQ).fetchone()
        # The rows of a log have no gaps; where somebody made one, verify finds it.
        rows = 0 if least is None else max(min(high, most + 1) - max(low, least), 0)
        calls, rows_of_calls = self._connection.execute(COUNT_OF_CALLS, values).fetchone()
        (rows_of_states,) = self._connection.execute(COUNT_OF_STATES, values).fetchone()
        return int(calls) + rows - int(rows_of_calls) - int(rows_of_states)

    # What a log knows

    def unresolved_count(self) -> int:
        """Returns how many orders may be at the exchange and are not known there, in every environment and account."""
        return int(self._connection.execute(UNRESOLVED_COUNT).fetchone()[0])

    def last_seq(self) -> int:
        """Returns the number of the newest row; 0 where the log is empty."""
        return last_seq(self._connection)

    def first_ms(self) -> int | None:
        """Returns the time of the first row; None where the log is empty, or that is no time."""
        first = row_at(self._connection, 1)
        return first.ts_ms if first is not None and isinstance(first.ts_ms, int) else None

    def last_ms(self) -> int | None:
        """Returns the time of the newest row; None where the log is empty, or that is no time."""
        last = row_at(self._connection, self.last_seq())
        return last.ts_ms if last is not None and isinstance(last.ts_ms, int) else None

    def symbols(self) -> list[str]:
        """Returns every symbol that a call named or an order was placed on, in order."""
        found, after = set[str](), ""
        while True:
            after = self._connection.execute(NEXT_SYMBOL, {"after": after}).fetchone()[0]
            if not isinstance(after, str):
                break
            found.add(after)
        orders = self._connection.execute(SYMBOLS_OF_ORDERS).fetchall()
        return sorted(found | {symbol for (symbol,) in orders if isinstance(symbol, str)})

    def clients(self) -> list[str]:
        """Returns the names of the clients of the newest calls, in order."""
        found = set[str]()
        for (body,) in self._connection.execute(BODIES_OF_NEWEST_CALLS, {"limit": _NEWEST_CALLS}):
            try:
                client = json.loads(body)["data"]["client"]
            except (ValueError, TypeError, KeyError, RecursionError):
                continue
            if isinstance(client, str):
                found.add(client)
        return sorted(found)

    def quote_asset(self, client_order_id: str) -> str | None:
        """Returns the quote asset of an order of guardian's; None for another."""
        found = self._connection.execute(QUOTE_ASSET, {"name": client_order_id}).fetchone()
        return found[0] if found is not None and isinstance(found[0], str) else None

    def names_of(self, name: str) -> OrderNames | None:
        """Returns an order under all its names, by one of them: of its proposal, its client order id, the exchange's.

        Also by the id of the call that sent it, and the newest by `last`. None where the log has no such order.
        """
        if name == "last":
            tried = [(NAMES_OF_LAST, name)]
        elif name.startswith(CLIENT_ORDER_ID_PREFIX):
            tried = [(NAMES_BY_CLIENT_ORDER_ID, name.lower())]
        else:
            tried = [(NAMES_BY_CALL, name)]
            if len(name) == PROPOSAL_ID_LENGTH:
                tried.append((NAMES_BY_PROPOSAL, name.upper()))
            if name.isascii() and name.isdigit() and len(name) < 19:
                tried.append((NAMES_BY_ORDER_ID, name))
        for statement, value in tried:
            found = self._connection.execute(statement, {"name": value}).fetchone()
            if found is not None:
                client_order_id, proposal_id, call_id = found
                return OrderNames(client_order_id=client_order_id, proposal_id=proposal_id, call_id=call_id)
        return None

    # One call

    def find(self, name: str) -> tuple[LogRow, ...]:
        """Returns all rows of a call, by its id, the number of one of its rows, a client order id, or `last`."""
        first = self._named(name)
        if first is None:
            return ()
        if first.call_id is None:
            return (first,)
        rows = self._connection.execute(ROWS_OF_CALL, {"call_id": first.call_id}).fetchall()
        return tuple(sorted((row_to_show(row) for row in rows), key=lambda row: row.seq))

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
        return None if found is None else row_to_show(found)


class _OutOfTime(Exception):
    """Counting took too long."""


class _Patience:
    """Counts lines for COUNTING_S at most, also where none of many rows is one."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._until: float | None = None

    def look(self) -> None:
        """Raises _OutOfTime where counting has begun and took too long."""
        if self._until is not None and self._monotonic() > self._until:
            raise _OutOfTime

    def counted(self, lines: Iterator[HistoryLine]) -> tuple[int, bool]:
        """Returns how many lines follow, and whether that is all."""
        self._until, count = self._monotonic() + COUNTING_S, 0
        try:
            for _ in lines:
                count += 1
                self.look()
        except _OutOfTime:
            return count, False
        return count, True


@contextmanager
def open_history(place: Path) -> Iterator[History]:
    """Opens the log of a home for reading. Raises StoreUnavailable and StoreCorrupt."""
    with read_only(database_path(place)) as connection:
        yield History(connection)
