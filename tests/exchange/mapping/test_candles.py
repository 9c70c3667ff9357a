"""Candles: what a row says, and every answer that cannot be a chart is unavailable."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from guardian.domain.market import CandleInterval, Candles, CandleSpan
from guardian.domain.milliseconds import DAY_MS, HOUR_MS
from guardian.errors import ExchangeUnavailable
from guardian.exchange.mapping.candles import candles
from guardian.paper.rest.endpoints import klines

OPEN_MS = 1_700_002_800_000
"""2023-11-14T23:00Z."""


def row(opened: int, length: int = HOUR_MS, **changed: Any) -> list[Any]:
    """A candle of an hour: open, high, low, close, volume."""
    values = {"first": "10.50", "high": "12", "low": "9", "last": "11", "volume": "3.0"} | changed
    ends = values.get("ends", opened + length - 1)
    return [opened, *(values[n] for n in ("first", "high", "low", "last", "volume")), ends, "33", 4, "1", "11", "0"]


def hours(*opened: int, **changed: Any) -> list[list[Any]]:
    return [row(OPEN_MS + at * HOUR_MS, **changed) for at in opened]


def made(answer: object, count: int = 24, now_ms: int = OPEN_MS + 30 * HOUR_MS, interval: str = "1h") -> Candles:
    span = CandleSpan(interval=CandleInterval(interval), count=count)
    return candles(answer, "BTCUSDT", span, now_ms=now_ms)


def test_rows_are_short_text_oldest_first() -> None:
    """Time in UTC, then open, high, low, close and volume, without trailing zeros."""
    found = made(hours(0, 1))
    assert found.columns == "time UTC,open,high,low,close,volume"
    assert found.rows == ("2023-11-14T23:00,10.5,12,9,11,3", "2023-11-15T00:00,10.5,12,9,11,3")
    assert (found.symbol, found.interval, found.missing, found.last_is_unfinished) == ("BTCUSDT", "1h", 0, False)


@pytest.mark.parametrize(("now_ms", "unfinished"), [(2 * HOUR_MS - 1, True), (2 * HOUR_MS, False)])
def test_last_candle_is_marked_while_it_goes_on(now_ms: int, unfinished: bool) -> None:
    """It ends where the next one opens."""
    assert made(hours(0, 1), now_ms=OPEN_MS + now_ms).last_is_unfinished is unfinished


def test_young_symbol_has_fewer_candles_or_none() -> None:
    """An empty answer is an empty chart."""
    found = made([])
    assert (found.rows, found.missing, found.last_is_unfinished) == ((), 0, False)


def test_intervals_that_the_exchange_left_out_are_counted() -> None:
    """It stood still for two hours: the chart is given, and says what it lacks."""
    assert made(hours(0, 1, 4)).missing == 2


@pytest.mark.parametrize("interval", list(CandleInterval))
def test_every_interval_opens_as_on_the_exchange(interval: CandleInterval) -> None:
    """Days and hours at whole ones of UTC, weeks on Mondays, months on the first: the paper exchange agrees."""
    opened = [klines._open(interval.value, OPEN_MS, 0)]
    for _ in range(3):
        opened.append(klines._next(interval.value, opened[-1], 0))
    answer = [row(first, ends=then - 1) for first, then in pairwise(opened)]
    found = made(answer, interval=interval.value, now_ms=opened[-1])
    assert (len(found.rows), found.missing, found.last_is_unfinished) == (3, 0, False)
    assert ("T" in found.rows[0]) is (interval.value[-1] in "mh")
    late = [row(first + 1, ends=then) for first, then in pairwise(opened)]
    with pytest.raises(ExchangeUnavailable):
        made(late, interval=interval.value, now_ms=opened[-1])


@pytest.mark.parametrize(
    "answer",
    [
        hours(1, 0),
        hours(0, 0),
        hours(*range(25)),
        hours(31),
        [row(OPEN_MS, 2 * HOUR_MS)],
        [row(OPEN_MS)[:11]],
        [[*row(OPEN_MS), "0"]],
        hours(0, low="11.1"),
        hours(0, low="0"),
        hours(0, low="-9"),
        hours(0, high="10.9"),
        hours(0, first="12.1"),
        hours(0, last="8.9"),
        hours(0, volume="-1"),
        hours(0, high=12.5),
        hours(0, high="NaN"),
        [{"open": 1}],
        {"rows": []},
        [row(True)],
        [row(-HOUR_MS)],
        [row(253_402_300_799_999 // DAY_MS * DAY_MS)],
    ],
)
def test_what_cannot_be_a_chart_is_unavailable(answer: object) -> None:
    """Order, number, times, prices: nothing of such an answer is given on."""
    with pytest.raises(ExchangeUnavailable):
        made(answer)
