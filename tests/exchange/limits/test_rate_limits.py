"""Keeping within the exchange's limits: what a request costs, whose turn it is, what is shared, and what stops all."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import sqlite3
import subprocess
import sys
import time

import pytest

from guardian.domain.trading import Environment
from guardian.errors import ExchangeRateLimited
from guardian.exchange.environments import ENDPOINTS, ApiFamily, EnvironmentSpec
from guardian.exchange.limits.limits_file import SharedRows
from guardian.exchange.limits.rate_limits import RateLimits
from guardian.exchange.limits.weights import Priority, costs_of, told_limits
from guardian.exchange.limits.windows import EDGE_MS, Use
from tests.exchange.http.test_error_mapping import ID, cancel, place, read
from tests.exchange.http.test_wire import limit_order
from tests.exchange.support.exchange_samples import ANSWERS, answer
from tests.exchange.support.exchange_setup import exchange_at, now_ms, served
from tests.exchange.support.loopback_exchange import LoopbackExchange, Told
from tests.exchange.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

SPEC = EnvironmentSpec(environment=Environment.LIVE)
BY_NAME = {f"{one.method} {one.path}": one for one in ENDPOINTS}
ACCOUNT = BY_NAME["GET /api/v3/account"]
TIME = BY_NAME["GET /api/v3/time"]
ORDER = BY_NAME["POST /api/v3/order"]
CANCEL = BY_NAME["DELETE /api/v3/order"]
SNAPSHOT = BY_NAME["GET /sapi/v1/accountSnapshot"]
WITHDRAWALS = BY_NAME["GET /sapi/v1/capital/withdraw/history"]
POSITIONS = BY_NAME["GET /fapi/v3/positionRisk"]
USED = "X-MBX-USED-WEIGHT-1M"


def limits(world, path=None):
    shared = None if path is None else SharedRows(path, world.now_ms)
    return RateLimits(SPEC, now_ms=world.now_ms, monotonic=world.monotonic, pause=world.pause, shared=shared)


async def take(rates, endpoint, **parameters):
    return await rates.take(endpoint, parameters, "me")


async def fill(rates, endpoint=ACCOUNT, **parameters):
    """Take until the next one is refused or would have to wait; how many that were."""
    taken = 0
    while True:
        one = asyncio.create_task(take(rates, endpoint, **parameters))
        for _ in range(3):
            await asyncio.sleep(0)
        if not one.done():
            one.cancel()
        slot = (await asyncio.gather(one, return_exceptions=True))[0]
        if isinstance(slot, BaseException):
            return taken
        rates.settle(slot, {})
        taken += 1


# -- what it costs


@pytest.mark.parametrize(
    ("name", "parameters", "weight"),
    [
        ("GET /api/v3/depth", {"symbol": "BTCUSDT"}, 5),
        ("GET /api/v3/depth", {"limit": 100}, 5),
        ("GET /api/v3/depth", {"limit": 101}, 25),
        ("GET /api/v3/depth", {"limit": 1000}, 50),
        ("GET /api/v3/depth", {"limit": 5000}, 250),
        ("GET /api/v3/openOrders", {"symbol": "BTCUSDT"}, 6),
        ("GET /api/v3/openOrders", {}, 80),
        ("GET /api/v3/allOrders", {"symbol": "BTCUSDT"}, 20),
        ("GET /api/v3/exchangeInfo", {}, 20),
        ("GET /api/v3/ticker/24hr", {}, 80),
        ("GET /fapi/v1/forceOrders", {"symbol": None}, 50),
        ("GET /sapi/v1/accountSnapshot", {}, 2400),
        ("GET /sapi/v1/capital/withdraw/history", {}, 18_000),
    ],
)
def test_cost_of_a_request_is_known_before_it_is_asked(name, parameters, weight):
    """Weights follow the endpoint and its parameters, as Binance documents them."""
    assert costs_of(BY_NAME[name], parameters)[0].amount == weight


def test_every_request_of_the_list_has_a_cost_that_the_paper_exchange_agrees_with():
    """No endpoint is without a weight, and the two tables, written apart, say the same of a plain request."""
    paper = pytest.importorskip("guardian.paper.rest.weights")
    for endpoint in ENDPOINTS:
        theirs = paper.cost_of(endpoint.method, endpoint.path, {"symbol": "BTCUSDT"})
        assert costs_of(endpoint, {"symbol": "BTCUSDT"})[0].amount == theirs.weight, endpoint


def test_only_orders_count_as_orders():
    """A POST takes of the account's orders in 10 s and in a day; a cancel and a read do not."""
    assert [cost.budget.name for cost in costs_of(ORDER, {})] == ["weight", "orders in 10 s", "orders in a day"]
    assert len(costs_of(CANCEL, {})) == len(costs_of(ACCOUNT, {})) == 1


