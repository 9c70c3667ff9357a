"""`cancel_order` with `all = true`: each of guardian's open orders is taken on, and each is told by itself."""

from __future__ import annotations

import asyncio
import json

import anyio
import pytest

from guardian.domain.codes import Outcome
from guardian.domain.order_states import OrderState
from guardian.domain.requests import CancelAll, WithdrawProposal
from guardian.domain.text.plain_data import to_plain
from guardian.domain.trading import Environment, TradingState
from guardian.errors import ExchangeRateLimited, ExchangeRejected, ExchangeUnavailable, NotSent, OutcomeUnknown
from guardian.gate.base.replies import CancelResult, OrdersCancelled, Reply
from guardian.gate.cancels.cancel_all import ALL_PATIENCE_S
from guardian.store.log.verify import verify
from tests.gate.cancels.test_cancel import FOREIGN, an_order, break_store, foreign_order
from tests.gate.orders.test_proposals import ASKS
from tests.gate.support.fakes import Room
from tests.support.present import present


def cancel_all(room: Room, symbol: str | None = None) -> Reply:
    return room.call(CancelAll(symbol=symbol), {"all": True} if symbol is None else {"all": True, "symbol": symbol})


def cancelled(reply: Reply) -> OrdersCancelled:
    assert reply.outcome is Outcome.DONE, reply
    assert isinstance(reply.data, OrdersCancelled)
    return reply.data


def results(reply: Reply) -> list[tuple[str, str]]:
    return [(one.client_order_id, one.result) for one in cancelled(reply).results]


def three(room: Room) -> list[str]:
    return [an_order(room, price=str(60000 - n)) for n in range(3)]


def statuses(room: Room, names: list[str]) -> list[str]:
    return [room.exchange.reports[name].status for name in names]


def test_all_of_guardians_open_orders_are_cancelled_and_no_other(room: Room) -> None:
    """One DELETE each, whatever the policy allows for foreign orders, which stay in the book."""
    room.policy({"tools": {"cancel_foreign": True}})
    names = three(room)
    foreign_order(room)
    mine = [*names, room.last().client_order_id]
    reply = cancel_all(room)
    assert results(reply) == [(name, "cancelled") for name in mine]
    data = cancelled(reply)
    assert (data.note, data.still_open, data.waiting) == ("guardian had 4 open orders: 4 cancelled", 0, ())
    assert room.exchange.reports[FOREIGN].status == "NEW"
    assert statuses(room, mine) == ["CANCELED"] * 4
    assert cancelled(cancel_all(room)).note == "guardian has no open orders"


def test_only_the_symbol_that_is_named_is_cancelled(room: Room) -> None:
    """With a symbol the orders of the others stay, and the sentence names it."""
    room.exchange.books["ETHUSDT"] = ("3000", "3000.1")
    bitcoin, ether = an_order(room), an_order(room, symbol="ETHUSDT", price="2900", quantity="0.01")
    reply = cancel_all(room, "ETHUSDT")
    assert results(reply) == [(ether, "cancelled")]
    assert cancelled(reply).note == "guardian had 1 open order on ETHUSDT: 1 cancelled"
    assert room.row(bitcoin).state is OrderState.OPEN
    assert cancelled(cancel_all(room, "BNBUSDT")).note == "guardian has no open orders on BNBUSDT"


def test_each_cancel_is_a_call_of_its_own_in_the_log(room: Room) -> None:
    """Call, events and outcome of each order lie within those of the whole, which they name; the log verifies."""
    names = three(room)
    before = len(room.phases())
    cancel_all(room)
    rows = room.sql("SELECT phase, call_id, outcome, body FROM audit WHERE phase <> 'state' ORDER BY seq")[before:]
    whole = rows[0][1]
    assert (rows[0][0], rows[-1][0], rows[-1][1]) == ("call", "outcome", whole)
    calls = [json.loads(row[3])["data"] for row in rows[1:] if row[0] == "call"]
    assert [call["part_of"] for call in calls] == [whole] * 3
    assert [call["arguments"]["client_order_id"] for call in calls] == names
    assert [row[2] for row in rows[1:-1] if row[0] == "outcome"] == ["done"] * 3
    assert verify(room.home).findings == ()


