"""What can be sold back is by asset, and never more than the account really has free."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guardian.domain.codes import Outcome
from guardian.domain.orders import Fill
from guardian.errors import ExchangeUnavailable, GuardianError, OutcomeUnknown
from guardian.gate.reads.positions import Correction, Positions
from tests.gate.support.fakes import D, Lost, Placed, Room, denials
from tests.gate.support.true_account import TrueExchange

LISTED = {"max_notional": "1000", "max_quantity": "5", "max_position": "5"}
POLICY: dict[str, Any] = {
    "limits": {"rolling_notional": [{"window": "24h", "max": "100"}], "duplicate_window": "1s"},
    "accounting": {"conversions": {"BTC": "BTCUSDT", "USDC": "USDCUSDT", "FDU": "FDUUSDT"}},
    "symbols": {"BTCUSDT": LISTED, "BTCFDU": LISTED, "ETHBTC": LISTED, "ETHUSDT": LISTED},
}


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path, POLICY)
    made.exchange = TrueExchange(made.clock, free={"USDT": "10000", "BTC": "2", "ETH": "2", "FDU": "10000"})
    made.exchange.books = {
        "BTCUSDT": ("60000", "60001"),
        "BTCFDU": ("60000", "60001"),
        "FDUUSDT": ("1", "1.01"),
        "ETHBTC": ("0.05", "0.05"),
    }
    made.exchange.rules = {"ETHBTC": {"min_notional": D("0.0001")}}
    made.connector.exchange = made.exchange
    made.again()
    try:
        yield made
    finally:
        made.close()


def set_position(room: Room, positions: Positions, correction: Correction) -> None:
    """What `guardian position set` does once the owner has said yes."""
    room.run(positions.catch_up(correction))
    room.run(positions.correct(correction))


def test_what_was_sold_on_another_symbol_is_no_exit_any_more(room: Room) -> None:
    """Bought on BTCUSDT and sold on BTCFDU, nothing is left to sell back: the owner's own BTC needs a budget.

    Before, the position of BTCUSDT was still there, and the owner's own BTC passed as an exit.
    """
    assert room.ask(kind="MARKET", quantity="0.0016").outcome is Outcome.DONE  # 96.96 of the budget of 100
    sold = room.ask(kind="MARKET", side="SELL", symbol="BTCFDU", quantity="0.0016")
    assert sold.outcome is Outcome.DONE
    assert room.last().is_exit
    again = room.ask(kind="MARKET", side="SELL", symbol="BTCUSDT", quantity="0.0016")
    assert "ROLLING_NOTIONAL_EXCEEDS_MAX" in denials(again)


def test_what_an_unknown_sale_may_bring_counts_towards_the_position(room: Room) -> None:
    """BTC that a SELL of ETHBTC of unknown fate may have brought leaves that much less to be bought. It did not."""
    room.policy(POLICY, {"symbols": {"BTCUSDT": {**LISTED, "max_position": "0.0015"}}})
    room.exchange.script = [Lost(OutcomeUnknown("the reply was lost"), "FILLED")]
    room.exchange.fails["order"] = ExchangeUnavailable("the exchange did not answer")
    sold = room.ask(side="SELL", symbol="ETHBTC", price="0.05", quantity="0.02")  # 0.001 BTC
    assert sold.outcome is Outcome.UNKNOWN
    assert "POSITION_EXCEEDS_MAX" in denials(room.ask(kind="MARKET", quantity="0.0006"))
    assert room.ask(kind="MARKET", quantity="0.0005").outcome is Outcome.DONE


def test_what_was_spent_on_another_asset_is_no_exit_any_more(room: Room) -> None:
    """BTC that was bought and then paid for ETH is sold; the ETH can be sold back, and that brings the BTC back."""
    room.policy(POLICY, {"limits": {"rolling_notional": [{"window": "24h", "max": "200"}]}})
    assert room.ask(kind="MARKET", quantity="0.0016").outcome is Outcome.DONE
    assert room.ask(symbol="ETHBTC", quantity="0.03", price="0.05").outcome is Outcome.DONE  # 0.0015 BTC, open
    room.exchange.becomes(room.last().client_order_id, "FILLED", "0.03")
    room.run(room.resolver.run_once())
    assert "ROLLING_NOTIONAL_EXCEEDS_MAX" in denials(room.ask(kind="MARKET", side="SELL", quantity="0.0016"))
    assert room.ask(side="SELL", symbol="ETHBTC", quantity="0.03", price="0.05").outcome is Outcome.DONE
    assert room.last().is_exit
    room.exchange.becomes(room.last().client_order_id, "FILLED", "0.03")
    room.run(room.resolver.run_once())
    assert room.ask(kind="MARKET", side="SELL", quantity="0.0016").outcome is Outcome.DONE
    assert room.last().is_exit


def test_open_buy_that_pays_with_an_asset_holds_it_back(room: Room) -> None:
    """What an open BUY of ETHBTC may still spend of the BTC that was bought cannot be sold back meanwhile."""
    room.policy(POLICY, {"limits": {"rolling_notional": [{"window": "24h", "max": "200"}]}})
    assert room.ask(kind="MARKET", quantity="0.0016").outcome is Outcome.DONE
    assert room.ask(symbol="ETHBTC", quantity="0.03", price="0.05").outcome is Outcome.DONE
    assert "ROLLING_NOTIONAL_EXCEEDS_MAX" in denials(room.ask(kind="MARKET", side="SELL", quantity="0.0016"))
    assert room.ask(kind="MARKET", side="SELL", quantity="0.0001").outcome is Outcome.DONE
    assert room.last().is_exit


def test_exit_is_bounded_by_what_the_account_has(room: Room) -> None:
    """Sold by hand, what guardian bought is not there to be sold back.

    Before, the SELL went out as an exit and the exchange refused it.
    """
    room.exchange.free["BTC"] = "0"
    assert room.ask(kind="MARKET", quantity="0.0016").outcome is Outcome.DONE
    room.exchange.free["BTC"] = "-0.0006"  # the owner sold that much by hand
    before = len(room.exchange.placed)
    assert "ROLLING_NOTIONAL_EXCEEDS_MAX" in denials(room.ask(kind="MARKET", side="SELL", quantity="0.0016"))
    assert len(room.exchange.placed) == before
    assert room.ask(kind="MARKET", side="SELL", quantity="0.001").outcome is Outcome.DONE
    assert room.last().is_exit


def test_max_position_is_judged_on_the_asset(room: Room) -> None:
    """What was bought on another symbol, or is on order there, counts in `max_position` of this one.

    Before, each symbol had a position of its own, and a second symbol doubled the cap.
    """
    small = {"max_notional": "1000", "max_quantity": "5", "max_position": "0.003"}
    wide = {"limits": {"rolling_notional": [{"window": "24h", "max": "10000"}]}}
    room.policy(POLICY, wide, {"symbols": {"BTCUSDT": small, "BTCFDU": small}})
    assert room.ask(kind="MARKET", quantity="0.0016").outcome is Outcome.DONE
    assert room.ask(symbol="BTCFDU", quantity="0.001").outcome is Outcome.DONE
    assert denials(room.ask(kind="MARKET", quantity="0.0005")) == {"POSITION_EXCEEDS_MAX"}
    assert room.ask(kind="MARKET", quantity="0.0004").outcome is Outcome.DONE


def test_fee_on_another_symbol_is_taken_off_what_can_be_sold_back(room: Room) -> None:
    """A fee in BTC for a trade of ETHUSDT takes BTC that guardian bought."""
    room.exchange.books["ETHUSDT"] = ("3000", "3000")
    room.policy(POLICY, {"limits": {"rolling_notional": [{"window": "24h", "max": "200"}]}})
    assert room.ask(kind="MARKET", quantity="0.0016").outcome is Outcome.DONE
    fill = Fill(price=D(3000), quantity=D("0.03"), commission=D("0.00001"), commission_asset="BTC")
    room.exchange.script = [Placed("FILLED", "0.03", fills=(fill,))]
    assert room.ask(symbol="ETHUSDT", quantity="0.03", price="3000").outcome is Outcome.DONE
    assert room.usage().position == D("0.00159")


def test_unavailable_balances_trap_no_one_for_longer_than_they_last(room: Room) -> None:
    """A SELL is not judged without balances, since nothing is known to be an exit; it passes when they are back."""
    assert room.ask(kind="MARKET", quantity="0.0016").outcome is Outcome.DONE
    room.exchange.fails["balances"] = ExchangeUnavailable("the exchange did not answer")
    assert "BALANCE_UNAVAILABLE" in denials(room.ask(kind="MARKET", side="SELL", quantity="0.0016"))
    del room.exchange.fails["balances"]
    assert room.ask(kind="MARKET", side="SELL", quantity="0.0016").outcome is Outcome.DONE
    assert room.last().is_exit


def test_owner_lists_and_sets_positions(room: Room) -> None:
    """By asset: bought, has, free and sellable; after a correction both exits and `max_position` go by it."""
    assert room.ask(kind="MARKET", quantity="0.0016").outcome is Outcome.DONE
    positions = Positions(room.context)
    found = {one.asset: one for one in room.run(positions.all())}
    assert (found["BTC"].bought, found["BTC"].has, found["BTC"].sellable) == (D("0.0016"), D("2.0016"), D("0.0016"))
    assert found["USDT"].sellable == 0
    correction = room.run(positions.prepare("BTC", D("0.0005")))
    assert correction.prices == {"BTCUSDT": D(60000)}
    room.run(positions.correct(correction))
    assert room.usage().position == D("0.0005")
    assert "ROLLING_NOTIONAL_EXCEEDS_MAX" in denials(room.ask(kind="MARKET", side="SELL", quantity="0.0006"))
    assert room.ask(kind="MARKET", side="SELL", quantity="0.0005").outcome is Outcome.DONE
    assert room.last().is_exit


def test_position_that_moved_while_the_owner_was_asked_is_left_alone(room: Room) -> None:
    """What they agreed to was another number."""
    assert room.ask(kind="MARKET", quantity="0.0008").outcome is Outcome.DONE
    positions = Positions(room.context)
    correction = room.run(positions.prepare("BTC", D(0)))
    assert room.ask(kind="MARKET", side="SELL", quantity="0.0004").outcome is Outcome.DONE
    with pytest.raises(GuardianError, match="while you were asked"):
        room.run(positions.correct(correction))
    assert room.usage().position == D("0.0004")


@pytest.mark.parametrize(("side", "symbol"), [("BUY", "BTCUSDT"), ("SELL", "BTCUSDT"), ("BUY", "ETHBTC")])
def test_position_is_not_set_while_an_order_of_the_asset_is_unresolved(room: Room, side: str, symbol: str) -> None:
    """What it turns out to have traded would come on top of what the owner set. Before, it did.

    The order and what to do are named; another asset can be set, and this one once the fate of the order is known.
    """
    price, quantity = ("0.05", "0.03") if symbol == "ETHBTC" else ("60000", "0.0016")
    room.exchange.script = [Lost(OutcomeUnknown("the reply was lost"), "FILLED")]
    room.exchange.fails["order"] = ExchangeUnavailable("the exchange did not answer")
    assert room.ask(side=side, symbol=symbol, price=price, quantity=quantity).outcome is Outcome.UNKNOWN
    del room.exchange.fails["order"]
    name = room.last().client_order_id
    room.exchange.hidden = {name}
    positions = Positions(room.context)
    with pytest.raises(GuardianError, match=f"`{name}` is not known yet") as refused:
        room.run(positions.prepare("BTC", D(1)))
    assert f"guardian settle {name}" in (refused.value.hint or "")
    assert room.run(positions.prepare("FDU", D(0))).quantity == 0
    room.exchange.hidden = set()
    room.exchange.becomes(name, "CANCELED", "0")
    set_position(room, positions, room.run(positions.prepare("BTC", D(1))))
    assert room.usage().position == D(1)


def test_order_that_is_sent_while_the_owner_is_asked_keeps_the_position(room: Room) -> None:
    """An order whose fate became unknown between the question and the answer stops the correction as well."""
    positions = Positions(room.context)
    correction = room.run(positions.prepare("BTC", D(1)))
    room.exchange.script = [Lost(OutcomeUnknown("the reply was lost"))]
    room.exchange.fails["order"] = ExchangeUnavailable("the exchange did not answer")
    assert room.ask().outcome is Outcome.UNKNOWN
    with pytest.raises(GuardianError, match="is not known yet"):
        room.run(positions.correct(correction))
    assert room.usage().position == 0


def test_key_that_is_replaced_while_the_owner_is_asked_changes_nothing_about_their_answer(room: Room) -> None:
    """The position of the account that was shown is set, and the exchange is asked nothing with the other's key."""
    assert room.ask(kind="MARKET", quantity="0.0008").outcome is Outcome.DONE
    positions = Positions(room.context)
    correction = room.run(positions.prepare("BTC", D("0.0004")))
    room.connector.account = "account-2"
    asked = len(room.exchange.asked)
    set_position(room, positions, correction)
    assert len(room.exchange.asked) == asked
    assert room.usage().position == 0
    room.connector.account = "account-1"
    assert room.usage().position == D("0.0004")