@pytest.mark.parametrize(
    "listing",
    [[], {}, {"rateLimits": 5}, {"rateLimits": [5, {}]}]
    + [
        {"rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": limit}]}
        for limit in (0, -1, "6000", None, True, 1.5, 1, 20, 22)
    ]
    + [
        {"rateLimits": [{"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": limit}]}
        for limit in (0, -1, 1)
    ],
)
def test_limit_that_makes_no_sense_is_not_taken_over(listing):
    """What `exchangeInfo` says of limits is left out where it is no number, or lets nothing through ever again."""
    assert told_limits(listing) == {}


def test_smallest_limits_that_let_anything_through_are_taken_over():
    """A small limit is believed as long as the listing itself and a single order fit."""
    weight = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 23}
    orders = {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 2}
    assert told_limits({"rateLimits": [weight, orders]}) == {"weight": 23, "orders in 10 s": 2}


# -- windows


def test_what_is_taken_at_the_turn_of_a_window_counts_in_both():
    """Neither clock error nor travel time lets two full windows fall into one of the exchange's."""
    last = 60_000 - 1
    use = Use().at(last, 60_000).taken(50, last, 60_000)
    turned = use.at(60_000, 60_000)
    assert (turned.used, turned.before) == (50, 50)
    early = turned.taken(40, 60_100, 60_000)
    assert early.wait_ms(20, 60_100, 60_000, 100) > 0
    assert (
        Use()
        .at(30_000, 60_000)
        .taken(50, 30_000, 60_000)
        .answered(50, 30_000, 50, 30_100, 60_000)
        .at(60_000, 60_000)
        .used
        == 0
    )


def test_header_includes_only_what_was_answered_before_its_request_was_made():
    """A header frees what was answered without one before, and leaves what may have been counted after it."""
    use = Use().at(30_000, 60_000).taken(20, 30_000, 60_000).taken(30, 30_100, 60_000)
    use = use.answered(30, 30_100, None, 30_200, 60_000)
    assert use.answered(20, 30_000, 20, 30_300, 60_000).used == 50
    use = use.answered(20, 30_000, 20, 30_300, 60_000).taken(5, 30_400, 60_000)
    assert use.answered(5, 30_400, 55, 30_500, 60_000).used == 55


def test_clock_that_is_set_back_does_not_free_a_budget():
    """What was used stays used when the wall clock goes back by an hour, and is over with the next window."""
    use = Use().at(7_200_000, 60_000).taken(50, 7_200_000, 60_000)
    back = use.at(3_600_000, 60_000)
    assert back.used == 50
    assert back.at(3_660_000, 60_000).at(3_720_000, 60_000).used == 0


# -- whose turn it is


async def test_read_that_would_wait_too_long_is_told_when_the_window_ends():
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


async def test_read_waits_where_the_window_ends_within_its_patience():
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


async def test_reads_go_in_the_order_in_which_they_came():
    """First come, first served: a light read does not overtake a heavy one that waits."""
    world = VirtualTime()
    rates = limits(world)
    await world.until(57)
    await fill(rates, TIME)
    gone = []

    async def one(number, endpoint):
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


async def test_light_read_that_would_fit_does_not_overtake_a_heavy_one_that_waits():
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


async def test_waiting_is_bounded_for_everyone_in_the_queue():
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


async def test_order_is_not_held_up_by_reads_nor_a_cancel_by_either():
    """Reads leave 10 % of the weight to orders and cancels, orders leave 5 % to cancels; a cancel never queues."""
    world = VirtualTime()
    rates = limits(world)
    await world.until(57)
    await fill(rates, TIME)
    waiting = [asyncio.create_task(take(rates, TIME)) for _ in range(20)]
    await world.until(57.1)
    assert await fill(rates, ORDER) == 95
    started = world.elapsed_s
    assert (await take(rates, CANCEL)).costs[0].amount == 1
    assert world.elapsed_s == started
    assert not any(task.done() for task in waiting)
    await world.until(63)
    await asyncio.gather(*waiting)


