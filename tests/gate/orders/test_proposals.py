"""Proposals and tokens: one proposal for one order, one order for one token, and a person in between."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from guardian.cli.orders.proposals import reject
from guardian.domain.codes import Code, Outcome
from guardian.domain.order_states import OrderState
from guardian.domain.requests import CreateOrder
from guardian.domain.secrets import Secret
from guardian.domain.trading import TradingState
from guardian.errors import (
    ExchangeRateLimited,
    ExchangeRejected,
    ExchangeUnavailable,
    KeyringUnavailable,
    NotSent,
    OutcomeUnknown,
)
from guardian.gate.base.order_views import iso
from guardian.gate.base.replies import OrderPlaced, OrderProposed, Reply
from guardian.gate.orders.proposal_views import end_of_proposal, view_of_proposal
from guardian.gate.orders.stages import costed_order
from guardian.policy.model import Channel
from guardian.policy.verdict import Decision, Verdict
from guardian.store.schema.records import ProposalState
from tests.gate.support.fakes import START_MS, Room, denials, limit
from tests.support.person import approve_at_terminal as approve
from tests.support.present import present

ASKS = {"confirmation": {"required_above": "0", "channel": "terminal"}}
CHAT = {"confirmation": {"required_above": "0", "channel": "chat"}}


@pytest.fixture(autouse=True)
def needs_a_person(room: Room) -> None:
    """Every order needs a person, at a terminal."""
    room.policy(ASKS)


def agrees(room: Room, proposal_id: str) -> str:
    """A person approves on the command line, and gets the token."""
    home: Any = SimpleNamespace(journal=room.journal, policy_file=room.policy_file)
    return approve(home, proposal_id)


def says_no(room: Room, proposal_id: str) -> None:
    assert reject(room.journal, proposal_id) is None


def placed(reply: Reply) -> OrderPlaced:
    assert isinstance(reply.data, OrderPlaced), reply
    return reply.data


def code(reply: Reply) -> Code:
    assert reply.error is not None, reply
    return reply.error.code


def state_of(room: Room, proposal_id: str) -> ProposalState:
    with room.journal.transaction() as tx:
        found = tx.proposals.get(proposal_id)
    assert found is not None
    return found.state


def meanwhile(room: Room, work: Callable[[], object]) -> None:
    """Something happens while the facts for the next order are fetched."""

    async def happens() -> None:
        work()

    room.exchange.during["clock_skew_ms"] = happens


def test_asking_again_returns_the_same_proposal_and_its_state(room: Room) -> None:
    """The same order has one proposal, through waiting, approved, and rejected."""
    first = room.propose()
    assert (first.state, first.confirmation_token, first.warning) == ("waiting", None, None)
    assert f"guardian approve {first.proposal_id}" in first.next_step
    assert room.propose().proposal_id == first.proposal_id
    agrees(room, first.proposal_id)
    approved = room.propose()
    assert (approved.proposal_id, approved.state) == (first.proposal_id, "approved")
    assert "places it themselves or hands you a token" in approved.next_step
    says_no(room, first.proposal_id)
    turned_down = room.propose()
    assert (turned_down.proposal_id, turned_down.state) == (first.proposal_id, "rejected")
    assert "turned this order down" in turned_down.next_step
    assert room.propose(price="59999").proposal_id != first.proposal_id
    assert room.exchange.placed == []
    assert room.entered() == 0


def test_asking_again_for_a_sent_order_answers_with_it(room: Room) -> None:
    """After `guardian approve --submit` the assistant that asks again learns the order, and places no second one."""
    made = placed(room.use(agrees(room, room.propose().proposal_id)))
    again = placed(room.ask())
    assert again.already_placed
    assert again.order.client_order_id == made.order.client_order_id
    assert len(room.exchange.placed) == 1
    room.clock.forward(61)
    fresh = room.propose()
    assert fresh.state == "waiting"


@pytest.mark.parametrize(
    ("failure", "answer"),
    [
        (ExchangeRejected(-2010, "insufficient balance", http_status=400), Code.EXCHANGE_REJECTED),
        (NotSent("too old"), Code.ORDER_NOT_SENT),
    ],
    ids=str,
)
def test_order_that_never_came_to_be_is_not_told_as_done(room: Room, failure: Exception, answer: Code) -> None:
    """A used token whose order was rejected or not sent answers so, and the same order may be requested again."""
    first = room.propose()
    token = agrees(room, first.proposal_id)
    room.exchange.script = [failure]
    assert code(room.use(token)) is answer
    replayed = room.use(token)
    assert code(replayed) is answer
    assert replayed.outcome is answer.outcome
    assert "nothing was sent now" in (replayed.error.message if replayed.error else "")
    assert len(room.exchange.placed) == 1
    fresh = room.propose()
    assert fresh.proposal_id != first.proposal_id
    placed(room.use(agrees(room, fresh.proposal_id)))


def test_order_that_was_given_up_is_not_told_as_never_sent(room: Room) -> None:
    """Nothing proves that it never arrived, and the same order is still refused: "ask again" would be wrong.

    Before, the answer was that it never reached the exchange.
    """
    first = room.propose()
    token = agrees(room, first.proposal_id)
    room.exchange.script = [OutcomeUnknown("lost")]
    assert room.use(token).outcome is Outcome.UNKNOWN
    name = room.last().client_order_id
    with room.journal.transaction() as tx:
        assert tx.orders.move(name, OrderState.NOT_PLACED, given_up=True)
    replayed = room.use(token)
    assert replayed.outcome is Outcome.UNKNOWN
    assert replayed.error is not None
    assert replayed.error.client_order_id == name
    assert "the exchange did not know it when guardian stopped asking" in replayed.error.message
    assert "request the order again" not in (replayed.error.hint or "")
    assert denials(room.ask()) == {"DUPLICATE_ORDER"}
    with room.journal.transaction() as tx:
        proposal = tx.proposals.get(first.proposal_id)
        assert proposal is not None
        assert "never reached" not in end_of_proposal(proposal, tx.orders.get(name), tx.now_ms)


def test_used_token_of_an_unknown_order_answers_unknown(room: Room) -> None:
    """A replay of a token whose order may exist sends nothing and names the order to ask for."""
    token = agrees(room, room.propose().proposal_id)
    room.exchange.script = [OutcomeUnknown("lost")]
    assert room.use(token).outcome is Outcome.UNKNOWN
    for reply in (room.use(token), room.ask()):
        assert reply.outcome is Outcome.UNKNOWN
        assert reply.error is not None
        assert reply.error.client_order_id == room.last().client_order_id
    assert len(room.exchange.placed) == 1


def test_proposals_under_an_earlier_policy_take_nobodys_place(room: Room) -> None:
    """What can no longer be confirmed, since the policy was edited, does not count as waiting."""
    for n in range(3):
        room.propose(price=str(60000 - n))
    room.policy(ASKS, {"prices": {"max_age": "6s"}})
    assert room.propose(price="59000").state == "waiting"


def test_no_more_proposals_wait_than_the_policy_says(room: Room) -> None:
    """A fourth proposal is denied with the ids that wait; one that is turned down makes room."""
    waiting = [room.propose(price=str(60000 - n)).proposal_id for n in range(3)]
    reply = room.ask(price="59000")
    assert denials(reply) == {"PROPOSALS_EXCEED_MAX"}
    assert all(name in present(reply.error).message for name in waiting)
    assert room.propose(price="60000").proposal_id == waiting[0]
    says_no(room, waiting[0])
    room.propose(price="59000")


def test_proposal_expires_and_asking_again_makes_a_new_one(room: Room) -> None:
    """A proposal lasts for `proposal_ttl`; an expired one cannot be approved."""
    first = room.propose()
    room.clock.forward(15 * 60)
    with pytest.raises(Exception, match="has expired"):
        agrees(room, first.proposal_id)
    assert room.propose().proposal_id != first.proposal_id


def test_expired_proposal_is_shown_as_such(room: Room) -> None:
    """Whoever looks at a proposal that ran out reads that it is too late."""
    first = room.propose()
    room.clock.forward(15 * 60)
    with room.journal.transaction() as tx:
        found = tx.proposals.get(first.proposal_id)
        assert found is not None
        view = view_of_proposal(found, tx.now_ms, Channel.TERMINAL, None)
    assert view.state == "expired"
    assert "too late" in view.next_step


def test_approved_proposal_whose_token_expired_is_made_anew(room: Room) -> None:
    """A token lasts for `token_ttl` from the approval; after that it is denied, and the order is proposed again."""
    first = room.propose()
    token = agrees(room, first.proposal_id)
    room.clock.forward(5 * 60)
    assert denials(room.use(token)) == {"CONFIRMATION_EXPIRED"}
    assert room.propose().proposal_id != first.proposal_id
    assert room.exchange.placed == []


def test_proposal_of_an_older_policy_is_made_anew_and_its_token_is_denied(room: Room) -> None:
    """A confirmation holds under the policy it was asked under."""
    first = room.propose()
    token = agrees(room, first.proposal_id)
    room.policy(ASKS, {"limits": {"max_open_orders": 99}})
    assert room.propose().proposal_id != first.proposal_id
    assert "CONFIRMATION_POLICY_CHANGED" in denials(room.use(token))
    assert denials(room.use(token)) == {"CONFIRMATION_REJECTED"}


def test_denial_burns_the_token_and_says_so(room: Room) -> None:
    """Judged again and denied, the token is used up, and the proposal is reported as turned down with the code."""
    first = room.propose()
    token = agrees(room, first.proposal_id)
    with room.journal.transaction() as tx:
        tx.trading.set(TradingState.HALTED, reason="test", by="owner")
    assert "TRADING_HALTED" in denials(room.use(token))
    assert state_of(room, first.proposal_id) is ProposalState.BURNT
    with room.journal.transaction() as tx:
        tx.trading.set(TradingState.ACTIVE, reason="test", by="owner")
    reply = room.use(token)
    assert denials(reply) == {"CONFIRMATION_REJECTED"}
    assert "TRADING_HALTED" in present(reply.error).message
    assert room.propose().proposal_id != first.proposal_id
    assert room.exchange.placed == []


@pytest.mark.parametrize("what", ["keyring", "store", "rate limit", "connection"])
def test_failure_before_the_judgement_does_not_burn_the_token(room: Room, what: str) -> None:
    """A keyring that is locked, a store that fails or a rate limit is no verdict: the token works afterwards."""
    token = agrees(room, room.propose().proposal_id)
    if what == "keyring":
        room.connector.failure = KeyringUnavailable("locked")
        assert code(room.use(token)) is Code.KEYRING_UNAVAILABLE
        room.connector.failure = None
    elif what == "connection":
        room.connector.down = ExchangeUnavailable("no paper exchange")
        assert code(room.use(token)) is Code.EXCHANGE_UNREACHABLE
        assert room.connector.losses == 1
        room.connector.down = None
    elif what == "rate limit":
        room.exchange.fails["balances"] = ExchangeRateLimited(12)
        reply = room.use(token)
        assert code(reply) is Code.EXCHANGE_RATE_LIMIT
        assert (reply.error and reply.error.retry_after_s) == 12
        room.exchange.fails.clear()
    else:
        meanwhile(room, lambda: (room.home / "guardian.db").rename(room.home / "away.db"))
        assert code(room.use(token)) is Code.LOG_UNAVAILABLE
        (room.home / "away.db").rename(room.home / "guardian.db")
        assert not room.journal.emergency.is_empty()
        room.again()
        with room.journal.transaction() as tx:  # what could not be written halts until a person resumes
            tx.trading.set(TradingState.ACTIVE, reason="test", by="owner")
    assert room.exchange.placed == []
    assert not placed(room.use(token)).already_placed


def test_rejected_while_the_facts_are_fetched_sends_nothing(room: Room) -> None:
    """A person's no counts until the very reservation."""
    first = room.propose()
    token = agrees(room, first.proposal_id)
    meanwhile(room, lambda: says_no(room, first.proposal_id))
    assert denials(room.use(token)) == {"CONFIRMATION_REJECTED"}
    assert room.exchange.placed == []


