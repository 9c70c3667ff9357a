"""Prices that count something besides the order's own: held to the same checks, fetched in the same round trip."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from guardian.domain.codes import Outcome
from guardian.domain.instruments import Instrument
from guardian.domain.orders import Fill
from guardian.domain.trading import TradingState
from guardian.errors import ExchangeRateLimited, ExchangeUnavailable
from tests.gate.support.fakes import D, FakeExchange, Placed, Room, denials
from tests.support.present import present
from tests.support.world import World, codes

DAY_S = 86_400
SYMBOLS = {"max_notional": "100", "max_quantity": "1000", "max_position": "1000"}
FREELY = {
    "confirmation": {"required_above": "5"},
    "limits": {"max_daily_loss": "50"},
    "symbols": {"ETHBTC": SYMBOLS, "ETHUSDT": SYMBOLS, "BNBUSDT": SYMBOLS},
}
UNASKED = {"confirmation": {"required_above": "1000000"}}


@pytest.fixture
def crossing(room: Room) -> Room:
    """A room with four symbols, where orders of more than 5 USDT are put to a person."""
    room.policy(FREELY)
    room.exchange.books |= {
        "ETHBTC": ("0.05", "0.05001"),
        "ETHUSDT": ("3000", "3000.10"),
        "BNBUSDT": ("600", "600.10"),
    }
    return room


def bought(room: Room, symbol: str, quantity: str, price: str, fee_asset: str = "USDT", fee: str = "0") -> None:
    """A BUY that filled at once, unasked."""
    room.policy(FREELY, UNASKED)
    fill = Fill(price=D(price), quantity=D(quantity), commission=D(fee), commission_asset=fee_asset)
    room.exchange.script = [Placed("FILLED", quantity, (fill,))]
    assert room.ask(symbol=symbol, quantity=quantity, price=price).outcome is Outcome.DONE
    room.clock.forward(120)


def trading(room: Room) -> TradingState:
    with room.journal.transaction() as tx:
        return tx.trading.status().state


def test_thin_conversion_leg_lets_no_order_past_the_cap_and_past_the_person(crossing: Room) -> None:
    """BTCUSDT at 1.00 while its average is 60000: ETHBTC BUY 10 at 0.05 is denied; when the market is back, capped.

    Before, it counted 0.51 USDT, passed a cap of 100 and asked nobody.
    """
    usual = crossing.exchange.books["BTCUSDT"]
    crossing.exchange.books["BTCUSDT"], crossing.exchange.averages["BTCUSDT"] = ("1.00", "1.01"), "60000"
    reply = crossing.ask(symbol="ETHBTC", quantity="10", price="0.05")
    assert denials(reply) == {"CONVERSION_UNAVAILABLE"}
    assert reply.error is not None
    (said,) = reply.error.denials
    assert "the book of BTCUSDT" in said.message
    assert "middle 1.005, average 60000, limit 2%" in said.message
    assert crossing.exchange.placed == []
    crossing.exchange.books["BTCUSDT"] = usual
    assert denials(crossing.ask(symbol="ETHBTC", quantity="10", price="0.05")) == {"NOTIONAL_EXCEEDS_MAX"}
    assert crossing.ask(symbol="ETHBTC", quantity="0.01", price="0.05").outcome is Outcome.CONFIRMATION_REQUIRED


def test_thin_bid_of_a_held_symbol_latches_nothing(crossing: Room) -> None:
    """BTC is held and BTCUSDT goes thin during an ETHUSDT order: denied while it lasts, and trading stays active.

    Before, it was a loss of all that is held, and trading was reducing until a person resumed.
    """
    bought(crossing, "BTCUSDT", "0.001", "60000")
    crossing.exchange.averages["BTCUSDT"] = "60000"
    crossing.exchange.books["BTCUSDT"] = ("1.00", "60001")
    fields: dict[str, Any] = {"symbol": "ETHUSDT", "quantity": "0.01", "price": "3000"}
    assert denials(crossing.ask(**fields)) == {"DAILY_LOSS_UNKNOWN"}
    assert trading(crossing) is TradingState.ACTIVE
    crossing.exchange.books["BTCUSDT"] = ("60000", "60001")
    assert crossing.ask(**fields).outcome is Outcome.DONE


def test_stray_high_bid_hides_no_loss(crossing: Room) -> None:
    """64 of 50 are lost: a lone bid far above the average does not say otherwise."""
    bought(crossing, "BTCUSDT", "0.0016", "60000")
    crossing.exchange.averages["BTCUSDT"] = "20000"
    crossing.exchange.books["BTCUSDT"] = ("90000", "90001")
    fields: dict[str, Any] = {"symbol": "ETHUSDT", "quantity": "0.01", "price": "3000"}
    assert denials(crossing.ask(**fields)) == {"DAILY_LOSS_UNKNOWN"}
    assert trading(crossing) is TradingState.ACTIVE
    crossing.exchange.books["BTCUSDT"] = ("20000", "20001")
    assert denials(crossing.ask(**fields)) == {"DAILY_LOSS_EXCEEDS_MAX"}
    assert trading(crossing) is TradingState.REDUCING


@pytest.mark.parametrize("price", ["600000", "6000"])
def test_stray_price_of_a_day_ago_neither_hides_a_loss_nor_invents_one(crossing: Room, price: str) -> None:
    """The first trade of the 24 hours is one trade: where it disagrees with the one before it, it counts nothing."""
    bought(crossing, "BTCUSDT", "0.001", "60000")
    crossing.clock.forward(2 * DAY_S)
    crossing.exchange.day_opens["BTCUSDT"] = price
    crossing.exchange.closed_before["BTCUSDT"] = "60000"
    assert denials(crossing.ask(symbol="ETHUSDT", quantity="0.01", price="3000")) == {"DAILY_LOSS_UNKNOWN"}
    assert trading(crossing) is TradingState.ACTIVE
    assert crossing.ask(side="SELL", quantity="0.001", price="60000").outcome is Outcome.DONE


@pytest.mark.parametrize("status", ["HALT", "BREAK"])
def test_symbol_that_halts_is_worth_an_unknown_amount_and_not_nothing(crossing: Room, status: str) -> None:
    """Held and not to be sold now: denied in words until it trades again. Before, it was a loss of all of it."""
    bought(crossing, "BTCUSDT", "0.0016", "60000")
    crossing.exchange.statuses["BTCUSDT"] = status
    fields: dict[str, Any] = {"symbol": "ETHUSDT", "quantity": "0.01", "price": "3000"}
    reply = crossing.ask(**fields)
    assert denials(reply) == {"DAILY_LOSS_UNKNOWN"}
    assert reply.error is not None
    assert f"no new orders for BTCUSDT now (seen {status}, limit TRADING)" in reply.error.denials[0].message
    assert trading(crossing) is TradingState.ACTIVE
    del crossing.exchange.statuses["BTCUSDT"]
    assert crossing.ask(**fields).outcome is Outcome.DONE


class Keeping(FakeExchange):
    """Keeps the trading rules that it read, as the real one does, unless current ones are wanted."""

    def __init__(self, exchange: FakeExchange) -> None:
        super().__init__(**{name: getattr(exchange, name) for name in FakeExchange.__dataclass_fields__})
        self.kept: dict[str, Instrument] = {}

    async def instruments(self, symbols: Iterable[str]) -> dict[str, Instrument]:
        missing = [symbol for symbol in symbols if symbol not in self.kept]
        if missing:
            self.kept |= await super().instruments(missing)
        return {symbol: self.kept[symbol] for symbol in symbols if symbol in self.kept}

    async def current_instruments(self, symbols: Iterable[str]) -> dict[str, Instrument]:
        await self._read("current_instruments", symbols=tuple(symbols))
        current = await FakeExchange.instruments(self, symbols)
        self.kept |= current
        return current


def keeping(room: Room) -> Keeping:
    """From now on the room's exchange keeps trading rules."""
    room.exchange = room.connector.exchange = made = Keeping(room.exchange)
    return made


