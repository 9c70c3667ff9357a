"""A recorded market played again: from its beginning when the exchange starts, faster if wanted, and standing still
at its end."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

from guardian.domain.milliseconds import DAY_MS
from guardian.domain.money import ZERO, divided_up, plus, round_down, times
from guardian.errors import ExchangeUnavailable
from guardian.paper.market.capture import Capture, RecordedBook
from guardian.paper.market.feed import MAX_MOMENTS, Average, Day, Feed, Level, MarketTrade
from guardian.paper.market.symbols import LISTINGS

_AVERAGE_NS: Final = 300_000_000_000
_NS_IN_MS: Final = 1_000_000
_CHUNK: Final = 64
_KEPT_EVERY: Final = 4096
"""How many updates apart copies of the book are kept, for queries of the past."""


class ReplayFeed:
    """The market of a capture from the wall time `start` (milliseconds) on, `speed` times as fast as it was.

    Other symbols than the capture's are another feed's. Before its start the market has its first state, after its
    end its last one: no trade happens any more and the average price grows old, as on a halted exchange.
    """

    def __init__(self, capture: Capture, other: Feed, *, start: int, speed: Decimal = Decimal(1)) -> None:
        if capture.symbol not in LISTINGS:
            raise ExchangeUnavailable(
                f"the capture is of {capture.symbol}", hint=f"the paper exchange lists {', '.join(LISTINGS)}"
            )
        self._symbol = capture.symbol
        self._other = other
        self._updates = capture.updates
        self._trades = capture.trades
        self._start = start
        self._origin = capture.snapshot.time
        self._end = capture.end
        self._speed = Fraction(speed)
        self._update_walls = [self._wall(update.time) for update in capture.updates]
        self._trade_walls = [self._wall(trade.time) for trade in capture.trades]
        self._moments = sorted({*self._update_walls, *self._trade_walls})
        self._book = RecordedBook(capture.snapshot)
        self._applied = 0
        self._snapshots = {0: self._book.copy()}
        self._sums = _Sums(capture)

    @property
    def end(self) -> int:
        """The wall time in milliseconds from which on the market does not change."""
        return self._wall(self._end)

    def bids(self, symbol: str, at: int) -> Iterator[Level]:
        """See `Feed`."""
        if symbol != self._symbol:
            return self._other.bids(symbol, at)
        return self._levels(at, lambda book, first: book.bids(first, _CHUNK))

    def asks(self, symbol: str, at: int) -> Iterator[Level]:
        """See `Feed`."""
        if symbol != self._symbol:
            return self._other.asks(symbol, at)
        return self._levels(at, lambda book, first: book.asks(first, _CHUNK))

    def last_price(self, symbol: str, at: int) -> Decimal:
        """See `Feed`: of the last recorded trade; before the first one, the best bid."""
        if symbol != self._symbol:
            return self._other.last_price(symbol, at)
        count = bisect_right(self._trade_walls, at)
        return self._trades[count - 1].price if count else self._first_price()

    def average(self, symbol: str, at: int) -> Average:
        """See `Feed`: what was traded in the last five minutes of the recording's own time."""
        if symbol != self._symbol:
            return self._other.average(symbol, at)
        count = bisect_right(self._trade_walls, at)
        if not count:
            return Average(price=self._first_price(), close_time=min(at, self._start))
        since = self._recorded(at) - _AVERAGE_NS
        begin = min(self._sums.index_after(since), count - 1)
        quantity, value = self._sums.between(begin, count)
        return Average(price=round_down(divided_up(value, quantity)), close_time=self._trade_walls[count - 1])

    def day(self, symbol: str, at: int) -> Day:
        """See `Feed`: what has been played so far."""
        if symbol != self._symbol:
            return self._other.day(symbol, at)
        count = bisect_right(self._trade_walls, at)
        first = self._first_price() if not count else self._trades[0].price
        quantity, value = self._sums.between(0, count)
        return Day(
            open_price=first,
            high_price=self._sums.highest[count - 1] if count else first,
            low_price=self._sums.lowest[count - 1] if count else first,
            last_price=self.last_price(symbol, at),
            previous_close=first,
            # The weighted average is divided by it.
            volume=quantity or Decimal(1),
            quote_volume=value or first,
            open_time=at - DAY_MS,
            close_time=at,
            first_trade=self._trades[0].trade_id if count else -1,
            last_trade=self._trades[count - 1].trade_id if count else -2,
        )

    def update_id(self, symbol: str, at: int) -> int:
        """See `Feed`: Binance's own."""
        return self._other.update_id(symbol, at) if symbol != self._symbol else self._book_at(at).update_id

    def moments(self, symbol: str, after: int, until: int) -> Iterable[int]:
        """See `Feed`: whenever the book changed or somebody traded, or 2000 of these times."""
        if symbol != self._symbol:
            return self._other.moments(symbol, after, until)
        begin, end = bisect_right(self._moments, after), bisect_right(self._moments, until)
        stride = max(1, -(-(end - begin) // MAX_MOMENTS))
        return [self._moments[index] for index in sorted(range(end - 1, begin - 1, -stride))]

    def trades(self, symbol: str, after: int, until: int) -> Iterable[MarketTrade]:
        """See `Feed`: all of them, over long spans too."""
        if symbol != self._symbol:
            return self._other.trades(symbol, after, until)
        begin, end = bisect_right(self._trade_walls, after), bisect_right(self._trade_walls, until)
        return [
            MarketTrade(
                trade_id=trade.trade_id,
                price=trade.price,
                quantity=trade.quantity,
                time=wall,
                is_buyer_maker=trade.is_buyer_maker,
            )
            for trade, wall in zip(self._trades[begin:end], self._trade_walls[begin:end], strict=True)
        ]

    def _first_price(self) -> Decimal:
        best = self._snapshots[0].bids(0, 1)
        return best[0].price if best else LISTINGS[self._symbol].usual_price

    def _wall(self, time: int) -> int:
        """Returns when a moment of the recording (nanoseconds) is played, in whole milliseconds, rounded up."""
        ahead = Fraction(max(0, time - self._origin), _NS_IN_MS) / self._speed
        return self._start - int(-ahead // 1)

    def _recorded(self, at: int) -> int:
        """Returns the moment of the recording that is played at a wall time."""
        return min(self._end, self._origin + int((at - self._start) * _NS_IN_MS * self._speed))

    def _book_at(self, at: int) -> RecordedBook:
        count = bisect_right(self._update_walls, at)
        if count < self._applied:
            self._applied = max(kept for kept in self._snapshots if kept <= count)
            self._book = self._snapshots[self._applied].copy()
        for index in range(self._applied, count):
            if index % _KEPT_EVERY == 0 and index not in self._snapshots:
                self._snapshots[index] = self._book.copy()
            self._book.apply(self._updates[index])
        self._applied = count
        return self._book

    def _levels(self, at: int, some: Callable[[RecordedBook, int], list[Level]]) -> Iterator[Level]:
        # Another moment may be queried in between: each part is looked up again.
        first = 0
        while levels := some(self._book_at(at), first):
            yield from levels
            first += len(levels)


class _Sums:
    """What the trades of a capture add up to, from the first up to each of them."""

    def __init__(self, capture: Capture) -> None:
        self._times = [trade.time for trade in capture.trades]
        self._quantities, self._values = [ZERO], [ZERO]
        self.highest: Final[list[Decimal]] = []
        self.lowest: Final[list[Decimal]] = []
        for trade in capture.trades:
            self._quantities.append(plus(self._quantities[-1], trade.quantity))
            self._values.append(plus(self._values[-1], times(trade.price, trade.quantity)))
            self.highest.append(_further(max, self.highest, trade.price))
            self.lowest.append(_further(min, self.lowest, trade.price))

    def index_after(self, time: int) -> int:
        """Returns the index of the first trade after a time of the recording."""
        return bisect_right(self._times, time)

    def between(self, begin: int, end: int) -> tuple[Decimal, Decimal]:
        """Returns the quantity of the trades from one index up to another, and what was paid for it."""
        return self._quantities[end] - self._quantities[begin], self._values[end] - self._values[begin]


def _further(best: Callable[[Decimal, Decimal], Decimal], so_far: Sequence[Decimal], price: Decimal) -> Decimal:
    return best(so_far[-1], price) if so_far else price
