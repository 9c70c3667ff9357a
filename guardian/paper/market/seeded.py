"""The seeded market: prices that follow from seed, symbol and time alone, so that nothing has to be kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from guardian.domain.milliseconds import DAY_MS
from guardian.domain.money import divided_up, floor_to, round_down, times, total
from guardian.paper.market.feed import MAX_MOMENTS, MAX_TRADES, Average, Day, Level, MarketTrade
from guardian.paper.market.symbols import LISTINGS, Listing

STEP_MS: Final = 1000
"""The seeded market changes once a second, and trades once a second."""
_AVERAGE_MS: Final = 300_000
_MILLION: Final = 1_000_000
_MAX_LEVELS: Final = 5000

# Period in milliseconds and amplitude in millionths of the usual price. Their steepest five minutes together move the
# price by less than 0.3 %, so that the average price stays well within 1 % of the book.
_WAVES: Final = ((DAY_MS, 20_000), (7_200_000, 6_000), (900_000, 2_000), (60_000, 400), (5_000, 100))


@lru_cache(maxsize=65_536)
def _noise(seed: int, symbol: str, wave: int, index: int) -> int:
    """Returns a fixed whole number from -1,000,000 to 1,000,000."""
    digest = blake2b(f"{seed}/{symbol}/{wave}/{index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % (2 * _MILLION + 1) - _MILLION


class SeededFeed:
    """A market that moves on a path: the same for the same seed, symbol and time, in exact arithmetic.

    It has no memory, so any number of processes and restarts see one and the same market.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def bids(self, symbol: str, at: int) -> Iterator[Level]:
        """See `Feed`."""
        return self._levels(LISTINGS[symbol], at, -1)

    def asks(self, symbol: str, at: int) -> Iterator[Level]:
        """See `Feed`."""
        return self._levels(LISTINGS[symbol], at, 1)

    def last_price(self, symbol: str, at: int) -> Decimal:
        """See `Feed`: at the bid or one tick above it, which is the ask."""
        listing = LISTINGS[symbol]
        side = _noise(self._seed, symbol, -1, at // STEP_MS) & 1
        return times(Decimal(self._bid_ticks(listing, at) + side), listing.tick)

    def average(self, symbol: str, at: int) -> Average:
        """See `Feed`: the mean of what the last five minutes show when looked at twice a minute."""
        samples = range(at - _AVERAGE_MS, at + 1, 30_000)
        prices = [self.last_price(symbol, moment) for moment in samples]
        price = round_down(divided_up(total(prices), Decimal(len(prices))))
        return Average(price=price, close_time=at // STEP_MS * STEP_MS)

    def day(self, symbol: str, at: int) -> Day:
        """See `Feed`: looked at every quarter of an hour."""
        prices = [self.last_price(symbol, moment) for moment in range(at - DAY_MS, at + 1, 900_000)]
        listing = LISTINGS[symbol]
        busy = Decimal(2 * _MILLION + _noise(self._seed, symbol, -2, at // DAY_MS)) / _MILLION
        volume = floor_to(times(times(listing.usual_quantity, busy), Decimal(40_000)), listing.step)
        mean = divided_up(total(prices), Decimal(len(prices)))
        last_trade = at // STEP_MS
        return Day(
            open_price=prices[0],
            high_price=max(prices),
            low_price=min(prices),
            last_price=prices[-1],
            previous_close=self.last_price(symbol, at - DAY_MS - STEP_MS),
            volume=volume,
            quote_volume=round_down(times(volume, round_down(mean))),
            open_time=at - DAY_MS,
            close_time=at,
            first_trade=last_trade - DAY_MS // STEP_MS + 1,
            last_trade=last_trade,
        )

    def update_id(self, symbol: str, at: int) -> int:  # noqa: ARG002 -- every symbol changes in step
        """See `Feed`."""
        return at // STEP_MS

    def moments(self, symbol: str, after: int, until: int) -> Iterable[int]:  # noqa: ARG002 -- as above
        """See `Feed`: every second, or at most 2000 of them, evenly, the last one always among them."""
        first, last = after // STEP_MS + 1, until // STEP_MS
        if last < first:
            return ()
        stride = max(1, -(-(last - first + 1) // MAX_MOMENTS))
        return (second * STEP_MS for second in sorted(range(last, first - 1, -stride)))

    def trades(self, symbol: str, after: int, until: int) -> Iterable[MarketTrade]:
        """See `Feed`: one a second, at the last price of that second."""
        last = until // STEP_MS
        return (
            self._trade(symbol, second) for second in range(max(after // STEP_MS + 1, last - MAX_TRADES + 1), last + 1)
        )

    def _trade(self, symbol: str, second: int) -> MarketTrade:
        listing = LISTINGS[symbol]
        steps = int(listing.usual_quantity / listing.step)
        share = 1 + _scatter(self._seed * 0x9E3779B97F4A7C15 + second) % 60
        return MarketTrade(
            trade_id=second,
            price=self.last_price(symbol, second * STEP_MS),
            quantity=times(Decimal(max(1, steps * share // 100)), listing.step),
            time=second * STEP_MS,
            is_buyer_maker=_noise(self._seed, symbol, -1, second) & 1 == 0,
        )

    def _levels(self, listing: Listing, at: int, direction: int) -> Iterator[Level]:
        bid = self._bid_ticks(listing, at)
        best = bid if direction < 0 else bid + 1
        gap = max(1, bid // 600_000)
        usual_steps = int(listing.usual_quantity / listing.step)
        salt = self._seed * 0x9E3779B97F4A7C15 + at // STEP_MS
        for index in range(_MAX_LEVELS):
            ticks = best + direction * index * gap
            if ticks <= 0:
                return
            share = 20 + _scatter(salt + ticks * direction) % 160 + min(index, 400)
            steps = max(1, usual_steps * share // 100)
            yield Level(times(Decimal(ticks), listing.tick), times(Decimal(steps), listing.step))

    def _bid_ticks(self, listing: Listing, at: int) -> int:
        at = at // STEP_MS * STEP_MS
        if listing.quote_asset == "BTC":
            # The cross is what its two legs say, so that there is no triangular arbitrage.
            base, quote = LISTINGS[f"{listing.base_asset}USDT"], LISTINGS["BTCUSDT"]
            price = Decimal(self._bid_ticks(base, at)) * base.tick / (self._bid_ticks(quote, at) * quote.tick)
            return int(price / listing.tick)
        usual = int(listing.usual_price / listing.tick)
        return max(1, usual * (_MILLION + _millionths(self._seed, listing.symbol, at)) // _MILLION)


@lru_cache(maxsize=65_536)
def _millionths(seed: int, symbol: str, at: int) -> int:
    """Returns how far the path is off the usual price, in millionths. Called many times within each second."""
    offset = 0
    for wave, (period, amplitude) in enumerate(_WAVES):
        index, past = divmod(at, period)
        before, after = (_noise(seed, symbol, wave, index + step) for step in (0, 1))
        offset += amplitude * (before * (period - past) + after * past) // (period * _MILLION)
    return offset


def _scatter(value: int) -> int:
    """Returns a fast fixed hash of a whole number to 64 bits (the finaliser of splitmix64)."""
    value &= 0xFFFFFFFFFFFFFFFF
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return value ^ (value >> 31)
