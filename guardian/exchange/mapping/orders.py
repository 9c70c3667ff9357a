"""Orders as the exchange reports them."""

from __future__ import annotations

from guardian.domain.money import ZERO
from guardian.domain.orders import Fill, OrderReport, Trade
from guardian.exchange.mapping.rows import Row, malformed, rows


def order(answer: object) -> OrderReport:
    """One order of `GET /api/v3/order`, `openOrders` or `allOrders`."""
    return _report(Row(answer), client_order_id="clientOrderId", touched="updateTime")


def orders(answer: object) -> tuple[OrderReport, ...]:
    """A list of orders, in the exchange's order: oldest first."""
    return tuple(_report(row, client_order_id="clientOrderId", touched="updateTime") for row in rows(answer))


def placed(answer: object) -> OrderReport:
    """The answer to `POST /api/v3/order` with `newOrderRespType=FULL`."""
    return _report(Row(answer), client_order_id="clientOrderId", touched="transactTime")


def cancelled(answer: object) -> OrderReport:
    """The answer to `DELETE /api/v3/order`: `clientOrderId` names the cancel and `origClientOrderId` the order."""
    return _report(Row(answer), client_order_id="origClientOrderId", touched="transactTime")


def trades(answer: object) -> tuple[Trade, ...]:
    """A list of `GET /api/v3/myTrades`."""
    return tuple(
        Trade(order_id=row.integer("orderId"), time=row.integer("time"), fill=_fill(row)) for row in rows(answer)
    )


def _report(row: Row, *, client_order_id: str, touched: str) -> OrderReport:
    stop_price = row.optional_number("stopPrice")
    report = OrderReport(
        symbol=row.name("symbol"),
        order_id=row.integer("orderId"),
        client_order_id=row.text(client_order_id),
        side=row.text("side"),
        order_type=row.text("type"),
        status=row.text("status"),
        time_in_force=row.optional_text("timeInForce"),
        price=row.number("price"),
        stop_price=stop_price or None,
        quantity=row.number("origQty"),
        executed_quantity=row.number("executedQty"),
        # Below zero where the exchange has no value, for old orders.
        executed_quote_quantity=max(row.number("cummulativeQuoteQty"), ZERO),
        time=row.optional_integer(touched),
        fills=tuple(map(_fill, row.rows("fills"))),
    )
    # An order by quote quantity, which guardian never sends, has no quantity to be held to.
    is_too_much = report.executed_quantity > report.quantity and not row.optional_number("origQuoteOrderQty")
    if report.quantity < 0 or report.executed_quantity < 0 or is_too_much:
        raise malformed("executedQty")
    return report


def _fill(row: Row) -> Fill:
    return Fill(
        price=row.number("price"),
        quantity=row.number("qty"),
        commission=row.number("commission"),
        commission_asset=row.shown_name("commissionAsset"),
    )