def test_expired_while_the_facts_are_fetched_sends_nothing(room: Room) -> None:
    """A token that runs out between the look and the reservation is not redeemed."""
    token = agrees(room, room.propose().proposal_id)
    meanwhile(room, lambda: room.clock.forward(5 * 60))
    assert denials(room.use(token)) == {"CONFIRMATION_EXPIRED"}
    assert room.exchange.placed == []


def test_used_while_the_facts_are_fetched_answers_with_the_order(room: Room) -> None:
    """Two calls with one token at the same time: the slower one gets the order of the faster one."""
    token = agrees(room, room.propose().proposal_id)

    async def work() -> tuple[Reply, Reply]:
        faster: list[Reply] = []

        async def overtake() -> None:
            faster.append(await room.acall(CreateOrder(confirmation_token=Secret(token))))

        room.exchange.during["clock_skew_ms"] = overtake
        slower = await room.acall(CreateOrder(confirmation_token=Secret(token)))
        return faster[0], slower

    faster, slower = room.run(work())
    assert (placed(faster).already_placed, placed(slower).already_placed) == (False, True)
    assert placed(faster).order.client_order_id == placed(slower).order.client_order_id
    assert len(room.exchange.placed) == 1


def test_halt_while_the_facts_are_fetched_sends_nothing(room: Room) -> None:
    """The trading state that counts is the one in the reservation."""
    room.policy()

    def halt() -> None:
        with room.journal.transaction() as tx:
            tx.trading.set(TradingState.HALTED, reason="now", by="owner")

    meanwhile(room, halt)
    reply = room.ask()
    assert "TRADING_HALTED" in denials(reply)
    assert room.exchange.placed == []


