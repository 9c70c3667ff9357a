"""One round of polling: the lists of open orders, single queries for what they lack, then fees.

A list only ever shows that an order is there. That it is not there any more, and what it became, is what the query of
the order itself returns: lists may be stale, cut, or lack an order that was just sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from guardian.domain.order_states import FINAL_STATES, LIVE_STATES
from guardian.domain.orders import OrderReport
from guardian.errors import ExchangeError, ExchangeRateLimited, ExchangeRejected
from guardian.exchange.error_codes import KEY_REFUSED
from guardian.exchange.limits.weights import ALL_OPEN_ORDERS, ALL_ORDERS, ONE_ORDER, OPEN_ORDERS, TRADES_OF_ORDER
from guardian.gate.base.context import GateContext
from guardian.gate.recovery.fees import fetch_fees
from guardian.gate.recovery.lease import Leaseholder
from guardian.gate.recovery.order_reports import reports_of
from guardian.gate.recovery.poll import OrderPoller, PollResult
from guardian.gate.recovery.schedule import KEPT_FOR_LISTS, BackgroundBudget, PollPlan, PollSchedule
from guardian.store.schema.records import OrderRow, Scope

if TYPE_CHECKING:
    from guardian.exchange.exchange import Exchange

RECENT_ORDERS: Final = 1000
"""How many of a symbol's newest orders are listed where many orders have ended at once."""


