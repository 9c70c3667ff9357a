"""`cancel_order` with a `proposal_id`: the assistant takes back what it requested, and nothing can stop that."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal

import pytest

from guardian.domain.codes import Outcome
from guardian.domain.requests import WithdrawProposal
from guardian.domain.trading import Environment, TradingState
from guardian.errors import ExchangeRejected, KeyringUnavailable, OutcomeUnknown
from guardian.gate.base.replies import ProposalWithdrawn, Reply
from tests.gate.orders.test_proposals import ASKS, CHAT, agrees, says_no
from tests.gate.support.fakes import Room, denials
from tests.support.present import present


@pytest.fixture(autouse=True)
def needs_a_person(room: Room) -> None:
    """Every order needs a person, at a terminal."""
    room.policy(ASKS)


def withdraw(room: Room, proposal_id: str) -> Reply:
    return room.call(WithdrawProposal(proposal_id=proposal_id), {"proposal_id": proposal_id})


def state(room: Room, proposal_id: str) -> str:
    ((found,),) = room.sql("SELECT state FROM proposals WHERE id = ?", proposal_id)
    return str(found)


def test_three_forgotten_proposals_block_nothing_once_one_is_withdrawn(room: Room) -> None:
    """The place is free at once, the denial says how, and the exchange is asked nothing."""
    waiting = [room.propose(price=str(60000 - n)).proposal_id for n in range(3)]
    full = room.ask(price="59000")
    assert denials(full) == {"PROPOSALS_EXCEED_MAX"}
    assert full.error is not None
    assert "cancel_order with `proposal_id` alone" in (full.error.hint or "")
    asked = len(room.exchange.asked)
    reply = withdraw(room, waiting[1])
    assert reply.outcome is Outcome.DONE
    assert isinstance(reply.data, ProposalWithdrawn)
    assert (reply.data.proposal_id, reply.data.state) == (waiting[1], "withdrawn")
    assert (reply.data.order.symbol, reply.data.order.price) == ("BTCUSDT", Decimal(59999))
    assert len(room.exchange.asked) == asked
    assert state(room, waiting[1]) == "withdrawn"
    assert room.propose(price="59000").state == "waiting"


def test_withdrawal_is_in_the_log_with_the_order(room: Room) -> None:
    """The call, an event that says what was withdrawn by whom, and the outcome; all under one call id."""
    name = room.propose().proposal_id
    before = len(room.phases())
    withdraw(room, name)
    rows = room.sql("SELECT phase, call_id, symbol, account, body FROM audit WHERE phase <> 'state' ORDER BY seq")[
        before:
    ]
    assert [row[0] for row in rows] == ["call", "event", "outcome"]
    assert len({row[1] for row in rows}) == 1
    event = json.loads(rows[1][4])["data"]
    assert (event["kind"], event["proposal"], event["by"]) == ("withdrawn", name, "assistant")
    assert event["order"]["price"] == "60000"
    assert (rows[1][2], rows[1][3]) == ("BTCUSDT", room.scope.account)


def test_token_of_a_withdrawn_proposal_sends_nothing(room: Room) -> None:
    """What a person approved and the assistant took back is not sent by that approval; asking again starts over."""
    first = room.propose()
    token = agrees(room, first.proposal_id)
    assert withdraw(room, first.proposal_id).outcome is Outcome.DONE
    reply = room.use(token)
    assert denials(reply) == {"CONFIRMATION_REJECTED"}
    assert "withdrawn by the assistant" in present(reply.error).message
    again = room.propose()
    assert (again.state, again.proposal_id != first.proposal_id) == ("waiting", True)
    assert room.exchange.placed == []


def test_withdrawn_while_the_facts_are_fetched_sends_nothing(room: Room) -> None:
    """A withdrawal counts until the very reservation."""
    first = room.propose()
    token = agrees(room, first.proposal_id)

    async def happens() -> None:
        await room.acall(WithdrawProposal(proposal_id=first.proposal_id))

    room.exchange.during["clock_skew_ms"] = happens
    assert denials(room.use(token)) == {"CONFIRMATION_REJECTED"}
    assert room.exchange.placed == []


def test_proposal_in_the_chat_can_be_withdrawn(room: Room) -> None:
    """With `channel = "chat"` too: the token in the chat is then worth nothing."""
    room.policy(CHAT)
    first = room.propose()
    assert first.confirmation_token is not None
    assert withdraw(room, first.proposal_id).outcome is Outcome.DONE
    assert denials(room.use(first.confirmation_token)) == {"CONFIRMATION_REJECTED"}


def _halted(room: Room) -> None:
    with room.journal.transaction() as tx:
        tx.trading.set(TradingState.HALTED, reason="test", by="owner")


def _broken(room: Room) -> None:
    room.write("schema = 'one'")


def _gone(room: Room) -> None:
    room.policy_path.unlink()
    room.journal.close()
    room.sql("DELETE FROM policies")  # no last good policy stands in for it
    room.start()


def _no_tools(room: Room) -> None:
    room.policy(ASKS, {"tools": {"deny": ["create_order", "cancel_order"]}})


def _no_budget(room: Room) -> None:
    room.policy(ASKS, {"limits": {"max_calls_per_minute": 1}})


def _no_keys(room: Room) -> None:
    room.connector.failure = KeyringUnavailable("locked")


@pytest.mark.parametrize("trouble", [_halted, _broken, _gone, _no_tools, _no_budget, _no_keys])
def test_nothing_stops_a_withdrawal(room: Room, trouble: Callable[[Room], None]) -> None:
    """Halted, with the policy broken, gone or without tools, with the budget spent and the keyring locked."""
    name = room.propose().proposal_id
    trouble(room)
    assert withdraw(room, name).outcome is Outcome.DONE
    assert state(room, name) == "withdrawn"


def test_log_that_cannot_be_written_withdraws_nothing_and_says_so(room: Room) -> None:
    """A proposal lives in the log: without it the answer is that nothing was done, not that it was."""
    name = room.propose().proposal_id
    (room.home / "guardian.db").rename(room.home / "away.db")
    reply = withdraw(room, name)
    assert reply.error is not None
    assert reply.error.code.name == "LOG_UNAVAILABLE"
    (room.home / "away.db").rename(room.home / "guardian.db")
    room.again()
    assert state(room, name) == "waiting"


@pytest.mark.parametrize(
    ("script", "words", "hint"),
    [
        ([], "filled: 0.001 at", None),
        ([OutcomeUnknown("lost")], "not known yet", "client_order_id"),
        ([ExchangeRejected(-2010, "no", http_status=400)], "the exchange rejected it", None),
    ],
    ids=["filled", "unknown", "rejected"],
)
def test_what_was_sent_is_named_and_not_withdrawn(
    room: Room, script: list[BaseException], words: str, hint: str | None
) -> None:
    """A proposal that became an order is refused with the order's id and state; no second one is invited."""
    first = room.propose(kind="MARKET")
    token = agrees(room, first.proposal_id)
    room.exchange.script = list(script)
    room.use(token)
    reply = withdraw(room, first.proposal_id)
    assert denials(reply) == {"PROPOSAL_ENDED"}
    assert reply.error is not None
    sent = room.last().client_order_id
    assert reply.error.client_order_id == sent
    assert sent in reply.error.message
    assert words in reply.error.message
    assert (hint is None) == (reply.error.hint is None)
    assert "ask" not in (reply.error.hint or "")


