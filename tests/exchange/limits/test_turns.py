"""Whose turn it is: first come, first served, a share for each kind of request, and bounded waiting."""

from __future__ import annotations

import asyncio

import pytest

from guardian.errors import ExchangeRateLimited
from guardian.exchange.environments import Endpoint
from tests.exchange.http.test_error_mapping import ID
from tests.exchange.http.test_wire import limit_order
from tests.exchange.support.exchange_setup import served
from tests.exchange.support.limits_setup import (
    ACCOUNT,
    BY_NAME,
    CANCEL,
    ORDER,
    POSITIONS,
    SNAPSHOT,
    TIME,
    USED,
    WITHDRAWALS,
    fill,
    limits,
    take,
)
from tests.exchange.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio


async def test_read_that_would_wait_too_long_is_told_when_the_window_ends() -> None:
    """With 90 % used reads are refused at once with the seconds until the window is over, and nothing is sent."""
    world = VirtualTime()
    rates = limits(world)
    await world.until(20)
    assert await fill(rates) == 5400 // 20
    with pytest.raises(ExchangeRateLimited) as caught:
        await take(rates, ACCOUNT)
    assert caught.value.retry_after_s == 41
    assert not caught.value.banned
    assert world.elapsed_s == 20


async def test_read_waits_where_the_window_ends_within_its_patience() -> None:
    """Near the window's end a read waits for the next one instead of failing."""
    world = VirtualTime()
    rates = limits(world)
    await world.until(57)
    await fill(rates)
    waiting = asyncio.create_task(take(rates, ACCOUNT))
    await world.until(60.9)
    assert not waiting.done()
    await world.until(61.1)
    assert waiting.done()
    await waiting


async def test_reads_go_in_the_order_in_which_they_came() -> None:
    """First come, first served: a light read does not overtake a heavy one that waits."""
    world = VirtualTime()
    rates = limits(world)
    await world.until(57)
    await fill(rates, TIME)
    gone = []

    async def one(number: int, endpoint: Endpoint) -> None:
        await take(rates, endpoint)
        gone.append(number)

    tasks = []
    for number in range(40):
        tasks.append(asyncio.create_task(one(number, ACCOUNT if number % 3 == 0 else TIME)))
        await world.until(57 + number / 100)
    assert gone == []
    await world.until(62)
    await asyncio.wait_for(asyncio.gather(*tasks), 5)
    assert gone == list(range(40))
    assert world.elapsed_s == 62


async def test_light_read_that_would_fit_does_not_overtake_a_heavy_one_that_waits() -> None:
    """What is left of a window goes to nobody while one who came before waits for more."""
    world = VirtualTime()
    rates = limits(world)
    await world.until(57)
    for _ in range(269):
        rates.settle(await take(rates, ACCOUNT), {})
    heavy = asyncio.create_task(take(rates, BY_NAME["GET /fapi/v3/account"]))
    await heavy  # another part of the exchange is another queue
    heavy = asyncio.create_task(take(rates, BY_NAME["GET /api/v3/openOrders"]))
    await world.until(57.1)
    light = asyncio.create_task(take(rates, TIME))
    await world.until(60.9)
    assert not heavy.done()
    assert not light.done()
    await world.until(61.1)
    await asyncio.wait_for(asyncio.gather(heavy, light), 5)


async def test_waiting_is_bounded_for_everyone_in_the_queue() -> None:
    """Nobody waits longer than 5 s, however many are before them; an order waits 2 s at most."""
    world = VirtualTime()
    rates = limits(world)
    await world.until(30)
    await fill(rates)
    tasks = [asyncio.create_task(take(rates, ACCOUNT)) for _ in range(50)]
    await world.until(35.1)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} == {ExchangeRateLimited}
    world = VirtualTime()
    rates = limits(world)
    await world.until(6)
    assert await fill(rates, ORDER) == 95
    with pytest.raises(ExchangeRateLimited) as caught:
        await take(rates, ORDER)
    assert caught.value.retry_after_s == 5
    await world.until(9.5)
    order = asyncio.create_task(take(rates, ORDER))
    await world.until(11.1)
    assert (await order).names


async def test_order_is_not_held_up_by_reads_nor_a_cancel_by_either() -> None:
    """Reads leave 10 % of the weight to orders and cancels, orders leave 5 % to cancels; a cancel never queues."""
    world = VirtualTime()
    rates = limits(world)
    await world.until(57)
    await fill(rates, TIME)
    waiting = [asyncio.create_task(take(rates, TIME)) for _ in range(20)]
    await world.until(57.1)
    assert await fill(rates, ORDER) == 95
    started = world.elapsed_s
    assert (await take(rates, CANCEL)).charges[0].amount == 1
    assert world.elapsed_s == started
    assert not any(task.done() for task in waiting)
    await world.until(63)
    await asyncio.gather(*waiting)


async def test_asking_for_one_order_is_not_held_up_by_reads() -> None:
    """Unknown orders are found out by asking for them: reads that took all that they may leave that its share."""
    world = VirtualTime()
    rates = limits(world)
    await world.until(2)
    await fill(rates)
    with pytest.raises(ExchangeRateLimited):
        await take(rates, ACCOUNT)
    assert await fill(rates, BY_NAME["GET /api/v3/order"]) == 300 // 4


async def test_cancels_have_the_last_share_for_themselves() -> None:
    """When reads and orders have taken all they may, 5 % of the minute's weight is left to cancels."""
    world = VirtualTime()
    rates = limits(world)
    slot = await take(rates, TIME)
    await world.until(2)
    slot = await take(rates, TIME)
    rates.settle(slot, {USED: 5700})
    with pytest.raises(ExchangeRateLimited):
        await take(rates, ORDER)
    assert await fill(rates, CANCEL) >= 298


async def test_wallet_paths_have_budgets_of_their_own() -> None:
    """Account snapshots are four a minute, withdrawals nine of the account; neither takes of the other or of /api."""
    world = VirtualTime()
    rates = limits(world)
    assert await fill(rates, SNAPSHOT) == 4
    assert await fill(rates, WITHDRAWALS) == 9
    assert await fill(rates) == 270
    assert await fill(rates, POSITIONS) == 2160 // 5


async def test_slot_that_is_given_back_is_free_again() -> None:
    """An order that is denied after its slot was taken costs nothing."""
    world = VirtualTime()
    rates = limits(world)
    slots = [await take(rates, ORDER) for _ in range(95)]
    for slot in slots:
        rates.give_back(slot)
        rates.give_back(slot)
    assert await fill(rates, ORDER) == 95


async def test_slot_for_an_order_is_taken_before_and_used_once() -> None:
    """With a slot an order takes no second one; what was not used goes back; without any it takes its own."""
    now = 1_700_000_005_000
    async with served(now=lambda: now) as (server, exchange):
        order = {"client_order_id": ID, "timestamp_ms": now}
        for _ in range(300):
            async with exchange.order_slot():
                pass
        for _ in range(95):
            async with exchange.order_slot() as slot:
                await exchange.place_order(limit_order(), **order, slot=slot)
        with pytest.raises(ExchangeRateLimited):
            async with exchange.order_slot():
                pass
        with pytest.raises(ExchangeRateLimited):
            await exchange.place_order(limit_order(), **order, slot=slot)
    assert len(server.seen) == 95
    assert all("slot" not in seen.parameters for seen in server.seen)