@dataclass(slots=True, kw_only=True)
class PollRound:
    """Polls the orders of one scope that are due; `budget` is None where all are polled at once."""

    context: GateContext
    exchange: Exchange
    scope: Scope
    schedule: PollSchedule
    poller: OrderPoller
    leaseholder: Leaseholder
    budget: BackgroundBudget | None
    _results: dict[str, PollResult] = field(default_factory=dict)
    """By client order id, in the order of polling."""
    _failure: ExchangeError | None = None
    _unlisted: set[str] = field(default_factory=set)
    """The symbols whose list failed: their orders are queried singly, until one of these queries fails as well."""
    _is_over: bool = False
    """The lease was lost: the round took, or was suspended for, so long that another process has taken over."""

    async def run(self, rows: Sequence[OrderRow], now_ms: int) -> tuple[PollResult, ...]:
        """Poll what is due of these orders, read at this window time. Raises as `Resolver.run_once`."""
        pending = [row for row in rows if row.state not in FINAL_STATES]
        plan = self.schedule.plan(pending, now_ms, only_due=self.budget is not None)
        await self._poll_lists(plan, pending, now_ms)
        wanted = self._not_listed(plan, pending)
        await self._poll_recent(wanted, now_ms)
        await self._poll_singly([row for row in wanted if row.client_order_id not in self._results])
        await self._fetch_fees(rows)
        if self._failure is not None:
            raise self._failure
        return tuple(self._results.values())

    async def _may_send(self, weight: int, *, leaving: int = KEPT_FOR_LISTS) -> bool:
        """Whether a request of this weight may be sent now; else it stays due, and a later round sends it."""
        if self.budget is not None and not self.budget.has(weight, leaving=leaving):
            return False
        self._is_over = self._is_over or not await self.leaseholder.holds(self.scope)
        return not self._is_over

    # -- lists of open orders

    async def _poll_lists(self, plan: PollPlan, pending: Sequence[OrderRow], began_ms: int) -> None:
        for symbol in plan.lists:
            rows = [row for row in pending if symbol in {None, row.symbol}]
            if not await self._may_send(ALL_OPEN_ORDERS if symbol is None else OPEN_ORDERS, leaving=0):
                return
            symbols = {row.symbol for row in rows}
            self.schedule.begin_list(symbols)
            try:
                reports = await self.exchange.open_orders(symbol, only_readable=True)
            except ExchangeError as error:
                self._note_unlisted(error, rows)
                continue
            await self._record(rows, reports, began_ms)
            for row in rows:
                if row.state in LIVE_STATES and row.client_order_id not in self._results:
                    self.schedule.of(row).is_missing = True

    async def _record(self, rows: Sequence[OrderRow], reports: Sequence[OrderReport], began_ms: int) -> None:
        found = reports_of(rows, reports)
        if found:
            results = await self.poller.record_listed(found, began_ms)
            self._results |= {result.client_order_id: result for result in results}

    # -- what no list has

    def _not_listed(self, plan: PollPlan, pending: Sequence[OrderRow]) -> list[OrderRow]:
        """The orders to query singly: open ones that a list lacks first, since they have ended; then those due longest.

        An open order whose list could not be sent yet waits for it.
        """
        names = {row.client_order_id for row in plan.wanted}
        left = [row for row in pending if row.client_order_id not in self._results]
        chosen = [row for row in left if row.client_order_id in names or self._has_just_gone(row)]
        if self.budget is not None:
            chosen = [row for row in chosen if not self._waits_for_list(plan, row)]
        return sorted(chosen, key=lambda row: (not self.schedule.of(row).is_missing, self.schedule.of(row).due))

    def _has_just_gone(self, row: OrderRow) -> bool:
        state = self.schedule.of(row)
        return state.is_missing and not state.absences

    def _waits_for_list(self, plan: PollPlan, row: OrderRow) -> bool:
        """Whether an open order's list is due and could not be sent yet."""
        is_listed = None in plan.lists or row.symbol in plan.lists
        was_sent = row.symbol in self._unlisted or self.schedule.of(row).is_missing
        return is_listed and row.state in LIVE_STATES and not was_sent

    async def _poll_recent(self, wanted: Sequence[OrderRow], began_ms: int) -> None:
        """Where many orders of a symbol have ended at once, one list of its newest orders has most of their reports."""
        gone = Counter(row.symbol for row in wanted if self._has_just_gone(row))
        for symbol, count in gone.items():
            if count * ONE_ORDER <= ALL_ORDERS or not await self._may_send(ALL_ORDERS):
                continue
            try:
                reports = await self.exchange.all_orders(symbol, limit=RECENT_ORDERS)
            except ExchangeError as error:
                self._note_unlisted(error, [row for row in wanted if row.symbol == symbol])
                continue
            rows = [row for row in wanted if row.symbol == symbol]
            await self._record(rows, [one for one in reports if one.state in FINAL_STATES], began_ms)

    async def _poll_singly(self, rows: Sequence[OrderRow]) -> None:
        failed: set[str] = set()
        for row in rows:
            if row.symbol in failed:
                continue
            if not await self._may_send(ONE_ORDER):
                return
            if row.state in LIVE_STATES and not (row.symbol in self._unlisted or self.schedule.of(row).is_missing):
                self.schedule.begin_list((row.symbol,))
            state = self.schedule.begin_poll(row)
            try:
                result = await self.poller.poll(self.exchange, self.scope, row, state)
            except ExchangeError as error:
                self._note(error, row)
                if not isinstance(error, ExchangeRejected) and row.symbol in self._unlisted:
                    failed.add(row.symbol)
                continue
            self._results[row.client_order_id] = result

    # -- fees

    async def _fetch_fees(self, rows: Sequence[OrderRow]) -> None:
        """Fetch the fees of what the orders have executed, where they are unknown and due."""
        if not self._results and not any(row.state in FINAL_STATES for row in rows):
            return
        for row in await self.context.journal.transact(lambda tx: tx.orders.with_unknown_fees(self.scope)):
            if self.budget is not None and not self.schedule.are_fees_due(row):
                continue
            if not await self._may_send(TRADES_OF_ORDER):
                return
            self.schedule.begin_fees(row)
            try:
                if await fetch_fees(self.context, self.exchange, row.client_order_id):
                    self.schedule.note_fees(row)
            except ExchangeError as error:
                self._note(error, row)

    # -- failures

    def _note(self, error: ExchangeError, row: OrderRow) -> None:
        """Log a refusal of one order's query, and keep another failure until the end of the round.

        Raises what ends the round at once.
        """
        _raise_if_over(error)
        if not isinstance(error, ExchangeRejected):
            self._failure = error
            return
        self.schedule.warn(row, f"the exchange refused the query for an order of {row.symbol} (code {error.code})")
        self._results.setdefault(row.client_order_id, PollResult(client_order_id=row.client_order_id, state=None))

    def _note_unlisted(self, error: ExchangeError, rows: Sequence[OrderRow]) -> None:
        """Note that the list of these orders failed: each is queried by itself, which shows what the failure is."""
        _raise_if_over(error)
        symbols = {row.symbol for row in rows}
        self._unlisted |= symbols
        if isinstance(error, ExchangeRejected):
            self.schedule.note_refused(symbols)
        else:
            self.schedule.warn(rows[0], f"the list of open orders failed, so they are polled singly: {error.message}")


def _raise_if_over(error: ExchangeError) -> None:
    """Raise what every further request would run into: a rate limit, or a refusal of the key."""
    if isinstance(error, ExchangeRateLimited) or (isinstance(error, ExchangeRejected) and error.code in KEY_REFUSED):
        raise error
