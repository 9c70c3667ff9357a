"""The seeded market."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardian.domain.money import is_multiple
from guardian.paper.market.seeded import SeededFeed
from guardian.paper.market.symbols import LISTINGS
from tests.paper.support.client import Client
from tests.support.profiles import tries

AT = 1_795_000_000_123
SYMBOLS = sorted(LISTINGS)
times = st.integers(min_value=1_700_000_000_000, max_value=2_000_000_000_000)


def test_same_seed_gives_the_same_market_and_another_seed_another() -> None:
    """Books, averages and days are a function of seed, symbol and time."""

    def look(seed: int) -> list[object]:
        feed = SeededFeed(seed)
        return [(list(islice(feed.asks(s, AT), 50)), feed.average(s, AT), feed.day(s, AT)) for s in SYMBOLS]

    assert look(1) == look(1)
    assert look(1) != look(2)


@settings(max_examples=tries(60), deadline=None)
@given(symbol=st.sampled_from(SYMBOLS), at=times, seed=st.integers(min_value=0, max_value=99))
def test_books_are_ordered_on_the_grid_and_near_their_average(symbol: str, at: int, seed: int) -> None:
    """The spread is one tick, levels go outward on tick and step, and the average is within 1 % of the middle."""
    feed, listing = SeededFeed(seed), LISTINGS[symbol]
    bids, asks = list(islice(feed.bids(symbol, at), 60)), list(islice(feed.asks(symbol, at), 60))
    assert asks[0].price - bids[0].price == listing.tick
    assert [level.price for level in bids] == sorted({level.price for level in bids}, reverse=True)
    assert [level.price for level in asks] == sorted({level.price for level in asks})
    for level in bids + asks:
        assert is_multiple(level.price, listing.tick)
        assert is_multiple(level.quantity, listing.step)
        assert level.quantity > 0
    average = feed.average(symbol, at)
    assert abs(average.price / bids[0].price - 1) < Decimal("0.01")
    assert 0 <= at - average.close_time < 1000
    assert bids[0].price <= feed.last_price(symbol, at) <= asks[0].price
    day = feed.day(symbol, at)
    assert day.low_price <= day.last_price <= day.high_price


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_market_moves(symbol: str) -> None:
    """In a day the price takes many values, and never leaves its neighbourhood."""
    feed = SeededFeed(3)
    prices = {feed.last_price(symbol, AT + minute * 60_000) for minute in range(1440)}
    assert len(prices) > 20
    usual = LISTINGS[symbol].usual_price
    assert all(abs(price / usual - 1) < Decimal("0.1") for price in prices)


def test_a_book_is_as_deep_as_binance_shows() -> None:
    """5000 levels a side are available, and the book says where it ends."""
    feed = SeededFeed(3)
    assert sum(1 for _ in feed.bids("BTCUSDT", AT)) == 5000
    assert sum(1 for _ in feed.asks("BTCUSDT", AT)) == 5000
    assert min(level.price for level in feed.bids("ETHBTC", AT)) > 0


def test_depth_is_limited_as_asked(client: Client) -> None:
    """depth gives 100 levels unless fewer or more are requested, and 5000 at most."""
    for asked, given_levels in (({}, 100), ({"limit": 5}, 5), ({"limit": 9999}, 5000)):
        assert len(client.public("/api/v3/depth", symbol="ETHUSDT", **asked).json["bids"]) == given_levels


def test_moments_cover_a_span_and_are_thinned_out_over_long_ones() -> None:
    """Short spans are looked at every second, a year in no more than 2000 looks that include its last second."""
    feed = SeededFeed(3)
    assert list(feed.moments("BTCUSDT", 1000, 4999)) == [2000, 3000, 4000]
    assert list(feed.moments("BTCUSDT", 4000, 4999)) == []
    year = list(feed.moments("BTCUSDT", 0, 31_536_000_000))
    assert len(year) <= 2000
    assert year == sorted(year)
    assert year[-1] == 31_536_000_000
