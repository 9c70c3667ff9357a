"""A market made by hand: its books and trades are what a test says, from the moment that it says."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from guardian.errors import ExchangeRejected
from guardian.paper.engine.matching_engine import Engine
from guardian.paper.engine.orders import CancelOne, Command, Event, Order, PlaceOrder, Trade, Traded
from guardian.paper.engine.state import State, new_state
from guardian.paper.market.feed import Average, Day, Level, MarketTrade

BORN = 1_795_000_000_000
SYMBOL = "BTCUSDT"
Side = Sequence[tuple[str, str]]


class HandFeed:
    """Every symbol shows the same book; the last price is that of the last trade, or else what was said at first."""

    def __init__(self, bids: Side, asks: Side, last: str = "60000", average: str = "60000") -> None:
        self._books: list[tuple[int, list[Level], list[Level]]] = []
        self._trades: list[MarketTrade] = []
        self._last, self._average = Decimal(last), Decimal(average)
        self.show(BORN, bids, asks)

    def show(self, at: int, bids: Side, asks: Side) -> None:
        """From this moment on this is the book."""
        bid, ask = ([Level(Decimal(p), Decimal(q)) for p, q in side] for side in (bids, asks))
        self._books.append((at, bid, ask))

    def trade(self, at: int, price: str, quantity: str, *, sold: bool) -> None:
        """At this moment others trade."""
        number = len(self._trades) + 1
        self._trades.append(
            MarketTrade(trade_id=number, price=Decimal(price), quantity=Decimal(quantity), time=at, is_buyer_maker=sold)
        )
        # A trade is a moment to look at even if the book stays.
        _, bids, asks = self._books[self._index(at)]
        self._books.append((at, bids, asks))

    def _index(self, at: int) -> int:
        return max(0, bisect_right([book[0] for book in self._books], at) - 1)

    def bids(self, symbol: str, at: int) -> Iterator[Level]:
        return iter(self._books[self._index(at)][1])

    def asks(self, symbol: str, at: int) -> Iterator[Level]:
        return iter(self._books[self._index(at)][2])

    def last_price(self, symbol: str, at: int) -> Decimal:
        return next((trade.price for trade in reversed(self._trades) if trade.time <= at), self._last)

    def average(self, symbol: str, at: int) -> Average:
        return Average(price=self._average, close_time=at)

    def day(self, symbol: str, at: int) -> Day:
        raise NotImplementedError

    def update_id(self, symbol: str, at: int) -> int:
        return self._index(at)

    def moments(self, symbol: str, after: int, until: int) -> Iterable[int]:
        return sorted({book[0] for book in self._books if after < book[0] <= until})

    def trades(self, symbol: str, after: int, until: int) -> Iterable[MarketTrade]:
        return [trade for trade in self._trades if after < trade.time <= until]


class Desk:
    """An engine on a feed, and somebody who trades there."""

    def __init__(self, feed: HandFeed, balances: dict[str, str] | None = None) -> None:
        owned = balances or {"USDT": "10000000", "BTC": "1000", "BNB": "100"}
        self.feed = feed
        self.state: State = new_state({asset: Decimal(free) for asset, free in owned.items()}, born=BORN)
        self.engine = Engine(self.state, feed)
        self.now = BORN
        self.events: list[Event] = []
        self._named = 0

    def handle(self, command: Command) -> tuple[Event, ...]:
        done = self.engine.handle(command, self.now)
        self.events += done
        return done

    def place(self, side: str, price: str | None, quantity: str | None, **terms: Any) -> Order:
        """Places an order (a LIMIT where there is a price, else MARKET) and gives it as it then is."""
        self._named += 1
        terms.setdefault("order_type", "MARKET" if price is None else "LIMIT")
        terms.setdefault("client_order_id", f"id-{self._named}")
        numbers = {"price": price, "quantity": quantity}
        for name in ("stop_price", "quote_quantity", "iceberg_quantity"):
            numbers[name] = terms.pop(name, None)
        amounts: dict[str, Any] = {name: Decimal(text) for name, text in numbers.items() if text is not None}
        number = self.state.next_order_id
        self.handle(PlaceOrder(symbol=SYMBOL, side=side, **amounts, **terms))
        return self.order(number)

    def refusal(self, *asked: Any, **terms: Any) -> str:
        """What a placing is refused with."""
        before = repr((tuple(self.state.ledger), self.state.orders, self.state.trades))
        try:
            self.place(*asked, **terms)
        except ExchangeRejected as no:
            assert repr((tuple(self.state.ledger), self.state.orders, self.state.trades)) == before
            return no.text
        raise AssertionError("it was taken")

    def cancel(self, order: Order) -> Order:
        self.handle(CancelOne(symbol=SYMBOL, order_id=order.order_id, client_order_id=None))
        return self.order(order.order_id)

    def order(self, order_id: int) -> Order:
        return self.state.orders[order_id]

    def again(self, order: Order) -> Order:
        """The order as it is now."""
        return self.order(order.order_id)

    def trades_of(self, order: Order) -> list[tuple[str, str]]:
        """The prices and quantities at which it traded."""
        found: list[Trade] = [event.trade for event in self.events if isinstance(event, Traded)]
        return [(str(one.price), str(one.quantity)) for one in found if one.order_id == order.order_id]

    def shown(self, side: str, count: int = 5) -> list[tuple[str, str]]:
        """The first levels of a side as everybody sees them."""
        levels = self.engine.book(SYMBOL).levels(side, self.now)
        return [(str(level.price), str(level.quantity)) for level, _ in zip(levels, range(count), strict=False)]
