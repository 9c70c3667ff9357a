"""A feed whose books and averages tests can pin; everything else is another feed's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from guardian.domain.milliseconds import SECOND_MS
from guardian.domain.money import ZERO, floor_to, plus, round_down, times
from guardian.paper.market.feed import Average, Day, Feed, Level, MarketTrade
from guardian.paper.market.symbols import LISTINGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A book of one level a side, as long as nobody pins another one."""

    bid: Decimal
    ask: Decimal
    quantity: Decimal


class PinnedFeed:
    """Another feed, except for the books and averages that somebody has pinned."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._pins: dict[str, Pin] = {}
        self._averages: dict[str, tuple[Decimal, int | None]] = {}
        self._thin: tuple[str, Level] | None = None

    @contextmanager
    def thinned(self, symbol: str, price: Decimal, quantity: Decimal) -> Iterator[None]:
        """Makes either side of the symbol's book one level inside the `with` block; nothing else changes."""
        self._thin = (symbol, Level(price, quantity))
        try:
            yield
        finally:
            self._thin = None

    def pin(self, symbol: str, pin: Pin) -> None:
        """Pins the symbol's book."""
        self._pins[symbol] = pin

    def unpin(self, symbol: str) -> None:
        """Gives the symbol the other feed's book and average again."""
        self._pins.pop(symbol, None)
        self._averages.pop(symbol, None)

    def pin_average(self, symbol: str, price: Decimal, close_time: int | None) -> None:
        """Pins the symbol's average price; without a close time it is always recent."""
        self._averages[symbol] = (price, close_time)

    def bids(self, symbol: str, at: int) -> Iterator[Level]:
        """See `Feed`."""
        if self._thin is not None and self._thin[0] == symbol:
            return _one(self._thin[1].price, self._thin[1].quantity)
        pin = self._pins.get(symbol)
        return self._feed.bids(symbol, at) if pin is None else _one(pin.bid, pin.quantity)

    def asks(self, symbol: str, at: int) -> Iterator[Level]:
        """See `Feed`."""
        if self._thin is not None and self._thin[0] == symbol:
            return _one(self._thin[1].price, self._thin[1].quantity)
        pin = self._pins.get(symbol)
        return self._feed.asks(symbol, at) if pin is None else _one(pin.ask, pin.quantity)

    def last_price(self, symbol: str, at: int) -> Decimal:
        """See `Feed`: the middle of a pinned book, rounded down to the tick."""
        pin = self._pins.get(symbol)
        return self._feed.last_price(symbol, at) if pin is None else floor_to(_middle(pin), LISTINGS[symbol].tick)

    def average(self, symbol: str, at: int) -> Average:
        """See `Feed`: what was pinned, else the middle of a pinned book."""
        recent = at // SECOND_MS * SECOND_MS
        pin = self._pins.get(symbol)
        if symbol in self._averages:
            price, close_time = self._averages[symbol]
            return Average(price=price, close_time=recent if close_time is None else close_time)
        if pin is not None:
            return Average(price=_middle(pin), close_time=recent)
        return self._feed.average(symbol, at)

    def day(self, symbol: str, at: int) -> Day:
        """See `Feed`: a pinned book was always there."""
        day, pin = self._feed.day(symbol, at), self._pins.get(symbol)
        if pin is None:
            return day
        last = self.last_price(symbol, at)
        return Day(
            open_price=last,
            high_price=last,
            low_price=last,
            last_price=last,
            previous_close=last,
            volume=day.volume,
            quote_volume=round_down(times(day.volume, last)),
            open_time=day.open_time,
            close_time=day.close_time,
            first_trade=day.first_trade,
            last_trade=day.last_trade,
        )

    def update_id(self, symbol: str, at: int) -> int:
        """See `Feed`: a thinned book is another one than before and after; nobody else sees it."""
        return -2 if self._thin is not None and self._thin[0] == symbol else self._feed.update_id(symbol, at)

    def moments(self, symbol: str, after: int, until: int) -> Iterable[int]:
        """See `Feed`: a pinned book does not change; who pins it sends `Rematch`."""
        return self._feed.moments(symbol, after, until) if symbol not in self._pins else ()

    def trades(self, symbol: str, after: int, until: int) -> Iterable[MarketTrade]:
        """See `Feed`: around a pinned book nobody else trades."""
        return self._feed.trades(symbol, after, until) if symbol not in self._pins else ()


def _one(price: Decimal, quantity: Decimal) -> Iterator[Level]:
    if price > ZERO and quantity > ZERO:
        yield Level(price, quantity)


def _middle(pin: Pin) -> Decimal:
    return round_down(times(plus(pin.bid, pin.ask), Decimal("0.5")))
