"""The exchange as a witness of a whole home: what only one of them has, what differs, and what is no difference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from guardian.domain.order_states import IN_FLIGHT_MS, OrderState
from guardian.domain.orders import Fill
from guardian.errors import ExchangeRejected, ExchangeUnavailable, OutcomeUnknown, PolicyInvalid
from guardian.exchange.error_codes import KEY_REFUSED, UNKNOWN_SYMBOL
from guardian.gate.recovery.reconcile import Reconciler
from guardian.gate.witness import witnesses
from guardian.gate.witness.comparison import LAG_MS
from guardian.gate.witness.witnesses import LEAVES_AFTER_MS, ExchangeWitness, Witnessed
from tests.gate.support.fakes import D, Placed, Room

OTHER = "g1-" + "0" * 32


def witnessed(room: Room, symbols: Iterable[str] | None = None) -> Witnessed:
    return room.run(ExchangeWitness(room.context).testify(symbols))


def kinds(found: Witnessed) -> list[tuple[str, str]]:
    return [(one.kind.value, one.client_order_id) for one in found.disagreements]


def opened(room: Room, price: str = "60000") -> str:
    room.ask(price=price)
    assert room.last().state is OrderState.OPEN
    return room.last().client_order_id


def filled(room: Room, price: str = "60000") -> str:
    """An order that was filled, with its fees, a while ago."""
    name = opened(room, price)
    room.exchange.becomes(name, "FILLED", "0.001")
    order_id = room.exchange.reports[name].order_id
    fill = Fill(price=D(price), quantity=D("0.001"), commission=D("0.000001"), commission_asset="BTC")
    room.exchange.trades[order_id] = (fill,)
    room.run(Reconciler(room.context).run(("BTCUSDT",)))
    assert (room.row(name).state, room.row(name).fee_quantity) == (OrderState.FILLED, D("0.001"))
    later(room)
    return name


def later(room: Room) -> None:
    """Past the lag of the lists."""
    room.exchange.traded_ms = room.exchange.traded_ms or room.clock.now_ms()
    room.clock.forward(LAG_MS / 1000 + 1)


def test_both_agree(room: Room) -> None:
    """An order that is open, one that was filled and one that the owner placed by hand."""
    filled(room)
    name = opened(room, "59000")
    room.exchange.reports["web"] = replace(room.exchange.reports[name], client_order_id="web", order_id=99)
    found = witnessed(room)
    assert (found.symbols, found.disagreements, found.unasked) == (("BTCUSDT", "ETHUSDT"), (), ())
    assert (found.orders, found.executions, found.foreign, found.fees_unknown) == (2, 1, 1, 0)
    assert (found.environment, found.account) == ("paper", room.connector.account)


def test_nothing_is_written_and_nothing_sent(room: Room) -> None:
    """The witness looks: an open order that was filled since is behind, and stays as it is in the store."""
    name = opened(room)
    room.exchange.becomes(name, "FILLED", "0.001")
    before, sent = room.phases(), len(room.exchange.placed)
    found = witnessed(room)
    assert (found.behind, found.disagreements) == ((name,), ())
    assert (room.phases(), len(room.exchange.placed), room.row(name).state) == (before, sent, OrderState.OPEN)


def test_an_order_that_the_log_lacks_is_named(room: Room) -> None:
    """It has guardian's prefix; also where guardian never traded the symbol, and a home was made anew."""
    report = room.exchange.reports[opened(room)]
    room.exchange.reports[OTHER] = replace(report, client_order_id=OTHER, order_id=99)
    eth = "g1-" + "1" * 32
    room.exchange.reports[eth] = replace(report, client_order_id=eth, order_id=5, symbol="ETHUSDT")
    assert kinds(witnessed(room)) == [("not_in_log", OTHER), ("not_in_log", eth)]
    assert kinds(witnessed(room, ("ETHUSDT",))) == [("not_in_log", eth)]


def test_an_order_that_reconciliation_wrote_down_is_in_the_log(room: Room) -> None:
    """From then on the log has a row of it."""
    report = room.exchange.reports[opened(room)]
    room.exchange.reports[OTHER] = replace(report, client_order_id=OTHER, order_id=99)
    room.run(Reconciler(room.context).run(("BTCUSDT",)))
    assert kinds(witnessed(room)) == []
    room.sql("DROP TRIGGER audit_no_delete")
    room.sql("DELETE FROM audit WHERE key LIKE 'found/%'")
    assert kinds(witnessed(room)) == [("not_in_log", OTHER)]


def test_an_order_with_an_intent_and_without_a_row_is_in_the_log(room: Room) -> None:
    """That its row of the store is gone is a finding of `verify`; the exchange and the log agree."""
    opened(room)
    room.sql("DROP TRIGGER orders_no_delete")
    room.sql("DELETE FROM orders")
    found = witnessed(room)
    assert (found.disagreements, found.orders, found.foreign) == ((), 0, 0)


def test_an_order_that_the_exchange_lacks_is_named(room: Room) -> None:
    """The log says that it was filled; neither the list nor a query knows it."""
    name = filled(room)
    del room.exchange.reports[name]
    assert kinds(witnessed(room)) == [("not_at_exchange", name)]


def test_what_the_list_lacks_and_a_query_knows_is_there(room: Room) -> None:
    """A list that lags is no evidence; after many queries the list is believed."""
    name = filled(room)
    room.exchange.unlisted.add(name)
    assert kinds(witnessed(room)) == []


