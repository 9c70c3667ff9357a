"""One symbol's book: what the market offers, less what the account has taken of it, and the account's own orders.

The market's side is the feed's. What the account takes of a price stays taken until the feed says something new of that
price. An own order that rests has the market's quantity that was there before it ahead of it, and never less than
its own order: the queue ahead gets shorter only by trades at its price and by what the feed shows to have gone.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from guardian.domain.money import ZERO, minus, plus, total
from guardian.paper.engine.orders import Order
from guardian.paper.market.feed import Feed, Level

Taken = dict[Decimal, tuple[Decimal, Decimal]]
"""By price: the quantity that the feed showed there, and how much of it the account has taken."""


class MarketSide:
    """One side of the feed's book at one moment, read only as deep as it is looked at."""

    def __init__(self, levels: Iterator[Level], taken: Taken, *, falling: bool) -> None:
        self._source = levels
        self._read: list[Level] = []
        self._by_price: dict[Decimal, Decimal] = {}
        self._taken = taken
        self._falling = falling
        self._gone = 0
        """How many of the best levels have been taken whole."""
        for price in [price for price, (shown, _) in taken.items() if self._shown(price) != shown]:
            del taken[price]

    def __iter__(self) -> Iterator[Level]:
        """Yields what is left of each level, the best price first."""
        index = self._gone
        while index < len(self._read) or self._read_on():
            level = self._read[index]
            index += 1
            if level.price not in self._taken:
                yield level
                continue
            left = self._left(level.price, level.quantity)
            if left > 0:
                yield Level(level.price, left)
            elif index == self._gone + 1:
                self._gone = index

    def best(self) -> Level | None:
        """Returns the best level of which something is left."""
        return next(iter(self), None)

    def quantity(self, price: Decimal) -> Decimal:
        """Returns what is left at a price."""
        return self._left(price, self._shown(price))

    def take(self, price: Decimal, quantity: Decimal) -> None:
        """Notes that the account took this much more at a price."""
        shown = self._shown(price)
        self._taken[price] = (shown, plus(self._taken.get(price, (shown, ZERO))[1], quantity))

    def _left(self, price: Decimal, shown: Decimal) -> Decimal:
        taken = self._taken.get(price)
        return shown if taken is None else minus(shown, taken[1])

    def _shown(self, price: Decimal) -> Decimal:
        while not self._read or not self._past(self._read[-1].price, price):
            if not self._read_on():
                break
        return self._by_price.get(price, ZERO)

    def _past(self, reached: Decimal, price: Decimal) -> bool:
        return reached <= price if self._falling else reached >= price

    def _read_on(self) -> bool:
        level = next(self._source, None)
        if level is None:
            return False
        self._read.append(level)
        self._by_price[level.price] = level.quantity
        return True


@dataclass(slots=True)
class Resting:
    """An own order on the book, and what of the market at its price goes before it."""

    order: Order
    ahead: Decimal


@dataclass(frozen=True, slots=True)
class Offer:
    """What the next in the queue gives at a price; `order` where it is one of the account's own."""

    price: Decimal
    quantity: Decimal
    order: Order | None = None


def _place_in_line(resting: Resting) -> tuple[Decimal, int]:
    order = resting.order
    return (-order.price if order.is_buy else order.price), order.priority


