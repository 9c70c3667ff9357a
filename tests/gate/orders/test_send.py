"""Sending: everything is on disk first, an order goes out once, and each failure counts as the design's table says."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import anyio
import pytest

from guardian.domain.codes import Code, Outcome
from guardian.domain.order_states import OrderState
from guardian.domain.orders import Fill, ResolvedOrder
from guardian.domain.requests import CreateOrder
from guardian.errors import (
    CredentialsError,
    ExchangeRateLimited,
    ExchangeRejected,
    ExchangeUnavailable,
    KeyringUnavailable,
    NoCredentials,
    NotSent,
    OutcomeUnknown,
    RequestRefused,
    StoreUnavailable,
)
from guardian.gate.base.calls import CallInfo
from guardian.gate.base.order_views import known_moment
from guardian.gate.base.outcomes import outcome_row
from guardian.gate.base.replies import OrderPlaced, Reply
from guardian.gate.orders.send import QUERY_TIMEOUT_S, RETRY_PAUSES_S
from guardian.gate.orders.shielded import run_to_completion
from guardian.store.schema.records import Record, Scope, StatusUsage
from tests.gate.support.fakes import D, Lost, Placed, Room, denials, limit


def test_everything_is_on_disk_before_the_order_is_sent(room: Room) -> None:
    """When the order is sent, another process can already read its call row, its intent and its reservation."""
    seen: list[object] = []

    def look(order: ResolvedOrder, name: str) -> None:
        seen.append(room.phases())
        ((body, intent_name, digest),) = room.sql(
            "SELECT body, client_order_id, digest FROM audit WHERE phase='intent'"
        )
        assert intent_name == name == "g1-" + bytes(digest).hex()[:32]
        data = json.loads(body)["data"]
        assert data["order"] == order.as_dict()
        seen.append((data["timestamp"], room.sql("SELECT state, sent_ms FROM orders WHERE client_order_id=?", name)))

    room.exchange.before_place = look
    assert room.ask().outcome is Outcome.DONE
    ((_, _, timestamp),) = room.exchange.placed
    assert seen == [["call", "intent"], (str(timestamp), [("reserved", timestamp)])]
    assert room.phases() == ["call", "intent", "outcome"]
    assert room.exchange.names()[-1] == "place_order"


def test_facts_are_asked_before_the_reservation_and_not_again(room: Room) -> None:
    """An order costs one round of facts and one write."""
    room.ask()
    first, *facts, last = room.exchange.names()
    assert (first, last) == ("instruments", "place_order")
    assert sorted(facts) == ["average_price", "balances", "book_tops", "clock_skew_ms"]


def test_timestamp_is_that_of_the_reservation(room: Room) -> None:
    """The timestamp of the request is when it was reserved, whatever time passes while facts are fetched."""

    async def slow() -> None:
        room.clock.forward(2)

    room.exchange.during["average_price"] = slow
    start = room.clock.wall
    room.ask()
    ((_, _, timestamp),) = room.exchange.placed
    assert timestamp == start + 2000


FAILURES = [
    (ExchangeRejected(-2010, "Account has insufficient balance", http_status=400), "rejected", "EXCHANGE_REJECTED"),
    (ExchangeRateLimited(7), "not_placed", "EXCHANGE_RATE_LIMIT"),
    (NotSent("too old"), "not_placed", "ORDER_NOT_SENT"),
    (RequestRefused("not listed"), "not_placed", "ORDER_NOT_SENT"),
    (NoCredentials("none"), "not_placed", "ORDER_NOT_SENT"),
    (KeyringUnavailable("locked"), "not_placed", "ORDER_NOT_SENT"),
    (ExchangeRejected(-2010, "Duplicate order sent.", http_status=400), "unknown", "ORDER_UNKNOWN"),
    (OutcomeUnknown("the reply was lost"), "unknown", "ORDER_UNKNOWN"),
    (ExchangeUnavailable("what a write never says"), "unknown", "ORDER_UNKNOWN"),
    (RuntimeError("a bug with a https://api/?signature=abc"), "unknown", "ORDER_UNKNOWN"),
]


@pytest.mark.parametrize(("failure", "state", "code"), FAILURES, ids=lambda value: str(value)[:30])
def test_every_failure_of_sending_has_its_state_its_answer_and_its_count(
    room: Room, failure: Exception, state: str, code: str
) -> None:
    """A failed order is counted as the table says, answered by its code, written down, and never sent again."""
    room.exchange.script = [failure]
    reply = room.ask()
    assert reply.error is not None
    assert reply.error.code is Code[code]
    assert reply.outcome is Code[code].outcome
    row = room.last()
    assert row.state.value == state
    assert len(room.exchange.placed) == 1
    assert room.phases() == ["call", "intent", "outcome"]
    usage = usage_of(room)
    assert usage.entered[86_400_000] == (D("60") if state == "unknown" else 0)
    assert usage.ordered[86_400_000] == 1
    assert usage.open_notional == (D("60") if state == "unknown" else 0)
    again = room.ask()
    if state == "unknown":
        assert "DUPLICATE_ORDER" in denials(again)
        assert reply.error.client_order_id == row.client_order_id
        assert len(room.exchange.placed) == 1
    else:
        assert again.outcome is Outcome.DONE
        assert len({name for _, name, _ in room.exchange.placed}) == 2
    if code == "EXCHANGE_RATE_LIMIT":
        assert reply.error.retry_after_s == 7


def usage_of(room: Room) -> StatusUsage:
    with room.journal.transaction() as tx:
        return tx.usage.status(room.scope, room.policy_file.current().policy.limits, "USDT")


@pytest.mark.parametrize(
    ("answer", "state", "outcome"),
    [
        (Placed("NEW"), "open", "done"),
        (Placed("PARTIALLY_FILLED", "0.0004"), "part_filled", "done"),
        (Placed("FILLED", "0.001"), "filled", "done"),
        (Placed("EXPIRED"), "expired", "done"),
        (Placed("EXPIRED_IN_MATCH", "0.0004"), "expired", "done"),
        (Placed("REJECTED"), "rejected", "rejected"),
    ],
    ids=str,
)
def test_every_answer_of_the_exchange_has_its_state_and_outcome(
    room: Room, answer: Placed, state: str, outcome: str
) -> None:
    """What the exchange reports is the order's state; an order that it rejected in its answer is not `done`."""
    room.exchange.script = [answer]
    reply = room.ask()
    assert room.last().state.value == state
    assert room.last().order_id == 1
    assert reply.outcome.value == outcome
    if isinstance(reply.data, OrderPlaced):
        assert reply.data.order.state == state
        assert not reply.data.already_placed
        assert reply.data.note


