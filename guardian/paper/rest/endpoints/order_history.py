"""Asking for orders and trades: the open ones from memory, all others from the storage."""

from __future__ import annotations

from typing import Any, Final

from guardian.domain.milliseconds import DAY_MS
from guardian.paper.engine.refusals import neither, no_such_order
from guardian.paper.rest.endpoint import Call, Endpoint, Security
from guardian.paper.rest.order_json import trade_row, whole
from guardian.paper.rest.parameters import Parameters
from guardian.paper.storage import Page

_MAX_ROWS: Final = 1000
_ROWS: Final = 500


def which_order(params: Parameters) -> tuple[int | None, str | None]:
    """Returns the `orderId` and the `origClientOrderId` that were sent, one of them at least.

    Raises:
        ExchangeRejected: -1102, neither was sent; -1100, the first is not a number.
    """
    if "orderId" not in params.everything and "origClientOrderId" not in params.everything:
        raise neither("origClientOrderId", "orderId")
    return params.integer("orderId"), params.text("origClientOrderId")


def _query(call: Call) -> dict[str, Any]:
    symbol = call.listing().symbol
    order_id, client_order_id = which_order(call.params)
    call.params.finish(signed=True)
    if order_id is not None:
        order = call.venue.state.orders.get(order_id) or call.venue.history.order(order_id)
        if order is None or order.symbol != symbol or client_order_id not in {None, order.client_order_id}:
            raise no_such_order()
        return whole(order)
    assert client_order_id is not None
    # An id may have been used again after its order had ended: the newest is meant.
    order = call.venue.history.order_named(symbol, client_order_id)
    if order is None:
        raise no_such_order()
    return whole(order)


def _open_orders(call: Call) -> list[dict[str, Any]]:
    listing = call.optional_listing()
    call.params.finish(signed=True)
    state = call.venue.state
    orders = state.open_orders.values() if listing is None else state.open_in(listing.symbol)
    return [whole(order) for order in orders]


def _all_orders(call: Call) -> list[dict[str, Any]]:
    symbol = call.listing().symbol
    page = _page(call, call.params.integer("orderId"))
    return [whole(order) for order in call.venue.history.orders(symbol, page)]


def _my_trades(call: Call) -> list[dict[str, Any]]:
    symbol, order_id = call.listing().symbol, call.params.integer("orderId")
    page = _page(call, call.params.integer("fromId"))
    return [trade_row(trade) for trade in call.venue.history.trades(symbol, page, order_id)]


def _page(call: Call, first_id: int | None) -> Page:
    limit = call.params.integer("limit", least=1, most=_MAX_ROWS) or _ROWS
    start, end = call.params.period(longest_ms=DAY_MS, now=call.now)
    call.params.finish(signed=True)
    # From the given id on, or from the start of a period; else the newest.
    newest = first_id is None and "startTime" not in call.params.everything
    return Page(start=_bound(start), end=_bound(end), first_id=first_id, limit=limit, newest=newest)


def _bound(when: int) -> int:
    """Returns a time that the storage can compare with; nothing is later."""
    return min(when, 1 << 62)


ENDPOINTS: Final = (
    Endpoint("GET", "/api/v3/order", Security.SIGNED, _query),
    Endpoint("GET", "/api/v3/openOrders", Security.SIGNED, _open_orders),
    Endpoint("GET", "/api/v3/allOrders", Security.SIGNED, _all_orders),
    Endpoint("GET", "/api/v3/myTrades", Security.SIGNED, _my_trades),
)
