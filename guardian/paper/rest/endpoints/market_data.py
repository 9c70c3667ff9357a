"""Market data: public endpoints."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby, islice
from typing import Any, Final

from guardian.domain.money import ZERO, divided_up, minus, round_down, times, total
from guardian.paper.engine.refusals import invalid_symbol, refusal
from guardian.paper.market.feed import MAX_TRADES, Level, MarketTrade
from guardian.paper.market.symbols import AVERAGE_MINUTES, LISTINGS, eight
from guardian.paper.rest.endpoint import Call, Endpoint, Security
from guardian.paper.rest.endpoints.klines import klines

_MAX_DEPTH: Final = 5000
_STATUSES: Final = ("TRADING", "HALT", "BREAK", "CANCEL_ONLY")
_PERMISSIONS: Final = r"^([A-Z0-9_]{1,20}|\[\"[A-Z0-9_]{1,20}\"(,\"[A-Z0-9_]{1,20}\"){0,}\])$"
_MINI: Final = (
    "symbol", "openPrice", "highPrice", "lowPrice", "lastPrice", "volume", "quoteVolume", "openTime", "closeTime",
    "firstId", "lastId", "count",
)  # fmt: skip
_NOTHING: Final = Level(ZERO, ZERO)


def ping(_call: Call) -> dict[str, Any]:
    """Answers `ping` of /api and /fapi."""
    return {}


def server_time(call: Call) -> dict[str, Any]:
    """Answers `time` of /api and /fapi."""
    return {"serverTime": call.now}


def _symbols(call: Call) -> tuple[str, ...]:
    requested = call.params.symbols()
    if requested is None:
        return tuple(LISTINGS)
    if any(symbol not in LISTINGS for symbol in requested):
        raise invalid_symbol()
    return requested


def _per_symbol(call: Call, row: Callable[[Call, str], dict[str, Any]]) -> object:
    """Returns one object for `symbol`, a list for `symbols` and for neither, as Binance has it."""
    symbols = _symbols(call)
    other = _other_status(call)
    if "symbol" in call.params.everything:
        if other:
            raise refusal(-1220, _WRONG_STATUS)
        return row(call, symbols[0])
    return [] if other else [row(call, symbol) for symbol in symbols]


_WRONG_STATUS: Final = "The symbol's status does not match the requested symbolStatus."


def _other_status(call: Call) -> bool:
    """Whether only symbols of a `symbolStatus` are wanted that none has: here all of them are always traded."""
    status = call.params.one_of("symbolStatus", _STATUSES, code=-1122, text="Invalid symbolStatus.")
    return status not in {None, "TRADING"}


def _exchange_info(call: Call) -> dict[str, Any]:
    with_sets = "showPermissionSets" not in call.params.everything or call.params.flag("showPermissionSets")
    rows = [LISTINGS[symbol].exchange_info() for symbol in _listed(call)]
    return {
        "timezone": "UTC",
        "serverTime": call.now,
        "rateLimits": call.meter.limits.described(),
        "exchangeFilters": [],
        "symbols": rows if with_sets else [row | {"permissionSets": []} for row in rows],
    }


def _listed(call: Call) -> tuple[str, ...]:
    """Returns the symbols of an `exchangeInfo` request: by name, by permission, or all; by status too."""
    permissions = _permissions(call)
    other = _other_status(call)
    named = "symbol" in call.params.everything or "symbols" in call.params.everything
    if named and (permissions is not None or "symbolStatus" in call.params.everything):
        raise refusal(-1128, "Combination of optional parameters invalid.")
    symbols = _symbols(call)
    if (permissions is not None and "SPOT" not in permissions) or other:
        return ()
    return symbols


def _permissions(call: Call) -> tuple[str, ...] | None:
    text = call.params.text("permissions", _PERMISSIONS)
    if text is None:
        return None
    return tuple(json.loads(text)) if text.startswith("[") else (text,)


def _ticker_price(call: Call) -> object:
    return _per_symbol(
        call, lambda call, symbol: {"symbol": symbol, "price": eight(call.venue.engine.last_price(symbol, call.now))}
    )


def _book_row(call: Call, symbol: str) -> dict[str, Any]:
    book = call.venue.engine.book(symbol)
    bid, ask = (next(book.levels(side, call.now), _NOTHING) for side in ("BUY", "SELL"))
    return {
        "symbol": symbol,
        "bidPrice": eight(bid.price),
        "bidQty": eight(bid.quantity),
        "askPrice": eight(ask.price),
        "askQty": eight(ask.quantity),
    }


def _book_ticker(call: Call) -> object:
    return _per_symbol(call, _book_row)


def day_row(call: Call, symbol: str) -> dict[str, Any]:
    """Returns the statistics of a symbol's last 24 hours."""
    day, book = call.venue.feed.day(symbol, call.now), _book_row(call, symbol)
    last = call.venue.engine.last_price(symbol, call.now)
    change = minus(last, day.open_price)
    percent = (times(change, Decimal(100)) / day.open_price).quantize(Decimal("0.001"), rounding=ROUND_HALF_UP)
    return {
        "symbol": symbol,
        "priceChange": eight(change),
        "priceChangePercent": str(percent),
        "weightedAvgPrice": eight(round_down(divided_up(day.quote_volume, day.volume))),
        "prevClosePrice": eight(day.previous_close),
        "lastPrice": eight(last),
        "lastQty": book["bidQty"],
        "bidPrice": book["bidPrice"],
        "bidQty": book["bidQty"],
        "askPrice": book["askPrice"],
        "askQty": book["askQty"],
        "openPrice": eight(day.open_price),
        "highPrice": eight(max(day.high_price, last)),
        "lowPrice": eight(min(day.low_price, last)),
        "volume": eight(day.volume),
        "quoteVolume": eight(day.quote_volume),
        "openTime": day.open_time,
        "closeTime": day.close_time,
        "firstId": day.first_trade,
        "lastId": day.last_trade,
        "count": day.last_trade - day.first_trade + 1,
    }


