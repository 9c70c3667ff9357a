"""A read is answered before its outcome row is written: what is due, who writes it, and what becomes of it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest

from guardian.domain.codes import Outcome
from guardian.domain.requests import CancelOrder, CreateOrder, GetTickerPrice
from guardian.errors import StoreUnavailable
from guardian.gate.base import outcomes
from guardian.gate.base.calls import CallInfo
from guardian.gate.base.outcomes import MAX_DUE, OutcomeWriter
from guardian.store.database import Store, Transaction
from guardian.store.log.checkpoint import read_checkpoint
from tests.gate.support.room import Room, limit

PRICE = GetTickerPrice(symbol="BTCUSDT")


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    """A home whose due rows wait until somebody wants them written."""
    monkeypatch.setattr(outcomes, "WRITE_AFTER_S", 3600)
    made = Room(tmp_path)
    yield made
    made.close()


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every transaction of the store, by the thread that it ran in."""
    found: list[str] = []
    real = Store.transaction

    @contextmanager
    def transaction(store: Store, **waits: Any) -> Iterator[Transaction]:
        found.append(threading.current_thread().name)
        with real(store, **waits) as tx:
            yield tx

    monkeypatch.setattr(Store, "transaction", transaction)
    return found


async def read(room: Room) -> CallInfo:
    """One read, up to its reply."""
    call = await room.gate.open_call(PRICE.tool, {"symbol": "BTCUSDT"})
    reply = await room.gate.handle(call, PRICE)
    assert reply.outcome is Outcome.DONE
    await room.gate.close_call(call, reply)
    return call


def trail(room: Room) -> list[tuple[str, str]]:
    """Each row of the log: its phase and its call."""
    return [
        (phase, call)
        for phase, call in room.sql("SELECT phase, call_id FROM audit WHERE phase <> 'state' ORDER BY seq")
    ]


def test_read_is_answered_before_its_outcome_row(room: Room) -> None:
    """The reply waits for no row; the row is written when somebody waits for it."""
    call = room.run(read(room))
    assert trail(room) == [("call", call.call_id)]
    room.run(room.gate.settle())
    assert trail(room) == [("call", call.call_id), ("outcome", call.call_id)]