async def test_asking_for_one_order_is_not_held_up_by_reads():
    """Unknown orders are found out by asking for them: reads that took all that they may leave that its share."""
    world = VirtualTime()
    rates = limits(world)
    await world.until(2)
    await fill(rates)
    with pytest.raises(ExchangeRateLimited):
        await take(rates, ACCOUNT)
    assert await fill(rates, BY_NAME["GET /api/v3/order"]) == 300 // 4


async def test_cancels_have_the_last_share_for_themselves():
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


async def test_wallet_paths_have_budgets_of_their_own():
    """Account snapshots are four a minute, withdrawals nine of the account; neither takes of the other or of /api."""
    world = VirtualTime()
    rates = limits(world)
    assert await fill(rates, SNAPSHOT) == 4
    assert await fill(rates, WITHDRAWALS) == 9
    assert await fill(rates) == 270
    assert await fill(rates, POSITIONS) == 2160 // 5


async def test_slot_that_is_given_back_is_free_again():
    """An order that is denied after its slot was taken costs nothing."""
    world = VirtualTime()
    rates = limits(world)
    slots = [await take(rates, ORDER) for _ in range(95)]
    for slot in slots:
        rates.give_back(slot)
        rates.give_back(slot)
    assert await fill(rates, ORDER) == 95


# -- what the exchange says


async def test_header_that_says_more_goes_before_the_own_count():
    """Where others at the same address used the budget, guardian holds back after one answer."""
    world = VirtualTime()
    rates = limits(world)
    await world.until(2)
    rates.settle(await take(rates, ACCOUNT), {USED: 5395})
    with pytest.raises(ExchangeRateLimited):
        await take(rates, ACCOUNT)
    await take(rates, TIME)


async def test_header_that_says_less_goes_before_the_own_count():
    """Orders that weigh nothing after all free what they had taken."""
    world = VirtualTime()
    rates = limits(world)
    await world.until(2)
    for _ in range(1000):
        rates.settle(await take(rates, ACCOUNT), {USED: 40})
    assert await fill(rates) == (5400 - 40) // 20


async def test_answers_without_headers_stay_counted():
    """What was asked and never told of counts in full until a later header includes it."""
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


async def test_limits_that_exchange_info_names_take_the_place_of_the_documented_ones():
    """The budgets are those of the exchange's own listing, from the first time that it is read."""
    listing = {
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 200},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 4},
            {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 1000},
        ]
    }

    def reply(seen):
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


async def test_headers_on_the_wire_are_read():
    """The weight and the order counts that an answer carries hold back what would pass them."""

    def reply(seen):
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
async def test_header_that_is_no_number_is_ignored(header):
    """A header that makes no sense changes nothing."""
    told = Told(body=ANSWERS["/api/v3/account"], headers={USED: header})
    async with served(lambda _: told) as (server, exchange):
        await exchange.balances()
        await exchange.balances()
    assert len(server.seen) == 2


# -- slots for orders


async def test_slot_for_an_order_is_taken_before_and_used_once():
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


# -- what stops all


async def test_429_stops_the_family_until_told():
    """After a 429 to a read no read and no order of that part is sent; other parts and cancels go on."""
    told = Told(status=429, body={"code": -1003, "msg": "x"}, headers={"Retry-After": "30"})

    def reply(seen):
        return told if seen.path == "/api/v3/account" else answer(seen.method, seen.path)

    async with served(reply) as (server, exchange):
        for act in (read, read, place, lambda e: e.ticker("BTCUSDT")):
            with pytest.raises(ExchangeRateLimited) as caught:
                await act(exchange)
            assert 29 <= caught.value.retry_after_s <= 30
        assert len(server.seen) == 1
        await exchange.clock_skew_ms(ApiFamily.FUTURES)
        await cancel(exchange)


async def test_429_to_a_cancel_stops_cancels_too():
    """A cancel may try in spite of a 429 to others, but not in spite of its own."""
    told = Told(status=429, body={"code": -1003, "msg": "x"}, headers={"Retry-After": "30"})
    async with served(lambda _: told) as (server, exchange):
        for act in (read, cancel, cancel, read, cancel):
            with pytest.raises(ExchangeRateLimited):
                await act(exchange)
    assert [seen.method for seen in server.seen] == ["GET", "DELETE"]


async def test_429_of_a_wallet_path_is_about_that_path():
    """Under /sapi each path has its own budget, and its 429 stops it alone."""
    world = VirtualTime()
    rates = limits(world)
    slot = await take(rates, SNAPSHOT)
    rates.note(SNAPSHOT, slot, ExchangeRateLimited(30), -1003)
    with pytest.raises(ExchangeRateLimited):
        await take(rates, SNAPSHOT)
    await take(rates, WITHDRAWALS)
    await take(rates, ACCOUNT)


