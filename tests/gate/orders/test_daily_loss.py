"""The loss of the day: enforced on every order, latched, and never a trap for what guardian holds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from guardian.domain.codes import Outcome
from guardian.domain.orders import Fill
from guardian.domain.requests import CreateOrder
from guardian.domain.trading import TradingState
from guardian.errors import ExchangeRejected, ExchangeUnavailable
from guardian.gate.base.replies import OrderPlaced
from guardian.gate.orders.create import FACT_ROUNDS
from tests.gate.support.fakes import D, Placed, Room, denials, limit

FREELY = {"confirmation": {"required_above": "1000000"}}
LOSS_OF_5 = {"limits": {"max_daily_loss": "5", "duplicate_window": "1s"}}
DAY_S = 86_400


@pytest.fixture
def losing(room: Room) -> Room:
    """A room where orders need nobody's yes, and 5 USDT may be lost in a day."""
    room.policy(FREELY, LOSS_OF_5)
    return room


def bought(room: Room, quantity: str = "0.001", *, fee: str = "0", fee_asset: str = "USDT") -> None:
    """A BUY at 60000 that filled at once."""
    fill = Fill(price=D("60000"), quantity=D(quantity), commission=D(fee), commission_asset=fee_asset)
    room.exchange.script = [Placed("FILLED", quantity, (fill,))]
    assert room.ask(quantity=quantity).outcome is Outcome.DONE
    room.clock.forward(120)


def falls(room: Room, bid: str) -> None:
    room.exchange.books["BTCUSDT"] = (bid, str(D(bid) + 1))


def at(room: Room, **fields: Any) -> Any:
    """An order near the market."""
    bid, ask = room.exchange.books["BTCUSDT"]
    side = fields.pop("side", "BUY")
    return room.ask(side=side, price=ask if side == "BUY" else bid, **fields)


def trading(room: Room) -> tuple[TradingState, str | None]:
    with room.journal.transaction() as tx:
        return tx.trading.status().state, tx.trading.status().reason


def test_loss_over_the_limit_stops_buying_and_lets_exits_through(losing: Room) -> None:
    """Bought at 60000, the market at 54999: 5.001 of 5 are lost. Nothing is sent but what sells it back."""
    bought(losing)
    falls(losing, "55000")
    assert at(losing, quantity="0.0011").outcome is Outcome.DONE
    falls(losing, "54999")
    losing.clock.forward(120)
    sent = len(losing.exchange.placed)
    denied = at(losing, quantity="0.0012")
    assert denials(denied) == {"DAILY_LOSS_EXCEEDS_MAX"}
    (told,) = denied.error.denials
    assert (told.observed, told.limit) == ("5.001 USDT", "5 USDT")
    assert len(losing.exchange.placed) == sent
    state, reason = trading(losing)
    assert state is TradingState.REDUCING
    assert "max_daily_loss" in str(reason)
    assert denials(at(losing, quantity="0.0013")) == {"TRADING_REDUCING", "DAILY_LOSS_EXCEEDS_MAX"}
    losing.exchange.script = [Placed("FILLED", "0.001")]
    assert at(losing, side="SELL", quantity="0.001").outcome is Outcome.DONE
    assert denials(at(losing, side="SELL", quantity="0.0015")) >= {"TRADING_REDUCING", "DAILY_LOSS_EXCEEDS_MAX"}


def test_log_says_why_and_resuming_does_not_give_the_loss_back(losing: Room) -> None:
    """An event row with its cause; the owner may resume, and is stopped by the same loss again."""
    bought(losing)
    falls(losing, "50000")
    at(losing)
    bodies = [json.loads(bytes(body))["data"] for (body,) in losing.sql("SELECT body FROM audit WHERE phase='event'")]
    (halted,) = [body for body in bodies if body["kind"] == "reducing"]
    assert (halted["cause"], halted["trading"], halted["by"]) == ("daily_loss", "reducing", "guardian")
    with losing.journal.transaction() as tx:
        tx.trading.set(TradingState.ACTIVE, reason="resumed", by="owner")
    losing.clock.forward(120)
    assert denials(at(losing)) == {"DAILY_LOSS_EXCEEDS_MAX"}
    assert trading(losing)[0] is TradingState.REDUCING


