"""Recorded markets: one line an event, the receive time in nanoseconds and then the JSON as Binance sent it.

A capture holds one symbol: a REST depth snapshot, the diff depth stream, and, where they were recorded, bookTicker and
trades. It is plain text or gzip. The book is kept by Binance's rules ("How to manage a local order book correctly").
"""

from __future__ import annotations

import gzip
import json
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from guardian.errors import ExchangeUnavailable
from guardian.paper.market.feed import Level

_GZIP: Final = b"\x1f\x8b"
_MOST_BYTES: Final = 1 << 30
_HINT: Final = "each line is a receive time in nanoseconds, a space, and the JSON of one event of one symbol"

Rows = tuple[tuple[Decimal, Decimal], ...]
"""Prices with the quantity that is there now; zero: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A part of the diff depth stream: what has become of some prices, up to and with an update id."""

    time: int
    first_id: int
    update_id: int
    bids: Rows
    asks: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Top:
    """A bookTicker: the best price of each side at an update id."""

    time: int
    update_id: int
    bid: Level
    ask: Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Print:
    """A recorded trade."""

    time: int
    trade_id: int
    price: Decimal
    quantity: Decimal
    is_buyer_maker: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A recorded market, complete from the snapshot on. Times are in nanoseconds and do not fall."""

    symbol: str
    snapshot: Change
    updates: tuple[Change | Top, ...]
    """In the order of their update ids; none is older than the snapshot."""
    trades: tuple[Print, ...]
    end: int


class _Side:
    """One side of a recorded book: its prices in rising order, and what is there at each."""

    def __init__(self, *, is_bid: bool) -> None:
        self._is_bid = is_bid
        self._prices: list[Decimal] = []
        self._quantities: dict[Decimal, Decimal] = {}

    def copy(self) -> _Side:
        made = _Side(is_bid=self._is_bid)
        made._prices = list(self._prices)
        made._quantities = dict(self._quantities)
        return made

    def put(self, rows: Rows) -> None:
        for price, quantity in rows:
            if quantity > 0:
                if price not in self._quantities:
                    insort(self._prices, price)
                self._quantities[price] = quantity
            elif self._quantities.pop(price, None) is not None:
                del self._prices[bisect_left(self._prices, price)]

    def levels(self, top: Level | None, first: int, count: int) -> list[Level]:
        """Up to `count` levels from the `first` on; a `top` comes before every level that is worse than it."""
        size = len(self._prices)
        better = 0
        if top is not None:
            at = bisect_left(self._prices, top.price)
            shown = at < size and self._prices[at] == top.price
            better = size - at if self._is_bid else at + shown
            first -= 1
        begin, end = better + max(0, first), min(size, better + first + count)
        ranks = range(size - 1 - begin, size - 1 - end, -1) if self._is_bid else range(begin, end)
        worse = [Level(price, self._quantities[price]) for price in (self._prices[rank] for rank in ranks)]
        return [top, *worse] if top is not None and first < 0 else worse


class RecordedBook:
    """The full book of a capture, after the updates that were applied."""

    def __init__(self, snapshot: Change) -> None:
        self._bids, self._asks = _Side(is_bid=True), _Side(is_bid=False)
        self._top: Top | None = None
        self.update_id = snapshot.update_id
        self.apply(snapshot)

    def copy(self) -> RecordedBook:
        """Another book that is the same and goes its own way."""
        made = copy(self)
        made._bids, made._asks = self._bids.copy(), self._asks.copy()  # noqa: SLF001 -- one of its own kind
        return made

    def apply(self, update: Change | Top) -> None:
        """Takes the next update in. A bookTicker is ahead of the diffs: it shows until the diff that includes it."""
        if update.update_id < self.update_id:
            return
        self.update_id = update.update_id
        if isinstance(update, Top):
            self._top = update
        else:
            self._bids.put(update.bids)
            self._asks.put(update.asks)
            self._top = None

    def bids(self, first: int, count: int) -> list[Level]:
        """Up to `count` levels from the `first` one on, the best being number 0."""
        return self._bids.levels(None if self._top is None else self._top.bid, first, count)

    def asks(self, first: int, count: int) -> list[Level]:
        """As `bids`, of the other side."""
        return self._asks.levels(None if self._top is None else self._top.ask, first, count)


def read_capture(path: Path) -> Capture:
    """Returns the capture in a file.

    Raises:
        ExchangeUnavailable: it cannot be read, is not a capture of one symbol, or has a gap; says in which line.
    """
    try:
        text = _text(path)
    except (OSError, EOFError, ValueError) as error:
        raise ExchangeUnavailable(f"the capture {path.name} cannot be read", hint=_HINT) from error
    snapshot: Change | None = None
    updates: list[Change | Top] = []
    trades: list[Print] = []
    symbols: set[str] = set()
    end = 0
    for number, line in enumerate(text.splitlines(), 1):
        try:
            received, _, payload = line.partition(" ")
            time, event = int(received), json.loads(payload)
            event = event.get("data", event)
            symbols.add(event.get("s", ""))
            if "lastUpdateId" in event:
                snapshot = snapshot or _snapshot(time, event)
            elif event.get("e") == "trade":
                trades.append(_print(time, event))
            else:
                updates.append(_change(time, event) if event.get("e") == "depthUpdate" else _top(time, event))
            end = max(end, time)
        except (ValueError, TypeError, KeyError, AttributeError, InvalidOperation) as error:
            raise ExchangeUnavailable(f"line {number} of {path.name} is not an event", hint=_HINT) from error
    symbols.discard("")
    if snapshot is None or len(symbols) != 1:
        what = "has no depth snapshot" if snapshot is None else "holds not one symbol"
        raise ExchangeUnavailable(f"the capture {path.name} {what}", hint=_HINT)
    in_order = tuple(_in_order(snapshot, updates, path.name))
    played = sorted((one for one in trades if one.time >= snapshot.time), key=attrgetter("trade_id"))
    return Capture(symbol=symbols.pop(), snapshot=snapshot, updates=in_order, trades=tuple(_rising(played)), end=end)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    with gzip.open(path) if packed else path.open("rb") as stream:
        data = stream.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError("more than 1 GiB")
    return data.decode("utf-8")


def _rows(rows: Iterable[tuple[str, str]]) -> Rows:
    made = tuple((Decimal(price), Decimal(quantity)) for price, quantity in rows)
    if not all(price.is_finite() and price > 0 and quantity.is_finite() and quantity >= 0 for price, quantity in made):
        raise ValueError("a price or a quantity is invalid")
    return made


def _level(price: str, quantity: str) -> Level:
    ((made, there),) = _rows([(price, quantity)])
    return Level(made, there)


def _snapshot(time: int, event: Mapping[str, Any]) -> Change:
    last = int(event["lastUpdateId"])
    return Change(time=time, first_id=last, update_id=last, bids=_rows(event["bids"]), asks=_rows(event["asks"]))


def _change(time: int, event: Mapping[str, Any]) -> Change:
    return Change(
        time=time, first_id=int(event["U"]), update_id=int(event["u"]), bids=_rows(event["b"]), asks=_rows(event["a"])
    )


def _top(time: int, event: Mapping[str, Any]) -> Top:
    bid, ask = _level(event["b"], event["B"]), _level(event["a"], event["A"])
    return Top(time=time, update_id=int(event["u"]), bid=bid, ask=ask)


def _print(time: int, event: Mapping[str, Any]) -> Print:
    level = _level(event["p"], event["q"])
    return Print(
        time=time,
        trade_id=int(event["t"]),
        price=level.price,
        quantity=level.quantity,
        is_buyer_maker=bool(event["m"]),
    )


def _in_order(snapshot: Change, updates: Iterable[Change | Top], name: str) -> Iterator[Change | Top]:
    """Yields updates from the snapshot on, by update id, with times that do not fall; of one id the diff comes last.

    Raises:
        ExchangeUnavailable: the diffs do not follow the snapshot and one another without a gap.
    """
    fresh = [update for update in updates if update.update_id > snapshot.update_id]
    fresh.sort(key=lambda update: (update.update_id, isinstance(update, Change)))
    expected: int | None = None
    for update in fresh:
        if not isinstance(update, Change):
            continue
        joins = update.first_id <= snapshot.update_id + 1 if expected is None else update.first_id == expected
        if not joins:
            raise ExchangeUnavailable(f"the capture {name} has a gap before update {update.first_id}", hint=_HINT)
        expected = update.update_id + 1
    # What came in late is played when the one after it came in: the order of the ids is the exchange's own.
    latest, times = None, []
    for update in reversed(fresh):
        latest = update.time if latest is None else min(latest, update.time)
        times.append(max(latest, snapshot.time))
    for update, time in zip(fresh, reversed(times), strict=True):
        yield update if update.time == time else replace(update, time=time)


def _rising(trades: Iterable[Print]) -> Iterator[Print]:
    time = 0
    for trade in trades:
        time = max(time, trade.time)
        yield trade if trade.time == time else replace(trade, time=time)