def test_one_token_in_many_threads_and_homes_makes_one_order(room: Room, tmp_path: Path) -> None:
    """Single use is in the transaction: gates of their own on one home, at once, redeem it once."""
    token = agrees(room, room.propose().proposal_id)
    rooms = [Room(tmp_path, ASKS) for _ in range(6)]
    start = threading.Barrier(len(rooms))
    replies: list[Reply] = []

    def use(each: Room) -> None:
        start.wait()
        replies.append(each.use(token))

    threads = [threading.Thread(target=use, args=(each,)) for each in rooms]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(len(each.exchange.placed) for each in rooms) == 1
    assert {reply.outcome for reply in replies} <= {Outcome.DONE, Outcome.UNKNOWN}
    assert sum(isinstance(r.data, OrderPlaced) and not r.data.already_placed for r in replies) == 1
    for each in rooms:
        each.close()


def test_fields_beside_a_token_must_be_the_stored_ones(room: Room) -> None:
    """A field that differs is named and denied, and the token is left as it was."""
    token = agrees(room, room.propose().proposal_id)
    reply = room.use(token, quantity="0.002", price="60000")
    assert denials(reply) == {"CONFIRMATION_MISMATCH"}
    assert reply.error is not None
    assert reply.error.message.endswith(": quantity")
    assert not placed(room.use(token, quantity="0.001", symbol="BTCUSDT")).already_placed


