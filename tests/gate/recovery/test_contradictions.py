"""What the exchange says is held against the order that was sent, wherever it is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from guardian.domain.codes import Outcome
from guardian.domain.order_states import OrderState
from guardian.domain.orders import Fill, OrderReport
from guardian.domain.requests import GetOrders
from guardian.domain.trading import TradingState
from guardian.errors import OutcomeUnknown
from guardian.gate.base.replies import Orders
from guardian.gate.recovery.reconcile import Reconciler
from tests.gate.support.fakes import D, Placed, Room, denials

LIES: dict[str, dict[str, Any]] = {
    "side": {"side": "SELL"},
    "symbol": {"symbol": "ETHUSDT"},
    "type": {"order_type": "LIMIT_MAKER"},
    "price": {"price": D("61000")},
    "stop price": {"stop_price": D("61000")},
    "quantity": {"quantity": D("0.002")},
    "executed": {"executed_quantity": D("0.0011"), "executed_quote_quantity": D("66")},
    "quote": {"status": "FILLED", "executed_quantity": D("0.001"), "executed_quote_quantity": D("66")},
    "quote of nothing": {"executed_quote_quantity": D("1")},
    "quote too good": {"status": "FILLED", "executed_quantity": D("0.001"), "executed_quote_quantity": D("1")},
    "fills": {"fills": (Fill(price=D("60000"), quantity=D("1"), commission=D(0), commission_asset="BTC"),)},
    "price of a fill": {
        "executed_quantity": D("0.001"),
        "executed_quote_quantity": D("60"),
        "fills": (Fill(price=D("66000"), quantity=D("0.001"), commission=D(0), commission_asset="BTC"),),
    },
    "more than all its fills": {
        "status": "FILLED",
        "executed_quantity": D("0.001"),
        "executed_quote_quantity": D("60"),
        "fills": (Fill(price=D("30000"), quantity=D("0.001"), commission=D(0), commission_asset="BTC"),),
    },
    "less than a part of its fills": {
        "executed_quantity": D("0.001"),
        "executed_quote_quantity": D("20"),
        "fills": (Fill(price=D("60000"), quantity=D("0.0009"), commission=D(0), commission_asset="BTC"),),
    },
    "fee in base": {
        "executed_quantity": D("0.001"),
        "executed_quote_quantity": D("60"),
        "fills": (Fill(price=D("60000"), quantity=D("0.001"), commission=D("5"), commission_asset="BTC"),),
    },
    "fee in quote": {
        "executed_quantity": D("0.001"),
        "executed_quote_quantity": D("60"),
        "fills": (Fill(price=D("60000"), quantity=D("0.001"), commission=D("60"), commission_asset="USDT"),),
    },
    "no number": {"flaw": "the exchange's answer does not have the expected shape (executedQty)"},
}


def create(room: Room, lie: dict[str, Any]) -> str:
    """The answer to the order itself."""

    def answer_oddly(order: Any, name: str) -> None:
        report = room.exchange._report(order, name, "NEW", D(0))
        room.exchange.odd_answer = replace(report, **lie)
        room.exchange.hidden.add(name)

    room.exchange.before_place = answer_oddly
    reply = room.ask()
    assert reply.outcome is Outcome.UNKNOWN
    assert reply.error is not None
    assert "contradicts" in reply.error.message
    return room.last().client_order_id


def opened(room: Room, lie: dict[str, Any]) -> str:
    """An open order of which the exchange then reports something else."""
    room.exchange.script = [Placed("NEW")]
    assert room.ask().outcome is Outcome.DONE
    name = room.last().client_order_id
    room.exchange.reports[name] = replace(room.exchange.reports[name], **lie)
    return name


def resolved(room: Room, lie: dict[str, Any]) -> str:
    """The answer to the question for one order."""
    name = opened(room, {})
    told = replace(room.exchange.reports[name], **lie)

    async def order(*_: object, **__: object) -> OrderReport:
        return told

    room.exchange.order = order
    assert room.run(room.resolver.run_once())[0].state is None
    return name


def reconciled(room: Room, lie: dict[str, Any]) -> str:
    """A row of the lists."""
    name = opened(room, lie)
    room.run(Reconciler(room.context).run(("BTCUSDT", "ETHUSDT")))
    return name


def cancelled(room: Room, lie: dict[str, Any]) -> str:
    """The answer to a cancel."""
    name = opened(room, {})
    told = replace(room.exchange.reports[name], status="CANCELED", **{k: v for k, v in lie.items() if k != "status"})

    async def cancel(*_: object, **__: object) -> OrderReport:
        return told

    room.exchange.hidden.add(name)  # the question after it brings nothing
    room.exchange.cancel_order = cancel
    assert room.cancel(client_order_id=name).outcome is Outcome.UNKNOWN
    return name


def read(room: Room, lie: dict[str, Any]) -> str:
    """A row of `get_orders`: shown as the log has it."""
    name = opened(room, lie)
    reply = room.call(
        GetOrders(symbol="BTCUSDT", client_order_id=name) if "symbol" not in lie else GetOrders(symbol="ETHUSDT")
    )
    assert isinstance(reply.data, Orders)
    assert [(one.side, str(one.executed_quantity)) for one in reply.data.orders] == [("BUY", "0")]
    return name


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("where", [create, resolved, reconciled, cancelled, read], ids=lambda where: where.__name__)
def test_report_that_contradicts_the_order_is_not_believed_and_halts(
    room: Room, where: Callable[[Room, dict[str, Any]], str], lie: str
) -> None:
    """The order is `unknown`, counts in full, trading halts with the reason, and nothing enters position or loss.

    Before, more executed than ordered was the only thing that was refused, and nothing halted.
    """
    name = where(room, LIES[lie])
    row = room.row(name)
    assert (row.state, row.executed_quantity, row.executed_quote_quantity) == (OrderState.UNKNOWN, D(0), D(0))
    assert room.entered() == 60
    with room.journal.transaction() as tx:
        trading = tx.trading.status()
        assert tx.ledger.position(room.scope, "BTC") == 0
        assert tx.ledger.traded(room.scope) == ()
    assert trading.state is TradingState.HALTED
    assert trading.reason is not None
    assert "the exchange contradicts" in trading.reason
    assert room.sql("SELECT count(*) FROM flows") == [(0,)]
    assert room.log_text().count("order_impossible") == 1


def test_question_after_a_lost_cancel_is_held_against_the_order(room: Room) -> None:
    """Nothing of a report that contradicts the order is said to be its state: whether it was cancelled is unknown."""
    name = opened(room, {"side": "SELL"})
    room.exchange.cancels = [OutcomeUnknown("the reply was lost")]
    reply = room.cancel(client_order_id=name)
    assert reply.outcome is Outcome.UNKNOWN
    assert reply.error is not None
    assert "the order now" not in reply.error.message
    assert room.row(name).state is OrderState.UNKNOWN


@pytest.mark.parametrize("lie", [{"symbol": "ETHUSDT"}, {"flaw": "the answer has no number"}])
def test_answer_to_the_cancel_of_a_foreign_order_is_about_that_order(room: Room, lie: dict[str, Any]) -> None:
    """Guardian knows its symbol and its ids alone: an answer about another order cancels nothing."""
    room.policy({"tools": {"cancel_foreign": True}})
    name = opened(room, {})
    foreign = replace(room.exchange.reports[name], client_order_id="web_7", order_id=77)
    room.exchange.reports["web_7"] = foreign

    async def cancel(*_: object, **__: object) -> OrderReport:
        return replace(foreign, status="CANCELED", **lie)

    room.exchange.cancel_order = cancel
    assert room.cancel(client_order_id="web_7").outcome is Outcome.UNKNOWN


def test_order_is_known_again_once_the_exchange_tells_the_truth(room: Room) -> None:
    """A contradiction halts once; after the owner has looked, what is consistent is believed again."""
    name = opened(room, {"side": "SELL"})
    room.run(Reconciler(room.context).run(("BTCUSDT",)))
    room.run(Reconciler(room.context).run(("BTCUSDT",)))
    assert room.log_text().count("order_impossible") == 1
    room.exchange.reports[name] = replace(room.exchange.reports[name], side="BUY")
    room.exchange.becomes(name, "FILLED", "0.001")
    room.run(room.resolver.run_once())
    assert (room.row(name).state, room.row(name).executed_quantity) == (OrderState.FILLED, D("0.001"))


def test_better_prices_and_rounding_contradict_nothing(room: Room) -> None:
    """A fill below a BUY's price is a gift, and a hair of rounding is no lie."""
    name = opened(
        room, {"status": "FILLED", "executed_quantity": D("0.001"), "executed_quote_quantity": D("58.0000005")}
    )
    room.run(room.resolver.run_once())
    assert room.row(name).state is OrderState.FILLED