async def test_short_hold_is_waited_for():
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


async def test_clock_that_is_set_back_does_not_lengthen_a_hold():
    """After the wall clock went back by a day the hold lasts no longer than it was told."""
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
async def test_clock_that_is_set_forward_does_not_end_a_hold(by_s, banned):
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


async def test_hold_that_another_process_was_told_outlasts_a_jump_too(tmp_path):
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


# -- shared by the processes of a home


async def test_what_one_process_was_told_holds_for_the_other(tmp_path):
    """Counts, headers, a 429 and a ban are those of all who share the file."""
    world = VirtualTime()
    one, other = (limits(world, tmp_path / "limits.db") for _ in range(2))
    await world.until(2)
    rates = [one, other]
    for number in range(270):
        await take(rates[number % 2], ACCOUNT)
    for each in rates:
        with pytest.raises(ExchangeRateLimited):
            await take(each, ACCOUNT)
    one.note(POSITIONS, await take(one, POSITIONS), ExchangeRateLimited(300, banned=True), None)
    with pytest.raises(ExchangeRateLimited) as caught:
        await take(other, POSITIONS)
    assert caught.value.banned
    for each in rates:
        each.close()


PROCESS = """
import asyncio, sys, time
from pathlib import Path
from guardian.domain.trading import Environment
from guardian.errors import ExchangeRateLimited
from guardian.exchange.environments import ENDPOINTS, EnvironmentSpec
from guardian.exchange.limits.limits_file import SharedRows
from guardian.exchange.limits.rate_limits import RateLimits

async def main():
    now = lambda: 1_700_000_020_000
    shared = SharedRows(Path(sys.argv[1]), now)
    spec = EnvironmentSpec(environment=Environment.LIVE)
    rates = RateLimits(spec, now_ms=now, monotonic=time.monotonic, pause=asyncio.sleep, shared=shared)
    account = next(one for one in ENDPOINTS if one.path == "/api/v3/account")
    sys.stdin.readline()
    taken = 0
    try:
        while True:
            await rates.take(account, {}, "me")
            taken += 1
    except ExchangeRateLimited:
        print(taken)

asyncio.run(main())
"""


async def test_processes_of_one_home_share_the_budget(tmp_path):
    """Three processes that ask as fast as they can get the minute's weight once between them, to the last request."""
    command = [sys.executable, "-c", PROCESS, str(tmp_path / "limits.db")]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    time.sleep(0.5)
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    taken = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(taken) == 270, taken


@pytest.mark.parametrize("damage", ["folder", "no folder"])
async def test_without_the_file_a_process_keeps_to_a_tenth_and_cancels_go_on(tmp_path, damage, caplog):
    """A file that cannot be used leaves a tenth to reads, since others may ask too, and cancels everything."""
    path = tmp_path / "limits.db"
    if damage == "folder":
        path.mkdir()
    else:
        path = tmp_path / "missing" / "limits.db"
    world = VirtualTime()
    rates = limits(world, path)
    await world.until(2)
    assert await fill(rates) == 540 // 20
    for _ in range(500):
        await take(rates, CANCEL)
    assert len(caplog.records) == 1
    rates.close()


async def test_locked_file_does_not_stop_a_cancel(tmp_path):
    """While another process holds the file's lock a cancel goes at once, without it."""
    path = tmp_path / "limits.db"
    world = VirtualTime()
    rates = limits(world, path)
    await take(rates, TIME)
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        started = time.perf_counter()
        await take(rates, CANCEL)
        assert time.perf_counter() - started < 0.5
    finally:
        other.close()
    rates.close()


async def test_ban_that_came_while_the_file_failed_is_kept_and_told_to_the_others(tmp_path):
    """A hold is not lost with the file, and is written to it as soon as it works again."""
    path = tmp_path / "limits.db"
    world = VirtualTime()
    one, other = limits(world, path), limits(world, path)
    slot = await take(one, ACCOUNT)
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    one.note(ACCOUNT, slot, ExchangeRateLimited(300, banned=True), None)
    lock.close()
    with pytest.raises(ExchangeRateLimited):
        await take(one, CANCEL)
    await world.until(2)
    for rates in (one, other):
        with pytest.raises(ExchangeRateLimited) as caught:
            await take(rates, CANCEL)
        assert caught.value.banned
        rates.close()


