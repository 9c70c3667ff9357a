"""Prices, books and trading rules."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from guardian.domain.instruments import Instrument, PercentPrice, Range
from guardian.domain.market import (
    AveragePrice,
    BookLevel,
    BookTop,
    DayOpen,
    ListedSymbol,
    OrderBook,
    Ticker,
    TickerPrice,
)
from guardian.domain.money import ZERO
from guardian.exchange.mapping.rows import Row, exact_number, listed, malformed, rows


def server_time(answer: object) -> int:
    """`/api/v3/time`: ms since the epoch."""
    return Row(answer).integer("serverTime")


def ticker_price(answer: object, symbol: str) -> TickerPrice:
    """`/api/v3/ticker/price` for one symbol."""
    row = _about(answer, symbol)
    return TickerPrice(symbol=symbol, price=row.number("price"))


def ticker(answer: object, symbol: str) -> Ticker:
    """`/api/v3/ticker/24hr` for one symbol."""
    row = _about(answer, symbol)
    return Ticker(
        symbol=symbol,
        last_price=row.number("lastPrice"),
        price_change=row.number("priceChange"),
        price_change_percent=row.number("priceChangePercent"),
        weighted_average_price=row.number("weightedAvgPrice"),
        open_price=row.number("openPrice"),
        high_price=row.number("highPrice"),
        low_price=row.number("lowPrice"),
        bid_price=row.number("bidPrice"),
        ask_price=row.number("askPrice"),
        volume=row.number("volume"),
        quote_volume=row.number("quoteVolume"),
        open_time=row.time("openTime"),
        close_time=row.time("closeTime"),
        trades=row.integer("count"),
    )


def day_open(answer: object, symbol: str) -> DayOpen:
    """Returns the first price in `/api/v3/ticker/24hr`, and what shows whether it can be trusted."""
    row = _about(answer, symbol)
    return DayOpen(
        price=row.number("openPrice"),
        previous=row.number("prevClosePrice"),
        low=row.number("lowPrice"),
        high=row.number("highPrice"),
    )


def order_book(answer: object, symbol: str) -> OrderBook:
    """`/api/v3/depth`."""
    row = Row(answer)
    return OrderBook(
        symbol=symbol,
        last_update_id=row.integer("lastUpdateId"),
        bids=tuple(map(_level, row.values("bids"))),
        asks=tuple(map(_level, row.values("asks"))),
    )


def _level(value: object) -> BookLevel:
    pair = listed(value)
    if len(pair) != 2:
        raise malformed("a level of the book")
    return BookLevel(price=exact_number(pair[0], "price"), quantity=exact_number(pair[1], "quantity"))


def book_tops(answer: object, symbols: Collection[str], *, fetched_ms: int) -> dict[str, BookTop]:
    """`/api/v3/ticker/bookTicker` for a list of symbols; others are left out."""
    return {
        symbol: BookTop(bid=row.number("bidPrice"), ask=row.number("askPrice"), fetched_ms=fetched_ms)
        for row in rows(answer)
        if (symbol := row.listed_name("symbol")) in symbols and symbol is not None
    }


def average_price(answer: object) -> AveragePrice:
    """`/api/v3/avgPrice`."""
    row = Row(answer)
    return AveragePrice(price=row.number("price"), traded_ms=row.integer("closeTime"))


def instruments(answer: object, symbols: Collection[str]) -> dict[str, Instrument]:
    """`/api/v3/exchangeInfo`; other symbols are left out."""
    found = Row(answer).rows("symbols")
    return {symbol: instrument(row) for row in found if (symbol := row.listed_name("symbol")) in symbols and symbol}


def listed_symbols(answer: object) -> tuple[ListedSymbol, ...]:
    """Returns the whole of `/api/v3/exchangeInfo`, by name. A row whose names no tool could be given is left out."""
    names = ("symbol", "baseAsset", "quoteAsset")
    found = (instrument(row) for row in Row(answer).rows("symbols") if all(map(row.listed_name, names)))
    return tuple(sorted(map(_as_listed, found), key=lambda one: one.symbol))


def _as_listed(found: Instrument) -> ListedSymbol:
    return ListedSymbol(
        symbol=found.symbol,
        base_asset=found.base_asset,
        quote_asset=found.quote_asset,
        status=found.status,
        order_types=tuple(sorted(found.order_types)),
        tick_size=found.price.step,
        step_size=found.lot.step,
        min_quantity=found.lot.minimum,
        max_quantity=found.lot.maximum,
        min_notional=found.min_notional,
    )


def instrument(row: Row) -> Instrument:
    """Returns one row of `exchangeInfo`. A filter that is missing is disabled, as on the exchange.

    MARKET_LOT_SIZE is left out: guardian sends no MARKET order. A status of `TRADING` on a symbol that is not open to
    spot trading becomes `NO_SPOT_TRADING`.
    """
    filters = {found.text("filterType"): found for found in row.rows("filters")}
    status = row.text("status")
    if status == "TRADING" and not row.flag("isSpotTradingAllowed", absent=True):
        status = "NO_SPOT_TRADING"
    notional = filters.get("NOTIONAL")
    return Instrument(
        symbol=row.name("symbol"),
        base_asset=row.name("baseAsset"),
        quote_asset=row.name("quoteAsset"),
        status=status,
        order_types=frozenset(_word(value) for value in row.values("orderTypes")),
        price=_range(filters.get("PRICE_FILTER"), "minPrice", "maxPrice", "tickSize"),
        lot=_range(filters.get("LOT_SIZE"), "minQty", "maxQty", "stepSize"),
        percent_price=_percent_price(filters),
        min_notional=max(_bound(filters.get("MIN_NOTIONAL"), "minNotional"), _bound(notional, "minNotional")),
        max_notional=ZERO if notional is None else notional.optional_number("maxNotional") or ZERO,
        max_orders=_count(filters.get("MAX_NUM_ORDERS"), "maxNumOrders"),
        max_stop_orders=_count(filters.get("MAX_NUM_ALGO_ORDERS"), "maxNumAlgoOrders"),
        max_position=_bound(filters.get("MAX_POSITION"), "maxPosition"),
    )


def _about(answer: object, symbol: str) -> Row:
    row = Row(answer)
    if row.listed_name("symbol") != symbol:
        raise malformed("another symbol")
    return row


def _word(value: object) -> str:
    if not isinstance(value, str):
        raise malformed("orderTypes")
    return value


def _bound(found: Row | None, name: str) -> Decimal:
    return ZERO if found is None else found.number(name)


def _range(found: Row | None, minimum: str, maximum: str, step: str) -> Range:
    return Range(minimum=_bound(found, minimum), maximum=_bound(found, maximum), step=_bound(found, step))


def _count(found: Row | None, name: str) -> int | None:
    # Older answers call it `limit`.
    return None if found is None else found.integer(name if found.has(name) else "limit")


def _percent_price(filters: dict[str, Row]) -> PercentPrice | None:
    by_side, both = filters.get("PERCENT_PRICE_BY_SIDE"), filters.get("PERCENT_PRICE")
    if by_side is not None:
        return PercentPrice(
            bid_up=by_side.number("bidMultiplierUp"),
            bid_down=by_side.number("bidMultiplierDown"),
            ask_up=by_side.number("askMultiplierUp"),
            ask_down=by_side.number("askMultiplierDown"),
        )
    if both is not None:
        up, down = both.number("multiplierUp"), both.number("multiplierDown")
        return PercentPrice(bid_up=up, bid_down=down, ask_up=up, ask_down=down)
    return None
