"""Cancelling: guardian's own orders always, others only where the policy says so, whatever else is broken."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from guardian.domain.codes import Code, Outcome
from guardian.domain.order_states import OrderState
from guardian.domain.requests import TOOLS, CancelOrder
from guardian.domain.trading import TradingState
from guardian.errors import (
    ExchangeRateLimited,
    ExchangeRejected,
    ExchangeUnavailable,
    NoCredentials,
    NotSent,
    OutcomeUnknown,
    StoreUnavailable,
)
from guardian.gate.base.replies import OrderCancelled, Reply
from tests.gate.support.fakes import Lost, Placed, Room, denials
from tests.support.present import present

FOREIGN = "web_123456"


def code(reply: Reply) -> Code:
    assert reply.error is not None, reply
    return reply.error.code


def cancelled(reply: Reply) -> OrderCancelled:
    assert reply.outcome is Outcome.DONE, reply
    assert isinstance(reply.data, OrderCancelled)
    assert reply.data.order.state == "cancelled"
    return reply.data


def an_order(room: Room, **fields: Any) -> str:
    assert room.ask(**fields).outcome is Outcome.DONE
    return room.last().client_order_id


def foreign_order(room: Room) -> int:
    """An order that the owner placed by hand."""
    name = an_order(room, price="58000")
    report = replace(room.exchange.reports[name], client_order_id=FOREIGN, order_id=777)
    room.exchange.reports[FOREIGN] = report
    return report.order_id


def break_store(room: Room) -> None:
    (room.home / "guardian.db").rename(room.home / "away.db")


@pytest.mark.parametrize("by", ["client_order_id", "order_id"])
def test_own_order_is_cancelled_by_either_id_without_a_read(room: Room, by: str) -> None:
    """The store knows guardian's orders by both ids; cancelling one is one request."""
    name = an_order(room)
    asked = len(room.exchange.asked)
    ids = {"client_order_id": name} if by == "client_order_id" else {"order_id": room.row(name).order_id}
    view = cancelled(room.cancel(**ids))
    assert view.order.client_order_id == name
    assert view.note == "cancelled: nothing was filled"
    assert room.exchange.names()[asked:] == ["cancel_order"]
    assert room.row(name).state is OrderState.CANCELLED
    # It stays entered, and is open no more.
    assert room.entered() == 60
    assert room.phases() == ["call", "intent", "outcome", "call", "event", "outcome"]


def test_cancel_works_when_halted_over_budget_and_with_a_broken_policy(room: Room) -> None:
    """Neither a halt, nor a spent call budget, nor a policy with mistakes or without a file traps an order."""
    names = [an_order(room, price=str(60000 - n)) for n in range(4)]
    with room.journal.transaction() as tx:
        tx.trading.set(TradingState.HALTED, reason="test", by="owner")
    cancelled(room.cancel(client_order_id=names[0]))
    room.policy({"limits": {"max_calls_per_minute": 1}})
    cancelled(room.cancel(client_order_id=names[1]))
    room.write("schema = 1\nnonsense = true\n")
    cancelled(room.cancel(client_order_id=names[2]))
    room.policy_path.unlink()
    cancelled(room.cancel(client_order_id=names[3]))


def test_cancel_works_where_there_was_never_a_good_policy(room: Room) -> None:
    """Without any policy reads are refused with its mistakes, and guardian's own orders can still be cancelled.

    All tools are shown, since each answers with the mistakes. (None was.)
    """
    name = an_order(room)
    room.policy_file._policy = None
    room.policy_file._memory = Nothing()
    room.policy_path.unlink()
    cancelled(room.cancel(client_order_id=name))
    reply = room.ask(price="59000")
    assert code(reply) is Code.POLICY_INVALID
    assert "cannot be read" in present(reply.error).message
    assert room.gate.allowed_tools() == frozenset(TOOLS)
    assert room.gate.meta(room.open()).policy is None


class Nothing:
    """A memory without a last good policy."""

    def remember(self, policy: object) -> None:
        raise AssertionError("there is nothing to remember")

    def recall(self) -> None:
        return None


def test_cancel_works_without_the_store_by_the_mark_on_the_id(room: Room) -> None:
    """Where the log cannot be written, only a cancel continues: recorded in the emergency file, which halts trading."""
    name = an_order(room)
    break_store(room)
    view = cancelled(room.cancel(client_order_id=name))
    assert view.order.placed_by == "guardian"
    kinds = [record["kind"] for record in room.journal.emergency.pending()]
    assert kinds == ["call", "outcome"]
    for tool in ("create_order", "get_ticker_price", "no_such_tool"):
        with pytest.raises(StoreUnavailable):
            room.open(tool)
    (room.home / "away.db").rename(room.home / "guardian.db")
    assert "TRADING_HALTED" in denials(room.ask(price="59000"))


