"""Compares one order of the log with what the exchange's lists say of it. Pure: no I/O, and nothing is updated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from guardian.domain.money import absolute_difference, plain, times, total
from guardian.domain.order_states import FINAL_STATES, VOID_STATES, OrderState
from guardian.domain.orders import OrderReport, Trade, fees_of
from guardian.domain.report_match import ROUNDING, SMALLEST_ROUNDING, contradiction
from guardian.store.answers.witness_reader import LoggedOrder

TIME_BOUND_MS: Final = 10_000
"""How far the exchange's creation of an order may be from the log's time of sending it: a request is refused after 5 s,
and no order is reserved while the clocks differ by more than 1 s."""
LAG_MS: Final = 60_000
"""How far the exchange's lists lag behind: what changed here within that is not compared."""


class WitnessKind(StrEnum):
    """In what the log and the exchange differ, or which of them lacks an order."""

    NOT_IN_LOG = "not_in_log"
    """It has guardian's prefix and the log has no row of it: rows were cut off, or another home uses the account."""
    NOT_AT_EXCHANGE = "not_at_exchange"
    """The log says that it was sent, and the exchange does not know it."""
    TERMS = "terms"
    """Symbol, side, type, price or quantity are not those that the log says were sent."""
    STATE = "state"
    FILLS = "fills"
    FEES = "fees"
    TIME = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """One thing in which the two differ: what the log says and what the exchange says, None where it says nothing."""

    kind: WitnessKind
    symbol: str
    client_order_id: str
    order_id: int | None
    log: str | None
    exchange: str | None


def is_behind(order: LoggedOrder, report: OrderReport) -> bool:
    """Whether the order was open when guardian last asked, and has moved on since: that is no disagreement."""
    if order.state in FINAL_STATES or contradiction(order.sent, report) is not None:
        return False
    return report.state is not order.state or report.executed_quantity != order.executed_quantity


def disagreements(
    order: LoggedOrder, report: OrderReport, trades: Sequence[Trade] | None, *, now_ms: int
) -> Iterator[Disagreement]:
    """Yields in what an order and its report differ. `trades` are its executions, None where they were not listed."""
    made = _Maker(order, report)
    wrong = contradiction(order.sent, report)
    if wrong is not None:
        yield made(WitnessKind.TERMS, "what was sent", wrong)
        return
    created = report.created_ms
    if order.has_intent and created is not None and abs(created - order.sent_ms) > TIME_BOUND_MS:
        yield made(WitnessKind.TIME, f"sent at {order.sent_ms} ms", f"created at {created} ms")
    if order.state not in FINAL_STATES or now_ms - order.updated_ms < LAG_MS:
        return
    if not _is_same_end(order.state, report.state):
        yield made(WitnessKind.STATE, order.state.value, report.state.value)
    if order.state in VOID_STATES:
        return
    if report.executed_quantity != order.executed_quantity:
        yield made(WitnessKind.FILLS, plain(order.executed_quantity), plain(report.executed_quantity))
    elif trades is not None:
        yield from _of_trades(order, trades, made)


def lacking(order: LoggedOrder) -> Disagreement:
    """Returns the disagreement about an order that the exchange does not know."""
    return Disagreement(
        kind=WitnessKind.NOT_AT_EXCHANGE,
        symbol=order.sent.symbol,
        client_order_id=order.name,
        order_id=order.sent.order_id,
        log=order.state.value,
        exchange=None,
    )


def unlogged(report: OrderReport) -> Disagreement:
    """Returns the disagreement about an order with guardian's prefix that the log lacks."""
    return Disagreement(
        kind=WitnessKind.NOT_IN_LOG,
        symbol=report.symbol,
        client_order_id=report.client_order_id,
        order_id=report.order_id,
        log=None,
        exchange=report.state.value,
    )


class _Maker:
    """Makes the disagreements about one order."""

    def __init__(self, order: LoggedOrder, report: OrderReport) -> None:
        self._order = order
        self._report = report

    def __call__(self, kind: WitnessKind, log: str, exchange: str) -> Disagreement:
        """Returns one of this kind, with what each side says."""
        return Disagreement(
            kind=kind,
            symbol=self._order.sent.symbol,
            client_order_id=self._order.name,
            order_id=self._report.order_id,
            log=log,
            exchange=exchange,
        )


def _is_same_end(log: OrderState, exchange: OrderState) -> bool:
    """Whether a state of the exchange is that end; one that guardian does not know says nothing."""
    if exchange in {log, OrderState.UNKNOWN}:
        return True
    # What the exchange had open and then reports as rejected has expired, see `record_new_state`.
    return exchange is OrderState.REJECTED and log in {OrderState.EXPIRED, OrderState.NOT_PLACED}


def _of_trades(order: LoggedOrder, trades: Sequence[Trade], made: _Maker) -> Iterator[Disagreement]:
    fills = [trade.fill for trade in trades]
    filled = total(fill.quantity for fill in fills)
    if filled != order.executed_quantity:
        yield made(WitnessKind.FILLS, plain(order.executed_quantity), f"executions of {plain(filled)} in all")
        return
    amount = total(times(fill.price, fill.quantity) for fill in fills)
    slack = max(times(amount, ROUNDING), SMALLEST_ROUNDING)
    if absolute_difference(amount, order.executed_quote_quantity) > slack:
        quote = order.sent.quote_asset
        log, there = plain(order.executed_quote_quantity), plain(amount)
        yield made(WitnessKind.FILLS, f"{log} {quote}", f"executions for {there} {quote} in all")
    if order.adopted and order.fee_quantity == order.executed_quantity:
        charged = _not_zero(fees_of(fills).by_asset)
        if charged != _not_zero(order.fees):
            yield made(WitnessKind.FEES, _listed(order.fees), _listed(charged))
    early = [trade.time for trade in trades if trade.time < order.sent_ms - TIME_BOUND_MS]
    if early and order.has_intent:
        yield made(WitnessKind.TIME, f"sent at {order.sent_ms} ms", f"executed at {min(early)} ms")


def _not_zero(amounts: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {asset: amount for asset, amount in amounts.items() if amount}


def _listed(amounts: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{plain(amount)} {asset}" for asset, amount in sorted(_not_zero(amounts).items())) or "none"
