"""Prices, books and listings: public data, no keys."""

from __future__ import annotations

from typing import Final

from guardian.domain.market import Candles, OrderBook, SymbolPage, Ticker, TickerPrice
from guardian.domain.requests import GetAvailableAssets, GetOrderBook, GetTicker, GetTickerPrice
from guardian.server.parameter_types import (
    BaseAsset,
    BookLimit,
    CandlesWanted,
    ListCursor,
    ListLimit,
    QuoteAsset,
    Symbol,
)
from guardian.server.registration import ToolSpec


def get_ticker_price(symbol: Symbol) -> GetTickerPrice:
    """The price of a symbol's last trade, in the quote asset per base asset.

    The cheapest look at a price, and not what an order would get: that is in get_order_book.
    """
    return GetTickerPrice(symbol=symbol)


def get_ticker(symbol: Symbol, candles: CandlesWanted | None = None) -> GetTicker:
    """A symbol's last 24 hours: last, open, high, low, best bid and ask, change in percent, volume in base and quote.

    With candles: its chart instead, one row a candle, oldest first; the last one may be unfinished.
    """
    return GetTicker(symbol=symbol, candles=candles)


def get_order_book(symbol: Symbol, limit: BookLimit = 20) -> GetOrderBook:
    """The best bids and asks of a symbol, best first: prices in the quote asset, quantities in the base asset.

    Use it before an order, to see what a quantity would really cost.
    """
    return GetOrderBook(symbol=symbol, limit=limit)


def get_available_assets(
    base_asset: BaseAsset | None = None,
    quote_asset: QuoteAsset | None = None,
    limit: ListLimit = 50,
    cursor: ListCursor | None = None,
) -> GetAvailableAssets:
    """The symbols that the exchange lists, with order types, tick and step size, quantity and notional bounds.

    `policy_allows`: whether the owner's policy lets orders for the symbol be made at all. There are thousands: narrow
    it with base_asset and quote_asset, or give `next_cursor` for the next page. What you own: get_balance.
    """
    return GetAvailableAssets(base_asset=base_asset, quote_asset=quote_asset, limit=limit, cursor=cursor)


MARKET_TOOLS: Final = (
    ToolSpec(build=get_ticker_price, title="Last price", returns=(TickerPrice,)),
    ToolSpec(build=get_ticker, title="24-hour statistics, or candles", returns=(Ticker, Candles)),
    ToolSpec(build=get_order_book, title="Order book", returns=(OrderBook,)),
    ToolSpec(build=get_available_assets, title="Listed symbols", returns=(SymbolPage,)),
)
