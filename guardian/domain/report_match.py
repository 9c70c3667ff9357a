"""Compares the exchange's report of an order with the order that was sent. Pure.

An order has two ids: guardian's client order id, and the exchange's order id, which the acknowledgement has. The
owner can amend an order at the exchange; it then keeps its order id and gets another client order id and a smaller
quantity. Order ids start again at 1 when a testnet is wiped, so an order id alone proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from guardian.domain.money import ZERO, divided_up, minus, plain, plus, times, total
from guardian.domain.orders import Fill, OrderReport, OrderSide

SAME_MOMENT_MS: Final = 1000
"""The acknowledgement's time and the creation time of a later report differ by less for one order."""
ROUNDING: Final = Decimal("0.0001")
"""The share of a quote amount by which rounding of many small executions can move it."""
SMALLEST_ROUNDING: Final = Decimal("0.000001")
FAR_BETTER: Final = Decimal(10)
"""No execution is this many times better than the order's own price; an amount that says so is an error."""
LARGEST_FEE: Final = Decimal("0.1")
"""No fee is a larger share of the execution that it is taken from; an amount that says so is an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentOrder:
    """An order as guardian sent it, with the data of its acknowledgement."""

    symbol: str
    base_asset: str
    quote_asset: str
    client_order_id: str
    side: str
    wire_type: str
    quantity: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    order_id: int | None = None
    created_ms: int | None = None


def is_amended(sent: SentOrder, report: OrderReport) -> bool:
    """Whether a report under another client order id is of this very order, which its owner amended."""
    if sent.order_id is None or report.order_id != sent.order_id:
        return False
    if sent.created_ms is None or report.created_ms is None:
        return False
    is_same_moment = abs(report.created_ms - sent.created_ms) <= SAME_MOMENT_MS
    return is_same_moment and _changed_term(sent, report) is None and report.quantity <= sent.quantity


def contradiction(sent: SentOrder, report: OrderReport, *, asked_by_order_id: bool = False) -> str | None:
    """Returns why a report cannot be of the order that was sent, in words; None where it can.

    With `asked_by_order_id` the exchange was queried by the order id, after `is_amended` was true of it: the answer to
    a cancel does not repeat when the order was created.
    """
    is_named = report.client_order_id == sent.client_order_id or is_amended(sent, report)
    if not is_named and not (asked_by_order_id and report.order_id == sent.order_id):
        return f"the answer is about another order (order id {report.order_id})"
    if sent.order_id not in {None, report.order_id}:
        return f"the order id is {report.order_id}, and was {sent.order_id}"
    return _changed_term(sent, report) or report.flaw or _impossible_amounts(sent, report)


def _changed_term(sent: SentOrder, report: OrderReport) -> str | None:
    """Returns which of the terms that nobody can change differs, in words."""
    if report.symbol != sent.symbol:
        return f"the symbol is not {sent.symbol}"
    if report.side != sent.side:
        return f"the side is not {sent.side}"
    if report.order_type != sent.wire_type:
        return f"the type is not {sent.wire_type}"
    if sent.price is not None and report.price != sent.price:
        return f"the price is {plain(report.price)}, and {plain(sent.price)} was sent"
    if report.stop_price is not None and report.stop_price != sent.stop_price:
        stop = "none" if sent.stop_price is None else plain(sent.stop_price)
        return f"the stop price is {plain(report.stop_price)}, and {stop} was sent"
    return None


def _impossible_amounts(sent: SentOrder, report: OrderReport) -> str | None:
    executed, quote = report.executed_quantity, report.executed_quote_quantity
    if report.quantity > sent.quantity:
        return f"the quantity is {plain(report.quantity)}, and {plain(sent.quantity)} was sent"
    if executed > report.quantity:
        return f"{plain(executed)} was executed of {plain(report.quantity)}"
    filled = total(fill.quantity for fill in report.fills)
    if filled > executed:
        return f"the fills add up to {plain(filled)}, and {plain(executed)} was executed"
    return (
        _impossible_quote(sent, executed, quote)
        or impossible_fills(sent, report.fills)
        or _amount_besides_fills(report, are_all=filled == executed)
    )


def _amount_besides_fills(report: OrderReport, *, are_all: bool) -> str | None:
    """Returns why the quote amount cannot be that of the fills, in words; None where it can.

    It is no less than what they are worth, and no more where they are all that was executed.
    """
    quote = report.executed_quote_quantity
    if quote is None or not report.fills:
        return None
    amount = total(times(fill.price, fill.quantity) for fill in report.fills)
    slack = max(times(amount, ROUNDING), SMALLEST_ROUNDING)
    if minus(amount, slack) <= quote and (quote <= plus(amount, slack) or not are_all):
        return None
    return f"the quote amount is {plain(quote)}, and its fills add up to {plain(amount)}"


def impossible_fills(sent: SentOrder, fills: Iterable[Fill]) -> str | None:
    """Returns why executions cannot be of the order that was sent, by their prices and fees; None where they can.

    A fee in a third asset is not held against anything here: what that asset is worth is not known.
    """
    for fill in fills:
        amount = times(fill.price, fill.quantity)
        impossible = _impossible_quote(sent, fill.quantity, amount)
        if impossible is not None:
            return f"of a fill, {impossible}"
        taken_from = {sent.base_asset: fill.quantity, sent.quote_asset: amount}.get(fill.commission_asset)
        if taken_from is not None and fill.commission > plus(times(taken_from, LARGEST_FEE), SMALLEST_ROUNDING):
            fee = f"{plain(fill.commission)} {fill.commission_asset}"
            return f"the fee of a fill is {fee} of {plain(taken_from)}"
    return None


def _impossible_quote(sent: SentOrder, executed: Decimal, quote: Decimal | None) -> str | None:
    """Nobody pays more for a BUY than its price, or gets less for a SELL; nothing is many times better either."""
    if quote is None:
        return None
    if executed == 0 and quote != 0:
        return f"the quote amount is {plain(quote)}, and nothing was executed"
    if sent.price is None or executed == 0:
        return None
    at_price = times(sent.price, executed)
    slack = max(times(at_price, ROUNDING), SMALLEST_ROUNDING)
    least, most = divided_up(at_price, FAR_BETTER), plus(at_price, slack)
    if sent.side == OrderSide.SELL.value:
        least, most = max(minus(at_price, slack), ZERO), times(at_price, FAR_BETTER)
    if least <= quote <= most:
        return None
    return f"the quote amount is {plain(quote)} for {plain(executed)} at {plain(sent.price)}"