def test_token_of_another_account_is_denied_and_left_as_it_was(room: Room) -> None:
    """A token belongs to the account that it was made for."""
    token = agrees(room, room.propose().proposal_id)
    room.connector.account = "account-2"
    assert denials(room.use(token)) == {"CONFIRMATION_ENVIRONMENT"}
    room.connector.account = "account-1"
    placed(room.use(token))


def test_unknown_token_and_a_call_without_an_order_do_nothing(room: Room) -> None:
    """What is no token redeems nothing; neither an order nor a token is invalid."""
    assert denials(room.use("A" * 24)) == {"CONFIRMATION_UNKNOWN"}
    reply = room.call(CreateOrder())
    assert reply.outcome is Outcome.INVALID
    assert room.exchange.asked == []


def test_terminal_mode_never_returns_what_redeems(room: Room) -> None:
    """Through a whole life of a proposal no reply and no row of the log has the token."""
    first = room.propose()
    token = agrees(room, first.proposal_id)
    replies = [room.ask(), room.use(token, price="1"), room.use(token), room.use(token), room.ask()]
    assert all(getattr(reply.data, "confirmation_token", None) is None for reply in replies)
    assert token not in repr(replies)
    assert token not in room.log_text()
    assert token not in "".join(str(row) for row in room.sql("SELECT * FROM proposals"))
    for path in room.home.iterdir():
        assert token.encode() not in path.read_bytes()


