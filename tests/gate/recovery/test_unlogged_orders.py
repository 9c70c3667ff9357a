"""A home put back from a copy: the first order waits for a comparison, and what the log lacks counts and halts."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import pytest

from guardian.cli.trading.resuming import resume, trading_shown
from guardian.domain.codes import Outcome
from guardian.domain.order_states import OrderState
from guardian.domain.orders import Fill
from guardian.domain.requests import GetPnl
from guardian.domain.trading import TradingState
from guardian.errors import (
    ExchangeRateLimited,
    ExchangeRejected,
    ExchangeUnavailable,
    GuardianError,
    PolicyInvalid,
)
from guardian.gate.reads.positions import Positions
from guardian.gate.reads.profit_views import SpotProfit
from guardian.gate.recovery.order_reports import DifferenceKind
from guardian.gate.recovery.reconcile import Reconciler
from guardian.store.log.verify import verify
from tests.gate.support.fakes import D, Placed, Room, denials, limit


def bought(room: Room, price: str = "60000", *, filled: bool = True) -> str:
    """An order that filled, or is open; its client order id."""
    fill = Fill(price=D(price), quantity=D("0.001"), commission=D("0"), commission_asset="USDT")
    room.exchange.script = [Placed("FILLED", "0.001", (fill,)) if filled else Placed("NEW")]
    assert room.ask(price=price).outcome is Outcome.DONE
    return room.last().client_order_id


def put_back(room: Room) -> None:
    """An older copy of the home: as it was before the orders were sent. Then guardian starts."""
    room.journal.close()
    shutil.rmtree(room.home)
    shutil.copytree(room.folder / "copy", room.home)
    room.is_compared = False
    room.start()


def copied(room: Room) -> None:
    room.ask(price="1")  # denied: the log has something
    room.journal.close()
    shutil.copytree(room.home, room.folder / "copy")
    room.start()


def status(room: Room) -> tuple[TradingState, str | None]:
    with room.journal.transaction() as tx:
        return tx.trading.status().state, tx.trading.status().reason


class Opened:
    """What `resume` needs of an opened home."""

    def __init__(self, room: Room) -> None:
        self.journal, self.imported = room.journal, 0


def resumed(room: Room) -> str:
    opened = Opened(room)
    shown = trading_shown(opened)  # type: ignore[arg-type]  # it has what is asked for
    resume(opened, shown, TradingState.ACTIVE)  # type: ignore[arg-type]  # as above
    return shown.summary


def position(room: Room) -> str:
    with room.journal.transaction() as tx:
        return str(tx.ledger.position(room.scope, "BTC"))


def test_orders_that_an_older_copy_lacks_halt_count_and_are_adopted(room: Room) -> None:
    """The first order after a start waits for the comparison. Before, the budget was new: 859 USDT in a cap of 500.

    What was found counts in windows, count and open notional while trading is halted, is in the ledger once the owner
    resumes, and `audit verify` is content all along.
    """
    copied(room)
    names = [bought(room), bought(room, "59000"), bought(room, "58900", filled=False)]
    put_back(room)
    assert denials(room.ask(price="58000")) == {"TRADING_HALTED"}
    assert len(room.exchange.placed) == 3
    state, reason = status(room)
    assert state is TradingState.HALTED
    assert reason is not None
    assert "3 orders of guardian's that this log lacks" in reason
    assert room.entered() == D("60") + D("59") + D("58.9")
    limits = room.policy_file.current().policy.limits
    with room.journal.transaction() as tx:
        usage = tx.usage.status(room.scope, limits, "USDT")
    assert (usage.open_notional, usage.open_orders, set(usage.ordered.values())) == (D("58.9"), 1, {3})
    assert [room.row(name).state for name in names] == [OrderState.FILLED, OrderState.FILLED, OrderState.OPEN]
    assert position(room) == "0"
    assert verify(room.home).findings == ()
    told = resumed(room)
    assert all(name in told for name in names)
    assert position(room) == "0.002"
    assert status(room)[0] is TradingState.ACTIVE
    assert verify(room.home).findings == ()
    assert room.entered() == D("177.9")
    assert room.ask(side="SELL", quantity="0.0015").outcome is Outcome.DONE  # it can be sold back
    assert room.last().is_exit
    assert room.cancel(client_order_id=names[2]).outcome is Outcome.DONE


def test_profit_names_orders_that_wait_for_the_owner(room: Room) -> None:
    """What was found is in no sum before the owner resumes; another account has nothing to do with it."""
    copied(room)
    name = bought(room)
    put_back(room)
    room.ask(price="58000")
    found = room.call(GetPnl()).data
    assert isinstance(found, SpotProfit)
    assert [one.client_order_id for one in found.not_counted] == [name]
    assert "guardian resume" in found.not_counted[0].why
    assert (found.total.bought, found.complete) == (D(0), False)
    room.connector.account = "another"
    other = room.call(GetPnl()).data
    assert isinstance(other, SpotProfit)
    assert other.not_counted == ()


def test_token_in_an_older_copy_is_not_used_a_second_time(room: Room) -> None:
    """An order was confirmed and sent, and a copy from before that was put back: after the owner's `resume` the token
    places nothing, whether it or another order came first. Before, it placed the order a second time.
    """
    room.policy({"confirmation": {"required_above": "0", "channel": "chat"}})
    token = room.propose().confirmation_token
    assert token is not None
    room.journal.close()
    shutil.copytree(room.home, room.folder / "copy")
    room.start()
    assert room.use(token).outcome is Outcome.DONE
    room.clock.forward(90)  # beyond the window of duplicates
    put_back(room)
    assert denials(room.ask(price="59000")) == {"TRADING_HALTED"}
    resumed(room)
    assert denials(room.use(token)) == {"CONFIRMATION_REJECTED"}
    assert len(room.exchange.placed) == 1
    put_back(room)
    assert denials(room.use(token)) == {"CONFIRMATION_REJECTED"}
    assert len(room.exchange.placed) == 1
    assert verify(room.home).findings == ()


def test_what_was_found_since_the_owner_was_shown_stops_the_resume(room: Room) -> None:
    """Nobody agreed to take over an order that they were not shown."""
    copied(room)
    bought(room)
    put_back(room)
    room.ask(price="58000")
    opened = Opened(room)
    shown = trading_shown(opened)  # type: ignore[arg-type]  # it has what is asked for
    report = next(iter(room.exchange.reports.values()))
    other = "g1-" + "f" * 32
    room.exchange.reports[other] = type(report)(
        **{name: getattr(report, name) for name in report.__slots__} | {"client_order_id": other, "order_id": 77}
    )
    found = room.run(Reconciler(room.context).run())
    assert [one.kind for one in found.differences] == [DifferenceKind.NOT_IN_LOG, DifferenceKind.NOT_IN_LOG]
    with pytest.raises(GuardianError):
        resume(opened, shown, TradingState.ACTIVE)  # type: ignore[arg-type]  # as above
    assert position(room) == "0"


@pytest.mark.parametrize(
    "lie",
    [{"executed_quantity": D("0.001"), "executed_quote_quantity": D("0.01")}, {"executed_quantity": D(5)}],
    ids=["quote too small", "more than ordered"],
)
def test_amounts_that_contradict_a_found_order_make_no_position(room: Room, lie: dict[str, Any]) -> None:
    """An open order that the log lacks is listed as executed at an impossible price: nothing is entered by that report.

    Before, that amount became a position, and as much of the owner's own could be sold as an exit.
    """
    copied(room)
    bought(room, "59000", filled=False)
    put_back(room)
    (name,) = room.exchange.reports
    true = room.exchange.reports[name]
    room.exchange.reports[name] = replace(true, **lie)
    assert denials(room.ask(price="58000")) == {"ORDERS_NOT_COMPARED"}
    room.exchange.reports[name] = true
    assert denials(room.ask(price="57900")) == {"TRADING_HALTED"}
    resumed(room)
    assert position(room) == "0"
    room.ask(side="SELL", quantity="0.001", price="60000")
    assert not room.last().is_exit
    assert verify(room.home).findings == ()


def test_order_waits_for_the_comparison_and_an_exit_passes_where_it_cannot_be_done(room: Room) -> None:
    """Where the lists cannot be read nothing is entered; what was bought can be sold back. One success is enough."""
    bought(room)
    room.is_compared = False
    room.again()
    room.exchange.fails["all_orders"] = ExchangeUnavailable("the lists are down")
    assert denials(room.ask(price="58000")) == {"ORDERS_NOT_COMPARED"}
    assert room.ask(side="SELL", quantity="0.001").outcome is Outcome.DONE
    del room.exchange.fails["all_orders"]
    before = len(room.exchange.asked)
    assert room.ask(price="58000").outcome is Outcome.DONE
    assert "all_orders" in room.exchange.names()[before:]
    before = len(room.exchange.asked)
    assert room.ask(price="57999").outcome is Outcome.DONE
    assert "all_orders" not in room.exchange.names()[before:]  # a warm order asks for no list


def test_found_order_counts_at_what_it_was_and_when_it_was(room: Room) -> None:
    """It is dated to its creation at the exchange: in the windows that it was in, and in no other."""
    copied(room)
    room.policy({"limits": {"rolling_notional": [{"window": "5m", "max": "9000"}, {"window": "24h", "max": "9000"}]}})
    bought(room)
    room.clock.forward(3600)
    put_back(room)
    room.ask(price="58000")
    with room.journal.transaction() as tx:
        entered = tx.usage.status(room.scope, room.policy_file.current().policy.limits, "USDT").entered
    assert entered == {300_000: D(0), 86_400_000: D(60)}
    row = room.row(next(iter(room.exchange.reports)))
    assert (row.call_id, row.adopted, row.currency, row.notional) == (None, False, "USDT", D(60))
    assert limit().fingerprint == row.fingerprint


def unlogged(room: Room, **change: Any) -> str:
    """An order with guardian's mark that no log ever had."""
    bought(room, filled=False)
    report = next(iter(room.exchange.reports.values()))
    other = "g1-" + "f" * 32
    values = {name: getattr(report, name) for name in report.__slots__}
    room.exchange.reports[other] = type(report)(**{**values, "client_order_id": other, "order_id": 77, **change})
    room.is_compared = False
    room.again()
    return other