def test_commission_taken_of_the_base_asset_lessens_the_position(room: Room) -> None:
    """What the exchange kept of what was bought cannot be sold back, so it is not part of the exit."""
    fills = (
        Fill(price=D("60000"), quantity=D("0.0006"), commission=D("0.0000006"), commission_asset="BTC"),
        Fill(price=D("60000"), quantity=D("0.0004"), commission=D("0.01"), commission_asset="USDT"),
    )
    room.exchange.script = [Placed("FILLED", "0.001", fills)]
    reply = room.ask()
    assert room.fees(room.last().client_order_id) == {"BTC": D("0.0000006"), "USDT": D("0.01")}
    assert isinstance(reply.data, OrderPlaced)
    assert reply.data.order.commissions == {"BTC": D("0.0000006"), "USDT": D("0.01")}


def test_lost_reply_is_asked_for_a_few_times_and_found(room: Room) -> None:
    """After an unknown outcome guardian asks with its pauses; an order that is found is done, and was sent once."""
    room.exchange.script = [Lost(OutcomeUnknown("lost"))]
    asked: list[str] = []

    async def later() -> None:
        asked.append("once")
        raise ExchangeUnavailable("still down")

    room.exchange.during["order"] = later
    reply = room.ask()
    assert reply.outcome is Outcome.DONE
    assert asked == ["once"]
    assert room.clock.pauses == list(RETRY_PAUSES_S[:2])
    assert room.last().state is OrderState.OPEN
    assert len(room.exchange.placed) == 1
    assert room.connector.losses == 1