class Book:
    """One symbol's book. Sides are named after the resting orders: `BUY` is the bids, `SELL` the asks."""

    def __init__(self, symbol: str, feed: Feed) -> None:
        self.symbol: Final = symbol
        self._feed = feed
        self._own: Final[dict[str, list[Resting]]] = {"BUY": [], "SELL": []}
        self._taken: Final[dict[str, Taken]] = {"BUY": {}, "SELL": {}}
        self._market: dict[str, MarketSide] = {}
        self._update_id = -1

    def renew(self) -> None:
        """Forgets what the account took, because a test has replaced the market's side."""
        self._update_id = -1
        self._market.clear()
        for taken in self._taken.values():
            taken.clear()

    def own(self, side: str) -> tuple[Resting, ...]:
        """Returns the own orders of a side that rest, first in line first."""
        return tuple(self._own[side])

    def market(self, side: str, at: int) -> MarketSide:
        """Returns the market's side at a time in milliseconds."""
        update_id = self._feed.update_id(self.symbol, at)
        if update_id != self._update_id:
            self._market.clear()
            self._update_id = update_id
        found = self._market.get(side)
        if found is None:
            levels = self._feed.bids(self.symbol, at) if side == "BUY" else self._feed.asks(self.symbol, at)
            found = self._market[side] = MarketSide(levels, self._taken[side], falling=side == "BUY")
        return found

    def join(self, order: Order, at: int) -> None:
        """Puts an order onto the book, behind everything at its price."""
        ahead = self.market(order.side, at).quantity(order.price)
        insort(self._own[order.side], Resting(order, ahead), key=_place_in_line)

    def leave(self, order: Order) -> None:
        """Takes an order off the book, if it is on it."""
        own = self._own[order.side]
        index = self._index(order)
        if index is not None:
            del own[index]

    def changed(self, order: Order) -> None:
        """Replaces a resting order by its new version, which keeps its place."""
        index = self._index(order)
        assert index is not None
        self._own[order.side][index].order = order

    def _index(self, order: Order) -> int | None:
        own = self._own[order.side]
        index = bisect_left(own, _place_in_line(Resting(order, ZERO)), key=_place_in_line)
        return index if index < len(own) and own[index].order.order_id == order.order_id else None

    def take(self, side: str, price: Decimal, quantity: Decimal, at: int) -> None:
        """Takes from the market for the account: from the front of the queue at that price."""
        self.market(side, at).take(price, quantity)
        self.pass_by(side, price, quantity)

    def pass_by(self, side: str, price: Decimal, quantity: Decimal) -> None:
        """Moves the own orders at a price forward by this quantity of the market's, which was ahead of them."""
        for resting in self._own[side]:
            if resting.order.price == price:
                resting.ahead = max(ZERO, minus(resting.ahead, quantity))

    def settle_queues(self, at: int) -> None:
        """Takes from before the own orders what the market's best prices show to have gone."""
        for side, own in self._own.items():
            if not own:
                continue
            best = self.market(side, at).best()
            for resting in own:
                if best is not None and _better(side, best.price, resting.order.price):
                    break
                left = best.quantity if best is not None and best.price == resting.order.price else ZERO
                resting.ahead = min(resting.ahead, left)

    def best(self, side: str, at: int) -> Decimal | None:
        """Returns the best price of a side, own orders included."""
        market, own = self.market(side, at).best(), self._own[side]
        prices = ([] if market is None else [market.price]) + ([own[0].order.price] if own else [])
        if not prices:
            return None
        return max(prices) if side == "BUY" else min(prices)

    def levels(self, side: str, at: int) -> Iterator[Level]:
        """Yields what everybody sees: each price and all that is shown there, own orders included."""
        for price, market, own in self._by_price(side, at):
            yield Level(price, plus(market, total(resting.order.shown for resting in own)))

    def queue(self, side: str, at: int) -> Iterator[Offer]:
        """Yields what a taker meets, one after the other: by price, and at each price by time."""
        for price, market, own in self._by_price(side, at):
            passed = ZERO
            for resting in own:
                before = minus(min(resting.ahead, market), passed)
                if before > 0:
                    yield Offer(price, before)
                    passed = plus(passed, before)
                yield Offer(price, resting.order.shown, resting.order)
            if market > passed:
                yield Offer(price, minus(market, passed))
            yield from _hidden(price, own)

    def _by_price(self, side: str, at: int) -> Iterator[tuple[Decimal, Decimal, list[Resting]]]:
        """Yields each price of a side with the market's quantity there and the own orders in their order."""
        own, index = list(self._own[side]), 0
        for level in self.market(side, at):
            while index < len(own) and _better(side, own[index].order.price, level.price):
                price, group, index = _group(own, index)
                yield price, ZERO, group
            group = []
            if index < len(own) and own[index].order.price == level.price:
                _, group, index = _group(own, index)
            yield level.price, level.quantity, group
        while index < len(own):
            price, group, index = _group(own, index)
            yield price, ZERO, group


def _group(own: list[Resting], index: int) -> tuple[Decimal, list[Resting], int]:
    """Returns the own orders from an index on that share a price, and the index after them."""
    price, end = own[index].order.price, index
    while end < len(own) and own[end].order.price == price:
        end += 1
    return price, own[index:end], end


def _hidden(price: Decimal, own: list[Resting]) -> Iterator[Offer]:
    """Yields what icebergs show next, part by part, each part behind those of the others."""
    waiting = [
        (one.order, minus(one.order.remaining, one.order.shown)) for one in own if one.order.iceberg_quantity > 0
    ]
    while waiting:
        left = []
        for order, hidden in waiting:
            part = min(order.iceberg_quantity, hidden)
            if part > 0:
                yield Offer(price, part, order)
                left.append((order, minus(hidden, part)))
        waiting = left


def _better(side: str, price: Decimal, other: Decimal) -> bool:
    """Whether a waiting price goes before another one."""
    return price > other if side == "BUY" else price < other
