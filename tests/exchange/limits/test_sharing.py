"""Processes of one home share their counts and holds, and count alone while the file fails."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from guardian.domain.trading import Environment
from guardian.errors import ExchangeRateLimited
from guardian.exchange.environments import EnvironmentSpec
from guardian.exchange.limits.limits_file import SharedRows
from guardian.exchange.limits.rate_limits import RateLimits
from tests.exchange.support.exchange_setup import exchange_at, now_ms
from tests.exchange.support.limits_setup import ACCOUNT, CANCEL, POSITIONS, TIME, USED, fill, limits, take
from tests.exchange.support.loopback_exchange import LoopbackExchange, Told
from tests.exchange.support.virtual_time import VirtualTime
from tests.support import prefork
from tests.support.clock import ClockOf
from tests.support.present import present

pytestmark = pytest.mark.anyio


async def test_what_one_process_was_told_holds_for_the_other(tmp_path: Path) -> None:
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
from tests.support.clock import ClockOf

async def main():
    clock = ClockOf(lambda: 1_700_000_020_000)
    shared = SharedRows(Path(sys.argv[1]), clock)
    spec = EnvironmentSpec(environment=Environment.LIVE)
    rates = RateLimits(spec, clock=clock, shared=shared)
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


async def test_processes_of_one_home_share_the_budget(tmp_path: Path) -> None:
    """Three processes that ask as fast as they can get the minute's weight once between them, to the last request."""
    command = [sys.executable, "-c", PROCESS, str(tmp_path / "limits.db")]
    processes = [prefork.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    time.sleep(0.5)
    for process in processes:
        present(process.stdin).write("\n")
        present(process.stdin).flush()
    taken = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(taken) == 270, taken


@pytest.mark.parametrize("damage", ["folder", "no folder"])
async def test_without_the_file_a_process_keeps_to_a_tenth_and_cancels_go_on(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
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
    assert ["counts alone for now" in record.message for record in caplog.records] == [True]
    rates.close()


async def test_locked_file_does_not_stop_a_cancel(tmp_path: Path) -> None:
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


async def test_ban_that_came_while_the_file_failed_is_kept_and_told_to_the_others(tmp_path: Path) -> None:
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


async def test_exchange_shares_through_the_path_it_is_given(tmp_path: Path) -> None:
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


async def test_shared_count_costs_far_less_than_a_millisecond(tmp_path: Path) -> None:
    """Taking and settling through the file is quick: the median is under 1 ms."""
    spec = EnvironmentSpec(environment=Environment.LIVE)
    clock = ClockOf(now_ms)
    shared = SharedRows(tmp_path / "limits.db", clock)
    rates = RateLimits(spec, clock=clock, shared=shared)
    spent = []
    for _ in range(101):
        started = time.perf_counter()
        rates.settle(await rates.take(TIME, {}, "me"), {USED: 1})
        spent.append(time.perf_counter() - started)
    rates.close()
    assert sorted(spent)[50] < 0.001
