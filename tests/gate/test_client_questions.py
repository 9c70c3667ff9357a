"""Questions in the client, at the gate: bound to their proposal, answered once, and worth what the policy says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guardian.domain.codes import Code, Outcome
from guardian.domain.owner.proof import Proof
from guardian.domain.requests import CreateOrder, GetTickerPrice
from guardian.domain.trading import Environment
from guardian.errors import ExchangeUnavailable, PolicyInvalid, StoreUnavailable
from guardian.gate.base.calls import CallInfo
from guardian.gate.base.replies import OrderPlaced, OrderProposed, Reply
from guardian.gate.client_questions import MAX_OPEN_QUESTIONS, ClientAnswer, ClientQuestion, ClientQuestions
from tests.gate.orders.test_proposals import agrees
from tests.gate.support.room import Room, limit

ELICIT: dict[str, Any] = {"confirmation": {"required_above": "0", "channel": "elicit"}}
REQUEST = CreateOrder(order=limit())


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """A room whose policy lets the client be asked."""
    made = Room(tmp_path, ELICIT)
    yield made
    made.close()


def no_policy() -> None:
    raise PolicyInvalid(())


def begun(room: Room) -> tuple[CallInfo, Reply, ClientQuestion | None]:
    """A call that needs a person, and its question."""
    call = room.open()
    reply = room.run(room.gate.handle(call, REQUEST))
    return call, reply, room.run(room.gate.ask_client(call, reply))


def question(room: Room) -> tuple[CallInfo, ClientQuestion]:
    call, _, found = begun(room)
    assert found is not None
    return call, found


def answer(room: Room, call: CallInfo, name: str, given: ClientAnswer, request: CreateOrder = REQUEST) -> Reply | None:
    return room.run(room.gate.answer_of_client(call, request, name, given))


def proposed(reply: Reply | None) -> OrderProposed:
    assert reply is not None
    assert isinstance(reply.data, OrderProposed), reply
    return reply.data


def test_accept_after_reading_sends_the_order_once(room: Room) -> None:
    """The answer is taken once; a second one for the same question is none."""
    call, asked = question(room)
    room.clock.forward(1.0)
    reply = answer(room, call, asked.id, ClientAnswer.ACCEPTED)
    assert reply is not None
    assert isinstance(reply.data, OrderPlaced)
    assert answer(room, call, asked.id, ClientAnswer.ACCEPTED) is None
    assert len(room.exchange.placed) == 1


@pytest.mark.parametrize("seconds", [0.0, 0.999])
def test_accept_within_a_second_is_not_taken(room: Room, seconds: float) -> None:
    """By the monotonic clock; the question is used up."""
    call, asked = question(room)
    room.clock.forward(seconds)
    data = proposed(answer(room, call, asked.id, ClientAnswer.ACCEPTED))
    assert (data.client_answer, data.state) == ("too_soon", "waiting")
    room.clock.forward(5.0)
    assert answer(room, call, asked.id, ClientAnswer.ACCEPTED) is None
    assert room.exchange.placed == []


def test_decline_is_taken_at_once_and_ends_the_order(room: Room) -> None:
    """A no needs no reading."""
    call, asked = question(room)
    data = proposed(answer(room, call, asked.id, ClientAnswer.DECLINED))
    assert (data.state, data.rejected_because) == ("rejected", "declined in the client")


def test_decline_of_an_order_that_has_ended_changes_nothing(room: Room) -> None:
    """It was withdrawn while the question was on the screen."""
    call, asked = question(room)
    with room.journal.transaction() as tx:
        tx.proposals.withdraw(asked.proposal_id)
    assert proposed(answer(room, call, asked.id, ClientAnswer.DECLINED)).state == "withdrawn"


@pytest.mark.parametrize("given", [ClientAnswer.CANCELLED, ClientAnswer.TIMED_OUT, ClientAnswer.FAILED])
def test_what_is_no_answer_leaves_the_order_waiting(room: Room, given: ClientAnswer) -> None:
    """The reply and the log say which it was, and nothing is judged or sent for it."""
    call, asked = question(room)
    room.policy({"confirmation": {"required_above": "1000000", "channel": "elicit"}})
    data = proposed(answer(room, call, asked.id, given))
    assert (data.client_answer, data.state) == (given.value, "waiting")
    assert f'"answer":"{given.value}"' in room.log_text()
    assert room.exchange.placed == []


def test_question_is_bound_to_its_order(room: Room) -> None:
    """The name of a question with another order, or with none, is no answer, and leaves the question as it was."""
    call, asked = question(room)
    room.clock.forward(2.0)
    other = CreateOrder(order=limit(price="59000"))
    assert answer(room, call, asked.id, ClientAnswer.ACCEPTED, other) is None
    assert answer(room, call, asked.id, ClientAnswer.ACCEPTED, CreateOrder()) is None
    assert answer(room, call, "made up", ClientAnswer.ACCEPTED) is None
    assert room.exchange.placed == []
    assert answer(room, call, asked.id, ClientAnswer.ACCEPTED) is not None
    assert len(room.exchange.placed) == 1


@pytest.mark.parametrize("what", ["terminal", "floor", "live", "broken"])
def test_client_is_asked_and_believed_only_where_the_policy_and_the_floor_allow_it(
    room: Room, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a question is begun nor an accept taken under another channel, a higher floor, live or no policy."""
    call, asked = question(room)
    room.clock.forward(2.0)
    if what == "terminal":
        room.policy({"confirmation": {"required_above": "0", "channel": "terminal"}})
    elif what == "floor":
        with room.journal.transaction() as tx:
            tx.approvers.raise_floor(Proof.PIN)
    elif what == "live":
        object.__setattr__(room.gate.context, "environment", Environment.LIVE)
    else:
        monkeypatch.setattr(room.policy_file, "current", no_policy)
    data = proposed(answer(room, call, asked.id, ClientAnswer.ACCEPTED))
    assert (data.client_answer, data.state) == ("accepted", "waiting")
    reply = Reply(outcome=Outcome.CONFIRMATION_REQUIRED, data=data)
    assert room.run(room.gate.ask_client(call, reply)) is None
    assert room.exchange.placed == []


