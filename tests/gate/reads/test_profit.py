"""`get_pnl` on the spot account: what the ledger of real orders gives, and where something is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from guardian.connector import NO_ACCOUNT
from guardian.domain.codes import Code, Outcome
from guardian.domain.orders import Fill
from guardian.domain.requests import GetPnl
from guardian.errors import ExchangeRateLimited, ExchangeUnavailable, OutcomeUnknown
from guardian.gate.reads import profit
from guardian.gate.reads.positions import Positions
from guardian.gate.reads.profit_views import SpotProfit, SymbolProfit, UncountedOrder, UnknownCost
from tests.gate.support.fakes import START_MS, D, Lost, Placed, Room

LISTED = {"max_notional": "1000", "max_quantity": "5", "max_position": "5"}
HOUR_S = 3600


def trade(
    room: Room, side: str, quantity: str, price: str, *, fee: str = "0", of: str = "USDT", symbol: str = "BTCUSDT"
) -> str:
    """A MARKET order that fills at once at this price, with this fee; its client order id."""
    room.policy({"symbols": {symbol: LISTED}})
    amount = D(price)
    room.exchange.books[symbol] = (price, price)
    fill = Fill(price=amount, quantity=D(quantity), commission=D(fee), commission_asset=of)
    room.exchange.script = [Placed("FILLED", quantity, fills=(fill,))]
    room.clock.forward(61)
    reply = room.ask(side=side, quantity=quantity, kind="MARKET", symbol=symbol)
    assert reply.outcome is Outcome.DONE, reply
    return room.last().client_order_id


def pnl(room: Room, **fields: Any) -> SpotProfit:
    reply = room.call(GetPnl(**fields))
    assert isinstance(reply.data, SpotProfit), reply
    return reply.data


def row(found: SpotProfit, symbol: str = "BTCUSDT") -> SymbolProfit:
    return next(one for one in found.symbols if one.symbol == symbol)


def test_what_was_bought_sold_paid_and_gained_is_given_by_symbol_and_in_all(room: Room) -> None:
    """0.0016 at 60000 with a fee in the base asset, 0.001 sold at 62000 with one in the quote asset, the bid 61000."""
    trade(room, "BUY", "0.0016", "60000", fee="0.0000016", of="BTC")
    trade(room, "SELL", "0.001", "62000", fee="0.062")
    room.exchange.books["BTCUSDT"] = ("61000", "61001")
    found = pnl(room)
    # 96 bought 0.0015984: what is sold takes 96 / 1.5984 = 60.06006007 of it.
    assert row(found) == SymbolProfit(
        symbol="BTCUSDT",
        quote_asset="USDT",
        bought=D("0.0016"),
        bought_for=D(96),
        sold=D("0.001"),
        sold_for=D(62),
        fees={"BTC": D("0.0000016"), "USDT": D("0.062")},
        realised=D("1.87793993"),
        unknown_cost=None,
        held=D("0.0005984"),
        cost=D("35.93993993"),
        bid=D(61000),
        unrealised=D("0.56246007"),
        unpriced=None,
    )
    total = found.total
    assert (total.currency, total.bought, total.sold) == ("USDT", D(96), D(62))
    assert (total.realised, total.unrealised) == (D("1.87793993"), D("0.56246007"))
    assert total.fees == D("0.062") + D("0.0000016") * 61001  # at the ask
    assert (found.complete, found.not_counted, total.unpriced_fees) == (True, (), {})
    assert "left out" in found.note


def test_period_counts_what_is_in_it_at_the_cost_of_all_that_came_before(room: Room) -> None:
    """Bought yesterday and sold today: today nothing was bought, and the profit is known all the same."""
    trade(room, "BUY", "0.001", "60000")
    before_ms = room.clock.now_ms()
    room.clock.forward(24 * HOUR_S)
    trade(room, "SELL", "0.001", "61000")
    today, yesterday = pnl(room, start_time=before_ms + 1), pnl(room, end_time=before_ms)
    assert (today.total.bought, today.total.sold, today.total.realised) == (D(0), D(61), D(1))
    assert (yesterday.total.bought, yesterday.total.sold, yesterday.total.realised) == (D(60), D(0), D(0))
    assert pnl(room, start_time=room.clock.now_ms() + 1).symbols == ()


def test_home_without_trades_has_a_profit_of_zero(room: Room) -> None:
    """Nothing was bought, which is known, and no price is asked for."""
    found = pnl(room)
    assert found.symbols == ()
    assert (found.total.bought, found.total.realised, found.total.unrealised, found.complete) == (
        D(0),
        D(0),
        D(0),
        True,
    )
    assert room.exchange.names() == []


def test_sum_over_the_symbols_is_the_total(room: Room) -> None:
    """Two symbols in the accounting currency, and the rows alone where one is named."""
    room.exchange.free["ETH"] = "1"
    trade(room, "BUY", "0.001", "60000", fee="0.06")
    trade(room, "BUY", "0.03", "3000", fee="0.09", symbol="ETHUSDT")
    trade(room, "SELL", "0.01", "3100", fee="0.031", symbol="ETHUSDT")
    found = pnl(room)
    for name, of_row in (
        ("bought", "bought_for"),
        ("sold", "sold_for"),
        ("realised", "realised"),
        ("unrealised", "unrealised"),
    ):
        assert getattr(found.total, name) == sum(getattr(one, of_row) for one in found.symbols)
    alone = pnl(room, symbol="ETHUSDT")
    assert alone.symbols == (row(found, "ETHUSDT"),)
    assert alone.total.bought == D(90)


def test_other_quote_assets_are_converted_at_current_prices(room: Room) -> None:
    """A gain in BTC at the bid, a cost at the ask; what was paid of them too."""
    room.exchange.books["ETHBTC"] = ("0.05", "0.05")
    room.exchange.free["ETH"] = "1"
    trade(room, "BUY", "0.02", "0.05", symbol="ETHBTC")
    trade(room, "SELL", "0.02", "0.06", symbol="ETHBTC")
    room.exchange.books["BTCUSDT"] = ("60000", "60001")
    total = pnl(room).total
    assert (total.bought, total.sold) == (D("0.001") * 60001, D("0.0012") * 60000)
    assert total.realised == D("0.0002") * 60000


def test_fee_in_a_third_asset_is_taken_off_the_total_at_current_prices(room: Room) -> None:
    """The symbol's own profit is in its quote asset and lacks it; the total has it."""
    room.exchange.books["BNBUSDT"] = ("599", "600")
    trade(room, "BUY", "0.001", "60000")
    trade(room, "SELL", "0.001", "61000", fee="0.0001", of="BNB")
    found = pnl(room)
    assert (row(found).realised, row(found).fees) == (D(1), {"BNB": D("0.0001")})
    assert (found.total.realised, found.total.fees, found.complete) == (D("0.94"), D("0.06"), True)