def test_restart_forgets_no_loss(losing: Room) -> None:
    """The loss is computed from the store."""
    bought(losing)
    falls(losing, "50000")
    losing.again()
    assert denials(at(losing)) == {"DAILY_LOSS_EXCEEDS_MAX"}


def test_halt_that_stands_is_not_loosened_by_a_loss(losing: Room) -> None:
    """Halted stays halted: `reducing` would let exits through."""
    bought(losing)
    falls(losing, "50000")
    with losing.journal.transaction() as tx:
        tx.trading.set(TradingState.HALTED, reason="stop", by="owner")
    assert "DAILY_LOSS_EXCEEDS_MAX" in denials(at(losing))
    assert trading(losing) == (TradingState.HALTED, "stop")


def test_fees_are_part_of_the_loss(losing: Room) -> None:
    """In the quote asset as in another one with a declared path; where that path has no price, nothing is bought."""
    losing.exchange.books["BNBUSDT"] = ("599", "600")
    bought(losing, fee="0.008", fee_asset="BNB")  # 4.80
    falls(losing, "59801")
    assert at(losing).outcome is Outcome.DONE
    falls(losing, "59799")
    losing.clock.forward(120)
    (told,) = at(losing).error.denials
    assert told.observed == "5.001 USDT"
    del losing.exchange.books["BNBUSDT"]
    assert "DAILY_LOSS_UNKNOWN" in denials(at(losing))


def test_what_is_held_for_longer_counts_from_its_price_a_day_ago(losing: Room) -> None:
    """Bought at 60000 days ago and 66000 yesterday: at 60999 today 5.001 are lost; at 61000 it is 5."""
    bought(losing)
    losing.clock.forward(2 * DAY_S)
    losing.exchange.day_opens["BTCUSDT"] = "66000"
    falls(losing, "61000")
    assert at(losing).outcome is Outcome.DONE
    falls(losing, "60999")
    losing.clock.forward(120)
    assert denials(at(losing)) == {"DAILY_LOSS_EXCEEDS_MAX"}


def test_leftover_beside_a_book_without_bids_denies_no_order_of_another_symbol(losing: Room) -> None:
    """0.0000084 BTC is left of a sold position, too little to be sold, and BTCUSDT has no bid: ETHUSDT is traded.

    Before, every order of every symbol was denied as DAILY_LOSS_UNKNOWN for as long as the book stayed so.
    """
    losing.policy(FREELY, LOSS_OF_5, {"symbols": {"ETHUSDT": losing_symbol()}})
    losing.exchange.books["ETHUSDT"] = ("3000", "3001")
    bought(losing, "0.001", fee="0.0000016", fee_asset="BTC")
    losing.exchange.script = [Placed("FILLED", "0.00099")]
    assert at(losing, side="SELL", quantity="0.00099").outcome is Outcome.DONE
    losing.clock.forward(120)
    losing.exchange.averages["BTCUSDT"] = "60000"
    losing.exchange.books["BTCUSDT"] = ("0", "60001")
    assert losing.ask(symbol="ETHUSDT", quantity="0.01", price="3001").outcome is Outcome.DONE
    losing.clock.forward(2 * DAY_S)
    losing.exchange.fails["ticker"] = ExchangeUnavailable("no answer")
    assert losing.ask(symbol="ETHUSDT", quantity="0.011", price="3001").outcome is Outcome.DONE


def test_loss_leaves_with_the_day(losing: Room) -> None:
    """Sold at a loss, a day ago: nothing of it is held, and nothing of it counts."""
    bought(losing)
    falls(losing, "50000")
    proceeds = Fill(price=D("50000"), quantity=D("0.001"), commission=D(0), commission_asset="USDT")
    losing.exchange.script = [Placed("FILLED", "0.001", (proceeds,))]
    assert at(losing, side="SELL").outcome is Outcome.DONE
    losing.clock.forward(120)
    assert denials(at(losing)) == {"DAILY_LOSS_EXCEEDS_MAX"}
    with losing.journal.transaction() as tx:
        tx.trading.set(TradingState.ACTIVE, reason="resumed", by="owner")
    losing.clock.forward(DAY_S)
    losing.exchange.asked.clear()
    assert at(losing).outcome is Outcome.DONE
    assert "ticker" not in losing.exchange.names()