def test_what_ended_before_is_logged_and_is_no_failure(room: Room) -> None:
    """An order that filled, or expired, between the list and its cancel is not open any more."""
    filled, expired, gone = three(room)
    room.exchange.becomes(filled, "FILLED", "0.001")
    room.exchange.becomes(expired, "EXPIRED")
    reply = cancel_all(room)
    assert results(reply) == [(filled, "filled"), (expired, "expired"), (gone, "cancelled")]
    data = cancelled(reply)
    words = "guardian had 3 open orders: 1 filled before it could be cancelled, 1 expired before, 1 cancelled"
    assert (data.note, data.still_open) == (words, 0)
    assert [str(one.executed_quantity) for one in data.results] == ["0.001", "0", "0"]


def test_what_may_be_open_is_logged_with_its_reason(room: Room) -> None:
    """A lost answer, a refusal and a cancel that did not leave: three ways to be open, each named, and none hidden."""
    lost, refused, unsent, fine = [*three(room), an_order(room, price="58000")]
    room.exchange.cancels = [OutcomeUnknown("lost"), ExchangeRejected(-1015, "no", http_status=400), NotSent("down")]
    data = cancelled(cancel_all(room))
    found = {one.client_order_id: one for one in data.results}
    assert [found[name].result for name in (lost, refused, unsent, fine)] == [
        "unknown", "rejected", "unavailable", "cancelled",
    ]  # fmt: skip
    assert data.still_open == 3
    assert "NOT all are cancelled" in data.note
    assert "the cancel may have been done" in (found[lost].message or "")
    assert "the cancel was not sent" in (found[unsent].message or "")
    assert statuses(room, [lost, refused, unsent, fine]) == ["NEW", "NEW", "NEW", "CANCELED"]


def test_order_of_unknown_fate_is_not_told_as_gone(room: Room) -> None:
    """The exchange does not know it now, and it may still come: `unknown`, first of all."""
    fine = an_order(room)
    room.exchange.script = [OutcomeUnknown("lost")]
    room.ask(price="59000")
    lost = room.last().client_order_id
    assert results(cancel_all(room)) == [(lost, "unknown"), (fine, "cancelled")]
    assert room.row(lost).state is OrderState.UNKNOWN


def test_order_that_never_came_is_logged_so(room: Room) -> None:
    """What the exchange has rejected meanwhile was never in the book."""
    name = an_order(room)
    fine = an_order(room, price="59000")

    async def given_up() -> None:
        with room.journal.transaction() as tx:
            tx.orders.move(name, OrderState.UNKNOWN)
            tx.orders.move(name, OrderState.NOT_PLACED)

    room.exchange.reports.pop(name)
    room.exchange.cancels = [given_up]
    reply = cancel_all(room)
    assert results(reply) == [(name, "not_placed"), (fine, "cancelled")]
    assert "1 never placed" in cancelled(reply).note


def test_orders_over_the_rate_limits_are_told_as_not_tried_for(room: Room) -> None:
    """The first refusal for the limits ends the asking: nothing more is sent, and when to go on is said."""
    first, second, third = three(room)
    room.exchange.becomes(first, "FILLED", "0.001")
    room.exchange.cancels = [ExchangeRejected(-2011, "gone", http_status=400), ExchangeRateLimited(7)]
    data = cancelled(cancel_all(room))
    assert [(one.client_order_id, one.result) for one in data.results] == [
        (first, "filled"), (second, "not_tried"), (third, "not_tried"),
    ]  # fmt: skip
    assert "call again in 7 s" in (data.results[2].message or "")
    assert [name for name, _ in room.exchange.asked].count("cancel_order") == 2
    assert "2 not tried. NOT all are cancelled" in data.note