def test_what_an_open_order_executed_is_in_the_position_before_it_is_set(room: Room) -> None:
    """It filled and guardian had not asked yet: it is asked before the owner is shown anything, and after their yes.

    Before, the fill was added to what the owner had set with it in mind.
    """
    assert room.ask(quantity="0.0016").outcome is Outcome.DONE
    name, positions = room.last().client_order_id, Positions(room.context)
    room.exchange.becomes(name, "PARTIALLY_FILLED", "0.001")
    correction = room.run(positions.prepare("BTC", D(1)))
    assert correction.position.bought == D("0.001")
    room.exchange.becomes(name, "FILLED", "0.0016")
    with pytest.raises(GuardianError, match="while you were asked"):
        set_position(room, positions, correction)
    assert room.usage().position == D("0.0016")
    set_position(room, positions, room.run(positions.prepare("BTC", D(1))))
    assert room.usage().position == D(1)


def test_position_is_set_at_a_usable_price_alone(room: Room) -> None:
    """A thin book while the owner corrects a position neither hides a loss nor invents one.

    What is held of a symbol that is not traded can be set all the same, at nothing: it cannot be sold.
    """
    assert room.ask(kind="MARKET", quantity="0.0016").outcome is Outcome.DONE
    room.exchange.averages["BTCUSDT"] = "60000"
    room.exchange.books["BTCUSDT"] = ("1.00", "1.01")
    positions = Positions(room.context)
    with pytest.raises(ExchangeUnavailable, match=r"middle 1\.005, average 60000"):
        room.run(positions.prepare("BTC", D(0)))
    assert isinstance(room.exchange, TrueExchange)
    room.exchange.rules["BTCUSDT"] = {"status": "BREAK"}
    assert room.run(positions.prepare("BTC", D(0))).prices == {"BTCUSDT": D(0)}


