"""What can be sold back is in the status, the policy view and the balances, and its orders all pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guardian.domain import requests
from guardian.domain.codes import Outcome
from guardian.domain.orders import Fill
from guardian.errors import ExchangeUnavailable, NoCredentials
from guardian.gate.base.journal import Journal
from guardian.gate.base.replies import AccountBalances
from guardian.gate.reads.balance_reads import balances_with_situation
from guardian.gate.reads.overview import Overview
from guardian.gate.reads.status_views import PolicyView
from tests.gate.support.fakes import D, Placed, Room
from tests.gate.support.true_account import TrueExchange

CAPS = {"max_notional": "100", "max_quantity": "5", "max_position": "5"}
POLICY: dict[str, Any] = {
    "limits": {"rolling_notional": [{"window": "24h", "max": "300"}], "duplicate_window": "1s"},
    "symbols": {"BTCUSDT": CAPS},
}


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path, POLICY)
    made.exchange = TrueExchange(made.clock, free={"USDT": "10000", "BTC": "0"})
    made.connector.exchange = made.exchange
    made.again()
    try:
        yield made
    finally:
        made.close()


def buy(room: Room, quantity: str, fee: str) -> None:
    """Bought, with the fee taken of what was bought."""
    fill = Fill(price=D(60000), quantity=D(quantity), commission=D(fee), commission_asset="BTC")
    room.exchange.script = [Placed("FILLED", quantity, fills=(fill,))]
    assert room.ask(quantity=quantity).outcome is Outcome.DONE
    room.exchange.free["BTC"] = str(D(room.exchange.free["BTC"]) - D(fee))


def balances(room: Room) -> dict[str, Any]:
    reply = room.call(requests.GetBalance())
    assert isinstance(reply.data, AccountBalances)
    return {one.asset: one for one in reply.data.balances}


def test_whole_exit_is_named_everywhere_and_every_order_of_it_passes(room: Room) -> None:
    """Two BUYs with fees in the base asset, one exit over the cap of an order: two orders, and then it is all sold.

    Before, nothing said what could be sold back, and a full exit was found by trying.
    """
    buy(room, "0.0016", "0.0000016")
    buy(room, "0.0015", "0.0000015")
    view = room.run(Overview(room.context).status())
    assert view.sell_back is not None
    (found,) = view.sell_back
    assert (found.asset, found.symbol, found.sellable) == ("BTC", "BTCUSDT", D("0.0030969"))
    assert found.quantity == D("0.00309") == sum(found.orders)
    assert found.orders == (D("0.00155"), D("0.00154"))
    policy = room.run(Overview(room.context).policy())
    assert isinstance(policy, PolicyView)
    assert policy.sell_back == view.sell_back
    assert balances(room)["BTC"].sell_back == D("0.00309")
    assert balances(room)["USDT"].sell_back == 0
    for quantity in found.orders:
        assert room.ask(kind="MARKET", side="SELL", quantity=str(quantity)).outcome is Outcome.DONE
        assert room.last().is_exit
    (rest,) = room.run(Overview(room.context).status()).sell_back or ()
    assert (rest.sellable, rest.quantity, rest.orders) == (D("0.0000069"), D(0), ())


def test_nothing_bought_is_nothing_to_sell_back_and_costs_no_request(room: Room) -> None:
    """The owner's own is not guardian's to sell, and reading the balances is one request."""
    room.exchange.free["BTC"] = "2"
    room.exchange.asked.clear()
    assert balances(room)["BTC"].sell_back == 0
    assert room.exchange.names() == ["balances"]
    assert room.run(Overview(room.context).status()).sell_back == ()


def test_status_without_the_exchange_is_made_of_what_the_store_knows(room: Room) -> None:
    """No request and no connection; but the account of a key that was never used is the exchange's to say."""
    buy(room, "0.0016", "0.0000016")
    room.exchange.asked.clear()
    connects = room.connector.connects
    status = room.run(Overview(room.context).status(asks_exchange=False))
    assert (room.exchange.asked, room.connector.connects) == ([], connects)
    assert (dict(status.unsold), status.sell_back) == ({"BTC": D("0.0015984")}, None)
    asked = room.run(Overview(room.context).status())
    assert replace(asked, sell_back=None) == status
    assert room.connector.connects > connects
    room.connector.is_account_known, connects = False, room.connector.connects
    assert room.run(Overview(room.context).status(asks_exchange=False)) == status
    assert room.connector.connects == connects + 1
    room.connector.failure = NoCredentials("no key")
    assert "no key" in room.run(Overview(room.context).status(asks_exchange=False)).orders