@pytest.mark.parametrize(
    ("failure", "outcome", "text"),
    [
        (ExchangeRateLimited(7), "rate_limited", "asked to slow down"),
        (NotSent("no network"), "unavailable", "no network"),
    ],
)
def test_where_nothing_was_cancelled_for_one_reason_that_is_the_reply(
    room: Room, failure: Exception, outcome: str, text: str
) -> None:
    """Such a call has failed, and says so with the code of its first order; `done` would read as if all were well."""
    three(room)
    room.exchange.cancels = [failure] * 3
    reply = cancel_all(room)
    error = present(reply.error)
    assert (reply.outcome.value, error.client_order_id) == (outcome, None)
    assert error.message.startswith("none of guardian's 3 open orders is known to be cancelled; of the first: ")
    assert text in error.message
    assert error.retry_after_s == getattr(failure, "retry_after_s", None)


def test_single_order_that_is_not_cancelled_is_replied_as_a_single_cancel_is(room: Room) -> None:
    """With one open order the error has its id."""
    name = an_order(room)
    room.exchange.cancels = [OutcomeUnknown("lost")]
    reply = cancel_all(room)
    assert (reply.outcome, present(reply.error).client_order_id) == (Outcome.UNKNOWN, name)


def test_no_cancel_is_begun_once_the_time_is_up(room: Room) -> None:
    """A slow exchange is not waited for without an end: the rest is told as not tried."""
    first, second, third = three(room)

    async def slow() -> None:
        room.clock.forward(ALL_PATIENCE_S)

    room.exchange.cancels = [slow]
    reply = cancel_all(room)
    assert results(reply) == [(first, "cancelled"), (second, "not_tried"), (third, "not_tried")]
    assert "call again for the rest" in (cancelled(reply).results[1].message or "")


@pytest.mark.parametrize("trouble", ["halted", "no policy", "spent", "broken policy", "not allowed"])
def test_nothing_of_the_policy_or_the_trading_state_stops_it(room: Room, trouble: str) -> None:
    """It takes risk away: what stops orders does not stop it."""
    names = three(room)
    if trouble == "halted":
        with room.journal.transaction() as tx:
            tx.trading.set(TradingState.HALTED, reason="test", by="owner")
    elif trouble == "no policy":
        room.policy_path.unlink()
        room.again()
    elif trouble == "spent":
        room.policy({"limits": {"max_calls_per_minute": 1}})
    elif trouble == "broken policy":
        room.write("schema = 1\nnonsense")
        room.again()
    else:
        room.policy({"tools": {"allowed": ["get_ticker_price"]}})
    assert results(cancel_all(room)) == [(name, "cancelled") for name in names]


def test_without_the_store_the_mark_at_the_exchange_says_which_are_guardians(room: Room) -> None:
    """A log that takes nothing traps no exit; what is not known then is said, and trading halts for the lost rows."""
    names = three(room)
    foreign_order(room)
    mine = [*names, room.last().client_order_id]
    room.journal.close()
    break_store(room)
    (room.home / "guardian.db").mkdir()
    reply = cancel_all(room)
    assert results(reply) == [(name, "cancelled") for name in mine]
    data = cancelled(reply)
    assert "Guardian's own list could not be read" in data.note
    assert "there may be more in other environments" in data.note
    assert data.waiting is None
    assert room.exchange.reports[FOREIGN].status == "NEW"
    assert not room.journal.emergency.is_empty()


def test_store_that_fails_half_way_is_done_without(room: Room) -> None:
    """The list, the result of an order or the proposals that cannot be read are told as unknown; cancels go out."""
    names = three(room)
    room.exchange.becomes(names[0], "FILLED", "0.001")

    async def breaks() -> None:
        room.journal.close()
        break_store(room)
        (room.home / "guardian.db").mkdir()

    room.exchange.cancels = [breaks]
    data = cancelled(cancel_all(room))
    assert [one.result for one in data.results] == ["rejected", "cancelled", "cancelled"]
    assert "the order now: filled" in (data.results[0].message or "")
    assert data.waiting is None
    assert statuses(room, names[1:]) == ["CANCELED"] * 2


