"""The evidence that an order does not exist at the exchange, or that its symbol is gone, and when it is believed.

A single "order does not exist" (-2013) proves nothing: the exchange's reads lag behind its matching engine, and orders
have appeared after minutes. Absence is believed only after `limits.absence_window`. The window counts time in which
this home queried the order and the exchange did not know it, so that neither a restart nor a changed clock shortens it.
After the window the query by both ids, the open orders, the recent orders and, where the order id is known, its trades
must agree.

A missing symbol is believed after a day, since the exchange hides symbols during maintenance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from guardian.domain.milliseconds import DAY_MS
from guardian.domain.report_match import is_amended
from guardian.errors import PolicyInvalid
from guardian.gate.base.context import GateContext
from guardian.gate.recovery.fees import CLOCK_TOLERANCE_MS
from guardian.gate.recovery.schedule import BACK_OFF_S, PollState
from guardian.policy.loading.load import ABSENCE_WINDOW_MS
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow

if TYPE_CHECKING:
    from guardian.exchange.exchange import Exchange

ABSENT_AFTER_ANSWERS: Final = 3
LONGEST_GAP_MS: Final = int(BACK_OFF_S[-1] * 2000)
"""Maximum time between two answers that counts as absence: while nobody queried, nothing was observed."""
RECENT_ORDERS: Final = 500

DELISTED_AFTER_MS: Final = DAY_MS
"""How long a symbol must be missing, in window time and across restarts, before orders of it end."""
DELISTED_HERE_MS: Final = 600_000
"""How long this process itself must have seen it missing, on the monotonic clock."""
DELISTED_AFTER_ANSWERS: Final = 3


@dataclass(slots=True)
class AbsenceEvidence:
    """Sums up how long the exchange has not known an order."""

    context: GateContext

    async def is_conclusive(self, exchange: Exchange, row: OrderRow, state: PollState) -> bool:
        """Count one more absence; whether the order does not exist for certain. Raises ExchangeError and StoreError."""
        absent_ms = await self._add(row, state)
        if absent_ms < self._window_ms() or state.absences < ABSENT_AFTER_ANSWERS:
            return False
        return not await self._is_listed(exchange, row)

    async def _add(self, row: OrderRow, state: PollState) -> int:
        """The total time in ms for which the exchange was queried and did not know the order.

        Measured on the monotonic clock between two answers of one process, and summed up in the store: the wall clock
        may be set while an order is pending, and the process may restart.
        """
        now = self.context.clock.monotonic()
        more_ms = 0 if state.absent_at is None else min(int((now - state.absent_at) * 1000), LONGEST_GAP_MS)
        state.absences, state.absent_at = state.absences + 1, now
        return await self.context.journal.transact(lambda tx: tx.orders.note_absent(row.client_order_id, more_ms))

    def _window_ms(self) -> int:
        try:
            return self.context.policy_file.current().policy.limits.absence_window_ms
        except PolicyInvalid:
            return ABSENCE_WINDOW_MS

    async def _is_listed(self, exchange: Exchange, row: OrderRow) -> bool:
        """Whether the open orders, the recent orders or the trades of the account show the order after all."""
        sent, since_ms = row.sent, row.sent_ms - CLOCK_TOLERANCE_MS
        listed = (
            *await exchange.open_orders(row.symbol),
            *await exchange.all_orders(row.symbol, start_time=since_ms, limit=RECENT_ORDERS),
        )
        if any(one.client_order_id == sent.client_order_id or is_amended(sent, one) for one in listed):
            return True
        if row.order_id is None:
            return False
        trades = await exchange.my_trades(row.symbol, row.order_id)
        return any(trade.time >= since_ms for trade in trades)


@dataclass(slots=True)
class DelistingEvidence:
    """Sums up how long the symbol of an order has been missing from the exchange."""

    context: GateContext

    async def is_conclusive(self, exchange: Exchange, row: OrderRow, state: PollState) -> bool:
        """Count one more refusal of the symbol; whether it is gone for good. Raises ExchangeError and StoreError.

        The list of symbols must lack it as well.
        """
        now = self.context.clock.monotonic()
        if await exchange.instruments((row.symbol,)):
            await self.clear(row, state)
            return False
        if state.delistings == 0:
            state.delisted_since = now
        state.delistings += 1
        missing_ms = await self.context.journal.transact(
            lambda tx: tx.now_ms - tx.timestamps.set_once(_delisted_mark(row))
        )
        missing_here_ms = (now - state.delisted_since) * 1000
        return (
            state.delistings >= DELISTED_AFTER_ANSWERS
            and missing_here_ms >= DELISTED_HERE_MS
            and missing_ms > DELISTED_AFTER_MS
        )

    async def clear(self, row: OrderRow, state: PollState) -> None:
        """Drop what this process or an earlier one noted: the symbol is listed. Raises StoreError."""
        if state.delistings or state.polls == 1:
            await self.context.journal.transact(lambda tx: self.clear_in(tx, row, state))

    @staticmethod
    def clear_in(tx: Transaction, row: OrderRow, state: PollState) -> None:
        """As `clear`, within a transaction. Raises StoreError."""
        if state.delistings or state.polls == 1:
            state.delistings = 0
            tx.timestamps.clear(_delisted_mark(row))


def _delisted_mark(row: OrderRow) -> str:
    """The key of the stored time since which an order's symbol is missing."""
    return f"gone/{row.environment}/{row.client_order_id}"
