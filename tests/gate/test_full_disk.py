"""A disk that is full or nearly so, as the gate meets it: an order that is out has its outcome, and status says why."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from guardian.gate.reads.overview import Overview
from guardian.store.disk_space import BALLAST_NAME, ORDERS_NEED, preallocate_ballast
from guardian.store.log.verify import verify
from tests.faults.support.full_disk import disk_under_sqlite
from tests.gate.support.fakes import Room


class Usage(NamedTuple):
    """As `shutil.disk_usage` returns it."""

    total: int
    used: int
    free: int


@pytest.mark.parametrize("has_ballast", [True, False])
def test_outcome_of_an_order_that_is_out_takes_the_room_that_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_ballast: bool
) -> None:
    """The second attempt succeeds in the ballast's room; without a ballast the emergency file takes the outcome."""
    with disk_under_sqlite(monkeypatch) as disk:
        room = Room(tmp_path)
        if has_ballast:
            preallocate_ballast(room.home)
        real = room.exchange.place_order

        async def place(*arguments: object, **options: object) -> object:
            disk.fill(0, writes=1)
            return await real(*arguments, **options)  # type: ignore[arg-type]  # as they come

        room.exchange.place_order = place  # type: ignore[assignment]  # the disk is full once it was sent
        assert room.ask().outcome.value == "done"
        assert (len(room.exchange.placed), disk.refused) == (1, 1)
        disk.empty()
        assert not (room.home / BALLAST_NAME).exists()
        assert room.journal.emergency.is_empty() is has_ballast
        assert room.phases() == ["call", "intent", "outcome"]
        assert verify(room.home).is_intact
        room.close()


@pytest.mark.parametrize(("free", "is_said"), [(ORDERS_NEED - 1, True), (ORDERS_NEED, False)])
def test_status_says_that_orders_lack_room(
    room: Room, monkeypatch: pytest.MonkeyPatch, free: int, is_said: bool
) -> None:
    """Below 64 MB, with the very reason for which an order is refused; not at that bound."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: Usage(10**12, 10**12 - free, free))
    status = room.run(Overview(room.context).status(asks_exchange=False))
    why = "only 63 MB are free on the disk of guardian's home: below 64 MB no order is created"
    assert (why in repr(status)) is is_said
