"""Walks along the log: the rows that may be wanted, in order, along the index that has the fewest of them.

A long read would keep SQLite from ever emptying its write-ahead log, so each statement reads a few rows and ends.
"""

from __future__ import annotations

import heapq
import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from guardian.domain.codes import CANCEL_ORDER, CREATE_ORDER, Code, Outcome
from guardian.store.history.call_filter import CallFilter, Pattern
from guardian.store.history.history_lines import PENDING, HistoryLine
from guardian.store.log.read_only import LogRow, row_to_show
from guardian.store.log.statements import (
    CALLS_ENDED,
    CALLS_IN_STATE,
    CALLS_WITHOUT_OUTCOME,
    FIRST_SEQ_OF_CALL,
    LINE_AT,
    NEWEST_FIRST,
    OLDEST_FIRST,
    ORDER_COLUMNS,
    ROW_COLUMNS,
    ROWS_TO_SEARCH,
    WALKS,
)
from guardian.store.schema.records import Phase

FIRST_READ: Final = 64
"""Rows of the first read of a walk; each next one has twice as many, up to LARGEST_READ."""
LARGEST_READ: Final = 2048
FIRST_SEARCHED: Final = 1000
"""Rows of the first block that a text is looked for in; each next one has twice as many, up to LARGEST_SEARCHED."""
LARGEST_SEARCHED: Final = 8000
_WIDTH: Final = len(ROW_COLUMNS)

Values = dict[str, object]
_ALONG_ALL: Final[list[tuple[str, Values]]] = [("all", {})]


def line_of(columns: Sequence[object]) -> HistoryLine:
    """Returns the line of a row with those of its call and its order, as the statements select them."""
    this = _row(columns, 0)
    assert this is not None
    placed = columns[3 * _WIDTH :]
    order = None if placed[0] is None else dict(zip(ORDER_COLUMNS, placed, strict=True))
    if this.phase == "outcome":  # without its call row, which somebody removed
        return HistoryLine(row=this, outcome_row=this)
    return HistoryLine(row=this, outcome_row=_row(columns, 1), intent_row=_row(columns, 2), order=order)


def _row(columns: Sequence[object], number: int) -> LogRow | None:
    found = columns[number * _WIDTH : (number + 1) * _WIDTH]
    return None if found[0] is None else row_to_show(found)


def values_of(wanted: CallFilter) -> Values:
    """Returns the parameters that every walk has: what SQLite can leave out by itself."""
    is_events = wanted.event is not None
    order = wanted.order
    outcome = None if is_events or wanted.outcome == PENDING else wanted.outcome
    return {
        "tool": None if is_events else wanted.tool,
        "outcome": outcome,
        "client": None if is_events or wanted.client is None else _needle(wanted.client),
        "kind": None if wanted.event is None else f'"kind":"{wanted.event}"'.encode(),
        "side": wanted.side,
        "side_text": None if wanted.side is None else f'"side":"{wanted.side}"'.encode(),
        "symbol": wanted.symbol,
        "name": None if order is None else b"" if not order.needles else order.needles[0],
        "proposal": None if order is None else order.needles[-1] if order.needles else b"",
        "call_id": None if order is None else order.call_id,
        "of_tool": wanted.tool,
    }


def _needle(text: str) -> bytes | None:
    """Returns a text as a body has it; None where a body may write it in another form."""
    is_plain = text.isprintable() and not set(text) & {'"', "\\"}
    return text.encode() if is_plain else None


def _nothing(_: int) -> None:
    """Does nothing after a block."""