def test_nothing_more_is_asked_while_nothing_is_held(losing: Room) -> None:
    """The first order of a home asks for the book of its own symbol and for no price of a day ago."""
    losing.ask()
    assert [fields for name, fields in losing.exchange.asked if name == "book_tops"] == [{"symbols": ("BTCUSDT",)}]
    assert "ticker" not in losing.exchange.names()


def test_facts_of_everything_held_are_had_at_once(losing: Room) -> None:
    """One request for the books of all symbols, and one for each price of a day ago; all at the same time."""
    losing.policy(FREELY, LOSS_OF_5, {"symbols": {"ETHUSDT": losing_symbol()}})
    losing.exchange.books["ETHUSDT"] = ("3000", "3001")
    losing.exchange.script = [Placed("FILLED", "0.01")]
    assert losing.ask(symbol="ETHUSDT", quantity="0.01", price="3001").outcome is Outcome.DONE
    losing.clock.forward(2 * DAY_S)
    losing.exchange.asked.clear()
    assert losing.ask().outcome is Outcome.DONE
    books = [fields["symbols"] for name, fields in losing.exchange.asked if name == "book_tops"]
    assert books == [("BTCUSDT", "ETHUSDT")]
    assert [fields for name, fields in losing.exchange.asked if name == "ticker"] == [{"symbol": "ETHUSDT"}]


def losing_symbol() -> dict[str, object]:
    return {"max_notional": "100", "max_quantity": "1", "max_position": "1"}


@pytest.mark.parametrize(
    "failure", [ExchangeUnavailable("no answer"), ExchangeRejected(-1000, "unknown error", http_status=400)]
)
def test_loss_that_cannot_be_told_denies_and_halts_nothing(losing: Room, failure: Exception) -> None:
    """Without the price of a day ago no order goes out but an exit; when it is back, orders do."""
    bought(losing)
    losing.clock.forward(2 * DAY_S)
    losing.exchange.fails["ticker"] = failure
    assert denials(at(losing)) == {"DAILY_LOSS_UNKNOWN"}
    assert trading(losing)[0] is TradingState.ACTIVE
    assert at(losing, side="SELL", quantity="0.0005").outcome is Outcome.DONE
    del losing.exchange.fails["ticker"]
    assert at(losing, quantity="0.0011").outcome is Outcome.DONE


def test_symbol_that_began_to_be_traded_meanwhile_is_asked_for_too(losing: Room) -> None:
    """Another process buys while this order's facts are on their way: they are fetched again, and nothing is denied."""
    losing.policy(FREELY, LOSS_OF_5, {"symbols": {"ETHUSDT": losing_symbol()}})
    losing.exchange.books["ETHUSDT"] = ("3000", "3001")

    async def meanwhile() -> None:
        losing.exchange.script.insert(0, Placed("FILLED", "0.01"))
        reply = await losing.acall(CreateOrder(order=limit(symbol="ETHUSDT", quantity="0.01", price="3001")))
        assert isinstance(reply.data, OrderPlaced), reply

    losing.exchange.during["average_price"] = meanwhile
    losing.exchange.asked.clear()
    assert losing.ask().outcome is Outcome.DONE
    books = [fields["symbols"] for name, fields in losing.exchange.asked if name == "book_tops"]
    assert books == [("BTCUSDT",), ("ETHUSDT",), ("BTCUSDT", "ETHUSDT")]


def test_prices_that_aged_on_the_way_are_fetched_again(losing: Room) -> None:
    """Facts that waited in a queue, or a laptop that slept: the order is judged by current prices."""

    async def slowly() -> None:
        losing.clock.forward(6)

    losing.exchange.during["average_price"] = slowly
    assert losing.ask().outcome is Outcome.DONE
    assert losing.exchange.names().count("book_tops") == 2


def test_prices_are_not_fetched_for_ever(losing: Room) -> None:
    """An exchange that always answers too late is a denial in the end."""

    class Slow(dict[str, Any]):
        def pop(self, name: str, default: Any = None) -> Any:
            async def slowly() -> None:
                losing.clock.forward(6)

            return slowly if name == "average_price" else default

    losing.exchange.during = Slow()
    assert denials(losing.ask()) == {"PRICE_STALE"}
    assert losing.exchange.names().count("book_tops") == FACT_ROUNDS
