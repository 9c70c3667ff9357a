"""The part of a transaction that remembers denials of orders over `max_notional`.

Every denial is a row. The mark that counts is the first denial; others within `anti_slicing_window` of it do not extend
it, and the first one after that is a new mark. The window is the policy's, so it is applied when the rows are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import and_, bindparam, delete, insert, select

from guardian.store.schema.records import Scope
from guardian.store.schema.tables import SLICING
from guardian.store.transaction.base import Unit, scope_values

_ON_SIDE: Final = and_(
    SLICING.c.environment == bindparam("environment"),
    SLICING.c.account == bindparam("account"),
    SLICING.c.symbol == bindparam("symbol"),
    SLICING.c.side == bindparam("side"),
)
_MARKS: Final = select(SLICING.c.id, SLICING.c.since_ms, SLICING.c.since_seq).where(_ON_SIDE).order_by(SLICING.c.id)


@dataclass(frozen=True, slots=True)
class Mark:
    """Since when, in time and in the log, what is entered on a symbol and side is summed up."""

    since_ms: int
    since_seq: int


class SlicingPart(Unit):
    """Marks of a symbol and side."""

    def mark_slicing(self, scope: Scope, symbol: str, side: str) -> None:
        """An order over `max_notional` was denied. A mark that is active stays as it is."""
        values = {"since_ms": self.now_ms, "since_seq": self._head.seq}
        self._write(insert(SLICING), {**scope_values(scope), "symbol": symbol, "side": str(side), **values})

    def end_slicing(self, scope: Scope, symbol: str, side: str) -> None:
        """A person approved an order on this side: what went before no longer counts together."""
        self._write(delete(SLICING).where(_ON_SIDE), {**scope_values(scope), "symbol": symbol, "side": str(side)})

    def sliced_since(self, scope: Scope, symbol: str, side: str, window_ms: int) -> Mark | None:
        """The mark that is active now, under a policy with this window."""
        rows = self._rows(_MARKS, {**scope_values(scope), "symbol": symbol, "side": str(side)})
        mark: Mark | None = None
        for row in rows:
            if mark is None or row["since_ms"] >= mark.since_ms + window_ms:
                mark = Mark(row["since_ms"], row["since_seq"])
        if len(rows) > 1 and mark is not None:
            # The others have had their say; a model that asks for too much all day does not fill the table.
            useless = [
                row["id"] for row in rows if row["since_seq"] != mark.since_seq or row["since_ms"] != mark.since_ms
            ]
            self._write(delete(SLICING).where(SLICING.c.id.in_(useless)))
        if mark is None or mark.since_ms + window_ms <= self.now_ms:
            return None
        return mark
