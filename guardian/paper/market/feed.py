"""What the engine sees of the market: the feed's face. A feed is a function of symbol and time and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol

MAX_MOMENTS: Final = 2000
"""The maximum number of moments that a feed gives for one period, however long."""
MAX_TRADES: Final = 1000
"""Binance's maximum number of trades in one reply."""


@dataclass(frozen=True, slots=True)
class Level:
    """One price of a book and the base quantity that waits there."""

    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Average:
    """The average price of the last five minutes, and when the last trade in it was (milliseconds)."""

    price: Decimal
    close_time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What happened in the 24 hours that end at the given time."""

    open_price: Decimal
    high_price: Decimal
    low_price: Decimal
    last_price: Decimal
    previous_close: Decimal
    volume: Decimal
    quote_volume: Decimal
    open_time: int
    close_time: int
    first_trade: int
    last_trade: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketTrade:
    """A trade between others. The time is in milliseconds."""

    trade_id: int
    price: Decimal
    quantity: Decimal
    time: int
    is_buyer_maker: bool
    """Whether the seller came later: the trade then hit the bids, else the asks."""


class Feed(Protocol):
    """The other side of the market. Times are milliseconds since the epoch; asking twice gives the same answer."""

    def bids(self, symbol: str, at: int) -> Iterator[Level]:
        """Yields those who would buy, the best price first; ends where the book ends."""
        ...

    def asks(self, symbol: str, at: int) -> Iterator[Level]:
        """Yields those who would sell, the best price first."""
        ...

    def last_price(self, symbol: str, at: int) -> Decimal:
        """Returns the price of the last trade: what triggers stops."""
        ...

    def average(self, symbol: str, at: int) -> Average:
        """Returns the average price of the last five minutes."""
        ...

    def day(self, symbol: str, at: int) -> Day:
        """Returns the statistics of the last 24 hours."""
        ...

    def update_id(self, symbol: str, at: int) -> int:
        """Returns the number of the book's last change; it never falls."""
        ...

    def moments(self, symbol: str, after: int, until: int) -> Iterable[int]:
        """Returns times in (after, until] at which the book may have changed, in order, thinned out over long spans."""
        ...

    def trades(self, symbol: str, after: int, until: int) -> Iterable[MarketTrade]:
        """Returns the trades between others in (after, until], in order; over long spans the last 1000 of them."""
        ...
