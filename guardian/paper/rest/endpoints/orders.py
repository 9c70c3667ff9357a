"""Orders: placing and cancelling them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from guardian.domain.orders import STOP_LIMIT_TYPES, UNPRICED_STOP_TYPES
from guardian.paper.engine.orders import (
    CancelAll,
    CancelOne,
    Event,
    Order,
    OrderChanged,
    PlaceOrder,
    Prevented,
    Traded,
)
from guardian.paper.engine.refusals import neither, refusal
from guardian.paper.market.symbols import (
    ORDER_TYPES,
    SELF_TRADE_MODES,
    TIMES_IN_FORCE,
)
from guardian.paper.rest.endpoint import Call, Endpoint, Security
from guardian.paper.rest.endpoints.account import commission_rates
from guardian.paper.rest.endpoints.order_history import which_order
from guardian.paper.rest.order_json import fill_row, prevented_match, result
from guardian.paper.rest.parameters import CLIENT_ORDER_ID, Parameters

_UNSUPPORTED: Final = ("trailingDelta", "pegPriceType", "pegOffsetType", "pegOffsetValue")
_FULL_BY_DEFAULT: Final = frozenset({"MARKET", "LIMIT"})
_REPLIES: Final = ("ACK", "RESULT", "FULL")
_NO_REPLY: Final = "Data sent for parameter 'newOrderRespType' is not valid."
_DEFAULT_MODE: Final = "EXPIRE_MAKER"
_NO_MODE: Final = "Data sent for parameter 'selfTradePreventionMode' is not valid."


def _place(call: Call) -> dict[str, Any]:
    command = read_order(call)
    kind = call.params.one_of("newOrderRespType", _REPLIES, code=-1130, text=_NO_REPLY)
    call.params.finish(signed=True)
    return _placed(call.venue.execute(command, call.now), kind)


def _placed(events: tuple[Event, ...], kind: str | None) -> dict[str, Any]:
    """Returns the reply for a new order, from the events of placing it: other orders may have changed too."""
    order = _new_order(events)
    kind = kind or ("FULL" if order.order_type in _FULL_BY_DEFAULT else "ACK")
    reply: dict[str, Any] = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "transactTime": order.updated,
    }
    if kind != "ACK":
        reply |= result(order)
        if order.working_since >= 0:
            reply["workingTime"] = order.working_since
    if kind == "FULL":
        mine = [event for event in events if isinstance(event, Traded) and event.trade.order_id == order.order_id]
        reply["fills"] = [fill_row(event.trade) for event in mine]
        matches = [event for event in events if isinstance(event, Prevented) and event.taker_order_id == order.order_id]
        if matches:
            reply["preventedMatches"] = [prevented_match(match) for match in matches]
    return reply


def _new_order(events: tuple[Event, ...]) -> Order:
    """Returns the order that was placed, in its final state: the first order that the events name."""
    changes = [event.order for event in events if isinstance(event, OrderChanged)]
    return next(order for order in reversed(changes) if order.order_id == changes[0].order_id)


def _test(call: Call) -> dict[str, Any]:
    command = read_order(call)
    call.params.one_of("newOrderRespType", _REPLIES, code=-1130, text=_NO_REPLY)
    with_rates = call.params.flag("computeCommissionRates")
    call.params.finish(signed=True)
    call.venue.engine.check(command, call.now)
    if not with_rates:
        return {}
    rates = commission_rates(call.venue.state, command.symbol)
    kinds = ("standardCommission", "specialCommission", "taxCommission")
    return {f"{kind}ForOrder": {side: rates[kind][side] for side in ("maker", "taker")} for kind in kinds} | {
        "discount": rates["discount"]
    }


def read_order(call: Call) -> PlaceOrder:
    """Parses the order of a request.

    Raises:
        ExchangeRejected: -1014 or -1100 to -1134, the parameters do not make an order.
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
        "self_trade_mode": _self_trade_mode(params),
        "strategy_id": params.integer("strategyId"),
        "strategy_type": strategy_type,
    }
    if order_type == "MARKET":
        return PlaceOrder(**common, **_market_terms(params))
    if order_type in UNPRICED_STOP_TYPES:
        return PlaceOrder(**common, **_stop_market_terms(params))
    return PlaceOrder(**common, **_priced_terms(params, order_type))


