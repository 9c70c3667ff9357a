"""Polls the exchange for one order, and records what it or a list reports, or that the order does not exist.

An order that does not exist ends as `not_placed` if the exchange never acknowledged it; its duplicates stay barred. An
acknowledged one ends as `expired`: the testnet deletes all orders now and then. On live nothing is deleted, so there an
acknowledged order that is missing keeps its state, counts, and is reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from guardian.domain.milliseconds import DAY_MS
from guardian.domain.order_states import OrderState
from guardian.domain.orders import OrderReport
from guardian.domain.trading import Environment
from guardian.errors import ExchangeRejected
from guardian.exchange.error_codes import ARCHIVED_ORDER, UNKNOWN_SYMBOL
from guardian.exchange.exchange import Exchange
from guardian.gate.base.context import GateContext
from guardian.gate.base.order_events import append_event_once, record_new_state
from guardian.gate.recovery.absence import AbsenceEvidence, DelistingEvidence
from guardian.gate.recovery.order_reports import DifferenceKind, apply_report, query_order
from guardian.gate.recovery.schedule import PollSchedule, PollState
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow, Scope

ARCHIVED_AFTER_MS: Final = 80 * DAY_MS
"""The exchange archives orders after 90 days; ARCHIVED_ORDER for a younger order is not believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PollResult:
    """What one poll of an order has returned."""

    client_order_id: str
    state: OrderState | None
    """None while it is still unknown."""


@dataclass(slots=True)
class OrderPoller:
    """Polls orders one at a time, and records what a list has of them."""

    context: GateContext
    schedule: PollSchedule
    _absence: AbsenceEvidence = field(init=False)
    _delisting: DelistingEvidence = field(init=False)

    def __post_init__(self) -> None:
        self._absence = AbsenceEvidence(context=self.context)
        self._delisting = DelistingEvidence(context=self.context)

    async def poll(self, exchange: Exchange, scope: Scope, row: OrderRow, state: PollState) -> PollResult:
        """Query an order and record its report, or its absence. Raises ExchangeError and StoreError."""
        began_ms = await self.context.journal.transact(lambda tx: tx.now_ms)
        try:
            report = await query_order(exchange, row.sent)
        except ExchangeRejected as refusal:
            why = await self._why_ended(exchange, row, state, refusal, began_ms)
            if why is None:
                raise
            return await self._end(row, OrderState.EXPIRED, why)
        await self._delisting.clear(row, state)
        if report is None:
            return await self._record_absence(exchange, scope, row, state)
        state.absences, state.absent_at = 0, None
        result, _ = await self.context.journal.transact(lambda tx: _record_report(tx, row, report, began_ms))
        return result

    async def record_listed(
        self, listed: Sequence[tuple[OrderRow, OrderReport]], began_ms: int
    ) -> tuple[PollResult, ...]:
        """Record what a list has of these orders, in one transaction; each counts as a poll. Raises StoreError.

        The order of a report that changed nothing is skipped while neither has changed: most of a list is so.
        """
        polled = [(row, report, self.schedule.begin_poll(row)) for row, report in listed]

        def record(tx: Transaction) -> tuple[PollResult, ...]:
            return tuple(self._record_one(tx, row, report, state, began_ms) for row, report, state in polled)

        if any(state.applied != (row, report) for row, report, state in polled):
            results = await self.context.journal.transact(record)
        else:
            results = tuple(_result(row, report, None) for row, report, _ in polled)
        for _, _, state in polled:
            state.absences, state.absent_at = 0, None
        return results

    def _record_one(
        self, tx: Transaction, row: OrderRow, report: OrderReport, state: PollState, began_ms: int
    ) -> PollResult:
        if state.applied == (row, report):
            return _result(row, report, None)
        self._delisting.clear_in(tx, row, state)
        result, kind = _record_report(tx, row, report, began_ms)
        state.applied = (row, report) if kind is None and not row.absent_ms else None
        return result

    async def _why_ended(
        self, exchange: Exchange, row: OrderRow, state: PollState, refusal: ExchangeRejected, began_ms: int
    ) -> str | None:
        """Why the refusal of a query means that the order has ended; None where it means nothing about the order."""
        if refusal.code == ARCHIVED_ORDER and began_ms - row.sent_ms >= ARCHIVED_AFTER_MS:
            return "the exchange has archived it: it ended long ago without a fill"
        if refusal.code == UNKNOWN_SYMBOL and await self._delisting.is_conclusive(exchange, row, state):
            return f"the exchange has not listed {row.symbol} nor returned its orders for over a day"
        return None

    async def _record_absence(self, exchange: Exchange, scope: Scope, row: OrderRow, state: PollState) -> PollResult:
        """The exchange knows the order by neither id: end it once that is certain."""
        unknown = PollResult(client_order_id=row.client_order_id, state=None)
        if not await self._absence.is_conclusive(exchange, row, state):
            return unknown
        if row.order_id is None:
            why = "the exchange does not know it, in any of its lists, long after it could have arrived"
            return await self._end(row, OrderState.NOT_PLACED, why)
        why = "the exchange had it and does not know it any more"
        if self.context.environment is Environment.LIVE:
            state.absences = 0  # the lists are fetched again only after as many answers
            self.schedule.warn(row, f"{why}, in any of its lists; it still counts")
            await self.context.journal.transact(lambda tx: _record_vanished(tx, scope, row, why))
            return unknown
        why += ": it was deleted, as the testnet does now and then"
        return await self._end(row, OrderState.EXPIRED, why)

    async def _end(self, row: OrderRow, state: OrderState, why: str) -> PollResult:
        given_up = state is OrderState.NOT_PLACED
        await self.context.journal.transact(
            lambda tx: record_new_state(tx, row, state, None, why=why, given_up=given_up)
        )
        return PollResult(client_order_id=row.client_order_id, state=state)


def _record_report(
    tx: Transaction, row: OrderRow, report: OrderReport, began_ms: int
) -> tuple[PollResult, DifferenceKind | None]:
    tx.orders.note_present(row.client_order_id)
    kind = apply_report(tx, row, report, began_ms=began_ms)
    return _result(row, report, kind), kind


def _result(row: OrderRow, report: OrderReport, kind: DifferenceKind | None) -> PollResult:
    state = None if kind is DifferenceKind.IMPOSSIBLE else report.state
    return PollResult(client_order_id=row.client_order_id, state=state)


def _record_vanished(tx: Transaction, scope: Scope, row: OrderRow, why: str) -> None:
    body = {"kind": "order_vanished", "client_order_id": row.client_order_id, "state": row.state, "why": why}
    key = f"vanished/{scope.environment}/{row.client_order_id}"
    append_event_once(tx, scope, key, row.symbol, body, call_id=row.call_id)
