"""What the market tools return: prices, books and listings, as the exchange states them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from guardian.domain.money import ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class TickerPrice:
    """The price of the last trade, in the quote asset per base asset."""

    symbol: str
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticker:
    """The last 24 hours of a symbol: prices in the quote asset, volume in the base asset."""

    symbol: str
    last_price: Decimal
    price_change: Decimal
    price_change_percent: Decimal
    weighted_average_price: Decimal
    open_price: Decimal
    high_price: Decimal
    low_price: Decimal
    bid_price: Decimal
    ask_price: Decimal
    volume: Decimal
    quote_volume: Decimal
    open_time: str
    close_time: str
    trades: int


class CandleInterval(StrEnum):
    """The intervals of candles that are offered, in the exchange's words."""

    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H2 = "2h"
    H4 = "4h"
    H6 = "6h"
    H12 = "12h"
    D1 = "1d"
    W1 = "1w"
    MONTH = "1M"


@dataclass(frozen=True, slots=True, kw_only=True)
class CandleSpan:
    """The candles that are requested: the newest `count` of an interval, the present one among them."""

    interval: CandleInterval
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Candles:
    """The newest candles of a symbol, oldest first, each a row of text with the values of `columns`.

    Times are when a candle opens; prices are in the quote asset, the volume is in the base asset.
    """

    symbol: str
    interval: str
    columns: str = "time UTC,open,high,low,close,volume"
    rows: tuple[str, ...]
    last_is_unfinished: bool
    """Whether the newest is still going on."""
    missing: int
    """How many intervals between the first and the last the exchange has no candle of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookLevel:
    """One price level of a book: price in the quote asset, quantity in the base asset."""

    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBook:
    """The best levels of both sides, best first."""

    symbol: str
    last_update_id: int
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BookTop:
    """The best prices of a book, in the quote asset, and when guardian fetched them (ms since the epoch)."""

    bid: Decimal
    ask: Decimal
    fetched_ms: int

    @property
    def is_usable(self) -> bool:
        """Whether both sides have a price and they do not cross."""
        return ZERO < self.bid <= self.ask


@dataclass(frozen=True, slots=True, kw_only=True)
class AveragePrice:
    """The exchange's average price and the time of the last trade in it (ms since the epoch, exchange's clock)."""

    price: Decimal
    traded_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOpen:
    """The first trade price of the exchange's rolling 24 hours, in the quote asset, and what it is compared with."""

    price: Decimal
    previous: Decimal
    """The price of the trade before it."""
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSymbol:
    """A symbol that the exchange lists, with the rules that an order must fit; a bound of `"0"` is disabled."""

    symbol: str
    base_asset: str
    quote_asset: str
    status: str
    order_types: tuple[str, ...]
    tick_size: Decimal
    step_size: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    min_notional: Decimal
    policy_allows: bool = False
    """Whether the policy in force lists the symbol, so that orders for it can be judged at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolPage:
    """A page of listed symbols, by name; `next_cursor` is the cursor of the next page."""

    symbols: tuple[ListedSymbol, ...]
    total: int
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """Commission rates of the account for a symbol: 0.001 is 0.1 %."""

    symbol: str
    maker: Decimal
    taker: Decimal
    buyer: Decimal
    seller: Decimal
    discount_asset: str | None
    discount: Decimal | None
    """The factor on the rate when the commission is paid in `discount_asset`."""