def test_cancel_works_without_the_store_and_without_the_emergency_file(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the emergency record fails too, the cancel continues."""
    name = an_order(room)
    break_store(room)
    monkeypatch.setattr(room.journal.emergency, "append", lambda _record: False)
    cancelled(room.cancel(client_order_id=name))


def test_order_id_alone_costs_one_read_where_the_store_does_not_know_it(room: Room) -> None:
    """An `order_id` that the store cannot tell is read once, and the mark on its client order id decides."""
    name = an_order(room)
    number = room.row(name).order_id
    break_store(room)
    asked = len(room.exchange.asked)
    cancelled(room.cancel(order_id=number))
    assert room.exchange.names()[asked:] == ["order", "cancel_order"]


def test_order_id_that_a_wiped_exchange_gave_to_another_cancels_nothing(room: Room) -> None:
    """The store knows the number as an order of guardian's, and the exchange as one of the owner's: that one stays."""
    room.ask()
    name = room.last().client_order_id
    number = room.row(name).order_id
    report = room.exchange.reports.pop(name)
    later = room.clock.now_ms() + 1001
    room.exchange.reports[FOREIGN] = replace(report, client_order_id=FOREIGN, created_ms=later)
    assert room.cancel(order_id=number).outcome is Outcome.REJECTED
    assert room.exchange.reports[FOREIGN].status == "NEW"


@pytest.mark.parametrize("by", ["order_id", "client_order_id"])
def test_foreign_order_is_denied_unless_the_policy_allows_it(room: Room, by: str) -> None:
    """An order that the owner placed by hand is theirs, until `cancel_foreign` says otherwise."""
    number = foreign_order(room)
    ids: dict[str, Any] = {"order_id": number} if by == "order_id" else {"client_order_id": FOREIGN}
    reply = room.cancel(**ids)
    assert code(reply) is Code.ORDER_NOT_GUARDIANS
    assert room.exchange.reports[FOREIGN].status == "NEW"
    assert "cancel_order" not in room.exchange.names()
    room.policy({"tools": {"cancel_foreign": True}})
    assert cancelled(room.cancel(**ids)).order.placed_by == "other"


def test_order_that_is_nowhere_is_denied(room: Room) -> None:
    """An `order_id` that the exchange does not know is no order of guardian's."""
    assert code(room.cancel(order_id=4711)) is Code.ORDER_NOT_GUARDIANS


def test_cancel_that_names_no_order_is_refused(room: Room) -> None:
    """One of the two ids is needed; nothing is sent."""
    assert code(room.cancel()) is Code.REQUEST_REFUSED
    assert "cancel_order" not in room.exchange.names()


def test_policy_without_the_cancel_tool_stops_no_cancel_of_guardians_own(room: Room) -> None:
    """No policy takes the cancelling of guardian's own orders away, or hides the tool. (It answered TOOL_NOT_ALLOWED.)

    Others' orders are not cancelled then, whatever `cancel_foreign` says.
    """
    name, other = an_order(room, price="59000"), foreign_order(room)
    room.policy({"tools": {"allow": ["get_orders"], "cancel_foreign": True}})
    assert room.gate.allowed_tools() == {"get_orders", "cancel_order"}
    cancelled(room.cancel(client_order_id=name))
    assert code(room.cancel(order_id=other)) is Code.ORDER_NOT_GUARDIANS
    room.policy({"tools": {"cancel_foreign": True}, "environment": "testnet"})
    assert code(room.cancel(order_id=other)) is Code.ORDER_NOT_GUARDIANS
    room.policy({"tools": {"cancel_foreign": True}})
    assert room.cancel(order_id=other).outcome is Outcome.DONE


def test_cancel_that_came_too_late_says_how_the_order_stands(room: Room) -> None:
    """The exchange's no to a cancel comes with the present state, which the store learns too."""
    name = an_order(room)
    room.exchange.becomes(name, "FILLED", "0.001")
    reply = room.cancel(client_order_id=name)
    assert reply.outcome is Outcome.REJECTED
    assert reply.error is not None
    assert reply.error.exchange_code == -2011
    assert reply.error.message.endswith("; the order now: filled: 0.001 at 60000 on average")
    assert room.row(name).state is OrderState.FILLED
    assert "resolved" in room.log_text()


@pytest.mark.parametrize("absent", [True, False])
def test_rejected_cancel_stands_alone_where_the_order_cannot_be_seen(room: Room, absent: bool) -> None:
    """Where the order cannot be queried, or is not there, the exchange's no is the answer."""
    name = an_order(room)
    room.exchange.cancels = [ExchangeRejected(-2011, "Unknown order sent.", http_status=400)]
    if absent:
        room.exchange.hidden.add(name)
    else:
        room.exchange.fails["order"] = ExchangeUnavailable("down")
    reply = room.cancel(client_order_id=name)
    assert reply.outcome is Outcome.REJECTED
    assert reply.error is not None
    assert "the order now" not in reply.error.message
    assert room.row(name).state is OrderState.OPEN


def test_cancel_with_a_refused_timestamp_says_what_to_do_and_is_not_sent_again(room: Room) -> None:
    """The hint of the exchange's door reaches the reply; a cancel is never sent a second time by itself."""
    name = an_order(room)
    hint = "nothing was cancelled; ask again"
    room.exchange.cancels = [ExchangeRejected(-1021, "outside of the recvWindow", http_status=400, hint=hint)]
    reply = room.cancel(client_order_id=name)
    assert reply.outcome is Outcome.REJECTED
    assert reply.error is not None
    assert reply.error.hint == hint
    assert room.exchange.names().count("cancel_order") == 1
    assert room.row(name).state is OrderState.OPEN


@pytest.mark.parametrize("failure", [OutcomeUnknown("lost"), RuntimeError("a bug")], ids=str)
def test_cancel_whose_reply_was_lost_is_done_if_the_order_is_cancelled(room: Room, failure: Exception) -> None:
    """A lost reply is found out by asking, not by cancelling again."""
    name = an_order(room)
    room.exchange.cancels = [Lost(failure)]
    cancelled(room.cancel(client_order_id=name))
    assert room.exchange.names().count("cancel_order") == 1


@pytest.mark.parametrize("by", ["client_order_id", "order_id"])
@pytest.mark.parametrize("failure", [OutcomeUnknown("lost"), RuntimeError("a bug")], ids=str)
def test_cancel_whose_fate_is_unknown_says_so_and_names_the_order(room: Room, failure: Exception, by: str) -> None:
    """While the order is still open the cancel may be on its way: `unknown`, with the order's id and state."""
    name = an_order(room)
    room.exchange.cancels = [failure]
    ids: dict[str, Any] = (
        {"client_order_id": name} if by == "client_order_id" else {"order_id": room.row(name).order_id}
    )
    reply = room.cancel(**ids)
    assert reply.outcome is Outcome.UNKNOWN
    assert reply.error is not None
    assert reply.error.client_order_id == name
    assert "open in the book: 0 of 0.001 filled" in reply.error.message
    room.exchange.fails["order"] = ExchangeUnavailable("down")
    room.exchange.cancels = [failure]
    blind = room.cancel(**ids)
    assert blind.outcome is Outcome.UNKNOWN
    assert blind.error is not None
    assert blind.error.client_order_id == name


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (ExchangeRateLimited(9), Code.EXCHANGE_RATE_LIMIT),
        (NotSent("no connection"), Code.ORDER_NOT_SENT),
        (NoCredentials("gone"), Code.ORDER_NOT_SENT),
    ],
    ids=str,
)
def test_cancel_that_was_not_done_says_so_and_the_order_stays_open(
    room: Room, failure: Exception, expected: Code
) -> None:
    """Where it is certain that nothing happened, the answer is not `unknown`."""
    name = an_order(room)
    room.exchange.cancels = [failure]
    assert code(room.cancel(client_order_id=name)) is expected
    assert room.row(name).state is OrderState.OPEN
    assert room.exchange.names().count("cancel_order") == 1


