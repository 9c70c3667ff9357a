"""The part of a transaction that remembers denials of orders over `max_notional`.

Every denial is a row. The mark that counts is the first denial; others within `anti_slicing_window` of it do not extend
it, and the first one after that is a new mark. The window is the policy's, so it is applied when the rows are read.
"""

from __future__ import annotations

from dataclasses import dataclass

from guardian.store.schema import sqlite_statements as sql
from guardian.store.schema.records import Scope
from guardian.store.transaction.unit import Unit, scope_values


@dataclass(frozen=True, slots=True)
class Mark:
    """Since when, in time and in the log, what is entered on a symbol and side is summed up."""

    since_ms: int
    since_seq: int


class SlicingPart:
    """Marks of a symbol and side."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def mark(self, scope: Scope, symbol: str, side: str) -> None:
        """Records that an order over `max_notional` was denied. An active mark stays as it is."""
        values = {"since_ms": self._unit.now_ms, "since_seq": self._unit.head.seq}
        self._unit.write(sql.ADD_MARK, {**scope_values(scope), "symbol": symbol, "side": str(side), **values})

    def clear(self, scope: Scope, symbol: str, side: str) -> None:
        """Deletes the marks of a side, because a person approved an order on it: earlier orders no longer add up."""
        self._unit.write(sql.CLEAR_MARKS, {**scope_values(scope), "symbol": symbol, "side": str(side)})

    def active_mark(self, scope: Scope, symbol: str, side: str, window_ms: int) -> Mark | None:
        """Returns the mark that is active now, under a policy with this window; None where none is."""
        on_side = {**scope_values(scope), "symbol": symbol, "side": str(side)}
        rows = self._unit.rows(sql.MARKS_ON_SIDE, on_side)
        mark: Mark | None = None
        for row in rows:
            if mark is None or row["since_ms"] >= mark.since_ms + window_ms:
                mark = Mark(row["since_ms"], row["since_seq"])
        if len(rows) > 1 and mark is not None:
            # Older marks are superseded: a model whose orders are denied all day does not fill the table.
            kept = {"since_ms": mark.since_ms, "since_seq": mark.since_seq}
            self._unit.write(sql.CLEAR_OTHER_MARKS, {**on_side, **kept})
        if mark is None or mark.since_ms + window_ms <= self._unit.now_ms:
            return None
        return mark