def test_position_is_set_at_the_price_that_the_loss_counts_it_at(room: Room) -> None:
    """The ask of what was sold too much; nothing for a symbol that is gone; no correction without a usable price."""
    room.exchange.books["BTCUSDT"] = ("60000", "60100")
    assert room.ask(kind="MARKET", side="SELL", quantity="0.0016").outcome is Outcome.DONE
    positions = Positions(room.context)
    assert room.run(positions.prepare("BTC", D(0))).prices == {"BTCUSDT": D(60100)}
    room.exchange.books["BTCUSDT"] = ("60000", "0")
    with pytest.raises(ExchangeUnavailable, match="no usable price of BTCUSDT"):
        room.run(positions.prepare("BTC", D(0)))
    room.exchange.books["BTCUSDT"] = ("60000", "60100")
    assert isinstance(room.exchange, TrueExchange)
    room.exchange.rules["BTCUSDT"] = {"status": "BREAK"}
    with pytest.raises(ExchangeUnavailable, match="takes no new orders for BTCUSDT now"):
        room.run(positions.prepare("BTC", D(0)))
    del room.exchange.books["BTCUSDT"]
    assert room.run(positions.prepare("BTC", D(0))).prices == {"BTCUSDT": D(0)}
    with pytest.raises(GuardianError, match="the account has 0 XRP"):
        room.run(positions.prepare("XRP", D(1)))