def _self_trade_mode(params: Parameters) -> str:
    known = (*SELF_TRADE_MODES, "TRANSFER")
    mode = params.one_of("selfTradePreventionMode", known, code=-1130, text=_NO_MODE) or _DEFAULT_MODE
    if mode not in SELF_TRADE_MODES:
        raise refusal(-1013, "This symbol does not allow the specified self-trade prevention mode.")
    return mode


def _market_terms(params: Parameters) -> dict[str, Any]:
    params.refuse("price", "stopPrice", "timeInForce", "icebergQty")
    params.either("quantity", "quoteOrderQty")
    quantity, quote_quantity = params.amount("quantity"), params.amount("quoteOrderQty")
    if quantity is not None and quote_quantity is not None:
        raise refusal(-1128, "Combination of optional parameters invalid.")
    if quote_quantity is not None:
        return {"quote_quantity": quote_quantity}
    return {"quantity": quantity}


def _stop_market_terms(params: Parameters) -> dict[str, Any]:
    params.refuse("price", "timeInForce", "quoteOrderQty", "icebergQty")
    return {"quantity": params.needed_amount("quantity"), "stop_price": _stop_price(params)}


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
    if order_type in STOP_LIMIT_TYPES:
        terms["stop_price"] = _stop_price(params)
    else:
        params.refuse("stopPrice")
    iceberg = params.amount("icebergQty")
    if iceberg is not None:
        if terms.get("time_in_force", "GTC") != "GTC":
            raise refusal(-1014, "Unsupported order combination.")
        terms["iceberg_quantity"] = iceberg
    return terms


def _stop_price(params: Parameters) -> Decimal:
    stop_price = params.amount("stopPrice")
    if stop_price is None:
        raise neither("stopPrice", "trailingDelta")
    return stop_price


def _cancel(call: Call) -> dict[str, Any]:
    params = call.params
    symbol = call.listing().symbol
    order_id, client_order_id = which_order(params)
    cancel_id = params.text("newClientOrderId", CLIENT_ORDER_ID) or call.venue.new_id()
    only = params.one_of(
        "cancelRestrictions",
        ("ONLY_NEW", "ONLY_PARTIALLY_FILLED"),
        code=-1145,
        text="`cancelRestrictions` has to be either `ONLY_NEW` or `ONLY_PARTIALLY_FILLED`.",
    )
    params.finish(signed=True)
    command = CancelOne(
        symbol=symbol,
        order_id=order_id,
        client_order_id=client_order_id,
        only_status=None if only is None else only.removeprefix("ONLY_"),
    )
    return _cancelled(call.venue.execute(command, call.now), cancel_id)[0]


def _cancel_all(call: Call) -> list[dict[str, Any]]:
    symbol = call.listing().symbol
    call.params.finish(signed=True)
    return _cancelled(call.venue.execute(CancelAll(symbol), call.now), call.venue.new_id())


def _cancelled(events: tuple[Event, ...], cancel_id: str) -> list[dict[str, Any]]:
    return [
        {
            "symbol": order.symbol,
            "origClientOrderId": order.client_order_id,
            "orderId": order.order_id,
            "orderListId": -1,
            "clientOrderId": cancel_id,
            "transactTime": order.updated,
            **result(order),
        }
        for order in (event.order for event in events if isinstance(event, OrderChanged))
    ]


ENDPOINTS: Final = (
    Endpoint("POST", "/api/v3/order", Security.SIGNED, _place),
    Endpoint("POST", "/api/v3/order/test", Security.SIGNED, _test),
    Endpoint("DELETE", "/api/v3/order", Security.SIGNED, _cancel),
    Endpoint("DELETE", "/api/v3/openOrders", Security.SIGNED, _cancel_all),
)