def test_what_cannot_be_asked_is_unknown_and_not_nothing(room: Room) -> None:
    """Without keys, or with an exchange that does not answer; balances need the store for nothing else."""
    buy(room, "0.0016", "0.0000016")
    room.exchange.fails["instruments"] = ExchangeUnavailable("the exchange did not answer")
    assert room.run(Overview(room.context).status()).sell_back is None
    assert balances(room)["BTC"].sell_back == D("0.0015984")
    room.exchange.fails = {"balances": ExchangeUnavailable("the exchange did not answer")}
    assert room.run(Overview(room.context).status()).sell_back is None
    room.exchange.fails = {}
    del room.exchange.books["BTCUSDT"]
    assert room.run(Overview(room.context).status()).sell_back == ()
    assert balances(room)["BTC"].sell_back == D("0.0015984")
    room.connector.failure = NoCredentials("no key")
    policy = room.run(Overview(room.context).policy())
    assert isinstance(policy, PolicyView)
    assert policy.sell_back is None


def test_balances_are_read_without_the_store(room: Room) -> None:
    """What can be sold back is unknown then, and the balances are there."""
    (room.home / "gone").write_text("no folder", "utf-8")
    context = replace(room.context, journal=Journal(room.home / "gone", room.clock))
    exchange: Any = room.exchange
    true = room.run(exchange.balances())
    policy = room.policy_file.current().policy
    found = room.run(balances_with_situation(context, exchange, room.scope, policy, true))
    assert [(one.asset, one.free, one.sell_back) for one in found.balances] == [
        ("BTC", D(0), None),
        ("USDT", D(10000), None),
    ]


def test_finest_step_of_two_symbols_counts(room: Room) -> None:
    """On the symbol with the finer step more can be sold back."""
    room.policy(POLICY, {"symbols": {"BTCUSDT": CAPS, "BTCFDU": CAPS}})
    true = room.exchange
    assert isinstance(true, TrueExchange)
    true.books["BTCFDU"] = ("60000", "60001")
    lot = {"lot": type(room.run(true.instruments(("BTCUSDT",)))["BTCUSDT"].lot)(step=D("0.000001"))}
    true.rules = {"BTCFDU": lot}
    buy(room, "0.0016", "0.0000016")
    assert balances(room)["BTC"].sell_back == D("0.001598")
    true.rules = {"BTCUSDT": lot}
    assert balances(room)["BTC"].sell_back == D("0.001598")


def test_balances_name_nothing_that_is_below_the_least_notional(room: Room) -> None:
    """A rest in whole steps that the exchange would refuse for its worth is nothing to sell back.

    Before, it was named, and the SELL was denied. Without a price it is unknown what the rest is worth: it is named.
    """
    true = room.exchange
    assert isinstance(true, TrueExchange)
    buy(room, "0.0016", "0.0000016")
    true.rules = {"BTCUSDT": {"min_notional": D("95")}}
    assert balances(room)["BTC"].sell_back == D("0.00159")  # 95.4
    true.books["BTCUSDT"] = ("59000", "59001")
    assert balances(room)["BTC"].sell_back == 0  # 93.81
    true.fails["book_tops"] = ExchangeUnavailable("the exchange did not answer")
    assert balances(room)["BTC"].sell_back == D("0.00159")
    del true.fails["book_tops"]
    true.books["BTCUSDT"] = ("0", "59001")
    assert balances(room)["BTC"].sell_back == D("0.00159")
