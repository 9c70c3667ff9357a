"""Requests made at once take their slots in one change of the shared file, and are settled with a later one."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from guardian.errors import ExchangeRateLimited
from guardian.exchange.limits import rate_limits
from guardian.exchange.limits.limits_file import SharedRows
from guardian.exchange.limits.rate_limits import RateLimits, Slot
from tests.exchange.support.limits_setup import ACCOUNT, ORDER, TIME, USED, fill, limits, take
from tests.exchange.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio


@pytest.fixture
def changes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The rows of each change of a shared file."""
    found: list[tuple[str, ...]] = []
    real = SharedRows.change

    def change(shared: SharedRows, names: Any, change: Any) -> Any:
        found.append(tuple(names))
        return real(shared, names, change)

    monkeypatch.setattr(SharedRows, "change", change)
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "limits.db"


def weight(place: Path) -> tuple[int, int, int]:
    """What is reported, in flight and not reported of the weight, as other processes see it."""
    with closing(sqlite3.connect(place)) as connection:
        ((state,),) = connection.execute("SELECT state FROM rows WHERE name LIKE '% weight'").fetchall()
    _, reported, in_flight, unreported, *_ = json.loads(state)
    return reported, in_flight, unreported


async def nested(rates: RateLimits) -> Slot:
    """A request that begins a turn of the event loop later, as one in a group of its own."""
    (slot,) = await asyncio.gather(take(rates, TIME))
    return slot


async def test_requests_at_once_take_their_slots_in_one_change(place: Path, changes: list[tuple[str, ...]]) -> None:
    """Three facts of an order are one change, also where one of them is in a group of its own."""
    world = VirtualTime()
    rates = limits(world, place)
    await world.until(2)
    slots = await asyncio.gather(take(rates, ACCOUNT), nested(rates), take(rates, ACCOUNT))
    assert len(changes) == 1
    assert weight(place) == (0, 41, 0)
    assert len({id(slot) for slot in slots}) == 3
    assert all(slot.is_taken for slot in slots)
    rates.close()


async def test_those_that_fit_are_taken_in_the_order_in_which_they_came(place: Path) -> None:
    """The first that does not fit holds up all behind it, and nothing of it is taken."""
    world = VirtualTime()
    rates = limits(world, place)
    await world.until(57)
    for _ in range(268):
        rates.settle(await take(rates, ACCOUNT), {})
    requests = [asyncio.create_task(take(rates, endpoint)) for endpoint in (ACCOUNT, TIME, ACCOUNT, TIME)]
    await world.until(57.1)
    assert [request.done() for request in requests] == [True, True, False, False]
    assert weight(place) == (0, 21, 268 * 20)
    await world.until(62)
    assert all(request.done() for request in requests)
    await asyncio.gather(*requests)
    rates.close()


async def test_request_that_is_given_up_gives_back_what_was_taken_along_for_it(place: Path) -> None:
    """A slot that another request took along is free again where its own request is cancelled just then."""
    world = VirtualTime()
    rates = limits(world, place)
    await world.until(2)
    first, second = asyncio.create_task(take(rates, ACCOUNT)), asyncio.create_task(take(rates, ACCOUNT))
    while not first.done():
        await asyncio.sleep(0)
    assert weight(place) == (0, 40, 0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert weight(place) == (0, 20, 0)
    rates.close()


async def test_request_that_is_given_up_while_it_waits_leaves_the_others_alone() -> None:
    """Of requests that are alike the one that was cancelled goes, and no other."""
    world = VirtualTime()
    rates = limits(world)
    await world.until(57)
    await fill(rates)
    waiting = [asyncio.create_task(take(rates, ACCOUNT)) for _ in range(3)]
    await world.until(57.1)
    waiting[1].cancel()
    await world.until(62)
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(one, Slot) and one.is_taken for one in done] == [True, False, True]
    assert isinstance(done[1], asyncio.CancelledError)


async def test_answer_is_counted_in_full_until_it_is_settled(place: Path, changes: list[tuple[str, ...]]) -> None:
    """Until then no process takes more than before; the next request of this one settles it in its own change."""
    world = VirtualTime()
    rates, other = limits(world, place), limits(world, place)
    await world.until(2)
    slot = await take(rates, ACCOUNT)
    changes.clear()
    rates.settle_soon(slot, {USED: 700})
    assert (changes, weight(place)) == ([], (0, 20, 0))
    other.settle(await take(other, TIME), {USED: 701})
    assert weight(place) == (701, 20, 0)
    changes.clear()
    await take(rates, ORDER)
    assert len(changes) == 1
    assert weight(place) == (701, 1, 0)
    for each in (rates, other):
        each.close()


async def test_answer_is_settled_soon_without_another_request(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that makes no other request settles what was answered all the same."""
    monkeypatch.setattr(rate_limits, "SETTLE_AFTER_S", 0)
    world = VirtualTime()
    rates = limits(world, place)
    await world.until(2)
    rates.settle_soon(await take(rates, ACCOUNT), {USED: 700})
    rates.settle_soon(await take(rates, ACCOUNT), {USED: 720})
    while weight(place)[0] != 720:
        await asyncio.sleep(0)
    assert weight(place) == (720, 0, 0)
    rates.close()


async def test_answers_are_settled_before_the_file_is_closed(place: Path) -> None:
    """A command that ends right after its request leaves nothing in flight behind."""
    world = VirtualTime()
    rates = limits(world, place)
    await world.until(2)
    rates.settle_soon(await take(rates, ACCOUNT), {USED: 700})
    rates.close()
    assert weight(place) == (700, 0, 0)


async def test_hold_after_an_answer_is_shared_at_once(place: Path) -> None:
    """A 429 is not kept back with the count of its answer: no other process makes a request after it."""
    world = VirtualTime()
    rates, other = limits(world, place), limits(world, place)
    await world.until(2)
    slot = await take(rates, ACCOUNT)
    rates.settle_soon(slot, {USED: 700})
    rates.note(ACCOUNT, slot, ExchangeRateLimited(30, banned=False), None)
    with pytest.raises(ExchangeRateLimited) as caught:
        await take(other, TIME)
    assert caught.value.retry_after_s == 30
    for each in (rates, other):
        each.close()