def test_fee_without_a_usable_price_is_listed_apart_and_the_answer_is_not_complete(room: Room) -> None:
    """No price of BNB: the sums lack it, and say so."""
    trade(room, "BUY", "0.001", "60000", fee="0.0001", of="BNB")
    found = pnl(room)
    assert (found.total.realised, found.total.fees, found.total.unpriced_fees) == (D(0), D(0), {"BNB": D("0.0001")})
    assert not found.complete
    assert "BNB is not converted: the exchange's rules for BNBUSDT are missing" in found.note


def test_quote_asset_without_a_price_leaves_the_totals_open(room: Room) -> None:
    """What is not known is null: half a sum would be a wrong one."""
    room.policy({"accounting": {"conversions": {"BTC": "BTCUSDT", "FDU": "FDUUSDT"}}})
    room.exchange.books |= {"FDUUSDT": ("1", "1"), "BTCFDU": ("60000", "60000")}
    conversions = {"accounting": {"conversions": {"FDU": "FDUUSDT"}}}
    room.policy(conversions, {"symbols": {"BTCFDU": LISTED}})
    fill = Fill(price=D(60000), quantity=D("0.001"), commission=D(0), commission_asset="FDU")
    room.exchange.script = [Placed("FILLED", "0.001", fills=(fill,))]
    room.exchange.free["FDU"] = "1000"
    assert room.ask(quantity="0.001", kind="MARKET", symbol="BTCFDU").outcome is Outcome.DONE
    room.exchange.statuses["FDUUSDT"] = "HALT"
    found = pnl(room)
    assert (found.total.bought, found.total.unrealised, found.total.sold) == (None, D(0), D(0))
    assert row(found, "BTCFDU").bought_for == D(60)
    assert not found.complete


def test_coins_that_guardian_did_not_buy_are_never_profit(room: Room) -> None:
    """0.002 sold of which guardian had bought half: the other half is named with what it brought."""
    trade(room, "BUY", "0.001", "60000")
    trade(room, "SELL", "0.002", "61000")
    found = pnl(room)
    assert row(found).unknown_cost == UnknownCost(sold=D("0.001"), sold_for=D(61))
    assert (row(found).realised, row(found).held, found.total.realised) == (D(1), D(0), D(1))
    assert "no profit" in found.note


@pytest.mark.parametrize(
    "trouble",
    [ExchangeUnavailable("the exchange did not answer"), ExchangeRateLimited(9)],
)
def test_without_the_exchange_all_that_needs_no_price_is_given(room: Room, trouble: Exception) -> None:
    """Bought, sold and realised are known; what is held has no price now, with the reason."""
    trade(room, "BUY", "0.0016", "60000")
    trade(room, "SELL", "0.001", "61000")
    room.exchange.fails = dict.fromkeys(("instruments", "book_tops", "average_price"), trouble)
    found = pnl(room)
    assert (found.total.bought, found.total.sold, found.total.realised) == (D(96), D(61), D(1))
    assert (found.total.unrealised, row(found).unrealised, row(found).bid) == (None, None, None)
    assert str(trouble) in (row(found).unpriced or "")
    assert not found.complete


