"""USD-M futures to look at: which contracts there are and what they cost. Nothing can be traded here.

A contract costs what its coin costs on the spot feed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from guardian.domain.milliseconds import HOUR_MS
from guardian.domain.money import plain
from guardian.paper.engine.refusals import invalid_symbol
from guardian.paper.market.symbols import LISTINGS, Listing, eight
from guardian.paper.rest.endpoint import Call, Endpoint, Security
from guardian.paper.rest.endpoints.market_data import day_row, ping, server_time

FUNDING_MS: Final = 8 * HOUR_MS
FUTURES_SYMBOLS: Final = tuple(symbol for symbol, listing in LISTINGS.items() if listing.quote_asset == "USDT")
_NEVER: Final = 4_133_404_800_000
"""When a perpetual contract is delivered, as Binance writes it: Christmas 2100."""
_SPOT_ONLY: Final = frozenset({"prevClosePrice", "bidPrice", "bidQty", "askPrice", "askQty"})


def optional_contract(call: Call) -> str | None:
    """Returns the `symbol` that was sent, which has to be a contract's, or None.

    Raises ExchangeRejected: -1100 or -1121.
    """
    listing = call.optional_listing()
    if listing is not None and listing.symbol not in FUTURES_SYMBOLS:
        raise invalid_symbol()
    return None if listing is None else listing.symbol


def _per_contract(call: Call, row: Callable[[Call, str], dict[str, Any]]) -> object:
    wanted = optional_contract(call)
    return row(call, wanted) if wanted is not None else [row(call, symbol) for symbol in FUTURES_SYMBOLS]


def _premium(call: Call, symbol: str) -> dict[str, Any]:
    average = eight(call.venue.feed.average(symbol, call.now).price)
    return {
        "symbol": symbol,
        "markPrice": average,
        "indexPrice": average,
        "estimatedSettlePrice": average,
        "lastFundingRate": "0.00010000",
        "interestRate": "0.00010000",
        "nextFundingTime": (call.now // FUNDING_MS + 1) * FUNDING_MS,
        "time": call.now,
    }


def _price(call: Call, symbol: str) -> dict[str, Any]:
    return {"symbol": symbol, "price": plain(call.venue.feed.last_price(symbol, call.now)), "time": call.now}


def _day(call: Call, symbol: str) -> dict[str, Any]:
    return {name: value for name, value in day_row(call, symbol).items() if name not in _SPOT_ONLY}


def _exchange_info(call: Call) -> dict[str, Any]:
    limits = call.meter.limits
    return {
        "timezone": "UTC",
        "serverTime": call.now,
        "futuresType": "U_MARGINED",
        "rateLimits": [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": limits.fapi_weight_per_minute,
            },
        ],
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
        "symbols": [_contract(LISTINGS[symbol], call.venue.state.born) for symbol in FUTURES_SYMBOLS],
    }


def _contract(listing: Listing, born: int) -> dict[str, Any]:
    return {
        "symbol": listing.symbol,
        "pair": listing.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": _NEVER,
        "onboardDate": born,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": listing.base_asset,
        "quoteAsset": listing.quote_asset,
        "marginAsset": listing.quote_asset,
        "pricePrecision": _digits(plain(listing.tick)),
        "quantityPrecision": _digits(plain(listing.step)),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"] if listing.base_asset == "BTC" else ["Layer-1"],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": _filters(listing),
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET",
                       "TRAILING_STOP_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }  # fmt: skip


def _filters(listing: Listing) -> list[dict[str, Any]]:
    step, least = plain(listing.step), plain(listing.min_quantity)
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": plain(listing.min_price),
            "maxPrice": plain(listing.max_price),
            "tickSize": plain(listing.tick),
        },
        {"filterType": "LOT_SIZE", "minQty": least, "maxQty": plain(listing.max_quantity), "stepSize": step},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": least,
            "maxQty": plain(listing.market_max_quantity),
            "stepSize": step,
        },
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
        {"filterType": "MIN_NOTIONAL", "notional": plain(listing.min_notional)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": "1.0500",
            "multiplierDown": "0.9500",
            "multiplierDecimal": "4",
        },
    ]


def _digits(step: str) -> int:
    return len(step.partition(".")[2])


ENDPOINTS: Final = tuple(
    Endpoint("GET", f"/fapi/{path}", Security.NONE, answer, strict=False)
    for path, answer in (
        ("v1/ping", ping),
        ("v1/time", server_time),
        ("v1/exchangeInfo", _exchange_info),
        ("v1/premiumIndex", lambda call: _per_contract(call, _premium)),
        ("v1/ticker/price", lambda call: _per_contract(call, _price)),
        ("v2/ticker/price", lambda call: _per_contract(call, _price)),
        ("v1/ticker/24hr", lambda call: _per_contract(call, _day)),
    )
)
