"""Orders: placing, cancelling, asking for them."""

from __future__ import annotations

from typing import Any, Final

from guardian.paper.endpoint import Call, Endpoint, Security
from guardian.paper.listing import ORDER_TYPES, SELF_TRADE_MODES, STOP_TYPES, TIMES_IN_FORCE, eight
from guardian.paper.orders import CancelOrder, Event, Order, OrderChanged, PlaceOrder, Trade, Traded
from guardian.paper.parameters import CLIENT_ORDER_ID, Parameters
from guardian.paper.refusals import neither, no_such_order, refusal

_DAY_MS: Final = 86_400_000
_MAX_ROWS: Final = 1000
_ROWS: Final = 500
_UNSUPPORTED: Final = ("icebergQty", "trailingDelta", "pegPriceType", "pegOffsetType", "pegOffsetValue")
_FULL_BY_DEFAULT: Final = frozenset({"MARKET", "LIMIT"})


def _place(call: Call) -> dict[str, Any]:
    command = read_order(call)
    kind = call.params.one_of("newOrderRespType", ("ACK", "RESULT", "FULL"), code=-1130, text=_NO_KIND)
    call.params.finish(signed=True)
    events = call.venue.execute(command, call.now)
    order = _last_order(events)
    kind = kind or ("FULL" if command.order_type in _FULL_BY_DEFAULT else "ACK")
    reply: dict[str, Any] = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "transactTime": order.updated,
    }
    if kind != "ACK":
        reply |= _result(order) | {"workingTime": order.working_since}
    if kind == "FULL":
        reply["fills"] = [_fill(event.trade) for event in events if isinstance(event, Traded)]
    return reply


_NO_KIND: Final = "Data sent for parameter 'newOrderRespType' is not valid."


def _test(call: Call) -> dict[str, Any]:
    command = read_order(call)
    call.params.text("newOrderRespType")
    call.params.flag("computeCommissionRates")
    call.params.finish(signed=True)
    call.venue.engine.check(command, call.now)
    return {}


def read_order(call: Call) -> PlaceOrder:
    """The order that a request asks for.

    Raises:
        ExchangeRejected: -1100 to -1121, the parameters do not make an order.
    """
    params = call.params
    listing = call.listing()
    for name in ("side", "type"):
        params.needed(name)
    side = params.one_of("side", ("BUY", "SELL"), code=-1117, text="Invalid side.")
    order_type = params.one_of("type", ORDER_TYPES, code=-1116, text="Invalid orderType.")
    assert side is not None
    assert order_type is not None
    params.refuse(*_UNSUPPORTED)
    strategy_type = params.integer("strategyType")
    if strategy_type is not None and strategy_type < 1_000_000:
        raise refusal(-1134, "`strategyType` was less than 1000000.")
    common: dict[str, Any] = {
        "symbol": listing.symbol,
        "side": side,
        "order_type": order_type,
        "client_order_id": params.text("newClientOrderId", CLIENT_ORDER_ID) or call.venue.new_id(),
        "self_trade_mode": params.one_of(
            "selfTradePreventionMode", ("NONE", *SELF_TRADE_MODES), code=-1130, text=_NO_MODE
        )
        or "EXPIRE_MAKER",
        "strategy_id": params.integer("strategyId"),
        "strategy_type": strategy_type,
    }
    if order_type == "MARKET":
        return PlaceOrder(**common, **_market_terms(params))
    return PlaceOrder(**common, **_priced_terms(params, order_type))


_NO_MODE: Final = "Data sent for parameter 'selfTradePreventionMode' is not valid."


def _market_terms(params: Parameters) -> dict[str, Any]:
    params.refuse("price", "stopPrice", "timeInForce")
    params.either("quantity", "quoteOrderQty")
    quantity, quote_quantity = params.amount("quantity"), params.amount("quoteOrderQty")
    if quantity is not None and quote_quantity is not None:
        raise refusal(-1128, "Combination of optional parameters invalid.")
    if quote_quantity is not None:
        return {"quote_quantity": quote_quantity}
    return {"quantity": quantity}


def _priced_terms(params: Parameters, order_type: str) -> dict[str, Any]:
    params.refuse("quoteOrderQty")
    terms: dict[str, Any] = {}
    if order_type == "LIMIT_MAKER":
        params.refuse("timeInForce")
    else:
        params.needed("timeInForce")
        terms["time_in_force"] = params.one_of("timeInForce", TIMES_IN_FORCE, code=-1115, text="Invalid timeInForce.")
    terms["quantity"] = params.needed_amount("quantity")
    terms["price"] = params.needed_amount("price")
    if order_type in STOP_TYPES:
        stop_price = params.amount("stopPrice")
        if stop_price is None:
            raise neither("stopPrice", "trailingDelta")
        terms["stop_price"] = stop_price
    else:
        params.refuse("stopPrice")
    return terms


def _cancel(call: Call) -> dict[str, Any]:
    params = call.params
    symbol = call.listing().symbol
    order_id, client_order_id = _which(params)
    cancel_id = params.text("newClientOrderId", CLIENT_ORDER_ID) or call.venue.new_id()
    only = params.one_of(
        "cancelRestrictions",
        ("ONLY_NEW", "ONLY_PARTIALLY_FILLED"),
        code=-1145,
        text="`cancelRestrictions` has to be either `ONLY_NEW` or `ONLY_PARTIALLY_FILLED`.",
    )
    params.finish(signed=True)
    command = CancelOrder(
        symbol=symbol,
        order_id=order_id,
        client_order_id=client_order_id,
        only_status=None if only is None else only.removeprefix("ONLY_"),
    )
    order = _last_order(call.venue.execute(command, call.now))
    return {
        "symbol": order.symbol,
        "origClientOrderId": order.client_order_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": cancel_id,
        "transactTime": order.updated,
        **_result(order),
    }