def test_unknown_status_of_a_new_order_is_kept_and_its_fill_can_be_sold(room: Room) -> None:
    """The word is in the store and in the view, the order is queried again, and what it bought is no hostage."""
    room.exchange.script = [Placed("SOMETHING_NEW", "0.0004")]
    assert room.ask().outcome is Outcome.UNKNOWN
    row = room.last()
    assert (row.state, row.exchange_status, row.executed_quantity) == (OrderState.UNKNOWN, "SOMETHING_NEW", D("0.0004"))
    assert denials(room.ask(price="59000")) == {"ORDER_UNRESOLVED"}
    assert room.ask(side="SELL", quantity="0.0004").outcome is Outcome.DONE


# -- amended and replaced by the owner


def amended(room: Room, quantity: str = "0.0004", **change: Any) -> str:
    """An open order that its owner amended at the exchange: another client order id, a smaller quantity."""
    name = opened(room, {})
    report = replace(room.exchange.reports.pop(name), client_order_id="web_amend", quantity=D(quantity), **change)
    room.exchange.reports["web_amend"] = report
    return name


def open_notional(room: Room) -> Decimal:
    with room.journal.transaction() as tx:
        return tx.usage.status(room.scope, room.policy_file.current().policy.limits, "USDT").open_notional


def minutes(room: Room, number: int) -> None:
    for _ in range(number):
        room.run(room.resolver.run_once())
        room.clock.forward(60)