def test_found_order_of_another_quote_asset_is_converted(room: Room) -> None:
    """It counts in the accounting currency at what a new order would; without a price, in its own quote asset."""
    room.exchange.books |= {"ETHBTC": ("0.05", "0.05001"), "ETHUSDT": ("3000", "3000.1")}
    price = D("0.05")
    name = unlogged(room, symbol="ETHBTC", quantity=D("0.01"), price=price, side="BUY")
    room.ask(price="58000")
    assert (room.row(name).currency, room.row(name).quote_notional) == ("USDT", D("0.0005"))
    assert D("30") <= room.row(name).notional < D("30.1")


@pytest.mark.parametrize("broken", ["price", "policy", "exchange"])
def test_found_order_that_cannot_be_converted_counts_in_its_quote_asset(room: Room, broken: str) -> None:
    """It is never left out, and never taken to be worth the same number in another currency."""
    room.exchange.books["ETHBTC"] = ("0.05", "0.05001")
    name = unlogged(room, symbol="ETHBTC", quantity=D("0.01"), price=D("0.05"))
    if broken == "price":
        room.exchange.books["BTCUSDT"] = ("0", "0")
    elif broken == "policy":
        room.policy_file.current = lambda: (_ for _ in ()).throw(PolicyInvalid(()))
    else:
        room.exchange.fails["book_tops"] = ExchangeRateLimited(5)
    room.run(Reconciler(room.context).run(at_once=True))
    assert (room.row(name).currency, room.row(name).notional) == ("BTC", D("0.0005"))


