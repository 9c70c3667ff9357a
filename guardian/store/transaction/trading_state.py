"""The part of a transaction that knows the trading state, when persons acted, and the last good policy."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, func, insert, or_, select, update

from guardian.domain.trading import TradingState
from guardian.store.schema.records import Scope, StoredPolicy, TradingStatus
from guardian.store.schema.tables import ACTS, CONTROL, ORDERS, POLICIES
from guardian.store.transaction.base import Unit, scope_values

_TRADING: Final = select(CONTROL.c.state, CONTROL.c.reason, CONTROL.c.since_ms, CONTROL.c.by)
_SET_TRADING: Final = update(CONTROL).where(CONTROL.c.id == 1)
_ACTED: Final = select(func.max(ACTS.c.seq)).where(
    or_(
        (ACTS.c.environment == "") & (ACTS.c.account == ""),
        (ACTS.c.environment == bindparam("environment")) & (ACTS.c.account == bindparam("account")),
    )
)
_RESERVED: Final = select(func.count()).where(
    ORDERS.c.environment == bindparam("environment"),
    ORDERS.c.account == bindparam("account"),
    ORDERS.c.reserved_ms > bindparam("after"),
)
_POLICIES: Final = select(POLICIES).order_by(POLICIES.c.ordinal.desc())
_NEWEST_POLICY: Final = _POLICIES.limit(1)


MAX_REASON: Final = 2000
"""Characters of all reasons of one halt together."""


class ControlPart(Unit):
    """The kill switch, and what resets the budgets of going on without a person."""

    def trading(self) -> TradingStatus:
        """The trading state as the store has it. (A non-empty emergency file is a halt besides.)"""
        row = self._first(_TRADING)
        if row is None:  # the row is made with the file; without it nobody can say that trading may go on
            return TradingStatus(state=TradingState.HALTED, reason="the store has no trading state")
        return TradingStatus(
            state=TradingState(row["state"]), reason=row["reason"], since_ms=row["since_ms"], by=row["by"]
        )

    def set_trading(self, state: TradingState, *, reason: str, by: str) -> None:
        """Set the trading state of every process of this home. Asking for the state that is leaves its reason."""
        if self.trading().state is state:
            return
        values = {"state": state.value, "reason": reason, "since_ms": self.now_ms, "by": by}
        self._write(_SET_TRADING.values(**values))

    def halt_because(self, reason: str, *, by: str) -> bool:
        """Halt trading; a halt that is set already keeps its reason and gets this one too. True for a new halt."""
        before = self.trading()
        if before.state is not TradingState.HALTED:
            self.set_trading(TradingState.HALTED, reason=reason, by=by)
            return True
        if reason not in (before.reason or ""):
            both = f"{before.reason}; {reason}" if before.reason else reason
            self._write(_SET_TRADING.values(reason=both[:MAX_REASON]))
        return False

    def reserved_since(self, scope: Scope, after_ms: int) -> int:
        """How many orders were reserved after that moment, exits among them: what a burst is told by."""
        return int(self._run(_RESERVED, {**scope_values(scope), "after": after_ms}).scalar_one())

    def keep_window(self) -> None:
        """Keep the window time where no row of the log does: it does not go back at the next start either."""
        self._write(_SET_TRADING.where(CONTROL.c.window_ms < self.now_ms).values(window_ms=self.now_ms))

    def person_acted(self, scope: Scope | None, what: str) -> None:
        """A person acted, for one scope or for all: orders after this place of the log count from nought again."""
        values = {"environment": "", "account": ""} if scope is None else scope_values(scope)
        self._write(insert(ACTS), {**values, "seq": self._head.seq, "ts_ms": self.now_ms, "what": what})

    def last_act(self, scope: Scope) -> int:
        """The place of the log at which a person last acted for this scope; 0 if never."""
        return int(self._run(_ACTED, scope_values(scope)).scalar_one() or 0)

    def remember_policy(self, digest: str, text: str) -> None:
        """Keep a policy that was good; the same one again changes nothing."""
        newest = self.last_good_policy()
        if newest is None or newest.digest != digest or newest.text != text:
            self._write(insert(POLICIES), {"digest": digest, "text": text, "stored_ms": self.now_ms})

    def good_policies(self, limit: int) -> tuple[StoredPolicy, ...]:
        """The policies that were remembered, the newest first."""
        rows = self._rows(_POLICIES.limit(limit), {})
        return tuple(StoredPolicy(digest=row["digest"], text=row["text"], stored_ms=row["stored_ms"]) for row in rows)

    def last_good_policy(self) -> StoredPolicy | None:
        """The policy that was remembered last."""
        row = self._first(_NEWEST_POLICY)
        return None if row is None else StoredPolicy(digest=row["digest"], text=row["text"], stored_ms=row["stored_ms"])
