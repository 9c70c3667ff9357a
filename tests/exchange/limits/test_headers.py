"""The exchange's own numbers, in headers and in its listing, correct the count."""

from __future__ import annotations

import pytest

from guardian.errors import ExchangeRateLimited
from tests.exchange.http.test_error_mapping import ID
from tests.exchange.http.test_wire import limit_order
from tests.exchange.support.exchange_samples import ANSWERS, answer
from tests.exchange.support.exchange_setup import served
from tests.exchange.support.limits_setup import ACCOUNT, CANCEL, TIME, USED, fill, limits, take
from tests.exchange.support.loopback_exchange import Seen, Told
from tests.exchange.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio


async def test_header_that_says_more_goes_before_the_own_count() -> None:
    """Where others at the same address used the budget, guardian holds back after one answer."""
    world = VirtualTime()
    rates = limits(world)
    await world.until(2)
    rates.settle(await take(rates, ACCOUNT), {USED: 5395})
    with pytest.raises(ExchangeRateLimited):
        await take(rates, ACCOUNT)
    await take(rates, TIME)


async def test_header_that_says_less_goes_before_the_own_count() -> None:
    """Orders that weigh nothing after all free what they had taken."""
    world = VirtualTime()
    rates = limits(world)
    await world.until(2)
    for _ in range(1000):
        rates.settle(await take(rates, ACCOUNT), {USED: 40})
    assert await fill(rates) == (5400 - 40) // 20


async def test_answers_without_headers_stay_counted() -> None:
    """What was asked and never reported counts in full until a later header includes it."""
    world = VirtualTime()
    rates = limits(world)
    await world.until(2)
    for _ in range(200):
        rates.settle(await take(rates, ACCOUNT), {})
    slots = [await take(rates, ACCOUNT) for _ in range(70)]
    with pytest.raises(ExchangeRateLimited):
        await take(rates, ACCOUNT)
    rates.settle(slots[0], {USED: 4020})  # not surely later than the last of those: they stay
    assert await fill(rates) == 0
    await world.until(3)
    rates.settle(slots[1], {})
    await world.until(4)
    rates.settle(await take(rates, CANCEL), {USED: 4040})
    assert await fill(rates) == (5400 - 4040 - 68 * 20) // 20


async def test_limits_that_exchange_info_names_take_the_place_of_the_documented_ones() -> None:
    """The budgets are those of the exchange's own listing, from the first time that it is read."""
    listing = {
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 200},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 4},
            {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 1000},
        ]
    }

    def reply(seen: Seen) -> object:
        found = answer(seen.method, seen.path)
        return {**found, **listing} if seen.path == "/api/v3/exchangeInfo" else found

    async with served(reply, now=lambda: 1_700_000_000_000) as (server, exchange):
        await exchange.instrument("BTCUSDT")
        for _ in range(3):
            await exchange.place_order(limit_order(), client_order_id=ID, timestamp_ms=1_700_000_000_000)
        with pytest.raises(ExchangeRateLimited):
            await exchange.place_order(limit_order(), client_order_id=ID, timestamp_ms=1_700_000_000_000)
        for _ in range(7):
            await exchange.balances()
        with pytest.raises(ExchangeRateLimited):
            await exchange.balances()
        await exchange.cancel_order("BTCUSDT", client_order_id=ID, timestamp_ms=1_700_000_000_000)
    assert len(server.seen) == 12


async def test_headers_on_the_wire_are_read() -> None:
    """The weight and the order counts that an answer carries hold back what would pass them."""

    def reply(seen: Seen) -> object:
        headers = {"x-mbx-used-weight-1m": "17", "x-mbx-order-count-10s": "99", "x-mbx-order-count-1d": "99"}
        return Told(body=answer(seen.method, seen.path), headers=headers if seen.method == "POST" else {})

    now = 1_700_000_005_000
    async with served(reply, now=lambda: now) as (server, exchange):
        order = {"client_order_id": ID, "timestamp_ms": now}
        await exchange.place_order(limit_order(), **order)
        with pytest.raises(ExchangeRateLimited):
            await exchange.place_order(limit_order(), **order)
        await exchange.balances()
    assert [seen.method for seen in server.seen] == ["POST", "GET"]


@pytest.mark.parametrize("header", ["", "x", "-5", "1e9", "9" * 40])
async def test_header_that_is_no_number_is_ignored(header: str) -> None:
    """A header that makes no sense changes nothing."""
    told = Told(body=ANSWERS["/api/v3/account"], headers={USED: header})
    async with served(lambda _: told) as (server, exchange):
        await exchange.balances()
        await exchange.balances()
    assert len(server.seen) == 2
