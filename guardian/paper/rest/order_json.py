"""Orders and trades as Binance's JSON; some fields are present only where they apply."""

from __future__ import annotations

from typing import Any, Final

from guardian.paper.engine.orders import Order, Prevented, Trade
from guardian.paper.market.symbols import eight

# Binance's words; sent since May 2026, for expired orders only.
_EXPIRED_WHY: Final = {"IOC": "UNFILLED_IOC_QUANTITY_EXPIRED", "FOK": "UNFILLED_FOK_ORDER_EXPIRED"}
_THIN_BOOK: Final = "INSUFFICIENT_LIQUIDITY"


def result(order: Order) -> dict[str, Any]:
    """Returns what placing and cancelling say of an order; some fields are there only where they apply."""
    fields: dict[str, Any] = {
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
        fields["stopPrice"] = eight(order.stop_price)
    if order.iceberg_quantity > 0:
        fields["icebergQty"] = eight(order.iceberg_quantity)
    return fields | _conditional(order)


def whole(order: Order) -> dict[str, Any]:
    """Returns what asking for an order says of it."""
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
        "icebergQty": eight(order.iceberg_quantity),
        "time": order.created,
        "updateTime": order.updated,
        "isWorking": order.working_since >= 0,
        "workingTime": order.working_since,
        "origQuoteOrderQty": eight(order.quote_quantity),
        "selfTradePreventionMode": order.self_trade_mode,
    } | _conditional(order)


def _conditional(order: Order) -> dict[str, Any]:
    """Returns the fields that an order has only where they apply."""
    fields: dict[str, Any] = {}
    if order.prevented_match_id is not None:
        fields |= {"preventedMatchId": order.prevented_match_id, "preventedQuantity": eight(order.prevented)}
    if order.status == "EXPIRED":
        fields["expiryReason"] = _EXPIRED_WHY.get(order.time_in_force if order.is_priced else "", _THIN_BOOK)
    named = {"strategyId": order.strategy_id, "strategyType": order.strategy_type}
    return fields | {name: value for name, value in named.items() if value is not None}


def prevented_match(match: Prevented) -> dict[str, Any]:
    """Returns what a FULL reply says of a trade with an own order that was prevented."""
    fields: dict[str, Any] = {
        "preventedMatchId": match.match_id,
        "makerOrderId": match.maker_order_id,
        "price": eight(match.price),
    }
    if match.taker_quantity is not None:
        fields["takerPreventedQuantity"] = eight(match.taker_quantity)
    if match.maker_quantity is not None:
        fields["makerPreventedQuantity"] = eight(match.maker_quantity)
    return fields


def fill_row(trade: Trade) -> dict[str, Any]:
    return {
        "price": eight(trade.price),
        "qty": eight(trade.quantity),
        "commission": eight(trade.commission),
        "commissionAsset": trade.commission_asset,
        "tradeId": trade.trade_id,
    }


def trade_row(trade: Trade) -> dict[str, Any]:
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