def test_amended_order_stays_guardians_counts_what_is_open_and_fills(room: Room) -> None:
    """It is queried by its order id. Before, it stopped counting after 85 s while it was open."""
    name = amended(room)
    minutes(room, 20)
    assert (room.row(name).state, open_notional(room), room.entered()) == (OrderState.OPEN, D(24), D(60))
    assert room.run(Reconciler(room.context).run(("BTCUSDT",))).foreign == ()
    reply = room.call(GetOrders(symbol="BTCUSDT", client_order_id=name))
    assert isinstance(reply.data, Orders)
    (view,) = reply.data.orders
    assert (view.client_order_id, view.quantity, view.placed_by) == (name, D("0.0004"), "guardian")
    room.exchange.becomes("web_amend", "FILLED", "0.0004")
    room.run(room.resolver.run_once())
    with room.journal.transaction() as tx:
        assert tx.ledger.position(room.scope, "BTC") == D("0.0004")
    assert room.row(name).state is OrderState.FILLED


def test_amended_order_is_cancelled_by_its_order_id(room: Room) -> None:
    """By guardian's client order id and by the order id alike. Before, it could be cancelled by neither."""
    name = amended(room)
    reply = room.cancel(client_order_id=name)
    assert reply.outcome is Outcome.DONE, reply
    assert (room.exchange.reports["web_amend"].status, room.row(name).state) == ("CANCELED", OrderState.CANCELLED)
    assert [fields for what, fields in room.exchange.asked if what == "cancel_order"][-1]["order_id"] == 1