ON_ETHBTC: dict[str, Any] = {"symbol": "ETHBTC", "quantity": "0.01", "price": "0.05"}


@pytest.mark.parametrize("status", ["HALT", "BREAK", "DELISTED"])
def test_leg_that_halts_while_its_rules_are_kept_converts_nothing(crossing: Room, status: str) -> None:
    """ETHBTC converts through BTCUSDT, whose trading ends a moment after its rules were read: denied until it is back.

    Before, the kept rules said TRADING for an hour, and only the age of the last trade told after five minutes.
    """
    exchange = keeping(crossing)
    assert crossing.ask(**ON_ETHBTC).outcome is Outcome.CONFIRMATION_REQUIRED
    exchange.statuses["BTCUSDT"] = status
    usual = exchange.books["BTCUSDT"]
    if status == "DELISTED":
        del exchange.books["BTCUSDT"]
        exchange.averages_fail["BTCUSDT"] = ExchangeUnavailable("no answer came")
    assert denials(crossing.ask(**ON_ETHBTC)) == {"CONVERSION_UNAVAILABLE"}
    exchange.books["BTCUSDT"] = usual
    exchange.averages_fail.clear()
    del exchange.statuses["BTCUSDT"]
    assert crossing.ask(**ON_ETHBTC).outcome is Outcome.CONFIRMATION_REQUIRED


