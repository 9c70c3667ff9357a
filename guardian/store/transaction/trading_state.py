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
        reason, since_ms, by = row["reason"], row["since_ms"], row["by"]
        try:
            state = TradingState(row["state"])
        except ValueError:  # a halt must still be written, and a resume set it right
            state, reason = TradingState.HALTED, "the trading state in the store is not one that guardian writes"
        return TradingStatus(
            state=state,
            reason=reason if isinstance(reason, str) else None,
            since_ms=since_ms if isinstance(since_ms, int) else None,
            by=by if isinstance(by, str) else None,
        )

    def set(self, state: TradingState, *, reason: str, by: str) -> None:
        """Sets the trading state of every process of this home. Setting the present state keeps its reason.

        A change of it ends every session mandate: what was allowed before a halt is not allowed after it.
        """
        row = self._unit.first(sql.TRADING_STATUS)
        if row is not None and row["state"] == state.value:  # not `status`: a state that is not guardian's is replaced
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