def test_chat_gives_a_new_token_each_time_and_only_the_newest_works(room: Room) -> None:
    """In the chat the token is in the reply, with a warning; asking again replaces it; it is not a person's act."""
    room.policy(CHAT)
    first, second = room.propose(), room.propose()
    assert first.proposal_id == second.proposal_id
    assert first.confirmation_token is not None
    assert second.confirmation_token is not None
    assert "guards against slips" in (second.warning or "")
    assert "after they agreed" in second.next_step
    assert denials(room.use(first.confirmation_token)) == {"CONFIRMATION_UNKNOWN"}
    placed(room.use(second.confirmation_token))
    assert not room.last().confirmed
    assert second.confirmation_token not in room.log_text()


def test_chat_token_lasts_no_longer_than_its_proposal(room: Room) -> None:
    """A token given out shortly before the proposal ends, ends with it."""
    room.policy(CHAT)
    first = room.propose()
    room.clock.forward(14 * 60)
    last = room.propose()
    token = last.confirmation_token or ""
    assert (first.expires, last.expires) == (iso(START_MS + 5 * 60_000), iso(START_MS + 15 * 60_000))
    room.clock.forward(60)
    assert denials(room.use(token)) == {"CONFIRMATION_EXPIRED"}


def test_chat_proposal_that_a_person_turned_down_gives_no_token(room: Room) -> None:
    """A person's no holds in the chat, too."""
    room.policy(CHAT)
    first = room.propose()
    says_no(room, first.proposal_id)
    again = room.propose()
    assert (again.state, again.confirmation_token) == ("rejected", None)
    assert denials(room.use(first.confirmation_token or "")) == {"CONFIRMATION_REJECTED"}


def test_market_proposal_fixes_its_price_and_is_sent_at_it(room: Room) -> None:
    """The exact order that a person saw is what goes out, although the market moved within the drift."""
    first = room.propose(kind="MARKET")
    assert (first.order.sent_as, first.order.time_in_force) == ("LIMIT", "IOC")
    room.exchange.books["BTCUSDT"] = ("60100", "60101")
    placed(room.use(agrees(room, first.proposal_id)))
    ((order, _, _),) = room.exchange.placed
    assert (order.price, order.quantity) == (first.order.price, first.order.quantity)


def test_drift_past_the_limit_sends_nothing(room: Room) -> None:
    """A market that moved against the order by more than `max_drift` burns the token."""
    first = room.propose(kind="MARKET")
    token = agrees(room, first.proposal_id)
    room.exchange.books["BTCUSDT"] = ("60400", "60401")
    assert "CONFIRMATION_PRICE_DRIFT" in denials(room.use(token))
    assert room.exchange.placed == []


def test_approval_starts_the_counts_anew_and_ends_slicing(room: Room) -> None:
    """A person's approval counts as one: orders and notional since then start at zero, and slices are forgiven."""
    room.policy({"confirmation": {"required_above": "130", "channel": "terminal"}, "limits": {"halt_after_orders": 3}})
    assert "NOTIONAL_EXCEEDS_MAX" in denials(room.ask(quantity="0.002"))
    assert room.ask(price="60000").outcome is Outcome.DONE
    assert "SLICING_EXCEEDS_MAX" in denials(room.ask(price="59990"))
    with room.journal.transaction() as tx:
        assert tx.usage.status(room.scope, room.policy_file.current().policy.limits, "USDT").orders_since_person == 1
        tx.slicing.clear(room.scope, "BTCUSDT", "BUY")
    assert room.ask(price="59990").outcome is Outcome.DONE
    waiting = room.ask(price="59980")
    assert isinstance(waiting.data, OrderProposed)
    token = agrees(room, waiting.data.proposal_id)
    placed(room.use(token))
    with room.journal.transaction() as tx:
        usage = tx.usage.status(room.scope, room.policy_file.current().policy.limits, "USDT")
        assert (usage.orders_since_person, usage.unconfirmed_since_person) == (1, Decimal(0))
        assert tx.trading.status().state is TradingState.ACTIVE