def test_after_many_queries_the_list_is_believed(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home whose orders the exchange has forgotten altogether does not ask for each of thousands."""
    name = filled(room)
    room.exchange.unlisted.add(name)
    monkeypatch.setattr(witnesses, "MOST_QUERIES", 0)
    assert kinds(witnessed(room)) == [("not_at_exchange", name)]


def test_an_order_without_a_fill_leaves_the_exchange_after_90_days(room: Room) -> None:
    """Its absence says nothing then, and something before."""
    name = opened(room)
    room.cancel(client_order_id=name)
    later(room)
    del room.exchange.reports[name]
    assert kinds(witnessed(room)) == [("not_at_exchange", name)]
    room.clock.forward(LEAVES_AFTER_MS / 1000)
    found = witnessed(room)
    assert (found.disagreements, found.left_lists) == ((), 1)


def test_an_unresolved_order_is_neither_there_nor_missing(room: Room) -> None:
    """Guardian itself does not know whether it came to be; one that is just being sent is not looked for."""
    room.exchange.script = [OutcomeUnknown("lost")]
    room.exchange.fails["order"] = ExchangeUnavailable("down")
    room.ask()
    del room.exchange.fails["order"]
    name = room.last().client_order_id
    room.clock.forward(IN_FLIGHT_MS / 1000 + 1)
    found = witnessed(room)
    assert (found.unresolved, found.disagreements) == ((name,), ())


def test_an_order_that_is_just_being_sent_is_not_looked_for(room: Room) -> None:
    """It is in the log before it is at the exchange."""
    name = opened(room)
    del room.exchange.reports[name]
    assert witnessed(room).disagreements == ()


def test_a_rejected_order_is_expected_nowhere(room: Room) -> None:
    """It never came to be."""
    room.exchange.script = [ExchangeRejected(-2010, "no", http_status=400)]
    room.ask()
    later(room)
    found = witnessed(room)
    assert (room.last().state, found.disagreements, found.orders) == (OrderState.REJECTED, (), 0)


def test_an_order_that_its_owner_amended_is_still_guardians(room: Room) -> None:
    """It has another client order id there and its own number."""
    name = opened(room)
    report = room.exchange.reports.pop(name)
    room.exchange.reports["web"] = replace(report, client_order_id="web", quantity=D("0.0005"))
    found = witnessed(room)
    assert (found.disagreements, found.orders, found.foreign) == ((), 1, 0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE orders SET executed_quantity = '0.0005', fee_quantity = '0.0005'", "fills"),
        ("UPDATE orders SET state = 'cancelled'", "state"),
        ("UPDATE orders SET price = '1'", "terms"),
        ("UPDATE orders SET sent_ms = sent_ms - 20000", "time"),
        ("UPDATE flows SET change = '-0.5' WHERE kind = 'fee'", "fees"),
        ("UPDATE orders SET executed_quote_quantity = '1'", "fills"),
    ],
)
def test_what_somebody_changed_in_the_file_is_told_by_the_exchange(room: Room, change: str, said: str) -> None:
    """The tables of the file say one thing and the exchange another."""
    name = filled(room)
    for trigger in ("orders_fixed", "orders_moves", "flows_no_update"):
        room.sql(f"DROP TRIGGER {trigger}")
    room.sql(change)
    assert (said, name) in kinds(witnessed(room))


def test_fees_that_the_log_does_not_have_are_counted(room: Room) -> None:
    """The exchange lists them, the log has not fetched them yet."""
    room.exchange.script = [Placed("FILLED", "0.001")]
    room.exchange.fails["my_trades"] = ExchangeUnavailable("down")
    room.ask()
    del room.exchange.fails["my_trades"]
    if room.last().fee_quantity:
        room.sql("UPDATE orders SET fee_quantity = '0'")
    assert witnessed(room).fees_unknown == 1


def test_a_symbol_that_the_exchange_refuses_is_named(room: Room) -> None:
    """With orders of guardian's on it nothing is known; an unlisted one without any has nothing to tell."""
    opened(room)
    room.exchange.fails["all_orders"] = ExchangeRejected(UNKNOWN_SYMBOL, "Invalid symbol.", http_status=400)
    found = witnessed(room)
    assert [one.symbol for one in found.unasked] == ["BTCUSDT"]
    room.exchange.fails["all_orders"] = ExchangeRejected(-1000, "odd", http_status=400)
    assert [one.symbol for one in witnessed(room).unasked] == ["BTCUSDT", "ETHUSDT"]


def test_a_refused_key_ends_it(room: Room) -> None:
    """Every further request would be refused as well."""
    opened(room)
    code = min(KEY_REFUSED)
    room.exchange.fails["all_orders"] = ExchangeRejected(code, "no", http_status=401)
    with pytest.raises(ExchangeRejected):
        witnessed(room)


def test_lists_that_are_cut_are_said(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """More orders than are looked at."""
    opened(room)
    opened(room, "59000")
    monkeypatch.setattr("guardian.gate.witness.exchange_lists.PAGE", 1)
    monkeypatch.setattr("guardian.gate.witness.exchange_lists.MOST_PAGES", 1)
    assert [one.symbol for one in witnessed(room).unasked] == ["BTCUSDT"]


def test_a_broken_policy_and_one_of_another_environment_hold_nothing_back(room: Room) -> None:
    """Guardian's own symbols are looked at all the same."""
    opened(room)
    room.policy({"environment": "testnet"})
    assert witnessed(room).symbols == ("BTCUSDT",)
    room.policy_file.current = lambda: (_ for _ in ()).throw(PolicyInvalid(()))
    assert witnessed(room).symbols == ("BTCUSDT",)