def test_leg_that_halts_before_the_token_comes_back_stops_the_order(crossing: Room) -> None:
    """Judged again as it is sent, by the status at that time."""
    exchange = keeping(crossing)
    token = crossing.propose(**ON_ETHBTC).confirmation_token
    exchange.statuses["BTCUSDT"] = "BREAK"
    assert denials(crossing.use(present(token))) == {"CONVERSION_UNAVAILABLE"}
    assert exchange.placed == []


@pytest.mark.parametrize("asset", ["held", "fee"])
def test_held_symbol_that_halts_while_its_rules_are_kept_has_no_worth(crossing: Room, asset: str) -> None:
    """What is held of BTCUSDT, or was paid as a fee in BNB, has no known worth while its symbol is halted."""
    bought(crossing, "BTCUSDT", "0.001", "60000", *(("BNB", "0.0005") if asset == "fee" else ()))
    exchange = keeping(crossing)
    fields: dict[str, Any] = {"symbol": "ETHUSDT", "quantity": "0.01", "price": "3000"}
    assert crossing.ask(**fields).outcome is Outcome.DONE
    exchange.statuses["BTCUSDT" if asset == "held" else "BNBUSDT"] = "HALT"
    crossing.clock.forward(120)
    assert denials(crossing.ask(**{**fields, "price": "2999"})) == {"DAILY_LOSS_UNKNOWN"}
    assert trading(crossing) is TradingState.ACTIVE
    sold = crossing.ask(side="SELL", quantity="0.001", price="60000")
    if asset == "held":
        assert denials(sold) == {"SYMBOL_NOT_TRADING"}  # known here without a refusal by the exchange
    else:
        assert sold.outcome is Outcome.DONE


def test_status_that_cannot_be_read_denies_buys_and_no_exit(crossing: Room) -> None:
    """Without an answer it is not known whether a leg is traded: that is a denial, and no exit is held back by it."""
    bought(crossing, "BTCUSDT", "0.001", "60000")
    exchange = keeping(crossing)
    assert crossing.ask(symbol="ETHUSDT", quantity="0.01", price="3000").outcome is Outcome.DONE
    exchange.fails["current_instruments"] = ExchangeUnavailable("no answer came")
    reply = crossing.ask(symbol="ETHUSDT", quantity="0.01", price="2999")
    assert denials(reply) == {"DAILY_LOSS_UNKNOWN"}
    assert reply.error is not None
    assert "not known whether BTCUSDT is traded now: no answer came" in reply.error.denials[0].message
    assert crossing.ask(side="SELL", quantity="0.001", price="60000").outcome is Outcome.DONE


def test_order_that_counts_no_other_symbol_asks_for_no_status(crossing: Room) -> None:
    """The exchange itself takes no order for a symbol that is halted: a plain order costs no further request."""
    exchange = keeping(crossing)
    assert crossing.ask(price="59000", quantity="0.0005").outcome is Outcome.CONFIRMATION_REQUIRED
    assert "current_instruments" not in exchange.names()


class Together(FakeExchange):
    """Answers no fact before `expected` of them have been requested."""

    expected = 0
    begun = 0
    all_begun: asyncio.Event

    async def _read(self, name: str, **fields: Any) -> None:
        await super()._read(name, **fields)
        if name == "instruments":
            return
        self.begun += 1
        if self.begun == self.expected:
            self.all_begun.set()
        async with asyncio.timeout(5):
            await self.all_begun.wait()


def test_order_with_a_conversion_and_a_loss_of_three_symbols_costs_one_round_trip(crossing: Room) -> None:
    """One request for all books, one for each average and each price of a day ago; all on their way at once."""
    bought(crossing, "ETHUSDT", "0.01", "3000", "BNB", "0.0001")
    bought(crossing, "BNBUSDT", "0.05", "600")
    bought(crossing, "ETHBTC", "0.01", "0.05", "ETH", "0.00001")
    crossing.clock.forward(2 * DAY_S)
    bought(crossing, "BTCUSDT", "0.001", "60000")
    crossing.exchange.asked.clear()
    made = Together(**{name: getattr(crossing.exchange, name) for name in FakeExchange.__dataclass_fields__})
    made.all_begun, made.expected = asyncio.Event(), 10
    crossing.exchange = crossing.connector.exchange = made
    assert crossing.ask(symbol="ETHBTC", quantity="0.02", price="0.05").outcome is Outcome.DONE
    names = made.names()
    assert names[-1] == "place_order"
    facts = [(name, fields) for name, fields in made.asked if name not in {"instruments", "place_order"}]
    priced = {"ETHBTC", "BTCUSDT", "ETHUSDT", "BNBUSDT"}
    assert [set(fields["symbols"]) for name, fields in facts if name == "book_tops"] == [priced]
    assert sorted(fields["symbol"] for name, fields in facts if name == "average_price") == sorted(priced)
    assert sorted(fields["symbol"] for name, fields in facts if name == "ticker") == ["BNBUSDT", "ETHBTC", "ETHUSDT"]
    assert (names.count("balances"), names.count("clock_skew_ms"), len(facts)) == (1, 1, 10)


