"""Candles: `/api/v3/klines` as short rows of text, each checked against its interval and its own prices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from guardian.domain.market import CandleInterval, Candles, CandleSpan
from guardian.domain.milliseconds import DAY_MS, HOUR_MS, LATEST_MS, MINUTE_MS, WEEK_MS
from guardian.domain.money import plain
from guardian.exchange.mapping.rows import exact_number, listed, malformed

_FIELDS: Final = 12
"""Open time, open, high, low, close, volume, close time, and five that are not used."""
_MONDAY_MS: Final = 4 * DAY_MS
"""The first Monday after the epoch: weeks open on Mondays, UTC."""
_AHEAD_MS: Final = MINUTE_MS
"""How far the exchange's clock may be ahead of this machine's."""
_LENGTHS: Final = MappingProxyType(
    {
        CandleInterval.M1: MINUTE_MS,
        CandleInterval.M5: 5 * MINUTE_MS,
        CandleInterval.M15: 15 * MINUTE_MS,
        CandleInterval.M30: 30 * MINUTE_MS,
        CandleInterval.H1: HOUR_MS,
        CandleInterval.H2: 2 * HOUR_MS,
        CandleInterval.H4: 4 * HOUR_MS,
        CandleInterval.H6: 6 * HOUR_MS,
        CandleInterval.H12: 12 * HOUR_MS,
        CandleInterval.D1: DAY_MS,
        CandleInterval.W1: WEEK_MS,
    }
)
"""A month has no length of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candle:
    opened_ms: int
    ordinal: int
    """The number of its interval since the epoch, so that the next one has the next number."""
    row: str


def candles(answer: object, symbol: str, span: CandleSpan, *, now_ms: int) -> Candles:
    """Returns the candles, oldest first; fewer than were requested where the symbol is younger.

    Raises ExchangeUnavailable: an open time that no candle of this interval has, an order that is not by time, more
    than was requested, prices that cannot be of one candle, or one that opens in the future. Intervals that the
    exchange left out, as it does after it stood still, are counted.
    """
    found = [_candle(value, span.interval) for value in listed(answer)]
    if len(found) > span.count or any(first.ordinal >= then.ordinal for first, then in pairwise(found)):
        raise malformed("candles in their order")
    if found and found[-1].opened_ms > now_ms + _AHEAD_MS:
        raise malformed("a candle that opens in the future")
    return Candles(
        symbol=symbol,
        interval=span.interval.value,
        rows=tuple(candle.row for candle in found),
        last_is_unfinished=bool(found) and _opens(found[-1].ordinal + 1, span.interval) > now_ms,
        missing=found[-1].ordinal - found[0].ordinal + 1 - len(found) if found else 0,
    )


def _candle(value: object, interval: CandleInterval) -> _Candle:
    fields = listed(value)
    if len(fields) != _FIELDS:
        raise malformed("a candle")
    opened, closed = fields[0], fields[6]
    if isinstance(opened, bool) or not isinstance(opened, int) or not 0 <= opened <= LATEST_MS - 32 * DAY_MS:
        raise malformed("a candle's open time")
    ordinal = _ordinal(opened, interval)
    if _opens(ordinal, interval) != opened or closed != _opens(ordinal + 1, interval) - 1:
        raise malformed("a candle's open and close time")
    first, high, low, last, volume = (exact_number(field, "a candle") for field in fields[1:6])
    if not 0 < low <= min(first, last) <= max(first, last) <= high or volume < 0:
        raise malformed("the prices of a candle")
    return _Candle(opened_ms=opened, ordinal=ordinal, row=_row(opened, interval, (first, high, low, last, volume)))


def _row(opened: int, interval: CandleInterval, amounts: tuple[Decimal, ...]) -> str:
    shape = "%Y-%m-%dT%H:%M" if _LENGTHS.get(interval, DAY_MS) < DAY_MS else "%Y-%m-%d"
    time = datetime.fromtimestamp(opened // 1000, UTC).strftime(shape)
    return ",".join((time, *map(plain, amounts)))


def _ordinal(opened: int, interval: CandleInterval) -> int:
    if interval is CandleInterval.MONTH:
        day = datetime.fromtimestamp(opened // 1000, UTC)
        return day.year * 12 + day.month - 1
    return (opened - _shift(interval)) // _LENGTHS[interval]


def _opens(ordinal: int, interval: CandleInterval) -> int:
    """Returns when the interval of this number opens, in ms since the epoch."""
    if interval is CandleInterval.MONTH:
        return int(datetime(ordinal // 12, ordinal % 12 + 1, 1, tzinfo=UTC).timestamp()) * 1000
    return ordinal * _LENGTHS[interval] + _shift(interval)


def _shift(interval: CandleInterval) -> int:
    return _MONDAY_MS if interval is CandleInterval.W1 else 0