def _ticker_day(call: Call) -> object:
    kind = call.params.one_of("type", ("FULL", "MINI"), code=-1139, text="Invalid ticker type.")
    if kind != "MINI":
        return _per_symbol(call, day_row)

    def mini(call: Call, symbol: str) -> dict[str, Any]:
        whole = day_row(call, symbol)
        return {name: whole[name] for name in _MINI}

    return _per_symbol(call, mini)


def _average(call: Call) -> dict[str, Any]:
    average = call.venue.feed.average(call.listing().symbol, call.now)
    return {"mins": AVERAGE_MINUTES, "price": eight(average.price), "closeTime": average.close_time}


def _depth(call: Call) -> dict[str, Any]:
    symbol = call.listing().symbol
    if _other_status(call):
        raise refusal(-1220, _WRONG_STATUS)
    limit = min(call.params.integer("limit", least=1) or 100, _MAX_DEPTH)
    book = call.venue.engine.book(symbol)
    bids, asks = (islice(book.levels(side, call.now), limit) for side in ("BUY", "SELL"))
    return {
        "lastUpdateId": call.venue.feed.update_id(symbol, call.now),
        "bids": [[eight(level.price), eight(level.quantity)] for level in bids],
        "asks": [[eight(level.price), eight(level.quantity)] for level in asks],
    }


def _trades(call: Call) -> list[dict[str, Any]]:
    symbol = call.listing().symbol
    limit = min(call.params.integer("limit", least=1) or 500, MAX_TRADES)
    return [
        {
            "id": trade.trade_id,
            "price": eight(trade.price),
            "qty": eight(trade.quantity),
            "quoteQty": eight(times(trade.price, trade.quantity)),
            "time": trade.time,
            "isBuyerMaker": trade.is_buyer_maker,
            "isBestMatch": True,
        }
        for trade in _latest(call, symbol, limit)[-limit:]
    ]


def _latest(call: Call, symbol: str, wanted: int) -> list[MarketTrade]:
    """Returns at least `wanted` of the latest trades, where there are as many; in order."""
    span, found = 60_000, list[MarketTrade]()
    while len(found) < wanted and span <= call.now:
        found = list(call.venue.feed.trades(symbol, call.now - span, call.now))
        if len(found) >= MAX_TRADES:
            break
        span *= 10
    return found


def _aggregate_trades(call: Call) -> list[dict[str, Any]]:
    """Trades of one moment, price and side belong to one order and are listed as one, under the first trade's id."""
    symbol, first = call.listing().symbol, call.params.integer("fromId")
    limit = min(call.params.integer("limit", least=1) or 500, MAX_TRADES)
    requested = call.params.everything.keys()
    start, end = call.params.period(now=call.now)
    if first is not None and requested & {"startTime", "endTime"}:
        raise refusal(-1128, "Combination of optional parameters invalid.")
    trades: Iterable[MarketTrade]
    if requested & {"startTime", "endTime"}:
        trades = call.venue.feed.trades(symbol, start - 1, min(end, call.now))
    else:
        trades = _latest(call, symbol, MAX_TRADES)
    groups = [
        list(group) for _, group in groupby(trades, key=lambda trade: (trade.time, trade.price, trade.is_buyer_maker))
    ]
    rows = [_aggregate(group) for group in groups if first is None or group[0].trade_id >= first]
    return rows[:limit] if first is not None or "startTime" in requested else rows[-limit:]


def _aggregate(trades: Sequence[MarketTrade]) -> dict[str, Any]:
    return {
        "a": trades[0].trade_id,
        "p": eight(trades[0].price),
        "q": eight(total(trade.quantity for trade in trades)),
        "f": trades[0].trade_id,
        "l": trades[-1].trade_id,
        "T": trades[0].time,
        "m": trades[0].is_buyer_maker,
        "M": True,
    }


ENDPOINTS: Final = tuple(
    Endpoint("GET", f"/api/v3/{path}", Security.NONE, answer)
    for path, answer in (
        ("ping", ping),
        ("time", server_time),
        ("exchangeInfo", _exchange_info),
        ("ticker/price", _ticker_price),
        ("ticker/bookTicker", _book_ticker),
        ("ticker/24hr", _ticker_day),
        ("avgPrice", _average),
        ("depth", _depth),
        ("trades", _trades),
        ("aggTrades", _aggregate_trades),
        ("klines", klines),
    )
)
