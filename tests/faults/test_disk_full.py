"""A disk that is full or nearly so, at each point of an order: nothing unrecorded is sent, and what was sent counts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from guardian.domain.requests import GetTickerPrice
from guardian.errors import StoreUnavailable
from guardian.gate.base.replies import Reply
from guardian.store.disk_space import (
    ACTS_NEED,
    BALLAST_BYTES,
    BALLAST_NAME,
    ORDERS_NEED,
    free_bytes,
    give_up_ballast,
    preallocate_ballast,
)
from guardian.store.log.verify import verify
from tests.faults.support.full_disk import FAILING, READ_ONLY, Disk, disk_under_sqlite
from tests.faults.support.owner import resumes
from tests.gate.support.fakes import Room, denials


class Usage(NamedTuple):
    """As `shutil.disk_usage` returns it."""

    total: int
    used: int
    free: int


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    with disk_under_sqlite(monkeypatch) as made:
        yield made


@pytest.fixture
def leave(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Leaves that many bytes free on the disk."""

    def set_free(free: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _place: Usage(10**12, 10**12 - free, free))

    return set_free


def counted(room: Room, call_id: str | None) -> int:
    """How many orders of that call count."""
    return len(room.sql("SELECT 1 FROM orders WHERE call_id IS ?", call_id))


def prices() -> Iterator[str]:
    return (str(60000 - number) for number in count())


@pytest.mark.parametrize("has_ballast", [True, False])
@pytest.mark.parametrize("writes", [1, 10**6])
def test_full_disk_at_each_write_of_an_order(disk: Disk, tmp_path: Path, writes: int, has_ballast: bool) -> None:
    """Full for one write or for good, with and without the ballast, at the n-th write of call, reservation and outcome.

    An order that was not reserved is not sent. One that was sent counts, and its outcome is in the log, or the
    emergency file has it: then nothing more is sent before the owner resumes. With room again all of it continues.
    """
    room = Room(tmp_path)
    price, points, halts = prices(), 0, 0
    for after in count():
        if has_ballast:
            preallocate_ballast(room.home)
        before = len(room.exchange.placed)
        disk.fill(after, writes=writes)
        reply = _asked(room, next(price))
        refused = disk.refused
        sent = len(room.exchange.placed) - before
        assert sent <= 1
        if refused and not sent:
            assert "the disk is full" in str(reply), after
        if sent and not room.journal.emergency.is_empty():
            disk.empty()
            assert denials(room.ask(price=next(price))) == {"TRADING_HALTED"}, after
            assert len(room.exchange.placed) == before + 1, after
            halts += 1
        disk.empty()
        if not room.journal.emergency.is_empty():
            room.again()
        resumes(room)
        orders = room.sql("SELECT count(*) FROM orders")[0][0]
        assert orders >= len(room.exchange.placed), after
        assert len({name for _, name, _ in room.exchange.placed}) == len(room.exchange.placed)
        assert room.ask(price=next(price)).outcome.value == "done", after
        points += 1
        if not refused:
            break
    assert points > 5
    assert (halts > 0) is not (has_ballast and writes == 1)
    assert verify(room.home).is_intact
    room.close()


def _asked(room: Room, price: str) -> Reply | StoreUnavailable:
    """What an order returns, or the error where not even the call could be recorded."""
    try:
        return room.ask(price=price)
    except StoreUnavailable as error:
        return error


@pytest.mark.parametrize(
    ("error", "cause", "remedy"),
    [
        (READ_ONLY, "its folder or file is read-only", "make guardian's home writable for you"),
        (FAILING, "the disk could not be read or written", "look at the disk"),
    ],
    ids=["read-only", "failing"],
)
def test_disk_that_takes_nothing_at_each_write_of_an_order(
    disk: Disk, tmp_path: Path, error: tuple[str, int], cause: str, remedy: str
) -> None:
    """Read-only or failing from the n-th write on: 0 orders are sent from then on, and the message says which it is.

    Once it is writable again all of it continues, after the owner's resume where an outcome could not be written.
    """
    room = Room(tmp_path)
    disk.error = error
    price = prices()
    for after in count():
        before = len(room.exchange.placed)
        disk.fill(after, writes=10**6)
        said = [_asked(room, next(price)) for _ in range(3)]
        sent = len(room.exchange.placed) - before
        assert sent <= 1
        if not sent:
            assert all(cause in str(one) for one in said), after
            assert any(isinstance(one, StoreUnavailable) and remedy in str(one.hint) for one in said), after
        was_refused = disk.refused
        disk.empty()
        if not room.journal.emergency.is_empty():
            assert denials(room.ask(price=next(price))) == {"TRADING_HALTED"}, after
            room.again()
        resumes(room)
        assert room.ask(price=next(price)).outcome.value == "done", after
        if was_refused and sent:
            break
    assert after > 3
    assert verify(room.home).is_intact
    room.close()