def test_without_store_and_exchange_the_reply_says_so(room: Room) -> None:
    """Nothing is known then, and nothing is made up."""
    three(room)
    room.journal.close()
    break_store(room)
    (room.home / "guardian.db").mkdir()
    room.exchange.fails["open_orders"] = ExchangeUnavailable("no network")
    assert cancel_all(room).outcome is Outcome.UNAVAILABLE


def test_orders_of_another_environment_are_cancelled_there_and_named(room: Room) -> None:
    """The owner has changed the environment since: the result says where the order is."""
    name = an_order(room)
    room.connector.environment = Environment.TESTNET
    room.policy({"environment": "testnet"})
    room.again()
    (one,) = cancelled(cancel_all(room)).results
    assert (one.client_order_id, one.result, one.environment) == (name, "cancelled", "paper")


def test_proposals_that_wait_are_named_with_the_call_that_withdraws_them(room: Room) -> None:
    """They are no orders: a person may be about to approve one. The assistant reads how to take each back."""
    name = an_order(room)
    room.policy(ASKS)
    first, second = room.propose(price="58000").proposal_id, room.propose(price="59999").proposal_id
    data = cancelled(cancel_all(room))
    assert [one.client_order_id for one in data.results] == [name]
    waiting = present(data.waiting)
    assert [(one.proposal_id, one.state) for one in waiting] == [(first, "waiting"), (second, "waiting")]
    assert waiting[0].order == "BUY 0.001 BTCUSDT LIMIT at 58000"
    assert waiting[0].left_s > 0
    assert data.note.endswith(
        "2 proposals still wait and are not taken back: cancel_order with `proposal_id` alone withdraws one "
        f"({first}, {second})"
    )
    assert present(cancelled(cancel_all(room, "ETHUSDT")).waiting) == ()
    room.call(WithdrawProposal(proposal_id=first))
    assert "1 proposal still waits and is not taken back" in cancelled(cancel_all(room)).note


def test_call_that_is_taken_back_half_way_finishes_what_has_begun_and_starts_no_more(room: Room) -> None:
    """The cancel on its way ends with its rows; the others are not begun and stay open."""
    names = three(room)
    before = len(room.phases())

    async def work() -> None:
        async with anyio.create_task_group() as group:

            async def go_away() -> None:
                group.cancel_scope.cancel()

            async def wait() -> None:
                await asyncio.sleep(0.01)

            room.exchange.cancels = [go_away, wait]
            call = await room.gate.open_call("cancel_order", {"all": True})
            await room.gate.handle(call, CancelAll())
            raise AssertionError("it went on")

    room.run(work())
    assert statuses(room, names) == ["CANCELED", "NEW", "NEW"]
    assert room.row(names[0]).state is OrderState.CANCELLED
    assert room.phases()[before:] == ["call", "call", "event", "outcome"]


def test_result_is_small(room: Room) -> None:
    """Ten cancelled orders are told in less than 3 KB."""
    for n in range(10):
        an_order(room, price=str(60000 - n))
    data = cancelled(cancel_all(room))
    assert isinstance(data.results[0], CancelResult)
    assert len(json.dumps(to_plain(data))) < 3000


def test_list_that_cannot_be_read_after_the_call_was_logged_is_asked_of_the_exchange(room: Room) -> None:
    """The store answered once and no more: the reason is in the sentence, and the orders are cancelled."""
    name = an_order(room)
    call = room.open("cancel_order", all=True)
    room.journal.close()
    break_store(room)
    (room.home / "guardian.db").mkdir()
    reply = room.run(room.gate.handle(call, CancelAll()))
    assert results(reply) == [(name, "cancelled")]
    assert "Guardian's own list could not be read (" in cancelled(reply).note