@pytest.mark.parametrize(
    "change",
    [{"created_ms": 1}, {"created_ms": None}, {"side": "SELL"}, {"price": D("59999")}, {"order_type": "LIMIT_MAKER"}],
    ids=str,
)
def test_another_order_with_the_same_number_is_left_alone(room: Room, change: dict[str, Any]) -> None:
    """Order ids start again when a testnet is wiped: nothing that differs is taken for guardian's, or cancelled."""
    name = amended(room, **change)
    assert room.cancel(client_order_id=name).outcome is Outcome.REJECTED
    assert room.exchange.reports["web_amend"].status == "NEW"
    room.policy({"limits": {"absence_window": "1m"}})
    minutes(room, 4)
    assert room.row(name).state is OrderState.EXPIRED


def test_order_whose_trades_are_there_is_not_gone(room: Room) -> None:
    """Both ids gone and no trade of it: anything less is no absence."""
    room.policy({"limits": {"absence_window": "1m"}})
    name = opened(room, {})
    del room.exchange.reports[name]
    fill = Fill(price=D("60000"), quantity=D("0.001"), commission=D(0), commission_asset="BTC")
    room.exchange.trades[1] = (fill,)
    minutes(room, 5)
    assert room.row(name).state is OrderState.OPEN
    room.exchange.trades.clear()
    minutes(room, 1)
    assert room.row(name).state is OrderState.EXPIRED
    assert room.entered() == 60


def test_replaced_order_ends_and_the_new_one_is_the_owners(room: Room) -> None:
    """A cancel-replace gives a new order id: the old order was cancelled, and the new one is foreign."""
    name = opened(room, {})
    report = room.exchange.reports[name]
    room.exchange.reports["web_new"] = replace(report, client_order_id="web_new", order_id=99)
    room.exchange.becomes(name, "CANCELED")
    found = room.run(Reconciler(room.context).run(("BTCUSDT",)))
    assert [view.client_order_id for view in found.foreign] == ["web_new"]
    assert room.row(name).state is OrderState.CANCELLED


@pytest.mark.parametrize(
    "lie", [{"price": D("66000")}, {"price": D("1")}, {"commission": D("7")}, {"quantity": D("0.002")}]
)
def test_listed_trades_that_contradict_the_order_bring_no_fee(room: Room, lie: dict[str, Any]) -> None:
    """Trades under the order's number at another price, or with a fee beyond what was traded, are not of the order.

    Before, a fee of 7 BTC for 0.001 BTC made the position -6.999, and nothing could be sold back.
    """
    room.exchange.script = [Placed("FILLED", "0.001")]
    assert room.ask().outcome is Outcome.DONE
    row = room.last()
    assert row.order_id is not None
    true = Fill(price=D("60000"), quantity=D("0.001"), commission=D("0.000001"), commission_asset="BTC")
    room.exchange.trades[row.order_id] = (replace(true, **lie),)
    room.run(Reconciler(room.context).run())
    assert room.fees(row.client_order_id) == {}
    room.exchange.trades[row.order_id] = (true,)
    room.run(Reconciler(room.context).run())
    assert room.fees(row.client_order_id) == {"BTC": D("0.000001")}


def test_amended_order_is_cancelled_by_the_id_that_the_amendment_gave_it(room: Room) -> None:
    """The id that the owner sees at the exchange names guardian's order too. Before, it was said to be another's.

    An id of an order that guardian did not place, or of none, stays denied.
    """
    name = opened(room, {})
    amended = replace(room.exchange.reports.pop(name), client_order_id="web_1", quantity=D("0.0005"))
    room.exchange.reports["web_1"] = amended
    room.exchange.reports["web_2"] = replace(amended, client_order_id="web_2", order_id=99)
    assert denials(room.cancel(client_order_id="web_2")) == {"ORDER_NOT_GUARDIANS"}
    assert denials(room.cancel(client_order_id="web_3")) == {"ORDER_NOT_GUARDIANS"}
    assert room.cancel(client_order_id="web_1").outcome is Outcome.DONE
    assert [room.exchange.reports[one].status for one in ("web_1", "web_2")] == ["CANCELED", "NEW"]
    assert room.row(name).state is OrderState.CANCELLED