async def test_exchange_shares_through_the_path_it_is_given(tmp_path):
    """Two exchanges with one file keep to one hold."""
    told = Told(status=429, body=b"", headers={"Retry-After": "30"})
    async with (
        LoopbackExchange(lambda _: told) as server,
        exchange_at(server.url, limits_path=tmp_path / "limits.db") as one,
        exchange_at(server.url, limits_path=tmp_path / "limits.db") as other,
    ):
        for each in (one, other, one):
            with pytest.raises(ExchangeRateLimited):
                await each.balances()
    assert len(server.seen) == 1


async def test_shared_count_costs_far_less_than_a_millisecond(tmp_path):
    """Taking and settling through the file is quick: the median is under 1 ms."""
    spec = EnvironmentSpec(environment=Environment.LIVE)
    shared = SharedRows(tmp_path / "limits.db", now_ms)
    rates = RateLimits(spec, now_ms=now_ms, monotonic=time.monotonic, pause=asyncio.sleep, shared=shared)
    spent = []
    for _ in range(101):
        started = time.perf_counter()
        rates.settle(await rates.take(TIME, {}, "me"), {USED: 1})
        spent.append(time.perf_counter() - started)
    rates.close()
    assert sorted(spent)[50] < 0.001


# -- the whole of it


@dataclasses.dataclass
class Counting:
    """An exchange that counts in its own windows, on a clock that is off by `skew_ms`."""

    world: VirtualTime
    skew_ms: int
    weights: dict = dataclasses.field(default_factory=dict)
    orders: dict = dataclasses.field(default_factory=dict)

    def ask(self, slot, *, is_free):
        now = self.world.now_ms() + self.skew_ms
        minute, tens = now // 60_000, now // 10_000
        weight = self.weights[minute] = self.weights.get(minute, 0) + (0 if is_free else slot.costs[0].amount)
        said = {USED: weight}
        if len(slot.costs) > 1:
            count = self.orders[tens] = self.orders.get(tens, 0) + 1
            said |= {"X-MBX-ORDER-COUNT-10S": count}
        return said


@pytest.mark.parametrize("seed", range(6))
async def test_nothing_is_asked_past_the_limit_under_heavy_mixed_load(seed, tmp_path):
    """In three minutes of far too much load from two processes, with clocks apart, answers lost and orders refused,
    the exchange counts no window over its limit, and no cancel is refused."""
    dice = random.Random(seed)
    world = VirtualTime()
    exchange = Counting(world, skew_ms=dice.choice([-400, -150, 0, 150, 400]))
    processes = [limits(world, tmp_path / "limits.db") for _ in range(2)]
    listing = {
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 600},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 10},
        ]
    }
    refused = {Priority.READ: 0, Priority.ORDER: 0, Priority.CANCEL: 0}
    for rates in processes:
        rates.learn(ApiFamily.SPOT, "me", listing)

    async def request(rates, endpoint):
        try:
            slot = await take(rates, endpoint)
        except ExchangeRateLimited:
            refused[Priority.of(endpoint)] += 1
            return
        await world.pause(dice.uniform(0, 0.25))
        is_free = endpoint.method != "GET" and dice.random() < 0.7
        said = exchange.ask(slot, is_free=is_free)
        await world.pause(dice.uniform(0, 0.25))
        rates.settle(slot, said if dice.random() < 0.9 else {})

    tasks = []
    for step in range(1800):
        for _ in range(dice.choice([0, 1, 1, 2, 5])):
            endpoint = dice.choice([ACCOUNT, ACCOUNT, TIME, ORDER])
            tasks.append(asyncio.create_task(request(dice.choice(processes), endpoint)))
        if step % 40 == 0:
            tasks.append(asyncio.create_task(request(dice.choice(processes), CANCEL)))
        await world.until(step / 10)
    await world.until(200)
    await asyncio.gather(*tasks)
    for rates in processes:
        rates.close()
    assert max(exchange.weights.values()) <= 600
    assert max(exchange.orders.values()) <= 10
    assert refused[Priority.CANCEL] == 0
    assert refused[Priority.READ] > 100
    assert sorted(exchange.weights.values())[-2] > 300, "the budget is used, not only kept"


def test_edge_is_within_what_orders_are_judged_by():
    """Clock error and travel time that windows allow for are the second of skew over which creates are denied."""
    assert EDGE_MS == 1000
