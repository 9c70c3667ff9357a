"""Orders as the exchange reports them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from guardian.domain.money import ZERO, plain
from guardian.domain.orders import Fill, OrderReport, Trade
from guardian.errors import ExchangeUnavailable
from guardian.exchange.mapping.rows import Row, listed, rows


def order(answer: object) -> OrderReport:
    """Returns one order of `GET /api/v3/order`, `openOrders` or `allOrders`."""
    return _report(Row(answer), client_order_id="clientOrderId", touched="updateTime", created="time")


def orders(answer: object, *, only_readable: bool = False) -> tuple[OrderReport, ...]:
    """Returns a list of orders, in the exchange's order: oldest first. Raises where the answer is no list.

    With `only_readable` an order that is not as documented is left out, and raises nothing.
    """
    if not only_readable:
        return tuple(order(one) for one in listed(answer))
    found: list[OrderReport] = []
    for one in listed(answer):
        with suppress(ExchangeUnavailable):
            found.append(order(one))
    return tuple(found)


def placed(answer: object) -> OrderReport:
    """Returns the answer to `POST /api/v3/order` with `newOrderRespType=FULL`."""
    return _report(Row(answer), client_order_id="clientOrderId", touched="transactTime", created="transactTime")


def cancelled(answer: object) -> OrderReport:
    """Returns the answer to `DELETE /api/v3/order`.

    `clientOrderId` names the cancel and `origClientOrderId` the order.
    """
    return _report(Row(answer), client_order_id="origClientOrderId", touched="transactTime")


def trades(answer: object) -> tuple[Trade, ...]:
    """Returns a list of `GET /api/v3/myTrades`."""
    return tuple(
        Trade(order_id=row.integer("orderId"), time=row.integer("time"), fill=_fill(row), trade_id=row.integer("id"))
        for row in rows(answer)
    )


def _report(row: Row, *, client_order_id: str, touched: str, created: str | None = None) -> OrderReport:
    amounts = _amounts(row)
    return OrderReport(
        symbol=row.name("symbol"),
        order_id=row.integer("orderId"),
        client_order_id=row.text(client_order_id),
        side=row.text("side"),
        order_type=row.text("type"),
        status=row.text("status"),
        time_in_force=row.optional_text("timeInForce"),
        price=amounts.price,
        stop_price=amounts.stop_price,
        quantity=amounts.quantity,
        executed_quantity=amounts.executed_quantity,
        executed_quote_quantity=amounts.executed_quote_quantity,
        time=row.known_time(touched),
        created_ms=None if created is None else row.known_time(created),
        fills=amounts.fills,
        prevented_quantity=row.known_amount("preventedQuantity"),
        flaw=amounts.flaw,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Amounts:
    """The numbers of a report; all zero where one of them is true of no order."""

    price: Decimal = ZERO
    stop_price: Decimal | None = None
    quantity: Decimal = ZERO
    executed_quantity: Decimal = ZERO
    executed_quote_quantity: Decimal | None = ZERO
    fills: tuple[Fill, ...] = ()
    flaw: str | None = None


def _amounts(row: Row) -> _Amounts:
    try:
        found = _Amounts(
            price=row.number("price"),
            stop_price=row.optional_number("stopPrice") or None,
            quantity=row.number("origQty"),
            executed_quantity=row.number("executedQty"),
            executed_quote_quantity=_known(row.number("cummulativeQuoteQty")),
            fills=tuple(map(_fill, row.rows("fills"))),
        )
        # An order by quote quantity, which guardian never sends, has no quantity to be held to.
        is_by_quote = bool(row.optional_number("origQuoteOrderQty"))
    except ExchangeUnavailable as error:
        return _Amounts(flaw=error.message)
    if min(found.price, found.quantity, found.executed_quantity) < 0:
        return _Amounts(flaw="an amount of the order is below zero")
    if found.executed_quantity > found.quantity and not is_by_quote:
        executed, quantity = plain(found.executed_quantity), plain(found.quantity)
        return _Amounts(flaw=f"{executed} was executed of {quantity}")
    return found


def _known(quote_quantity: Decimal) -> Decimal | None:
    """Binance writes a number below zero where it has no value, for old orders."""
    return None if quote_quantity < 0 else quote_quantity


def _fill(row: Row) -> Fill:
    return Fill(
        price=row.number("price"),
        quantity=row.number("qty"),
        commission=row.number("commission"),
        commission_asset=row.shown_name("commissionAsset"),
    )
