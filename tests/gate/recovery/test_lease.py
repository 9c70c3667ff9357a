"""One process of a home asks for orders at a time: who holds the lease of that, and who takes over after it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from guardian.domain.order_states import OrderState
from guardian.errors import ExchangeUnavailable
from guardian.gate.recovery.background import TICK_S, RecoveryTask
from guardian.gate.recovery.lease import LEASE_MS
from guardian.gate.recovery.resolve import Resolver
from guardian.gate.recovery.schedule import PERIOD_S
from guardian.store.database import Transaction
from tests.gate.support.fakes import FakeConnector, FakeExchange, Room


def opened(room: Room, price: str = "60000") -> str:
    room.ask(price=price)
    assert room.last().state is OrderState.OPEN
    return room.last().client_order_id


def steady(room: Room, chance: bytes = b"\x80\x00") -> Resolver:
    """A resolver of a process of its own, whose dice always fall the same."""
    return Resolver(context=replace(room.context, random_bytes=lambda n: chance * (n // 2)))


def background_of(resolver: Resolver) -> RecoveryTask:
    """The background task of that process, which has been reconciled already."""
    background = RecoveryTask(context=resolver.context)
    background.resolver = resolver
    background.reconciliation.due = resolver.context.clock.monotonic() + 1e9
    return background


def asks(room: Room, resolver: Resolver) -> bool:
    """Whether one more round of a server, in which everything is due, asks for anything."""
    resolver._schedule.keep_only(())
    return bool(room.run(resolver.run_once(only_due=True)))


def test_one_process_asks_at_a_time(room: Room) -> None:
    """A second process asks nothing while the first holds the lease, and continues when it gave it back or died."""
    name = opened(room)
    first, second = steady(room), steady(room, b"\x11\x11")
    assert asks(room, first)
    room.exchange.becomes(name, "FILLED", "0.001")
    assert not asks(room, second)
    assert room.row(name).state is OrderState.OPEN
    room.run(first.leaseholder.release())
    assert asks(room, second)
    assert room.row(name).state is OrderState.FILLED
    name = opened(room, "59990")
    assert not asks(room, first)
    room.clock.forward(LEASE_MS / 1000 - 1)
    assert not asks(room, first)
    room.clock.forward(2)
    assert asks(room, first)


def test_command_gives_the_lease_back_at_the_end_of_its_round(room: Room) -> None:
    """Nobody waits for a process that has ended; not for one either whose round failed."""
    opened(room)
    first, second = steady(room), steady(room, b"\x11\x11")
    assert room.run(first.run_once())
    assert room.run(second.run_once())
    room.exchange.fails["order"] = ExchangeUnavailable("no answer")
    with pytest.raises(ExchangeUnavailable):
        room.run(first.run_once())
    del room.exchange.fails["order"]
    assert room.run(second.run_once())
    assert room.sql("SELECT count(*) FROM leases") == [(0,)]


def test_server_that_ends_gives_the_lease_back(room: Room) -> None:
    """Also where it is ended while a thread is taking the lease."""
    opened(room)
    leaseholder = room.resolver.leaseholder
    begun, go_on = threading.Event(), threading.Event()
    take = leaseholder.context.journal.transaction

    @contextmanager
    def slowly() -> Iterator[Transaction]:
        with take() as tx:
            if threading.current_thread() is not threading.main_thread() and not begun.is_set():
                begun.set()
                go_on.wait(10)
            yield tx

    async def serve() -> None:
        task = asyncio.create_task(background_of(room.resolver).run_forever())
        while room.sql("SELECT count(*) FROM leases") == [(0,)]:
            await asyncio.sleep(0.01)
        leaseholder._held = None
        monkey.setattr(room.journal, "transaction", slowly)
        taking = asyncio.create_task(leaseholder.holds(room.scope))
        while not begun.is_set():
            await asyncio.sleep(0.01)
        taking.cancel()
        task.cancel()
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        await asyncio.gather(task, taking, return_exceptions=True)

    with pytest.MonkeyPatch.context() as monkey:
        room.run(serve())
    assert room.sql("SELECT count(*) FROM leases") == [(0,)]


def test_lease_is_kept_while_there_is_anything_to_ask_for(room: Room) -> None:
    """A holder that lives renews it also where nothing is due, in its second half: another never gets it."""
    opened(room)
    first, second = steady(room), steady(room, b"\x11\x11")
    assert asks(room, first)
    for _ in range(40):
        room.clock.forward(TICK_S)
        room.run(first.run_once(only_due=True))
        assert not asks(room, second)
    ((renewals,),) = room.sql("SELECT renewals FROM leases")
    assert renewals in range(8, 11)


def test_lease_is_renewed_and_outlives_a_clock_that_stands_still(room: Room) -> None:
    """A holder that lives keeps it; a dead one loses it even where window time does not move on."""
    opened(room)
    room.clock.wall += 86_400_000
    opened(room, "59990")
    room.clock.wall -= 86_400_000
    first, second = steady(room), steady(room, b"\x11\x11")
    for _ in range(6):
        assert asks(room, first)
        assert not asks(room, second)
        room.clock.forward(6)
    assert not asks(room, second)
    room.clock.forward(LEASE_MS / 1000 + 1)
    assert asks(room, second)


def test_process_that_stood_still_goes_on_only_where_nobody_took_over(room: Room) -> None:
    """Stopped in the middle of a round for as long as a lease lasts, it leaves the rest of it to who took over."""
    opened(room)
    name = opened(room, "59990")
    first, second = steady(room), steady(room, b"\x11\x11")

    async def meanwhile() -> None:
        room.clock.forward(60)
        second._schedule.keep_only(())
        assert len(await second.run_once(only_due=True)) == 2

    room.exchange.unlisted.add(name)
    room.exchange.during["open_orders"] = meanwhile
    assert len(room.run(first.run_once(only_due=True))) == 1
    assert room.exchange.names()[-3:] == ["open_orders", "open_orders", "order"]  # the single query is the second's
    assert not asks(room, first)
    assert asks(room, second)


def test_machine_that_slept_asks_on(room: Room) -> None:
    """Where the monotonic clock stood still too, two ask for half a lease at most, and then one."""
    opened(room)
    first, second = steady(room), steady(room, b"\x11\x11")
    assert asks(room, first)
    room.clock.wall += 3_600_000
    assert asks(room, second)
    assert asks(room, first)
    room.clock.forward(LEASE_MS / 2000)
    assert not asks(room, first)
    assert asks(room, second)


def test_process_that_cannot_ask_leaves_it_to_another(room: Room) -> None:
    """A broken way to the exchange keeps the lease from no process whose way is whole; alone, it keeps trying."""
    name = opened(room)
    broken = FakeExchange(room.clock)
    broken.fails = dict.fromkeys(("order", "open_orders", "all_orders"), ExchangeUnavailable("no route"))
    second = background_of(steady(room, b"\x11\x11"))
    second.context = second.resolver.context = replace(second.context, connector=FakeConnector(broken))
    assert room.run(second.tick()) == PERIOD_S
    assert room.sql("SELECT count(*) FROM leases") == [(0,)]
    first = background_of(steady(room))
    asked = (room.exchange.names().count("order"), len(broken.asked))
    tasks = [first, second]
    due = [0.0, room.clock.monotonic() + PERIOD_S]
    for _ in range(120):
        room.clock.forward(TICK_S)
        for number, task in enumerate(tasks):
            if due[number] <= room.clock.monotonic():
                due[number] = room.clock.monotonic() + room.run(task.tick())
    assert room.exchange.names().count("order") - asked[0] in range(9, 16)
    assert len(broken.asked) == asked[1]
    room.exchange.becomes(name, "FILLED", "0.001")
    room.clock.forward(PERIOD_S)
    room.run(first.tick())
    assert room.row(name).state is OrderState.FILLED
    opened(room, "59990")
    count = broken.names().count("order")
    room.clock.forward(LEASE_MS / 1000 + 1)
    for _ in range(6):
        room.clock.forward(room.run(second.tick()))
    assert broken.names().count("order") - count in range(4, 7)  # nobody else lives


def test_process_that_stood_back_takes_the_lease_no_sooner_than_after_its_length(room: Room) -> None:
    """Another has time to take it, even one that looks for something to ask as rarely as that; alone, it is back."""
    holder = steady(room).leaseholder
    assert room.run(holder.holds(room.scope))
    room.run(holder.back_off())
    room.clock.forward(LEASE_MS / 1000 - 0.5)
    assert not room.run(holder.holds(room.scope))
    room.clock.forward(0.5)
    assert room.run(holder.holds(room.scope))


def test_lease_that_cannot_be_given_back_runs_out(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    """A store that fails at the end keeps nothing from ending."""
    opened(room)
    resolver = steady(room)
    room.run(resolver.run_once(only_due=True))
    room.journal.store().close()
    room.run(resolver.leaseholder.release())
    assert "the lease could not be released, and expires" in caplog.text
    room.run(resolver.leaseholder.release())  # nothing is left to give back