class LogWalks:
    """Every walk over the log of one home, for one filter, within rows of the log.

    `looked_at` is called with the number of rows after each block that a text was looked for in; what it raises ends
    the walk.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        wanted: CallFilter,
        *,
        newest_first: bool,
        looked_at: Callable[[int], None] = _nothing,
    ) -> None:
        self._connection = connection
        self._looked_at = looked_at
        self._wanted = wanted
        self._newest_first = newest_first
        self._direction = NEWEST_FIRST if newest_first else OLDEST_FIRST
        self._values = values_of(wanted)

    def lines(self, ranges: Sequence[tuple[int, int]]) -> Iterator[HistoryLine]:
        """Yields every line in these ranges of rows that may be wanted, in order; more than are wanted."""
        wanted = self._wanted
        seqs = self._seqs(ranges[0][0] if ranges else 0)
        if seqs is not None:
            ordered = sorted(seqs)
            for low, high in self._in_order(ranges):
                yield from self._at(self._in_order(ordered[bisect_left(ordered, low) : bisect_left(ordered, high)]))
            return
        if wanted.pattern is not None and self._walks() == _ALONG_ALL:
            for low, high in self._in_order(ranges):
                yield from self._searched(wanted.pattern, low, high)
            return
        for low, high in self._in_order(ranges):
            walks = [self._walk(name, low, high, values) for name, values in self._walks()]
            sign = -1 if self._newest_first else 1
            yield from walks[0] if len(walks) == 1 else heapq.merge(*walks, key=lambda line: sign * line.row.seq)

    def _in_order(self, things: Sequence[tuple[int, int]] | Sequence[int]) -> list:  # type: ignore[type-arg]
        return list(reversed(things)) if self._newest_first else list(things)

    def _seqs(self, low: int) -> list[int] | None:
        """Returns the rows of the calls that may be wanted, where a short list of them is at hand."""
        wanted = self._wanted
        if wanted.event is not None or wanted.order is not None:
            return None
        outcome = wanted.outcome
        if wanted.code is not None:
            outcome = Code[wanted.code].outcome
        if outcome == PENDING:
            return self._numbers(CALLS_WITHOUT_OUTCOME)
        if wanted.state is not None:
            return self._numbers(CALLS_IN_STATE, state=wanted.state)
        if outcome is not None and outcome != Outcome.DONE:
            return self._numbers(CALLS_ENDED, outcome=outcome, low=low)
        return None

    def _searched(self, pattern: Pattern, low: int, high: int) -> Iterator[HistoryLine]:
        """Yields the lines of a range that may have a text, block by block, so that the first ones are found soon."""
        limit = FIRST_SEARCHED
        while True:
            values = {"low": low, "high": high, "limit": limit}
            rows = self._connection.execute(ROWS_TO_SEARCH[self._direction], values).fetchall()
            yield from self._at(self._in_order(sorted(self._with_text(pattern, rows))))
            self._looked_at(len(rows))
            if len(rows) < limit:
                return
            last = rows[-1][0]
            low, high = (low, last) if self._newest_first else (last + 1, high)
            limit = min(2 * limit, LARGEST_SEARCHED)

    def _with_text(self, pattern: Pattern, rows: Sequence[tuple[Any, ...]]) -> set[int]:
        """Returns the first rows of the lines of a block whose words or rows may have a text: others cannot match.

        Every event is one, and every call whose outcome is in another block, or is not that it was done: their words
        say more than is known here.
        """
        found, here = set[int](), {row[0] for row in rows}
        done = {row[2] for row in rows if row[1] == Phase.OUTCOME and row[5] == Outcome.DONE}
        for seq, phase, call_id, tool, symbol, _, body in rows:
            if phase == Phase.CALL:
                if call_id not in done or pattern.may_be_in_words(tool, symbol, body) or pattern.has_it(body):
                    found.add(seq)
            elif phase not in {Phase.OUTCOME, Phase.INTENT}:
                found.add(seq)
            elif pattern.has_it(body):
                first = self._connection.execute(FIRST_SEQ_OF_CALL, {"call_id": call_id}).fetchone()[0]
                found.add(seq if first is None else first)
        return found & here

    def _numbers(self, statement: str, **values: object) -> list[int]:
        return [number for (number,) in self._connection.execute(statement, values).fetchall()]

    def _at(self, seqs: Sequence[int]) -> Iterator[HistoryLine]:
        for seq in seqs:
            found = self._connection.execute(LINE_AT, {"seq": seq}).fetchone()
            if found is not None:
                yield line_of(found)

    def _walks(self) -> list[tuple[str, Values]]:
        """Returns what to walk along, and the parameters of each walk. No row is in two of them."""
        wanted, writes = self._wanted, [Values(of_tool=tool) for tool in (CREATE_ORDER, CANCEL_ORDER)]
        events = ("event" if wanted.symbol is None else "event of symbol", Values())
        if wanted.event is not None:
            return [events]
        with_events = [] if wanted.is_of_calls else [events]
        if wanted.tool is not None:
            return [("tool", {})]
        if wanted.order is not None or wanted.side is not None:
            return [*(("tool", of_tool) for of_tool in writes), *with_events]
        if wanted.symbol is not None:
            return [("symbol", {}), *(("unnamed", of_tool) for of_tool in writes), *with_events]
        return _ALONG_ALL

    def _walk(self, name: str, low: int, high: int, of: Values) -> Iterator[HistoryLine]:
        statement, limit = WALKS[name, self._direction], FIRST_READ
        while True:
            values = {**self._values, **of, "low": low, "high": high, "limit": limit}
            rows = self._connection.execute(statement, values).fetchall()
            lines = [line_of(row) for row in rows]
            yield from lines
            if len(rows) < limit:
                return
            last = lines[-1].row.seq
            low, high = (low, last) if self._newest_first else (last + 1, high)
            limit = min(2 * limit, LARGEST_READ)