def _which(params: Parameters) -> tuple[int | None, str | None]:
    if "orderId" not in params.everything and "origClientOrderId" not in params.everything:
        raise neither("origClientOrderId", "orderId")
    return params.integer("orderId"), params.text("origClientOrderId")


def _query(call: Call) -> dict[str, Any]:
    symbol = call.listing().symbol
    order_id, client_order_id = _which(call.params)
    call.params.finish(signed=True)
    state = call.venue.state
    if order_id is not None:
        order = state.orders.get(order_id)
        if order is None or order.symbol != symbol or client_order_id not in {None, order.client_order_id}:
            raise no_such_order()
        return _whole(order)
    # An id may have been used again after its order had ended: the newest is meant.
    for order in reversed(state.orders.values()):
        if order.symbol == symbol and order.client_order_id == client_order_id:
            return _whole(order)
    raise no_such_order()


def _open_orders(call: Call) -> list[dict[str, Any]]:
    listing = call.optional_listing()
    call.params.finish(signed=True)
    return [
        _whole(order)
        for order in call.venue.state.open_orders.values()
        if listing is None or order.symbol == listing.symbol
    ]


def _all_orders(call: Call) -> list[dict[str, Any]]:
    symbol = call.listing().symbol
    first = call.params.integer("orderId")
    limit = call.params.integer("limit", least=1, most=_MAX_ROWS) or _ROWS
    start, end = call.params.period(longest_ms=_DAY_MS, now=call.now)
    call.params.finish(signed=True)
    rows = [
        order
        for order in call.venue.state.orders.values()
        if order.symbol == symbol and start <= order.created <= end and (first is None or order.order_id >= first)
    ]
    # From the given id on, or from the start of a period; else the newest.
    from_the_front = first is not None or "startTime" in call.params.everything
    return [_whole(order) for order in (rows[:limit] if from_the_front else rows[-limit:])]


def _my_trades(call: Call) -> list[dict[str, Any]]:
    symbol = call.listing().symbol
    order_id, first = call.params.integer("orderId"), call.params.integer("fromId")
    limit = call.params.integer("limit", least=1, most=_MAX_ROWS) or _ROWS
    start, end = call.params.period(longest_ms=_DAY_MS, now=call.now)
    call.params.finish(signed=True)
    rows = [
        trade
        for trade in call.venue.state.trades
        if trade.symbol == symbol
        and start <= trade.time <= end
        and order_id in {None, trade.order_id}
        and (first is None or trade.trade_id >= first)
    ]
    from_the_front = first is not None or "startTime" in call.params.everything
    return [_trade(trade) for trade in (rows[:limit] if from_the_front else rows[-limit:])]


def _last_order(events: tuple[Event, ...]) -> Order:
    return next(event.order for event in reversed(events) if isinstance(event, OrderChanged))


def _result(order: Order) -> dict[str, Any]:
    """What placing and cancelling say of an order; some fields are there only where they apply."""
    result: dict[str, Any] = {
        "price": eight(order.price),
        "origQty": eight(order.quantity),
        "executedQty": eight(order.executed),
        "origQuoteOrderQty": eight(order.quote_quantity),
        "cummulativeQuoteQty": eight(order.executed_quote),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.order_type,
        "side": order.side,
        "selfTradePreventionMode": order.self_trade_mode,
    }
    if order.is_stop:
        result["stopPrice"] = eight(order.stop_price)
    return result | _strategy(order)


def _whole(order: Order) -> dict[str, Any]:
    """What asking for an order says of it."""
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "price": eight(order.price),
        "origQty": eight(order.quantity),
        "executedQty": eight(order.executed),
        "cummulativeQuoteQty": eight(order.executed_quote),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.order_type,
        "side": order.side,
        "stopPrice": eight(order.stop_price),
        "icebergQty": "0.00000000",
        "time": order.created,
        "updateTime": order.updated,
        "isWorking": order.working_since >= 0,
        "workingTime": order.working_since,
        "origQuoteOrderQty": eight(order.quote_quantity),
        "selfTradePreventionMode": order.self_trade_mode,
    } | _strategy(order)


def _strategy(order: Order) -> dict[str, int]:
    named = {"strategyId": order.strategy_id, "strategyType": order.strategy_type}
    return {name: value for name, value in named.items() if value is not None}


def _fill(trade: Trade) -> dict[str, Any]:
    return {
        "price": eight(trade.price),
        "qty": eight(trade.quantity),
        "commission": eight(trade.commission),
        "commissionAsset": trade.commission_asset,
        "tradeId": trade.trade_id,
    }


def _trade(trade: Trade) -> dict[str, Any]:
    return {
        "symbol": trade.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "orderListId": -1,
        "price": eight(trade.price),
        "qty": eight(trade.quantity),
        "quoteQty": eight(trade.quote_quantity),
        "commission": eight(trade.commission),
        "commissionAsset": trade.commission_asset,
        "time": trade.time,
        "isBuyer": trade.is_buyer,
        "isMaker": trade.is_maker,
        "isBestMatch": True,
    }


ENDPOINTS: Final = (
    Endpoint("POST", "/api/v3/order", Security.SIGNED, _place),
    Endpoint("POST", "/api/v3/order/test", Security.SIGNED, _test),
    Endpoint("DELETE", "/api/v3/order", Security.SIGNED, _cancel),
    Endpoint("GET", "/api/v3/order", Security.SIGNED, _query),
    Endpoint("GET", "/api/v3/openOrders", Security.SIGNED, _open_orders),
    Endpoint("GET", "/api/v3/allOrders", Security.SIGNED, _all_orders),
    Endpoint("GET", "/api/v3/myTrades", Security.SIGNED, _my_trades),
)