@pytest.mark.parametrize("change", [{"symbol": "XXXYYY"}, {"side": "HOLD"}, {"flaw": "no number"}], ids=str)
def test_found_order_whose_worth_is_unknown_lets_nothing_be_ordered(room: Room, change: dict[str, object]) -> None:
    """What it counts for cannot be known, so nothing is added to it."""
    unlogged(room, **change)
    assert denials(room.ask(price="58000")) == {"ORDERS_NOT_COMPARED"}


def test_symbol_that_the_exchange_refuses_otherwise_than_as_unlisted_is_not_compared(room: Room) -> None:
    """A symbol that is not listed has no orders there; any other no leaves them unknown."""
    room.is_compared = False
    room.again()
    for code, codes in ((-1100, {"ORDERS_NOT_COMPARED"}), (-1121, set())):
        room.exchange.fails["all_orders"] = ExchangeRejected(code, "no", http_status=400)
        reply = room.ask(price=str(58000 + code))
        assert (set() if reply.error is None else denials(reply)) == codes


def test_fees_of_a_found_order_come_into_the_position_with_it(room: Room) -> None:
    """An order that the log lacked fills before the owner resumes; its fee in BTC is taken off what can be sold back.

    Before, its fees were taken for known while nothing of it was in the ledger, and were never queried again.
    """
    copied(room)
    name = bought(room, filled=False)
    put_back(room)
    assert denials(room.ask(price="58000")) == {"TRADING_HALTED"}
    room.exchange.becomes(name, "FILLED", "0.001")
    fill = Fill(price=D("60000"), quantity=D("0.001"), commission=D("0.000001"), commission_asset="BTC")
    room.exchange.trades = {room.exchange.reports[name].order_id: (fill,)}
    room.run(room.resolver.run_once())
    assert room.row(name).state is OrderState.FILLED
    resumed(room)
    room.run(room.resolver.run_once())
    assert position(room) == "0.000999"
    assert room.fees(name) == {"BTC": D("0.000001")}


def test_position_is_not_set_before_found_orders_are_adopted(room: Room) -> None:
    """`guardian resume` adds what they traded, so the owner resumes first. Before, it came on top of what was set."""
    copied(room)
    name = bought(room)
    put_back(room)
    assert denials(room.ask(price="58000")) == {"TRADING_HALTED"}
    positions = Positions(room.context)
    with pytest.raises(GuardianError, match=f"`{name}` was found at the exchange, and `guardian resume` adds"):
        room.run(positions.prepare("BTC", D("0.001")))
    resumed(room)
    room.run(positions.correct(room.run(positions.prepare("BTC", D("0.0005")))))
    assert position(room) == "0.0005"
