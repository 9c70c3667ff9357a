"""The caps that an order counts against, before it and after it, as a person is shown them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from guardian.domain.trading import TradingState
from guardian.errors import ExchangeUnavailable
from guardian.gate.base.replies import OrderPlaced
from guardian.gate.orders.cap_use import CapUse
from tests.gate.orders.test_preview import previewed
from tests.gate.orders.test_proposals import ASKS
from tests.gate.support.fakes import Room
from tests.support.present import present
from tests.support.world import BASE


@pytest.fixture(autouse=True)
def needs_a_person(room: Room) -> None:
    """Every order needs a person, at a terminal."""
    room.policy(ASKS)


def caps(room: Room, name: str) -> dict[str, CapUse]:
    """The caps of a proposal by their key, with the window where there is one."""
    found = present(previewed(room, name).caps)
    return {f"{cap.limit} {cap.window or ''}".strip(): cap for cap in found}


def amounts(cap: CapUse) -> tuple[Decimal, Decimal, Decimal]:
    return cap.before, cap.after, cap.maximum


def test_buy_counts_against_every_cap_with_what_was_used_before(room: Room) -> None:
    """A second BUY is shown with what the first one used of each cap; the caps of one order begin at zero."""
    room.policy({"limits": BASE["limits"], "confirmation": {"required_above": "40", "channel": "terminal"}})
    assert isinstance(room.ask(quantity="0.0005", price="60000").data, OrderPlaced)
    found = caps(room, room.propose(quantity="0.001", price="59000").proposal_id)
    assert {name: cap.unit for name, cap in found.items()} == {
        "max_notional": "USDT",
        "max_quantity": "BTC",
        "max_position": "BTC",
        "rolling_notional 5m": "USDT",
        "rolling_notional 24h": "USDT",
        "max_open_notional": "USDT",
        "max_orders 1m": "orders",
        "max_orders 24h": "orders",
        "max_open_orders": "orders",
    }
    assert amounts(found["max_notional"]) == (Decimal(0), Decimal(59), Decimal(100))
    assert amounts(found["max_quantity"]) == (Decimal(0), Decimal("0.001"), Decimal("0.005"))
    assert amounts(found["max_position"]) == (Decimal("0.0005"), Decimal("0.0015"), Decimal("0.02"))
    assert amounts(found["rolling_notional 5m"]) == (Decimal(30), Decimal(89), Decimal(200))
    assert amounts(found["rolling_notional 24h"]) == (Decimal(30), Decimal(89), Decimal(500))
    assert amounts(found["max_orders 1m"]) == (Decimal(1), Decimal(2), Decimal(5))
    before, after, most = amounts(found["max_open_orders"])
    assert (after - before, most) == (Decimal(1), Decimal(5))


def test_exit_counts_against_the_caps_of_one_order_alone(room: Room) -> None:
    """Selling back what guardian bought spends no budget, so none is shown."""
    room.policy({"confirmation": {"required_above": "60", "channel": "terminal"}})
    assert isinstance(room.ask(kind="MARKET", quantity="0.0005").data, OrderPlaced)
    found = caps(room, room.propose(side="SELL", quantity="0.0005", price="60100").proposal_id)
    assert list(found) == ["max_notional", "max_quantity"]


def test_sell_of_the_owners_own_has_no_position_cap(room: Room) -> None:
    """`max_position` is judged on BUYs alone; every budget is spent."""
    found = caps(room, room.propose(side="SELL", quantity="0.0005", price="60100").proposal_id)
    assert "max_position" not in found
    assert "rolling_notional 24h" in found


def test_no_caps_are_shown_of_an_order_that_would_be_denied(room: Room) -> None:
    """Halted, or without a market: there are denials to read, and no bars."""
    name = room.propose().proposal_id
    room.exchange.fails["book_tops"] = ExchangeUnavailable("no answer")
    assert previewed(room, name).caps is None
    room.exchange.fails.clear()
    with room.journal.transaction() as tx:
        tx.trading.set(TradingState.HALTED, reason="test", by="owner")
    assert previewed(room, name).caps is None


def test_exit_on_a_symbol_that_is_no_longer_listed_has_no_caps(room: Room) -> None:
    """The policy has no cap for the symbol, and the exit is judged all the same, once a person agreed."""
    room.policy({"confirmation": {"required_above": "60", "channel": "terminal"}})
    assert isinstance(room.ask(kind="MARKET", quantity="0.0005").data, OrderPlaced)
    room.policy({**ASKS, "symbols": {"BTCUSDT": None}})
    name = room.propose(side="SELL", quantity="0.0005", price="60100").proposal_id
    assert previewed(room, name).caps == ()
