"""A cancel where somebody holds the store: it goes out within a second or so, whoever else waits."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from guardian.domain.codes import Outcome
from guardian.domain.order_states import OrderState
from guardian.domain.requests import CancelOrder
from guardian.errors import OutcomeUnknown, StoreUnavailable
from guardian.gate.base.calls import CallInfo
from guardian.gate.base.journal import CANCEL_PATIENCE_S
from guardian.gate.base.replies import Reply
from tests.gate.support.fakes import Room

SOON_S = CANCEL_PATIENCE_S + 1
"""One patience, and a second for a busy machine."""


@contextmanager
def locked(room: Room) -> Iterator[None]:
    """Another process holds guardian.db."""
    with closing(sqlite3.connect(room.home / "guardian.db", isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def an_order(room: Room) -> str:
    assert room.ask().outcome is Outcome.DONE
    return room.last().client_order_id


def kinds(room: Room) -> list[object]:
    return [record["kind"] for record in room.journal.emergency.pending()]


def test_cancel_waits_for_a_locked_store_once_and_goes_out(room: Room) -> None:
    """After one patience the cancel continues without the store, by the mark on its id, and asks it nothing more."""
    name = an_order(room)
    with locked(room):
        started = time.monotonic()
        reply = room.cancel(client_order_id=name)
        assert time.monotonic() - started < SOON_S
    assert reply.outcome is Outcome.DONE
    assert room.exchange.names().count("cancel_order") == 1
    assert kinds(room) == ["call", "outcome"]


def test_orders_and_reads_fail_closed_while_the_store_is_locked(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """What adds risk, or reads, is refused after its own patience, and nothing is sent."""
    monkeypatch.setattr("guardian.store.opening.BEGIN_TIMEOUT_S", 0.2)
    an_order(room)
    with locked(room):
        for tool in ("create_order", "get_ticker_price"):
            with pytest.raises(StoreUnavailable):
                room.open(tool)
    assert len(room.exchange.placed) == 1


def test_those_who_wait_for_a_locked_store_wait_at_once_and_not_in_turn(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixty calls that cannot be logged are refused within one patience in all, and a cancel goes out before them."""
    monkeypatch.setattr("guardian.store.opening.BEGIN_TIMEOUT_S", 3.0)
    name = an_order(room)

    async def work() -> tuple[Reply, float, list[CallInfo | BaseException], float]:
        started = time.monotonic()
        reads = [asyncio.ensure_future(room.gate.open_call("get_ticker_price", {})) for _ in range(60)]
        await asyncio.sleep(0.3)
        reply = await room.acall(CancelOrder(symbol="BTCUSDT", client_order_id=name))
        cancelled_s = time.monotonic() - started
        answers = await asyncio.gather(*reads, return_exceptions=True)
        return reply, cancelled_s, answers, time.monotonic() - started

    with locked(room):
        reply, cancelled_s, answers, all_s = room.run(work())
    assert reply.outcome is Outcome.DONE
    assert cancelled_s < 0.3 + SOON_S
    assert all(isinstance(answer, StoreUnavailable) for answer in answers)
    assert all_s < 2 * 3.0 + 2, "forty threads at a time, each with one patience"


def test_store_that_is_locked_after_the_call_was_logged_is_waited_for_once_before_sending(room: Room) -> None:
    """A lock that comes between costs one patience before the cancel goes out and one after it, for its outcome."""
    name = an_order(room)
    call = room.open("cancel_order", client_order_id=name)
    sent: list[float] = []

    async def note() -> None:
        sent.append(time.monotonic())

    room.exchange.cancels = [note]
    with locked(room):
        started = time.monotonic()
        reply = room.run(room.gate.handle(call, CancelOrder(symbol="BTCUSDT", client_order_id=name)))
        assert time.monotonic() - started < SOON_S
        room.run(room.gate.close_call(call, reply))
        assert time.monotonic() - started < SOON_S + CANCEL_PATIENCE_S
    assert len(sent) == 1
    assert reply.outcome is Outcome.DONE
    assert kinds(room) == ["outcome"]
    # The store learns it when it is asked for the next time.
    assert room.row(name).state is OrderState.OPEN


def test_who_has_a_short_patience_goes_before_all_who_wait_in_this_process(room: Room) -> None:
    """However many wait in this process, a transaction of a cancel comes after the present one and the next."""
    store = room.journal.store()
    order: list[str] = []

    def ordinary() -> None:
        with store.transaction():
            order.append("ordinary")
            time.sleep(0.02)

    with store.transaction():
        threads = [threading.Thread(target=ordinary) for _ in range(20)]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        first = threading.Thread(target=lambda: _first(room, order))
        first.start()
        time.sleep(0.1)
    for thread in (*threads, first):
        thread.join()
    assert len(order) == 21
    assert order.index("first") <= 3


def _first(room: Room, order: list[str]) -> None:
    with room.journal.transaction(patience_s=CANCEL_PATIENCE_S):
        order.append("first")


def test_transaction_of_this_process_that_is_not_over_is_waited_for_no_longer(room: Room) -> None:
    """The patience covers the wait for this process's own transaction too."""
    store = room.journal.store()
    failed: list[float] = []

    def waits() -> None:
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match="another call"), room.journal.transaction(patience_s=0.2):
            pass
        failed.append(time.monotonic() - started)

    with store.transaction():
        thread = threading.Thread(target=waits)
        thread.start()
        thread.join()
    assert 0.2 <= failed[0] < 1.2


def test_cancel_whose_order_cannot_be_looked_at_is_answered_in_time(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost reply to a cancel is looked into for some seconds and no longer, where the exchange hangs."""
    monkeypatch.setattr("guardian.gate.cancels.cancel.QUERY_TIMEOUT_S", 0.1)
    name = an_order(room)
    room.exchange.cancels = [OutcomeUnknown("lost")]
    room.exchange.during["order"] = lambda: asyncio.sleep(3600)
    started = time.monotonic()
    reply = room.cancel(client_order_id=name)
    assert reply.outcome is Outcome.UNKNOWN
    assert time.monotonic() - started < 5
