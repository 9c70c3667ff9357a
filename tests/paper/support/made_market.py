"""A market made for the tests, in the form of a capture of Binance's streams: a function of its seed alone."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from decimal import Decimal

STEP_NS = 40_000_000
"""One step of the market; each changes the best prices or their quantities."""
STEPS_OF_A_DIFF = 5
SNAPSHOT_STEP = 12
"""In the middle of a diff, as a REST snapshot comes."""
LEVELS = 80
CENTS = 4_800_000
"""The price about which the market swings, in cents."""
SWING, PERIOD = 4_000, 1_000
"""Half the swing in cents, and its period in steps."""
BORN_NS = 1_790_000_000_000_000_000

Book = dict[int, int]
"""Prices in cents with their quantities in units of 0.00001."""


def _price(cents: int) -> str:
    return f"{Decimal(cents) / 100:.8f}"


def _quantity(units: int) -> str:
    return f"{Decimal(units) / 100_000:.8f}"


class MadeMarket:
    """Keeps a book that follows a sine, and what of it a diff has yet to report."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.bids: Book = {}
        self.asks: Book = {}
        self.update_id = 700_000
        self._trade_id = 5_000
        self._changed: dict[bool, Book] = {True: {}, False: {}}
        self._first_id = self.update_id + 1
        self.trades: list[tuple[int, int, int, bool]] = []
        for place in range(LEVELS):
            self._put(CENTS - 1 - place * 7, 40_000 + place, is_bid=True)
            self._put(CENTS + 1 + place * 7, 40_000 + place, is_bid=False)

    def _put(self, cents: int, units: int, *, is_bid: bool) -> None:
        book = self.bids if is_bid else self.asks
        self.update_id += 1
        self._changed[is_bid][cents] = units
        if units:
            book[cents] = units
        else:
            book.pop(cents, None)

    def _trade(self, cents: int, units: int, *, is_buyer_maker: bool) -> None:
        self._trade_id += 1
        self.trades.append((self._trade_id, cents, units, is_buyer_maker))

    def _take(self, cents: int, *, is_bid: bool) -> None:
        """One level is traded away whole."""
        book = self.bids if is_bid else self.asks
        self._trade(cents, book[cents], is_buyer_maker=is_bid)
        self._put(cents, 0, is_bid=is_bid)

    def _units(self) -> int:
        return self._random.randint(200, 90_000)

    def _follow(self, target: int) -> None:
        """Moves the best prices to both sides of a target; what is in the way is traded away first."""
        for cents in sorted(price for price in self.asks if price <= target):
            self._take(cents, is_bid=False)
        for cents in sorted((price for price in self.bids if price >= target), reverse=True):
            self._take(cents, is_bid=True)
        self._put(target - 1, self._units(), is_bid=True)
        self._put(target + 1, self._units(), is_bid=False)

    def _refill(self) -> None:
        """Each side keeps its number of levels: the farthest go, and farther ones come."""
        for book, sign, is_bid in ((self.bids, -1, True), (self.asks, 1, False)):
            ranked = sorted(book, reverse=is_bid)
            for cents in ranked[LEVELS:]:
                self._put(cents, 0, is_bid=is_bid)
            for more in range(1, LEVELS - len(ranked) + 1):
                self._put(ranked[-1] + sign * 7 * more, self._units(), is_bid=is_bid)

    def step(self, number: int) -> None:
        """One step: the best prices move, a part of one is traded, one level behind them changes."""
        swing = SWING * math.sin(2 * math.pi * number / PERIOD)
        self._follow(CENTS + round(swing) + self._random.randint(-20, 20))
        is_bid = self._random.random() < 0.5
        book = self.bids if is_bid else self.asks
        best = max(self.bids) if is_bid else min(self.asks)
        part = self._random.randint(1, book[best] - 1)
        self._trade(best, part, is_buyer_maker=is_bid)
        self._put(best, book[best] - part, is_bid=is_bid)
        behind = self._random.choice(sorted(book, reverse=is_bid)[1:30])
        self._put(behind, self._units(), is_bid=is_bid)
        self._refill()

    def top(self) -> dict[str, object]:
        """A bookTicker's fields."""
        bid, ask = max(self.bids), min(self.asks)
        return {
            "u": self.update_id, "s": "BTCUSDT", "b": _price(bid), "B": _quantity(self.bids[bid]), "a": _price(ask),
            "A": _quantity(self.asks[ask]),
        }  # fmt: skip

    def snapshot(self) -> dict[str, object]:
        """A REST snapshot of the whole book."""
        bids = [[_price(one), _quantity(self.bids[one])] for one in sorted(self.bids, reverse=True)]
        asks = [[_price(one), _quantity(self.asks[one])] for one in sorted(self.asks)]
        return {"lastUpdateId": self.update_id, "bids": bids, "asks": asks}

    def diff(self, now_ms: int) -> dict[str, object]:
        """All changes since the last diff."""
        bids, asks = (
            [[_price(cents), _quantity(units)] for cents, units in sorted(self._changed[is_bid].items())]
            for is_bid in (True, False)
        )
        made = {
            "e": "depthUpdate", "E": now_ms, "s": "BTCUSDT", "U": self._first_id, "u": self.update_id, "b": bids,
            "a": asks,
        }  # fmt: skip
        self._first_id = self.update_id + 1
        self._changed = {True: {}, False: {}}
        return made


def made_market(*, seed: int = 1, steps: int = 3_300) -> Iterator[str]:
    """The lines of a capture, each ended by a newline: a diff every 200 ms, bookTickers and trades between them."""
    market = MadeMarket(seed)
    for number in range(steps):
        now = BORN_NS + number * STEP_NS
        now_ms = now // 1_000_000
        market.step(number)
        events: list[tuple[str, dict[str, object]]] = [
            ("trade", {
                "e": "trade", "E": now_ms, "s": "BTCUSDT", "t": trade_id, "p": _price(cents), "q": _quantity(units),
                "T": now_ms, "m": is_buyer_maker, "M": True,
            })
            for trade_id, cents, units, is_buyer_maker in market.trades
        ]  # fmt: skip
        market.trades.clear()
        events.append(("bookTicker", market.top()))
        if number % STEPS_OF_A_DIFF == STEPS_OF_A_DIFF - 1:
            events.append(("depth@100ms", market.diff(now_ms)))
        for place, (stream, data) in enumerate(events):
            yield f"{now + place * 1000} {json.dumps({'stream': f'btcusdt@{stream}', 'data': data})}\n"
        if number == SNAPSHOT_STEP:
            yield f"{now + 900_000} {json.dumps(market.snapshot())}\n"
