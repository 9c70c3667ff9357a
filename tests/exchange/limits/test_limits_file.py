"""The file of the limits when it is damaged, lost, or held by somebody: it heals, and nobody waits for it for long."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from guardian.errors import ExchangeRateLimited
from guardian.exchange.limits.limits_file import LOCK_WAIT_MS
from tests.exchange.support.limits_setup import ACCOUNT, CANCEL, TIME, USED, fill, limits, take
from tests.exchange.support.virtual_time import VirtualTime
from tests.support.present import present

pytestmark = pytest.mark.anyio


def garbage(path: Path) -> None:
    path.write_bytes(b"not a database " * 1000)


def torn_page(path: Path) -> None:
    """The file of a process that is gone, with the page of the rows overwritten."""
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))


def row(state: str | int | bytes) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with sqlite3.connect(path) as other:
            other.execute("UPDATE rows SET state = ?", (state,))
        other.close()

    return damage


DAMAGE = {
    "garbage": garbage,
    "torn page": torn_page,
    "no JSON": row("[1, 2"),
    "other JSON": row("{}"),
    "no text": row(7),
    "no UTF-8": row(b"\xff\xfe\xfd"),
    "deep": row("[" * 100_000),
    "held for ever": row(f"[{'0, ' * 9}{10**18}, 0, 0, 0]"),
}


async def made(world: VirtualTime, path: Path) -> None:
    """A file with a count in it, that nobody has open."""
    rates = limits(world, path)
    await take(rates, TIME)
    rates.close()


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
async def test_damaged_file_is_made_anew(
    tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is wrong with the file, the next request has a good one, and it is said once."""
    world, path = VirtualTime(), tmp_path / "limits.db"
    await made(world, path)
    damage(path)
    rates = limits(world, path)
    await world.until(2)
    for _ in range(3):
        rates.settle(await take(rates, TIME), {USED: 1})
    with sqlite3.connect(path) as other:
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert other.execute("SELECT count(*) FROM rows").fetchone()[0] >= 1
    other.close()
    assert [record.message for record in caplog.records] == [
        "the shared file of the rate limits was damaged: it is created again"
    ]
    rates.close()


async def test_file_that_is_damaged_while_it_is_open_is_made_anew(tmp_path: Path) -> None:
    """A process that has the file open does not go on with the ruin of it."""
    world, path = VirtualTime(), tmp_path / "limits.db"
    rates = limits(world, path)
    await world.until(2)
    rates.settle(await take(rates, TIME), {USED: 100})
    with sqlite3.connect(path) as other:
        other.execute("UPDATE rows SET state = 'x'")
    other.close()
    assert await fill(rates) == (5400 - 100) // 20
    rates.close()


async def test_lost_file_leaves_a_tenth_until_a_header_tells_what_is_used(tmp_path: Path) -> None:
    """Who knows nothing keeps to a tenth after the loss; the first header, or a minute, gives the whole share back."""
    world, path = VirtualTime(), tmp_path / "limits.db"
    garbage(path)
    rates = limits(world, path)
    await world.until(2)
    assert await fill(rates) == 540 // 20
    for _ in range(200):
        rates.settle(await take(rates, CANCEL), {})
    await world.until(3)
    rates.settle(await take(rates, CANCEL), {USED: 2000})
    assert await fill(rates) == (5400 - 2000) // 20
    rates.close()
    garbage(path)
    rates = limits(world, path)
    await world.until(62)
    assert await fill(rates) == 540 // 20
    await world.until(123)
    assert await fill(rates) >= 5400 // 20 - 1  # all but what was taken at the turn of the minute
    rates.close()


@pytest.mark.parametrize("loss", ["damaged", "removed"])
async def test_what_the_processes_know_is_written_back_after_a_loss(tmp_path: Path, loss: str) -> None:
    """Holds, bans, counts and learnt limits that a process knows hold for all again, in the file made again."""
    world, path = VirtualTime(), tmp_path / "limits.db"
    one = limits(world, path)
    await world.until(2)
    slot = await take(one, ACCOUNT)
    one.settle(await take(one, ACCOUNT), {USED: 5000})
    one.note(ACCOUNT, slot, ExchangeRateLimited(30, banned=True), None)
    if loss == "damaged":
        garbage(path)
    else:
        path.unlink()
    with pytest.raises(ExchangeRateLimited):
        await take(one, CANCEL)
    other = limits(world, path)
    with pytest.raises(ExchangeRateLimited) as caught:
        await take(other, CANCEL)
    assert caught.value.banned
    await world.until(33)
    assert await fill(other) == (5400 - 5020) // 20
    for each in (one, other):
        each.close()


async def test_processes_share_the_one_file_after_one_of_them_made_it_anew(tmp_path: Path) -> None:
    """Who had the old file open goes over to the new one, and does not remove it a second time."""
    world, path = VirtualTime(), tmp_path / "limits.db"
    one, other = (limits(world, path) for _ in range(2))
    await world.until(2)
    for each in (one, other):
        each.settle(await take(each, TIME), {USED: 10})
    with sqlite3.connect(path) as ruin:
        ruin.execute("UPDATE rows SET state = 'x'")
    ruin.close()
    assert await fill(one) == (5400 - 10) // 20
    assert await fill(other) == 0
    assert (present(one._counts._file).losses, present(other._counts._file).losses) == (1, 0)
    for each in (one, other):
        each.close()


async def test_locked_file_is_tried_less_and_less_often_and_holds_nobody_up(tmp_path: Path) -> None:
    """While somebody holds the lock a minute's requests wait for it six times, a quarter of a second each at most."""
    world, path = VirtualTime(), tmp_path / "limits.db"
    rates = limits(world, path)
    await take(rates, TIME)
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    spent = []
    try:
        for step in range(1, 240):
            await world.until(step / 4)
            started = time.perf_counter()
            rates.settle(await take(rates, TIME), {})
            spent.append(time.perf_counter() - started)
    finally:
        lock.close()
    waits = [one for one in spent if one > LOCK_WAIT_MS / 2000]
    assert len(waits) == 6  # after 1, 2, 4, 8, 16 and 30 s
    assert max(waits) < 4 * LOCK_WAIT_MS / 1000
    await world.until(95)
    assert await fill(rates) >= 5400 // 20 - 1  # all but what was taken at the turn of the minute
    rates.close()