@pytest.mark.parametrize(
    "failure",
    [ExchangeUnavailable("down"), NoCredentials("gone"), RuntimeError("a bug")],
    ids=lambda e: type(e).__name__,
)
def test_failure_of_the_questions_leaves_the_order_unknown(room: Room, failure: Exception) -> None:
    """Whatever fails while an unknown order is queried, the answer is `unknown` with its id, and is recorded."""
    room.exchange.script = [Lost(OutcomeUnknown("lost"))]
    room.exchange.fails["order"] = failure
    reply = room.ask()
    assert reply.outcome is Outcome.UNKNOWN
    assert reply.error is not None
    assert reply.error.client_order_id == room.last().client_order_id
    assert room.clock.pauses == list(RETRY_PAUSES_S)
    assert room.last().state is OrderState.UNKNOWN
    assert room.phases() == ["call", "intent", "outcome"]


def test_questions_that_take_long_are_asked_no_more_after_their_time(room: Room) -> None:
    """All questions together have a time of their own: one that used it up is the last before `unknown`."""
    room.exchange.script = [Lost(OutcomeUnknown("lost"))]
    room.exchange.fails["order"] = ExchangeUnavailable("no answer in time")

    async def slow() -> None:
        room.clock.forward(QUERY_TIMEOUT_S)

    room.exchange.during["order"] = slow
    assert room.ask().outcome is Outcome.UNKNOWN
    assert room.clock.pauses == list(RETRY_PAUSES_S[:1])
    assert room.exchange.names().count("order") == 1
    assert room.last().state is OrderState.UNKNOWN


