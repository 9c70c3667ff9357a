"""Candles: a market's way cut into pieces of time. Made from the feed's last prices, looked at several times in each.

How much was traded in a candle is its part of the day's volume; the feed does not say it more exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final

from guardian.domain.milliseconds import DAY_MS, MINUTE_MS, SECOND_MS, WEEK_MS
from guardian.domain.money import ZERO, divided_up, floor_to, round_down, times, total
from guardian.paper.engine.refusals import refusal
from guardian.paper.market.feed import Feed
from guardian.paper.market.symbols import LISTINGS, eight
from guardian.paper.rest.endpoint import Call

_MONDAY_MS: Final = 4 * DAY_MS
"""The first Monday after the epoch, which was a Thursday."""
INTERVALS: Final = {
    "1s": 1000,
    **{f"{minutes}m": minutes * MINUTE_MS for minutes in (1, 3, 5, 15, 30)},
    **{f"{hours}h": hours * 60 * MINUTE_MS for hours in (1, 2, 4, 6, 8, 12)},
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": WEEK_MS,
}
"""Their lengths in milliseconds; `1M` has none of its own."""
_LOOKS: Final = 8
"""How often a candle is looked at, its two ends included."""
_ZONE: Final = r"^[+-]?[0-9]{1,2}(:[0-9]{2})?$"
_MOST_AHEAD_MIN: Final = 14 * 60
_MOST_BEHIND_MIN: Final = 12 * 60


def klines(call: Call) -> list[list[Any]]:
    """`GET /api/v3/klines`: the newest candles, or those from `startTime` on. Raises ExchangeRejected."""
    symbol = call.listing().symbol
    interval = call.params.needed("interval")
    if interval not in INTERVALS and interval != "1M":
        raise refusal(-1120, "Invalid interval.")
    start, end = call.params.integer("startTime"), call.params.integer("endTime")
    limit = min(call.params.integer("limit", least=1) or 500, 1000)
    zone = _zone_ms(call)
    last = call.now if end is None else min(end, call.now)
    if start is None:
        opens = sorted(_take(_backwards(interval, last, zone), limit))
    else:
        opens = list(_take(_forwards(interval, start, last, zone), limit))
    day = partial(_volume_of_day, call.venue.feed, symbol, {})
    return [_candle(call, symbol, at, _next(interval, at, zone), day) for at in opens]


def _zone_ms(call: Call) -> int:
    text = call.params.text("timeZone", _ZONE) or "0"
    hours, _, minutes = text.lstrip("+-").partition(":")
    offset = (int(hours) * 60 + int(minutes or 0)) * (-1 if text.startswith("-") else 1)
    if not -_MOST_BEHIND_MIN <= offset <= _MOST_AHEAD_MIN:
        raise refusal(-1130, "Data sent for parameter 'timeZone' is not valid.")
    return offset * MINUTE_MS


def _take(source: Iterator[int], count: int) -> Iterator[int]:
    for _, at in zip(range(count), source, strict=False):
        yield at


def _backwards(interval: str, at: int, zone: int) -> Iterator[int]:
    while at >= 0:
        at = _open(interval, at, zone)
        if at < 0:
            return
        yield at
        at -= 1


def _forwards(interval: str, start: int, end: int, zone: int) -> Iterator[int]:
    at = _open(interval, min(start, end), zone)
    if at < start:
        at = _next(interval, at, zone)
    while at <= end:
        yield at
        at = _next(interval, at, zone)


def _open(interval: str, at: int, zone: int) -> int:
    """Returns when the candle that a time lies in opens."""
    if interval == "1M":
        month = datetime.fromtimestamp((at + zone) // 1000, UTC).replace(day=1, hour=0, minute=0, second=0)
        return int(month.timestamp()) * 1000 - zone
    length = INTERVALS[interval]
    shift = (_MONDAY_MS if interval == "1w" else 0) - zone
    return (at - shift) // length * length + shift


def _next(interval: str, opened: int, zone: int) -> int:
    if interval == "1M":
        return _open(interval, opened + 32 * DAY_MS, zone)
    return opened + INTERVALS[interval]


def _volume_of_day(feed: Feed, symbol: str, known: dict[int, Decimal], at: int) -> Decimal:
    day = at // DAY_MS
    if day not in known:
        known[day] = feed.day(symbol, (day + 1) * DAY_MS - 1).volume
    return known[day]


def _candle(call: Call, symbol: str, opens: int, ends: int, day: partial[Decimal]) -> list[Any]:
    until = min(ends - 1, call.now)
    stride = max(SECOND_MS, (until - opens) // (_LOOKS - 1))
    feed = call.venue.feed
    prices = [feed.last_price(symbol, at) for at in sorted({*range(opens, until + 1, stride), until})]
    elapsed = until - opens + 1
    volume = floor_to(times(day(opens), Decimal(elapsed)) / DAY_MS, LISTINGS[symbol].step)
    mean = round_down(divided_up(total(prices), Decimal(len(prices))))
    bought = floor_to(volume / 2, LISTINGS[symbol].step)
    return [
        opens,
        eight(prices[0]),
        eight(max(prices)),
        eight(min(prices)),
        eight(prices[-1]),
        eight(volume),
        ends - 1,
        eight(round_down(times(volume, mean))),
        max(1, elapsed // SECOND_MS) if volume > ZERO else 0,
        eight(bought),
        eight(round_down(times(bought, mean))),
        "0",
    ]