def test_average_of_one_symbol_that_is_missing_takes_no_other_away(crossing: Room) -> None:
    """BTCUSDT's average does not come: what is held of it cannot be known, and the order's own price can."""
    bought(crossing, "BTCUSDT", "0.001", "60000")
    crossing.exchange.averages_fail["BTCUSDT"] = ExchangeUnavailable("no answer came")
    reply = crossing.ask(symbol="ETHUSDT", quantity="0.01", price="3000")
    assert denials(reply) == {"DAILY_LOSS_UNKNOWN"}
    assert reply.error is not None
    assert "no average price of BTCUSDT: no answer came" in reply.error.denials[0].message


def test_rate_limit_of_any_average_ends_the_judgement(crossing: Room) -> None:
    """To be asked to slow down is no verdict on the order."""
    bought(crossing, "BTCUSDT", "0.001", "60000")
    crossing.exchange.averages_fail["BTCUSDT"] = ExchangeRateLimited(7)
    reply = crossing.ask(symbol="ETHUSDT", quantity="0.01", price="3000")
    assert reply.outcome is Outcome.RATE_LIMITED
    assert reply.error is not None
    assert reply.error.retry_after_s == 7


def test_approved_market_order_is_sent_where_the_market_became_better(room: Room) -> None:
    """A token for BUY at 60601.01 at most: 5 % cheaper the order goes out, below that price, and the token is spent.

    Before, it was denied as PRICE_OUTSIDE_COLLAR, and the token was burnt.
    """
    room.policy({"confirmation": {"required_above": "0"}})
    proposed = room.propose(kind="MARKET")
    room.exchange.books["BTCUSDT"] = ("57000", "57001")
    assert proposed.confirmation_token is not None
    assert room.use(proposed.confirmation_token).outcome is Outcome.DONE
    ((order, _, _),) = room.exchange.placed
    assert (order.price, order.quantity) == (D("58711.03"), D("0.001"))
    assert room.last().notional == D("58.71103")


def test_approved_sale_is_sent_where_the_bid_rose(room: Room) -> None:
    """A token for a SELL that counts 100 of a cap of 100: 5 % dearer it goes out, and counts what the person saw."""
    room.policy({"confirmation": {"required_above": "0"}, "symbols": {"BTCUSDT": {"max_notional": "60"}}})
    proposed = room.propose(side="SELL", kind="MARKET")
    room.exchange.books["BTCUSDT"] = ("63000", "63001")
    assert proposed.confirmation_token is not None
    assert room.use(proposed.confirmation_token).outcome is Outcome.DONE
    ((order, _, _),) = room.exchange.placed
    assert order.price == D("61110")
    assert room.last().notional == D("60")


def test_whole_way_through_a_thin_leg(world: World) -> None:
    """Over HTTP: BTCUSDT at 1.00 under its average stops ETHBTC BUYs and what is held of BTC stops ETHUSDT BUYs.

    Selling ETH back for BTC passes meanwhile; nothing latches, and when the market is back everything continues.
    """
    wide = {"symbols": {"ETHBTC": {**SYMBOLS, "max_position": "1000"}}}
    world.policy(wide)
    assistant = world.assistant()
    assert assistant.confirmed(quantity="0.001")["outcome"] == "done"
    assert assistant.confirmed(symbol="ETHBTC", quantity="0.01")["outcome"] == "done"
    world.controls.set_average("BTCUSDT", "60000")
    world.market("1.00", "1.01")
    assert codes(assistant.order(symbol="ETHBTC", quantity="10")) >= {"CONVERSION_UNAVAILABLE", "DAILY_LOSS_UNKNOWN"}
    assert codes(assistant.order(symbol="ETHUSDT", quantity="0.01")) == {"DAILY_LOSS_UNKNOWN"}
    world.controls.free_book("BTCUSDT")
    world.market("60000", "60001")
    assert assistant.order(symbol="ETHUSDT", quantity="0.01")["outcome"] == "confirmation_required"
    assert assistant.call("get_orders", symbol="ETHBTC", status="open")["meta"]["trading"] == "active"
    world.controls.set_average("BTCUSDT", "60000")
    world.market("1.00", "1.01")
    sold = assistant.confirmed(symbol="ETHBTC", side="SELL", quantity="0.009")
    assert sold["outcome"] == "done", sold