def test_held_symbol_of_a_stale_market_has_no_unrealised_profit(room: Room) -> None:
    """A price that does not pass its checks counts nothing."""
    trade(room, "BUY", "0.001", "60000")
    room.exchange.trade_ages_ms["BTCUSDT"] = 10**7
    assert "seen no trade" in (row(pnl(room)).unpriced or "")


def test_orders_of_unknown_fate_are_named_and_not_counted(room: Room) -> None:
    """A lost reply: what it bought is not in the sums, and the answer is not complete."""
    room.exchange.script = [Lost(OutcomeUnknown("the reply was lost"))]
    room.exchange.fails["order"] = ExchangeUnavailable("the exchange did not answer")
    assert room.ask().outcome is Outcome.UNKNOWN
    found = pnl(room)
    name = room.last().client_order_id
    assert found.not_counted == (
        UncountedOrder(client_order_id=name, symbol="BTCUSDT", why="its fate is not known yet"),
    )
    assert (found.total.bought, found.complete) == (D(0), False)
    assert pnl(room, symbol="ETHUSDT").not_counted == ()


def test_orders_whose_fees_are_not_known_are_named(room: Room) -> None:
    """The report had no fills: what it cost is known, its fees are not; however old it is."""
    room.exchange.script = [Placed("FILLED", "0.001")]
    room.ask(kind="MARKET", quantity="0.001")
    room.clock.forward(30 * 24 * HOUR_S)
    found = pnl(room)
    assert [one.why for one in found.not_counted] == ["its fees are not known"]
    assert (found.total.bought, found.complete) == (room.last().executed_quote_quantity, False)


def test_owners_correction_is_said_and_is_no_profit(room: Room) -> None:
    """Half is taken off the position: half the cost leaves with it."""
    trade(room, "BUY", "0.001", "60000")
    positions = Positions(room.context)
    correction = room.run(positions.prepare("BTC", D("0.0005")))
    room.run(positions.correct(correction))
    found = pnl(room)
    assert (row(found).held, row(found).cost, row(found).realised) == (D("0.0005"), D(30), D(0))
    assert "BTCUSDT -0.0005" in found.note


def test_more_symbols_than_the_limit_are_in_the_total_alone(room: Room) -> None:
    """The list is cut and says so; the sums are of all."""
    trade(room, "BUY", "0.001", "60000")
    trade(room, "BUY", "0.03", "3000", symbol="ETHUSDT")
    found = pnl(room, limit=1)
    assert [one.symbol for one in found.symbols] == ["BTCUSDT"]
    assert found.total.bought == D(150)
    assert "1 more symbols are in the total alone" in found.note


def test_long_ledger_is_read_in_pages(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it is, no transaction reads more than a page, and nothing is lost between two."""
    for _ in range(3):
        trade(room, "BUY", "0.001", "60000", fee="0.06")
    whole = pnl(room)
    for most in (1, 2, 3, 9):
        monkeypatch.setattr(profit, "FLOWS_AT_ONCE", most)
        assert pnl(room) == whole


def test_accounts_and_environments_are_kept_apart(room: Room) -> None:
    """Another account has traded nothing; without a spot key the account is not known."""
    trade(room, "BUY", "0.001", "60000")
    room.connector.account = "another"
    assert pnl(room).symbols == ()
    room.connector.account = NO_ACCOUNT
    refused = room.call(GetPnl())
    assert refused.error is not None
    assert refused.error.code is Code.CREDENTIALS_MISSING


def test_store_that_cannot_be_read_makes_it_unavailable(room: Room) -> None:
    """Without the ledger nothing is known, and nothing is guessed."""
    trade(room, "BUY", "0.001", "60000")
    call = room.open("get_pnl")
    away = Path(room.home / "away.db")
    (room.home / "guardian.db").rename(away)
    reply = room.run(room.gate.handle(call, GetPnl()))
    assert reply.outcome is Outcome.UNAVAILABLE
    assert reply.error is not None
    away.rename(room.home / "guardian.db")


def test_fill_is_dated_to_when_guardian_learnt_of_it(room: Room) -> None:
    """An open order fills unseen; the next query brings it, and that is its time."""
    room.ask(price="59990")
    name = room.last().client_order_id
    room.clock.forward(HOUR_S)
    room.exchange.becomes(name, "FILLED", "0.001")
    room.clock.forward(HOUR_S)
    room.run(room.resolver.run_once())
    learnt_ms = room.clock.now_ms()
    assert pnl(room, end_time=learnt_ms - 1).total.bought == D(0)
    assert pnl(room, start_time=START_MS + 2 * HOUR_S * 1000).total.bought == D("59.99")