def test_accept_of_an_order_that_was_approved_elsewhere_approves_nothing(room: Room) -> None:
    """Whoever approved it has the token."""
    call, asked = question(room)
    other, second = question(room)
    room.clock.forward(2.0)
    assert answer(room, call, asked.id, ClientAnswer.ACCEPTED) is not None
    reply = answer(room, other, second.id, ClientAnswer.ACCEPTED)
    assert reply is not None
    assert isinstance(reply.data, OrderPlaced)
    assert reply.data.already_placed
    assert len(room.exchange.placed) == 1


def test_accept_of_an_order_that_was_approved_at_the_terminal_issues_no_second_token(room: Room) -> None:
    """The first token keeps working; the state is said, and nothing is sent."""
    call, asked = question(room)
    room.clock.forward(2.0)
    token = agrees(room, asked.proposal_id)
    data = proposed(answer(room, call, asked.id, ClientAnswer.ACCEPTED))
    assert (data.client_answer, data.state) == ("accepted", "approved")
    assert room.exchange.placed == []
    assert isinstance(room.use(token).data, OrderPlaced)


def test_policy_that_demands_more_between_two_looks_approves_nothing(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was looked at before, the transaction that approves has the last word."""
    call, asked = question(room)
    room.clock.forward(2.0)
    with room.journal.transaction() as tx:
        tx.approvers.raise_floor(Proof.PIN)
    monkeypatch.setattr(ClientQuestions, "_may_ask", lambda *_given: True)
    data = proposed(answer(room, call, asked.id, ClientAnswer.ACCEPTED))
    assert (data.client_answer, data.state) == ("accepted", "waiting")
    assert "a pin is demanded" in room.log_text()


def test_approval_whose_order_could_not_be_judged_can_be_placed_by_the_person(room: Room) -> None:
    """The exchange is gone after the yes: nothing is burnt, and the reply says how the person places it."""
    call, asked = question(room)
    room.clock.forward(2.0)
    room.connector.failure = ExchangeUnavailable("gone")
    reply = answer(room, call, asked.id, ClientAnswer.ACCEPTED)
    assert reply is not None
    assert reply.error is not None
    assert reply.error.hint == (
        f"the person has approved it and can place it with `guardian approve {asked.proposal_id} --submit`"
    )


def test_store_that_fails_asks_nobody_and_approves_nothing(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """No question without its row; no approval without the row of the answer."""
    call, reply, asked = begun(room)
    assert asked is not None
    room.clock.forward(2.0)

    async def fails(*_given: object, **_more: object) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(room.journal, "transact", fails)
    assert room.run(room.gate.ask_client(call, reply)) is None
    refused = answer(room, call, asked.id, ClientAnswer.ACCEPTED)
    assert refused is not None
    assert refused.error is not None
    assert refused.error.code is Code.LOG_UNAVAILABLE
    assert room.exchange.placed == []


def test_only_an_order_that_waits_is_asked_about(room: Room) -> None:
    """Not one that was approved, and no other reply."""
    call, reply, asked = begun(room)
    assert asked is not None
    with room.journal.transaction() as tx:
        tx.proposals.reject(asked.proposal_id, "no")
    assert room.run(room.gate.ask_client(call, reply)) is None
    price = room.run(room.gate.handle(call, GetTickerPrice(symbol="BTCUSDT")))
    assert room.run(room.gate.ask_client(call, price)) is None


def test_question_about_an_order_whose_market_is_not_in_the_reply_can_be_answered(room: Room) -> None:
    """What was not shown is not in what the person agreed to."""
    call, reply, _ = begun(room)
    asked = room.run(room.gate.ask_client(call, replace(reply, data=replace(proposed(reply), market_now=None))))
    assert asked is not None
    room.clock.forward(2.0)
    assert answer(room, call, asked.id, ClientAnswer.ACCEPTED) is not None
    assert '"market":null' in room.log_text()


def test_oldest_question_is_forgotten_where_there_are_too_many(room: Room) -> None:
    """A client that never answers does not fill the memory; a forgotten question approves nothing."""
    call, reply, first = begun(room)
    assert first is not None
    for _ in range(MAX_OPEN_QUESTIONS):
        assert room.run(room.gate.ask_client(call, reply)) is not None
    room.clock.forward(2.0)
    assert answer(room, call, first.id, ClientAnswer.ACCEPTED) is None
    assert room.exchange.placed == []