@pytest.mark.parametrize("writes", [1, 3])
def test_ballast_takes_the_outcome_of_an_order_that_is_out(disk: Disk, tmp_path: Path, writes: int) -> None:
    """The first attempt finds the disk full, the ballast is given up, and the second succeeds: nothing halts."""
    room = Room(tmp_path)
    preallocate_ballast(room.home)
    assert (room.home / BALLAST_NAME).stat().st_size == BALLAST_BYTES
    real, placed = room.exchange.place_order, room.exchange.placed

    async def place(*arguments: object, **options: object) -> object:
        disk.fill(0, writes=1)
        return await real(*arguments, **options)  # type: ignore[arg-type]  # as they come

    room.exchange.place_order = place  # type: ignore[assignment]  # the disk is full once it was sent
    assert room.ask().outcome.value == "done"
    assert (len(placed), disk.refused) == (1, 1)
    assert not (room.home / BALLAST_NAME).exists()
    assert room.journal.emergency.is_empty()
    disk.empty()
    assert room.phases()[-1] == "outcome"
    assert verify(room.home).is_intact
    room.close()


def test_orders_and_acts_need_room_and_cancels_do_not(room: Room, leave: Callable[[int], None]) -> None:
    """Below 64 MB no order is sent, below 16 MB nothing is proposed; reads and cancels continue."""
    reply = room.ask()
    assert reply.outcome.value == "done"
    leave(ORDERS_NEED - 1)
    refused = room.ask(price="59000")
    assert len(room.exchange.placed) == 1
    assert "only 63 MB are free on the disk of guardian's home: below 64 MB no order is created" in str(refused)
    assert room.call(GetTickerPrice(symbol="BTCUSDT")).outcome.value == "done"
    room.policy({"confirmation": {"required_above": "0", "channel": "chat"}})
    assert room.ask(price="58000").outcome.value == "confirmation_required"
    leave(ACTS_NEED - 1)
    assert "below 16 MB nothing is proposed" in str(room.ask(price="57000"))
    assert room.call(GetTickerPrice(symbol="BTCUSDT")).outcome.value == "done"
    assert room.cancel(client_order_id=room.last().client_order_id).outcome.value == "done"
    leave(ORDERS_NEED)
    room.policy()
    assert room.ask(price="56000").outcome.value == "done"


def test_ballast_is_made_only_where_there_is_room(tmp_path: Path, leave: Callable[[int], None]) -> None:
    """A nearly full disk is not filled by it; it is private, and it is given up once."""
    leave(ORDERS_NEED - 1)
    preallocate_ballast(tmp_path)
    assert not (tmp_path / BALLAST_NAME).exists()
    assert not give_up_ballast(tmp_path)
    leave(ORDERS_NEED)
    for _ in range(2):
        preallocate_ballast(tmp_path)
        assert (tmp_path / BALLAST_NAME).stat().st_size == BALLAST_BYTES
    assert give_up_ballast(tmp_path)
    assert not give_up_ballast(tmp_path)


def test_free_space_of_a_folder_that_is_not_there_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is that of the folder it will be in; where the system does not say, nothing is refused for it."""
    found = free_bytes(tmp_path / "a" / "b")
    assert found is not None
    assert found > 0

    def refuse(_place: object) -> object:
        raise PermissionError

    monkeypatch.setattr(shutil, "disk_usage", refuse)
    assert free_bytes(tmp_path) is None
