"""How long the exchange is left alone after a 429 or during a ban, whatever the wall clock does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from guardian.errors import ExchangeRateLimited
from guardian.exchange.environments import ApiFamily
from tests.exchange.http.test_error_mapping import cancel, place, read
from tests.exchange.support.exchange_samples import answer
from tests.exchange.support.exchange_setup import served
from tests.exchange.support.limits_setup import ACCOUNT, CANCEL, ORDER, SNAPSHOT, WITHDRAWALS, limits, take
from tests.exchange.support.loopback_exchange import Seen, Told
from tests.exchange.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio


async def test_429_stops_the_family_until_told() -> None:
    """After a 429 to a read no read and no order of that part is sent; other parts and cancels go on."""
    told = Told(status=429, body={"code": -1003, "msg": "x"}, headers={"Retry-After": "30"})

    def reply(seen: Seen) -> object:
        return told if seen.path == "/api/v3/account" else answer(seen.method, seen.path)

    async with served(reply) as (server, exchange):
        for act in (read, read, place, lambda e: e.ticker("BTCUSDT")):
            with pytest.raises(ExchangeRateLimited) as caught:
                await act(exchange)
            assert 29 <= caught.value.retry_after_s <= 30
        assert len(server.seen) == 1
        await exchange.clock_skew_ms(ApiFamily.FUTURES)
        await cancel(exchange)


async def test_429_to_a_cancel_stops_cancels_too() -> None:
    """A cancel may try in spite of a 429 to others, but not in spite of its own."""
    told = Told(status=429, body={"code": -1003, "msg": "x"}, headers={"Retry-After": "30"})
    async with served(lambda _: told) as (server, exchange):
        for act in (read, cancel, cancel, read, cancel):
            with pytest.raises(ExchangeRateLimited):
                await act(exchange)
    assert [seen.method for seen in server.seen] == ["GET", "DELETE"]


async def test_429_of_a_wallet_path_is_about_that_path() -> None:
    """Under /sapi each path has its own budget, and its 429 stops it alone."""
    world = VirtualTime()
    rates = limits(world)
    slot = await take(rates, SNAPSHOT)
    rates.note(SNAPSHOT, slot, ExchangeRateLimited(30), -1003)
    with pytest.raises(ExchangeRateLimited):
        await take(rates, SNAPSHOT)
    await take(rates, WITHDRAWALS)
    await take(rates, ACCOUNT)


async def test_short_hold_is_waited_for() -> None:
    """A read waits where the exchange asked for less than its patience."""
    world = VirtualTime()
    rates = limits(world)
    slot = await take(rates, ACCOUNT)
    rates.note(ACCOUNT, slot, ExchangeRateLimited(3), -1003)
    waiting = asyncio.create_task(take(rates, ACCOUNT))
    await world.until(2.9)
    assert not waiting.done()
    await world.until(3.1)
    assert waiting.done()


async def test_clock_that_is_set_back_does_not_lengthen_a_hold() -> None:
    """After the wall clock went back by a day the hold lasts no longer than was reported."""
    world = VirtualTime()
    rates = limits(world)
    rates.note(ACCOUNT, await take(rates, ACCOUNT), ExchangeRateLimited(30), -1003)
    world.start_ms -= 86_400_000
    with pytest.raises(ExchangeRateLimited) as caught:
        await take(rates, ACCOUNT)
    assert caught.value.retry_after_s == 30
    await world.until(31)
    await take(rates, ACCOUNT)


@pytest.mark.parametrize(("by_s", "banned"), [(10, False), (86_400, False), (86_400, True)])
async def test_clock_that_is_set_forward_does_not_end_a_hold(by_s: int, banned: bool) -> None:
    """A wall clock that jumps ahead ends a hold no sooner than this process's own clock says that it has passed."""
    world = VirtualTime()
    rates = limits(world)
    rates.note(ACCOUNT, await take(rates, ACCOUNT), ExchangeRateLimited(30, banned=banned), -1003)
    world.start_ms += by_s * 1000
    await world.until(20)
    for endpoint in (ACCOUNT, ORDER, CANCEL) if banned else (ACCOUNT, ORDER):
        with pytest.raises(ExchangeRateLimited) as caught:
            await take(rates, endpoint)
        assert (caught.value.retry_after_s, caught.value.banned) == (10, banned)
    if not banned:
        await take(rates, CANCEL)
    await world.until(30.1)
    for endpoint in (ACCOUNT, ORDER, CANCEL):
        await take(rates, endpoint)


async def test_hold_that_another_process_was_told_outlasts_a_jump_too(tmp_path: Path) -> None:
    """What this process has seen in the file it keeps to by its own clock."""
    world = VirtualTime()
    one, other = (limits(world, tmp_path / "limits.db") for _ in range(2))
    one.note(ACCOUNT, await take(one, ACCOUNT), ExchangeRateLimited(30), -1003)
    for _ in range(2):
        with pytest.raises(ExchangeRateLimited):
            await take(other, ACCOUNT)
        world.start_ms += 86_400_000
    await world.until(30.1)
    await take(other, ACCOUNT)
    for each in (one, other):
        each.close()