def test_what_has_ended_cannot_be_withdrawn(room: Room) -> None:
    """Turned down, burnt, expired, withdrawn, and what there never was: each is named as what it is."""
    turned_down, burnt, twice = (room.propose(price=str(60000 - n)).proposal_id for n in range(3))
    says_no(room, turned_down)
    token = agrees(room, burnt)
    _halted(room)
    assert "TRADING_HALTED" in denials(room.use(token))
    assert withdraw(room, twice).outcome is Outcome.DONE
    with room.journal.transaction() as tx:
        tx.trading.set(TradingState.ACTIVE, reason="test", by="owner")
    late = room.propose(price="59000").proposal_id
    room.clock.forward(15 * 60)
    words = {
        turned_down: "turned down by a person",
        burnt: "TRADING_HALTED",
        twice: "withdrawn by the assistant",
        late: "is expired",
    }
    for name, said in words.items():
        reply = withdraw(room, name)
        assert denials(reply) == {"PROPOSAL_ENDED"}
        assert said in present(reply.error).message
    assert denials(withdraw(room, "222222")) == {"PROPOSAL_UNKNOWN"}
    assert room.exchange.placed == []


def test_proposal_of_another_environment_is_not_this_assistants(room: Room) -> None:
    """A server of one environment withdraws nothing that waits in another."""
    name = room.propose().proposal_id
    room.connector.environment = Environment.TESTNET
    room.start()
    assert denials(withdraw(room, name)) == {"PROPOSAL_UNKNOWN"}
    assert state(room, name) == "waiting"