def test_row_is_written_soon_by_itself(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without another call or anybody who waits, the row of a read is written in a moment, off the event loop."""
    monkeypatch.setattr(outcomes, "WRITE_AFTER_S", 0.001)

    async def work() -> None:
        await read(room)
        task = room.gate._outcomes._task
        assert task is not None
        await task

    room.run(work())
    assert room.phases() == ["call", "outcome"]


def test_next_call_takes_the_rows_that_are_due_with_it(room: Room, begun: list[str]) -> None:
    """A client that calls one after the other costs one transaction a read; its rows are in the order of its calls."""

    async def work() -> list[str]:
        return [(await read(room)).call_id for _ in range(5)]

    first = room.run(read(room))
    begun.clear()
    ids = [first.call_id, *room.run(work())]
    assert len(begun) == 5
    assert threading.current_thread().name not in begun
    expected = [("call", ids[0])]
    for before, after in pairwise(ids):
        expected += [("outcome", before), ("call", after)]
    assert trail(room) == expected
    room.run(room.gate.settle())
    assert trail(room) == [*expected, ("outcome", ids[-1])]
    assert len(begun) == 6


def test_several_due_rows_are_one_transaction(room: Room, begun: list[str]) -> None:
    """Reads at once have their outcome rows in one transaction, in the order of their replies."""

    async def work() -> list[CallInfo]:
        calls = [await room.gate.open_call(PRICE.tool, {}) for _ in range(4)]
        replies = [await room.gate.handle(call, PRICE) for call in calls]
        for call, reply in zip(calls, replies, strict=True):
            await room.gate.close_call(call, reply)
        return calls

    calls = room.run(work())
    begun.clear()
    room.run(room.gate.settle())
    assert len(begun) == 1
    assert trail(room)[4:] == [("outcome", call.call_id) for call in calls]


@pytest.mark.parametrize("request_", [CancelOrder(symbol="BTCUSDT", order_id=5), CreateOrder(order=limit(symbol="X"))])
def test_outcome_of_a_write_precedes_its_reply(room: Room, request_: CancelOrder | CreateOrder) -> None:
    """A denied order and a cancel have their outcome row before the reply, as every write."""

    async def work() -> None:
        call = await room.gate.open_call(request_.tool, {})
        await room.gate.close_call(call, await room.gate.handle(call, request_))

    room.run(work())
    assert room.phases() == ["call", "outcome"]


def test_outcome_of_an_unknown_tool_precedes_its_reply(room: Room) -> None:
    """Only tools that are known to read are answered before their row."""

    async def work() -> None:
        call = await room.gate.open_call("withdraw", {})
        await room.gate.close_call(call, await room.gate.handle(call, PRICE))

    room.run(work())
    assert room.phases() == ["call", "outcome"]


def test_proposal_has_its_outcome_row_before_its_reply(tmp_path: Path) -> None:
    """What a person is to confirm is in the log before the assistant can say so."""
    room = Room(tmp_path, {"confirmation": {"required_above": "0"}})

    async def work() -> None:
        call = await room.gate.open_call(CreateOrder.tool, {})
        reply = await room.gate.handle(call, CreateOrder(order=limit()))
        assert reply.outcome is Outcome.CONFIRMATION_REQUIRED
        await room.gate.close_call(call, reply)

    room.run(work())
    assert room.phases()[-1] == "outcome"
    room.close()


def test_flood_waits_for_its_rows(room: Room) -> None:
    """No more than MAX_DUE rows are due at any time: beyond, a reply waits until they are written."""
    most = 0

    async def work() -> list[str]:
        nonlocal most
        calls = [await room.gate.open_call(PRICE.tool, {}) for _ in range(2 * MAX_DUE + 5)]
        reply = await room.gate.handle(calls[0], PRICE)
        for call in calls:
            await room.gate.close_call(call, reply)
            most = max(most, room.gate._outcomes._unsettled)
        return [call.call_id for call in calls]

    ids = room.run(work())
    assert most == MAX_DUE
    assert room.phases().count("outcome") == 2 * MAX_DUE
    room.run(room.gate.settle())
    assert [call for phase, call in trail(room) if phase == "outcome"] == ids


def test_rows_that_cannot_be_written_are_dropped_with_a_warning(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    """A store that fails costs the outcome rows of reads, and neither a halt nor memory."""
    room.run(read(room))
    room.journal.close()
    (room.home / "guardian.db").rename(room.home / "away.db")
    (room.home / "guardian.db").mkdir()
    room.run(room.gate.settle())
    assert [line.split(":")[0] for line in caplog.messages] == ["1 outcomes could not be written"]
    assert room.gate._outcomes._unsettled == 0
    (room.home / "guardian.db").rmdir()
    (room.home / "away.db").rename(room.home / "guardian.db")
    room.run(read(room))
    room.run(room.gate.settle())
    assert room.phases() == ["call", "call", "outcome"]
    assert room.journal.emergency.is_empty()


def test_rows_of_a_call_that_is_refused_stay_due(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the next call's transaction fails, that call is refused, and what it would have taken along is kept."""
    first = room.run(read(room))

    def fails(*_: object) -> None:
        raise StoreUnavailable("not now")

    with monkeypatch.context() as patched:
        patched.setattr("guardian.gate.pipeline.mandate_view", fails)
        with pytest.raises(StoreUnavailable):
            room.open(PRICE.tool)
    assert trail(room) == [("call", first.call_id)]
    room.run(room.gate.settle())
    assert trail(room) == [("call", first.call_id), ("outcome", first.call_id)]


def test_row_that_conflicts_refuses_no_other_call(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    """A row that the log refuses is dropped alone: the next call is taken, and its neighbours are written."""

    async def work() -> list[CallInfo]:
        first = await read(room)
        again = await room.gate.open_call(PRICE.tool, {})
        reply = await room.gate.handle(again, PRICE)
        await room.gate.close_call(first, reply)  # it has an outcome row since the call after it was opened
        await room.gate.close_call(again, reply)
        opened = await room.gate.open_call(PRICE.tool, {})
        await room.gate.settle()
        return [first, again, opened]

    ids = [call.call_id for call in room.run(work())]
    assert trail(room) == [
        ("call", ids[0]), ("outcome", ids[0]), ("call", ids[1]), ("call", ids[2]), ("outcome", ids[1]),
    ]  # fmt: skip
    assert len([line for line in caplog.messages if line.startswith("an outcome could not be written")]) == 1
    assert room.gate._outcomes._unsettled == 0


@pytest.mark.parametrize("opens", [True, False])
def test_outcome_that_cannot_be_put_down_is_dropped_alone(
    room: Room, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, opens: bool
) -> None:
    """A fault in making one row costs that row alone."""
    first, second = room.run(read(room)), room.run(read(room))
    room.run(room.gate.settle())
    third, real = room.run(read(room)), outcomes.outcome_row

    def broken(call: CallInfo, *rest: Any) -> Any:
        if call.call_id == third.call_id:
            raise ValueError("no")
        return real(call, *rest)

    monkeypatch.setattr(outcomes, "outcome_row", broken)
    if opens:
        room.open(PRICE.tool)
    room.run(room.gate.settle())
    assert [call for phase, call in trail(room) if phase == "outcome"] == [first.call_id, second.call_id]
    assert [line.splitlines()[0] for line in caplog.messages] == [
        "an outcome could not be written: builtins.ValueError: no"
    ]


def test_who_waits_waits_also_for_rows_that_another_transaction_took(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`settle` returns once the rows are on the disk, whoever writes them."""
    taken, go_on, real = threading.Event(), threading.Event(), OutcomeWriter._take

    def slow(writer: OutcomeWriter) -> Any:
        found = real(writer)
        if found and not taken.is_set():
            taken.set()
            assert go_on.wait(30)
        return found

    monkeypatch.setattr(OutcomeWriter, "_take", slow)

    async def work() -> tuple[bool, list[str]]:
        await read(room)
        opening = asyncio.create_task(room.gate.open_call(PRICE.tool, {}))
        await asyncio.to_thread(taken.wait, 30)
        settling = asyncio.create_task(room.gate.settle())
        await asyncio.wait((settling,), timeout=0.05)
        is_early = settling.done()
        go_on.set()
        await settling
        phases = room.phases()
        await opening
        return is_early, phases

    assert room.run(work()) == (False, ["call", "outcome", "call"])


def test_waiting_is_not_given_up_with_the_waiter(room: Room) -> None:
    """A server that is being left behind a time-out still has its rows on the disk."""

    async def work() -> None:
        await read(room)
        with anyio.move_on_after(0):
            await room.gate.settle()

    room.run(work())
    assert room.phases() == ["call", "outcome"]


def test_waiting_leaves_no_task_to_an_event_loop_that_is_closed(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once nothing is due, nothing of the writer waits any longer: an event loop may be stopped in the next moment."""
    monkeypatch.setattr(outcomes, "WRITE_AFTER_S", 3600)

    async def work() -> set[asyncio.Task[Any]]:
        before = asyncio.all_tasks()
        await read(room)
        await room.gate.settle()
        return asyncio.all_tasks() - before

    assert room.run(work()) == set()
    assert room.phases() == ["call", "outcome"]


def test_end_of_the_event_loop_writes_what_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nobody waits, an event loop that ends leaves no row behind."""
    monkeypatch.setattr(outcomes, "WRITE_AFTER_S", 3600)
    room = Room(tmp_path)
    room.run(read(room))
    room.runner.close()
    assert room.phases() == ["call", "outcome"]
    room.journal.close()


def test_status_and_newest_calls_are_read_after_what_is_due(room: Room) -> None:
    """Whoever asks for the newest calls at once after a reply sees how that call ended."""
    call = room.run(read(room))
    assert [(one.call_id, one.outcome) for one in room.run(room.gate.recent(1))] == [(call.call_id, "done")]
    room.run(read(room))
    room.run(room.gate.status())
    assert room.phases() == ["call", "outcome", "call", "outcome"]


def test_checkpoint_follows_an_order_and_is_not_waited_for(room: Room) -> None:
    """The checkpoint outside the database is brought up to the newest order after its reply, and before leaving."""

    async def work() -> int:
        call = await room.gate.open_call(CreateOrder.tool, {})
        reply = await room.gate.handle(call, CreateOrder(order=limit()))
        assert reply.outcome is Outcome.DONE
        await room.gate.close_call(call, reply)
        found = read_checkpoint(room.home)
        return 0 if found is None else found.seq

    before = room.run(work())
    ((last,),) = room.sql("SELECT MAX(seq) FROM audit")
    assert before < last
    room.run(room.gate.settle())
    found = read_checkpoint(room.home)
    assert found is not None
    assert found.seq == last


def test_log_in_use_by_another_process_keeps_the_row_due_until_it_is_free(room: Room) -> None:
    """Another process's transaction is waited for, as ever; the reply is not."""
    other = sqlite3.connect(room.home / "guardian.db", isolation_level=None, check_same_thread=False)
    room.run(read(room))
    other.execute("BEGIN IMMEDIATE")

    async def work() -> None:
        settling = asyncio.create_task(room.gate.settle())
        await asyncio.wait((settling,), timeout=0.05)
        assert not settling.done()
        await asyncio.to_thread(other.execute, "ROLLBACK")
        await settling

    room.run(work())
    other.close()
    assert room.phases() == ["call", "outcome"]
