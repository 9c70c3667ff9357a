"""What a resting order brought can be sold back at once: the order is queried when the SELL is judged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guardian.domain.codes import Outcome
from guardian.domain.order_states import OrderState
from guardian.domain.orders import Fill
from guardian.errors import ExchangeRateLimited, ExchangeUnavailable, OutcomeUnknown
from tests.gate.support.fakes import D, Lost, Room, denials
from tests.gate.support.true_account import TrueExchange

POLICY: dict[str, Any] = {
    "limits": {"rolling_notional": [{"window": "24h", "max": "100"}], "duplicate_window": "1s"},
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


def rest(room: Room, quantity: str = "0.0016") -> str:
    """A BUY that rests in the book and spends the budget."""
    assert room.ask(quantity=quantity, price="60000").outcome is Outcome.DONE
    return room.last().client_order_id


def sell(room: Room, quantity: str = "0.0016") -> Any:
    return room.ask(kind="MARKET", side="SELL", quantity=quantity)


def test_resting_buy_that_filled_is_sold_back_at_once(room: Room) -> None:
    """No clock moves and no resolver runs between the fill and the exit.

    Before, the SELL was judged on what the resolver had found, so that the exit was denied for 9 to 12 s.
    """
    name = rest(room)
    room.exchange.becomes(name, "FILLED", "0.0016")
    assert sell(room).outcome is Outcome.DONE
    assert room.last().is_exit
    assert room.row(name).state is OrderState.FILLED


def test_part_that_filled_can_be_sold_and_no_more(room: Room) -> None:
    """Half of it is filled: that half is an exit, one step more is not."""
    name = rest(room)
    room.exchange.becomes(name, "PARTIALLY_FILLED", "0.0008")
    assert "ROLLING_NOTIONAL_EXCEEDS_MAX" in denials(sell(room, "0.00081"))
    assert sell(room, "0.0008").outcome is Outcome.DONE
    assert room.last().is_exit


def test_fees_of_the_fill_are_known_before_the_exit_is_judged(room: Room) -> None:
    """What was taken as a fee is not there to be sold back."""
    name = rest(room)
    room.exchange.becomes(name, "FILLED", "0.0016")
    fill = Fill(price=D(60000), quantity=D("0.0016"), commission=D("0.0000016"), commission_asset="BTC")
    room.exchange.trades[room.row(name).order_id or 0] = (fill,)
    room.exchange.free["BTC"] = "1"  # the owner's own would pay for it
    assert "ROLLING_NOTIONAL_EXCEEDS_MAX" in denials(sell(room, "0.0016"))
    assert sell(room, "0.00159").outcome is Outcome.DONE


def test_order_whose_reply_was_lost_is_asked_for_as_well(room: Room) -> None:
    """It is there and filled, and what it brought can be sold."""
    room.exchange.script = [Lost(OutcomeUnknown("the reply was lost"), "FILLED")]
    room.exchange.fails["order"] = ExchangeUnavailable("the exchange did not answer")
    assert room.ask(quantity="0.0016").outcome is Outcome.UNKNOWN
    name = room.last().client_order_id
    room.exchange.becomes(name, "FILLED", "0.0016")
    del room.exchange.fails["order"]
    assert sell(room).outcome is Outcome.DONE
    assert room.last().is_exit


def test_cancelled_by_hand_no_longer_holds_back_what_it_offered(room: Room) -> None:
    """A SELL that the owner cancelled at the exchange offers nothing any more."""
    assert room.ask(kind="MARKET", quantity="0.0016").outcome is Outcome.DONE
    assert room.ask(side="SELL", quantity="0.0016", price="61000").outcome is Outcome.DONE
    room.exchange.becomes(room.last().client_order_id, "CANCELED")
    assert sell(room).outcome is Outcome.DONE
    assert room.last().is_exit


def test_exchange_that_asks_to_slow_down_is_no_verdict(room: Room) -> None:
    """The exit is neither judged nor sent then, and passes a moment later."""
    rest(room, "0.0008")
    room.exchange.fails["order"] = ExchangeRateLimited(7)
    assert sell(room, "0.0008").outcome is Outcome.RATE_LIMITED
    del room.exchange.fails["order"]
    room.exchange.becomes(room.last().client_order_id, "FILLED", "0.0008")
    assert sell(room, "0.0008").outcome is Outcome.DONE


def test_nothing_more_is_asked_without_open_orders_on_the_asset(room: Room) -> None:
    """A warm exit has one round of facts, and no question for orders of other assets; nor has a BUY any."""
    room.exchange.books["ETHUSDT"] = ("3000", "3000.1")
    assert room.ask(kind="MARKET", quantity="0.0008").outcome is Outcome.DONE
    assert room.ask(symbol="ETHUSDT", quantity="0.01", price="2990").outcome is Outcome.DONE
    room.exchange.asked.clear()
    assert sell(room, "0.0008").outcome is Outcome.DONE
    assert room.exchange.names().count("balances") == 1
    assert "order" not in room.exchange.names()
    rest(room, "0.0001")
    assert "order" not in room.exchange.names()


def test_question_that_fails_leaves_the_exit_to_what_is_known(room: Room) -> None:
    """What is not known to have filled is no exit, and what is known to have been bought still is."""
    assert room.ask(kind="MARKET", quantity="0.0008").outcome is Outcome.DONE
    rest(room, "0.0008")
    room.exchange.fails["order"] = ExchangeUnavailable("the exchange did not answer")
    assert "ROLLING_NOTIONAL_EXCEEDS_MAX" in denials(sell(room, "0.0016"))
    assert sell(room, "0.0008").outcome is Outcome.DONE
    room.exchange.hidden = set(room.exchange.reports)
    del room.exchange.fails["order"]
    assert "ROLLING_NOTIONAL_EXCEEDS_MAX" in denials(sell(room, "0.0008"))
