"""The kinds of absence of an order at the exchange, and when each is believed.

That the exchange does not know an order (-2013) proves nothing: its reads lag behind its engine, and orders have shown
up after minutes. Absence ends an order only after `limits.absence_window`, counted in time in which this home asked and
was told no, so that neither a restart nor a clock that is set shortens it. Then the question by its ids, the open
orders, the recent orders and, where the order id is known, its trades have to agree. An order that was never
acknowledged is `not_placed` then, and still bars its duplicate; one that was (the testnet forgets all orders once in a
while) is `expired`.

On live nothing is wiped: there an order that was acknowledged and is gone stays as it is, counts, and is reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from guardian.domain.milliseconds import DAY_MS
from guardian.domain.order_states import OrderState
from guardian.domain.report_match import is_amended
from guardian.domain.trading import Environment
from guardian.errors import ExchangeRejected, PolicyInvalid
from guardian.exchange.exchange import Exchange
from guardian.gate.base.context import GateContext
from guardian.gate.base.order_events import note_found, tell_once
from guardian.gate.recovery.fees import BEFORE_IT_WAS_SENT_MS
from guardian.gate.recovery.order_query import BACK_OFF_S, Pace, Questions, ask_for
from guardian.gate.recovery.order_reports import DifferenceKind, take_report
from guardian.gate.recovery.reconcile import UNLISTED_CODE
from guardian.policy.loading.load import ABSENCE_WINDOW_MS
from guardian.store.schema.records import OrderRow, Scope

ABSENT_AFTER_ANSWERS: Final = 3
LONGEST_GAP_MS: Final = int(BACK_OFF_S[-1] * 2000)
"""Of the time between two answers no more than this counts: while nobody asked, nobody could have been told."""
RECENT_ORDERS: Final = 500

ARCHIVED_CODE: Final = -2026
"""The exchange's word for an order that ended long ago without any fill."""
ARCHIVED_AFTER_MS: Final = 80 * DAY_MS
"""It archives orders after 90 days; of one that is younger than this the word is not believed."""