def test_part_filled_order_that_is_cancelled_tells_what_was_filled(room: Room) -> None:
    """A person wants to know what they own after a cancel."""
    name = an_order(room)
    room.exchange.becomes(name, "PARTIALLY_FILLED", "0.0004")
    view = cancelled(room.cancel(client_order_id=name))
    assert view.note == "cancelled: 0.0004 of 0.001 was filled at 60000 on average, the rest was not"
    assert room.row(name).executed_quantity == view.order.executed_quantity


def test_unknown_order_can_be_cancelled(room: Room) -> None:
    """An order that may exist can be cancelled by its id; found cancelled, it is known."""
    room.exchange.script = [Lost(OutcomeUnknown("lost"))]
    room.exchange.fails["order"] = ExchangeUnavailable("down")
    room.ask()
    name = room.last().client_order_id
    assert room.row(name).state is OrderState.UNKNOWN
    cancelled(room.cancel(client_order_id=name))
    assert room.row(name).state is OrderState.CANCELLED
    assert '"resolved"' in room.log_text()


def test_store_that_fails_after_the_cancel_does_not_take_the_answer_away(room: Room) -> None:
    """The exchange's answer counts; the store learns it when it asks again, and the lost row halts trading."""
    name = an_order(room)

    async def now() -> None:
        break_store(room)

    room.exchange.cancels = [now]
    cancelled(room.cancel(client_order_id=name))
    assert [record["kind"] for record in room.journal.emergency.pending()] == ["outcome"]


def test_cancel_whose_task_is_cancelled_is_finished_first(room: Room) -> None:
    """Ctrl-C during `halt --cancel-open` does not tear a cancel apart."""
    name = an_order(room)

    async def work() -> None:
        call = await room.gate.open_call("cancel_order", {})
        request = CancelOrder(symbol="BTCUSDT", client_order_id=name)
        task = asyncio.ensure_future(room.gate.handle(call, request))

        async def interrupt() -> None:
            task.cancel()
            await asyncio.sleep(0.01)

        room.exchange.cancels = [interrupt, Placed("CANCELED")]
        with pytest.raises(asyncio.CancelledError):
            await task

    room.run(work())
    assert room.row(name).state is OrderState.CANCELLED