def test_threshold_is_judged_in_the_reservation_so_that_concurrent_orders_cannot_pass_it_together(room: Room) -> None:
    """Of orders that come at once only as many go unconfirmed as fit; the others become proposals."""
    room.policy({"confirmation": {"required_above": "130", "channel": "terminal"}})

    async def work() -> list[Reply]:
        asks = (CreateOrder(order=limit(price=str(60000 - n))) for n in range(4))
        return list(await asyncio.gather(*(room.acall(request) for request in asks)))

    outcomes = sorted(reply.outcome.value for reply in room.run(work()))
    assert outcomes == ["confirmation_required"] * 2 + ["done"] * 2
    assert room.entered() <= Decimal(130)


def test_exits_that_nobody_was_asked_about_count_towards_the_threshold(room: Room) -> None:
    """After one approved BUY the SELLs of it pass unasked only until they come to `required_above` together."""
    room.policy({
        "confirmation": {"required_above": "100", "channel": "terminal"},
        "symbols": {"BTCUSDT": {"max_notional": "1000", "max_quantity": "1", "max_position": "1"}},
    })  # fmt: skip
    placed(room.use(agrees(room, room.propose(kind="MARKET", quantity="0.01").proposal_id)))
    assert placed(room.ask(kind="MARKET", side="SELL", quantity="0.0014")).order.state == "filled"
    second = room.ask(kind="MARKET", side="SELL", quantity="0.0013")
    assert second.outcome is Outcome.CONFIRMATION_REQUIRED
    assert room.run(room.gate.status()).unconfirmed_since_person == Decimal(84)
    assert len(room.exchange.placed) == 2


def test_halt_after_orders_latches_with_the_last_one(room: Room) -> None:
    """The order that reaches the count goes out, and with its reservation trading is reducing: only exits pass."""
    room.policy({"limits": {"halt_after_orders": 2}})
    assert room.ask(kind="MARKET").outcome is Outcome.DONE
    assert room.sql("SELECT state FROM control") == [("active",)]
    assert room.ask(price="59990").outcome is Outcome.DONE
    assert room.sql("SELECT state FROM control") == [("reducing",)]
    assert denials(room.ask(price="59980")) == {"TRADING_REDUCING"}
    assert len(room.exchange.placed) == 2
    room.again()
    assert denials(room.ask(price="59970")) == {"TRADING_REDUCING"}
    assert room.ask(side="SELL", price="60010").outcome is Outcome.DONE


def test_reducing_lets_exits_through_and_nothing_else(room: Room) -> None:
    """In `reducing` what guardian bought can be sold, no more than that, and nothing bought; cancels go through."""
    room.policy()
    assert room.ask(price="59000").outcome is Outcome.DONE
    resting = room.last().client_order_id
    assert room.ask(kind="MARKET").outcome is Outcome.DONE
    with room.journal.transaction() as tx:
        tx.trading.set(TradingState.REDUCING, reason="test", by="owner")
    assert "TRADING_REDUCING" in denials(room.ask(price="59980"))
    assert "TRADING_REDUCING" in denials(room.ask(side="SELL", quantity="0.00101", price="60010"))
    assert len(room.exchange.placed) == 2
    assert room.ask(side="SELL", quantity="0.0006", price="60010").outcome is Outcome.DONE
    (sold, _, _) = room.exchange.placed[-1]
    assert (sold.side, sold.quantity) == ("SELL", Decimal("0.0006"))
    # What is offered already cannot be offered again.
    assert "TRADING_REDUCING" in denials(room.ask(side="SELL", quantity="0.0006", price="60020"))
    assert room.last().is_exit
    assert room.last().state is OrderState.OPEN
    assert len(room.exchange.placed) == 3
    assert room.cancel(client_order_id=resting).outcome is Outcome.DONE
    assert room.exchange.reports[resting].state is OrderState.CANCELLED


def test_verdict_without_a_price_is_never_reserved(room: Room) -> None:
    """Were the engine to allow an order whose cost is not known, guardian fails and sends nothing."""
    with pytest.raises(RuntimeError, match="no price"):
        costed_order(Verdict(decision=Decision.ALLOW))
    assert room.exchange.placed == []