def test_question_that_hangs_is_not_waited_for(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an exchange that answers nothing the reply is `unknown` in time, recorded, and the order stays counted."""
    monkeypatch.setattr("guardian.gate.orders.send.QUERY_TIMEOUT_S", 0.5)
    room.exchange.script = [Lost(OutcomeUnknown("lost"))]
    room.exchange.during["order"] = lambda: asyncio.sleep(3600)
    started = time.monotonic()
    assert room.ask().outcome is Outcome.UNKNOWN
    assert time.monotonic() - started < 5
    assert room.phases() == ["call", "intent", "outcome"]
    assert usage_of(room).open_notional == D("60")
    assert room.run(room.resolver.run_once()), "the background finds it"
    assert room.last().state is OrderState.OPEN


def test_unknown_order_that_is_seen_with_an_unknown_status_stays_unknown(room: Room) -> None:
    """A status that guardian does not know is no answer: the order counts in full and is queried again."""
    room.exchange.script = [Placed("SOMETHING_NEW")]
    reply = room.ask()
    assert reply.outcome is Outcome.UNKNOWN
    assert len(room.clock.pauses) == 3
    assert room.last().state is OrderState.UNKNOWN
    assert room.entered() == D("60")


@pytest.mark.parametrize("part", ["client_order_id", "symbol"])
def test_answer_about_another_order_is_no_answer(room: Room, part: str) -> None:
    """A report that names another order proves nothing about ours."""
    room.ask(price="59000")
    foreign = next(iter(room.exchange.reports.values()))
    changed: dict[str, Any] = {"client_order_id": "g1-other"} if part == "client_order_id" else {"symbol": "ETHUSDT"}

    def answer_oddly(_order: ResolvedOrder, name: str) -> None:
        room.exchange.odd_answer = replace(foreign, **{"client_order_id": name, **changed})
        room.exchange.hidden.add(name)

    room.exchange.before_place = answer_oddly
    reply = room.ask()
    assert reply.outcome is Outcome.UNKNOWN
    assert room.last().state is OrderState.UNKNOWN


def test_time_beyond_reason_is_null_and_hides_no_order(room: Room) -> None:
    """A report with a time beyond the year 9999 breaks nothing: the order is placed, and that is what is said.

    Before: the reply was `unknown` for an order that the exchange had acknowledged.
    """
    room.ask(price="59000")
    foreign = next(iter(room.exchange.reports.values()))

    def answer_oddly(order: ResolvedOrder, name: str) -> None:
        room.exchange.odd_answer = replace(foreign, client_order_id=name, price=order.price, time=10**18)
        room.exchange.hidden.add(name)

    room.exchange.before_place = answer_oddly
    reply = room.ask()
    assert isinstance(reply.data, OrderPlaced)
    assert (reply.data.order.updated, reply.data.order.time) == (None, known_moment(room.last().sent_ms))
    assert room.last().state is OrderState.OPEN


def test_fault_while_sending_is_told_in_the_log_without_its_text_from_outside(room: Room) -> None:
    """The log names the kind and the place of a fault; a library's text, which may hold a signature, stays out."""

    class LibraryError(Exception):
        """Not one of ours."""

    room.exchange.script = [LibraryError("https://api/?signature=abc")]
    reply = room.ask()
    assert reply.outcome is Outcome.UNKNOWN
    assert "LibraryError" in room.log_text()
    assert "signature=abc" not in room.log_text()
    assert reply.error is not None
    assert "LibraryError" not in reply.error.message


def test_call_that_is_taken_back_during_the_send_is_finished_and_answered(room: Room) -> None:
    """A client that goes away does not tear an order from its outcome row."""

    async def work() -> list[str]:
        outcomes = []
        async with anyio.create_task_group() as group:

            async def go_away() -> None:
                group.cancel_scope.cancel()

            async def wait() -> None:
                await asyncio.sleep(0.01)

            room.exchange.script = [go_away, wait]
            call = await room.gate.open_call("create_order", {})
            reply = await room.gate.handle(call, CreateOrder(order=limit()))
            outcomes.append(reply.outcome.value)
        return outcomes

    assert room.run(work()) == ["done"]
    assert room.last().state is OrderState.OPEN
    assert room.phases() == ["call", "intent", "outcome"]


def test_reply_of_a_sent_order_is_known_while_its_row_is_written_and_leaves_after_it(room: Room) -> None:
    """It may be rendered then, in the event loop, once; a proposal or a denial sends nothing and announces nothing."""
    known: list[tuple[Reply, bool]] = []

    async def work(**fields: Any) -> tuple[Reply, str]:
        call = await room.gate.open_call("create_order", {})
        call = replace(call, on_sent=lambda reply: known.append((reply, asyncio.get_running_loop().is_running())))
        reply = await room.gate.handle(call, CreateOrder(order=limit(**fields)))
        return reply, room.phases()[-1]

    sent, last_row = room.run(work())
    assert (known, last_row) == ([(sent, True)], "outcome")
    denied, last_row = room.run(work(quantity="9"))
    assert (denied.outcome, known, last_row) == (Outcome.DENIED, [(sent, True)], "call")


def test_task_that_is_cancelled_during_the_send_is_finished_first(room: Room) -> None:
    """Ctrl-C on a command cancels its task: the order's outcome is written down, and then the command ends."""

    async def work() -> None:
        call = await room.gate.open_call("create_order", {})
        task = asyncio.ensure_future(room.gate.handle(call, CreateOrder(order=limit())))

        async def interrupt() -> None:
            task.cancel()
            await asyncio.sleep(0.01)

        room.exchange.script = [interrupt]
        with pytest.raises(asyncio.CancelledError):
            await task

    room.run(work())
    assert room.last().state is OrderState.OPEN
    assert room.phases() == ["call", "intent", "outcome"]
    assert len(room.exchange.placed) == 1


def test_unbroken_work_that_fails_raises_what_it_failed_with(room: Room) -> None:
    """A failure comes out as it is; where the caller was cancelled meanwhile, it is the cancel that comes out."""

    async def fail() -> None:
        await asyncio.sleep(0)
        raise StoreUnavailable("the disk")

    async def work() -> None:
        with pytest.raises(StoreUnavailable):
            await run_to_completion(fail())
        task = asyncio.ensure_future(run_to_completion(fail()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    room.run(work())


def test_outcome_that_cannot_be_written_halts_every_process_and_the_answer_still_stands(room: Room) -> None:
    """Where the outcome row fails, the emergency file takes it, trading halts everywhere, and a start imports it."""
    other = Room(room.folder, clock=room.clock)

    async def break_store() -> None:
        (room.home / "guardian.db").rename(room.home / "away.db")

    room.exchange.script = [break_store]
    reply = room.ask()
    assert reply.outcome is Outcome.DONE
    (record, closing) = room.journal.emergency.pending()
    assert (record["kind"], record["state"], record["symbol"]) == ("outcome", "open", "BTCUSDT")
    assert closing["kind"] == "outcome"
    (room.home / "away.db").rename(room.home / "guardian.db")
    for each in (room, other):
        assert "TRADING_HALTED" in denials(each.ask(price="59990"))
    assert len(room.exchange.placed) == 1
    # It was reserved, so it counts in full, and it is asked for.
    assert room.last().state is OrderState.RESERVED
    assert room.entered() == D("60")
    room.again()
    assert room.journal.emergency.is_empty()
    assert '"emergency"' in room.log_text()
    room.run(room.resolver.run_once())
    assert room.last().state is OrderState.OPEN
    # What could not be written halts until a person resumes, after the import too.
    assert "TRADING_HALTED" in denials(room.ask(price="59980"))
    other.close()


def test_outcome_that_cannot_be_put_in_words_halts_too(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only a broken disk: whatever keeps an order's outcome out of the log halts trading."""

    def broken(call: CallInfo, scope: Scope | None, reply: Reply, fields: Mapping[str, str]) -> Record:
        if scope is not None:
            raise TypeError("a float")
        return outcome_row(call, scope, reply, fields)

    monkeypatch.setattr("guardian.gate.base.outcomes.outcome_row", broken)
    assert room.ask().outcome is Outcome.DONE
    assert not room.journal.emergency.is_empty()
    monkeypatch.undo()
    assert "TRADING_HALTED" in denials(room.ask(price="59990"))


def test_reservation_that_cannot_be_written_sends_nothing(room: Room) -> None:
    """Where the log breaks between the facts and the reservation, no order is sent."""

    async def break_store() -> None:
        (room.home / "guardian.db").rename(room.home / "away.db")

    room.exchange.during["clock_skew_ms"] = break_store
    reply = room.ask()
    assert reply.error is not None
    assert reply.error.code is Code.LOG_UNAVAILABLE
    assert room.exchange.placed == []


def test_credentials_that_are_missing_come_before_any_question(room: Room) -> None:
    """Without keys, and with a keyring that does not answer, nothing is asked and the answer says what to do."""
    room.connector.failure = NoCredentials("no key", hint="a person can run `guardian keys add paper`")
    reply = room.ask()
    assert (reply.error and reply.error.code) is Code.CREDENTIALS_MISSING
    assert reply.error is not None
    assert reply.error.hint == "a person can run `guardian keys add paper`"
    room.connector.failure = KeyringUnavailable("locked")
    reply = room.ask()
    assert (reply.error and reply.error.code) is Code.KEYRING_UNAVAILABLE
    room.connector.failure = CredentialsError("odd")
    reply = room.ask()
    assert (reply.error and reply.error.code) is Code.CREDENTIALS_MISSING
    assert room.exchange.asked == []
    assert room.phases() == ["call", "outcome"] * 3


def test_orders_of_another_account_are_counted_apart(room: Room) -> None:
    """Budgets belong to the account that the key is of."""
    room.ask()
    room.connector.account = "account-2"
    assert room.scope == Scope(environment="paper", account="account-2")
    assert room.entered() == Decimal(0)
    assert room.ask().outcome is Outcome.DONE


def test_order_without_room_in_the_limits_reserves_nothing_and_keeps_its_token(room: Room) -> None:
    """A slot in the exchange's limits comes before the reservation: without one nothing is judged, sent or burnt."""
    room.exchange.fails["order_slot"] = ExchangeRateLimited(7)
    reply = room.ask()
    assert reply.outcome is Outcome.RATE_LIMITED
    assert reply.error is not None
    assert reply.error.retry_after_s == 7
    assert room.exchange.placed == []
    del room.exchange.fails["order_slot"]
    assert room.ask().outcome is Outcome.DONE
