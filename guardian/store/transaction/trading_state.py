"""The part of a transaction that keeps the trading state, which is the kill switch."""

from __future__ import annotations

from typing import Final

from guardian.domain.trading import TradingState
from guardian.store.schema import sqlite_statements as sql
from guardian.store.schema.records import TradingStatus
from guardian.store.transaction.unit import Unit

MAX_REASON: Final = 2000
"""Characters of all reasons of one halt together, at most."""


class TradingPart:
    """The kill switch of every process of this home."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def status(self) -> TradingStatus:
        """Returns the stored trading state. (A non-empty emergency file halts trading as well.)"""
        row = self._unit.first(sql.TRADING_STATUS)
        if row is None:  # the row is made with the file; without it nothing shows that trading is allowed
            return TradingStatus(state=TradingState.HALTED, reason="the store has no trading state")
        return TradingStatus(
            state=TradingState(row["state"]), reason=row["reason"], since_ms=row["since_ms"], by=row["by"]
        )

    def set(self, state: TradingState, *, reason: str, by: str) -> None:
        """Sets the trading state of every process of this home. Setting the present state keeps its reason.

        A change of it ends every session mandate: what was allowed before a halt is not allowed after it.
        """
        if self.status().state is state:
            return
        ended = {"ended_ms": self._unit.now_ms, "ended_reason": f"trading became {state.value}"}
        self._unit.write(sql.END_MANDATES, ended)
        values = {"state": state.value, "reason": reason, "since_ms": self._unit.now_ms, "by": by}
        self._unit.write(sql.SET_TRADING, values)

    def halt(self, reason: str, *, by: str) -> bool:
        """Halts trading; returns whether it was not halted before. The reason is added to that of an earlier halt."""
        before = self.status()
        if before.state is not TradingState.HALTED:
            self.set(TradingState.HALTED, reason=reason, by=by)
            return True
        if reason not in (before.reason or ""):
            both = f"{before.reason}; {reason}" if before.reason else reason
            self._unit.write(sql.SET_TRADING_REASON, {"reason": both[:MAX_REASON]})
        return False

    def keep_window(self) -> None:
        """Stores the window time, for a transaction that appends no row with it.

        It never goes back, over no restart.
        """
        self._unit.write(sql.KEEP_WINDOW, {"now": self._unit.now_ms})
