"""What has ended leaves the engine's memory for the storage, where it is found as before; work stays as quick."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from guardian.paper.engine.orders import CancelOne, PlaceOrder
from guardian.paper.engine.state import KEPT
from guardian.paper.market.seeded import SeededFeed
from guardian.paper.storage import MemoryStorage, Page, SqliteStorage
from guardian.paper.venue import Venue
from tests.paper.support.hand_feed import BORN, SYMBOL, Desk, HandFeed

DEPTH = [("59999", "1000000")], [("60001", "1000000")]
ALL = Page(start=0, end=1 << 62, first_id=None, limit=100_000, newest=False)


def bought(number: int) -> PlaceOrder:
    return PlaceOrder(
        symbol=SYMBOL,
        side="BUY",
        order_type="LIMIT",
        client_order_id=f"order-{number}",
        quantity=Decimal("0.001"),
        price=Decimal(60001),
    )


@pytest.fixture(params=["private", "file"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MemoryStorage | SqliteStorage]:
    kept = MemoryStorage() if request.param == "private" else SqliteStorage(tmp_path / "paper.db")
    if request.param == "file":
        kept._db.execute("PRAGMA synchronous = OFF")
    yield kept
    kept.close()


def test_ended_orders_leave_memory_and_stay_in_the_history(storage: MemoryStorage | SqliteStorage) -> None:
    """However many orders have ended, memory holds the last few thousand, and the storage all of them in order."""
    clock = [BORN]
    venue = Venue(
        seed=1,
        feed=SeededFeed(1),
        storage=storage,
        clock=lambda: clock[0],
        new_id=str,
        keys={},
        balances={"USDT": Decimal(10**9)},
    )
    resting = PlaceOrder(
        symbol=SYMBOL,
        side="BUY",
        order_type="LIMIT",
        client_order_id="resting",
        quantity=Decimal(1),
        price=Decimal(40000),
    )
    count = KEPT + 500
    with venue.at_work() as now:
        venue.execute(resting, now)
        for number in range(count):
            clock[0] += 1
            venue.execute(bought(number), clock[0])
    state = venue.state
    assert len(state.orders) <= KEPT + 1
    assert len(state.trades) <= KEPT
    assert state.open_with("resting") is not None
    first = state.next_order_id - count
    assert first not in state.orders
    assert [order.client_order_id for order in venue.history.orders(SYMBOL, ALL)] == [
        "resting",
        *(f"order-{number}" for number in range(count)),
    ]
    found = venue.history.order(first)
    assert found is not None
    assert found.client_order_id == "order-0"
    assert venue.history.order_named(SYMBOL, "order-0") == found
    trades = venue.history.trades(SYMBOL, ALL)
    assert [trade.trade_id for trade in trades] == list(range(trades[0].trade_id, state.next_trade_id))
    assert venue.history.trades(SYMBOL, ALL, order_id=first)[0] == trades[0]
    assert next(iter(venue.history.trades_after(0))).trade_id == trades[-1].trade_id
    again = storage.load()
    assert again is not None
    assert (again.orders, again.open_orders, again.trades) == (state.orders, state.open_orders, state.trades)
    assert set(again.ledger) == set(state.ledger)
    counters = ("next_order_id", "next_trade_id", "next_match_id", "next_priority", "updated", "checked", "born")
    assert [getattr(again, name) for name in counters] == [getattr(state, name) for name in counters]


def test_what_was_prevented_is_numbered_on_after_a_restart(storage: MemoryStorage | SqliteStorage) -> None:
    """The next prevented match after a restart has the next number, though both orders of the last one have ended."""
    desk = Desk(HandFeed(*DEPTH))
    storage.create(desk.state)
    desk.place("SELL", "60000", "1")
    desk.place("BUY", "60000", "1", self_trade_mode="EXPIRE_BOTH")
    storage.commit(tuple(desk.events), desk.now)
    again = storage.load()
    assert again is not None
    assert (again.next_match_id, again.open_orders) == (1, {})


def test_history_pages_from_either_end(storage: MemoryStorage | SqliteStorage) -> None:
    """A page takes the newest or the first of what lies in its period and from its id on."""
    desk = Desk(HandFeed(*DEPTH))
    storage.create(desk.state)
    for number in range(10):
        desk.now = BORN + number
        storage.commit(desk.handle(bought(number)), desk.now)

    def named(**wanted: Any) -> list[int]:
        asked: dict[str, Any] = {"start": 0, "end": 1 << 62, "first_id": None, "limit": 3, "newest": False}
        page = Page(**(asked | wanted))
        return [int(order.client_order_id.removeprefix("order-")) for order in storage.orders(SYMBOL, page)]

    assert named() == [0, 1, 2]
    assert named(newest=True) == [7, 8, 9]
    assert named(start=BORN + 4, end=BORN + 5) == [4, 5]
    assert named(first_id=desk.state.next_order_id - 2) == [8, 9]
    assert storage.orders("ETHUSDT", ALL) == []
    assert storage.order(1 << 70) is None


def test_what_an_order_costs_does_not_grow_with_how_many_there_were() -> None:
    """The engine takes as long for the ten-thousandth order as for the first ones, three times at most."""
    desk = Desk(HandFeed(*DEPTH))
    for number in range(150):
        desk.handle(replace(bought(number), client_order_id=f"r-{number}", price=Decimal(50000)))

    def spell(start: int) -> float:
        began = time.process_time()
        for number in range(start, start + 500):
            desk.engine.handle(bought(number), desk.now)
            cancel = CancelOne(symbol=SYMBOL, order_id=next(iter(desk.state.open_orders)), client_order_id=None)
            desk.engine.handle(cancel, desk.now)
            name = f"r-again-{number}"
            again = replace(bought(number), client_order_id=name, price=Decimal(50000))
            desk.engine.handle(again, desk.now)
        return time.process_time() - began

    first = min(spell(0), spell(500))
    for start in range(1000, 5000, 500):
        spell(start)
    assert min(spell(5000), spell(5500)) < 3 * first