GONE_AFTER_MS: Final = DAY_MS
"""For so long a symbol must be gone, in window time and over restarts, until orders of it end."""
GONE_HERE_MS: Final = 600_000
"""And for so long as this process knows by itself, on the clock that only goes forward."""
GONE_AFTER_ANSWERS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What asking for one order has brought."""

    client_order_id: str
    state: OrderState | None
    """None while it is still not known."""


@dataclass(slots=True)
class OrderResolver:
    """Finds out what became of one order."""

    context: GateContext
    pace: Pace

    async def resolve(self, exchange: Exchange, scope: Scope, row: OrderRow, asked: Questions) -> Found:
        """Ask for an order and take in what is found, or its absence. Raises ExchangeError and StoreError."""
        began_ms = await self.context.journal.run(self._now_ms)
        try:
            report = await ask_for(exchange, row.sent)
        except ExchangeRejected as error:
            if error.code == ARCHIVED_CODE and began_ms - row.sent_ms >= ARCHIVED_AFTER_MS:
                why = "the exchange has put it into its archive: it ended long ago without a fill"
            elif error.code == UNLISTED_CODE and await self._is_gone(exchange, row, asked):
                why = f"the exchange neither lists {row.symbol} nor tells of its orders, for over a day"
            else:
                raise
            return await self._end(scope, row, OrderState.EXPIRED, why)
        await self._note_listed(row, asked)
        if report is None:
            return await self._absent(exchange, scope, row, asked)
        asked.absences, asked.absent_at = 0, None

        def learn() -> DifferenceKind | None:
            with self.context.journal.transaction() as tx:
                tx.orders.note_present(row.client_order_id)
                return take_report(tx, row, report, began_ms=began_ms)

        kind = await self.context.journal.run(learn)
        return Found(
            client_order_id=row.client_order_id, state=None if kind is DifferenceKind.IMPOSSIBLE else report.state
        )

    def _now_ms(self) -> int:
        with self.context.journal.transaction() as tx:
            return tx.now_ms

    async def _absent(self, exchange: Exchange, scope: Scope, row: OrderRow, asked: Questions) -> Found:
        """The exchange knows the order by neither id now."""
        absent_ms = await self._count_absence(row, asked)
        unknown = Found(client_order_id=row.client_order_id, state=None)
        if absent_ms < self._window_ms() or asked.absences < ABSENT_AFTER_ANSWERS:
            return unknown
        if await self._is_anywhere(exchange, row):
            return unknown
        if row.order_id is None:
            why = "the exchange does not know it, in any of its lists, long after it could have arrived"
            return await self._end(scope, row, OrderState.NOT_PLACED, why)
        why = "the exchange had it and does not know it any more"
        if self.context.environment is Environment.LIVE:
            asked.absences = 0  # the lists are asked again only after as many answers
            self.pace.warn(row, f"{why}, in any of its lists; it goes on counting")
            await self.context.journal.run(lambda: self._tell_vanished(scope, row, why))
            return unknown
        why += ": it was wiped, as the testnet is once in a while"
        return await self._end(scope, row, OrderState.EXPIRED, why)

    async def _count_absence(self, row: OrderRow, asked: Questions) -> int:
        """For how long in all the exchange has been asked and did not know the order, in ms.

        Time is measured on the clock that only goes forward, between two answers of one process, and summed up in the
        store: the wall clock may be set while an order is on its way, and a process may be restarted.
        """
        now = self.context.monotonic()
        more_ms = 0 if asked.absent_at is None else min(int((now - asked.absent_at) * 1000), LONGEST_GAP_MS)
        asked.absences, asked.absent_at = asked.absences + 1, now

        def note() -> int:
            with self.context.journal.transaction() as tx:
                return tx.orders.note_absent(row.client_order_id, more_ms)

        return await self.context.journal.run(note)

    def _window_ms(self) -> int:
        try:
            return self.context.policy_file.current().policy.limits.absence_window_ms
        except PolicyInvalid:
            return ABSENCE_WINDOW_MS

    async def _is_anywhere(self, exchange: Exchange, row: OrderRow) -> bool:
        """Whether the lists of open and of recent orders, or of its trades, have it after all."""
        sent, since_ms = row.sent, row.sent_ms - BEFORE_IT_WAS_SENT_MS
        listed = (
            *await exchange.open_orders(row.symbol),
            *await exchange.all_orders(row.symbol, start_time=since_ms, end_time=None, limit=RECENT_ORDERS),
        )
        if any(one.client_order_id == sent.client_order_id or is_amended(sent, one) for one in listed):
            return True
        if row.order_id is None:
            return False
        trades = await exchange.my_trades(row.symbol, row.order_id)
        return any(trade.time >= since_ms for trade in trades)

    async def _end(self, scope: Scope, row: OrderRow, state: OrderState, why: str) -> Found:
        def note() -> None:
            with self.context.journal.transaction() as tx:
                note_found(tx, scope, row, state, None, why=why, given_up=state is OrderState.NOT_PLACED)

        await self.context.journal.run(note)
        return Found(client_order_id=row.client_order_id, state=state)

    async def _is_gone(self, exchange: Exchange, row: OrderRow, asked: Questions) -> bool:
        """Whether the order's symbol is gone for good: neither asking for the order nor the list of symbols knows it.

        A symbol can be gone for a while, as when the exchange is being looked after.
        """
        now = self.context.monotonic()
        if await exchange.instruments((row.symbol,)):
            await self._note_listed(row, asked)
            return False
        if asked.gone == 0:
            asked.gone_since = now
        asked.gone += 1
        gone_ms = await self.context.journal.run(lambda: self._gone_for_ms(row))
        here_ms = (now - asked.gone_since) * 1000
        return asked.gone >= GONE_AFTER_ANSWERS and here_ms >= GONE_HERE_MS and gone_ms > GONE_AFTER_MS

    def _gone_for_ms(self, row: OrderRow) -> int:
        with self.context.journal.transaction() as tx:
            return tx.now_ms - tx.timestamps.set_once(_gone(row))

    async def _note_listed(self, row: OrderRow, asked: Questions) -> None:
        """The order's symbol is there: if it was gone, here or in a process before this one, that is over."""
        if asked.gone or asked.times == 1:
            asked.gone = 0
            await self.context.journal.run(lambda: self._unmark(row))

    def _unmark(self, row: OrderRow) -> None:
        with self.context.journal.transaction() as tx:
            tx.timestamps.clear(_gone(row))

    def _tell_vanished(self, scope: Scope, row: OrderRow, why: str) -> None:
        with self.context.journal.transaction() as tx:
            body = {"kind": "order_vanished", "client_order_id": row.client_order_id, "state": row.state, "why": why}
            key = f"vanished/{scope.environment}/{row.client_order_id}"
            tell_once(tx, scope, key, row.symbol, body, call_id=row.call_id)


def _gone(row: OrderRow) -> str:
    """The mark since when an order's symbol is gone."""
    return f"gone/{row.environment}/{row.client_order_id}"
