"""Binance's JSON becomes guardian's words, or is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardian.domain.instruments import Instrument, PercentPrice, Range
from guardian.domain.market import CandleInterval, CandleSpan
from guardian.domain.order_states import OrderState
from guardian.domain.orders import OrderReport
from guardian.domain.requests import (
    GetDepositAddress,
    GetDepositHistory,
    GetUniversalTransferHistory,
    GetWithdrawHistory,
)
from guardian.domain.text.plain_data import to_plain
from guardian.errors import ExchangeUnavailable
from guardian.exchange.mapping import account, candles, futures, market, orders, wallet
from guardian.exchange.mapping.rows import Row
from guardian.gate.base.order_views import note_on, view_of_report
from guardian.server.envelope import as_text
from tests.exchange.support.exchange_samples import ANSWERS, CANCELLED, ORDER, PLACED, listed
from tests.exchange.support.exchange_setup import now_ms, served
from tests.exchange.support.loopback_exchange import Told
from tests.support.documented import documented
from tests.support.fixtures import LISTINGS, listing, recording
from tests.support.present import present
from tests.support.profiles import tries

FUTURES = "derivatives_trading_usds_futures__"


def test_documented_samples_are_read() -> None:
    """A sample of every account and wallet answer, in the documented shape, is understood."""
    sample = {name: one.reply for name, one in documented().items()}
    order = orders.order(sample["spot__get_order"])
    assert (order.client_order_id, order.state, order.order_id) == ("fixture-1", OrderState.OPEN, 490)
    assert orders.orders(sample["spot__all_orders"])[0].client_order_id == "fixture-1"
    assert orders.orders(sample["spot__get_open_orders"])[0].time == 1790000926183
    cancelled = orders.cancelled(sample["spot__delete_order"])
    assert (cancelled.client_order_id, cancelled.state) == ("fixture-0", OrderState.CANCELLED)
    assert account.balances(sample["spot__get_account"]).balances[0].free == Decimal("12.5")
    fee = account.fee(sample["spot__account_commission"], "BTCUSDT")
    assert fee.maker == Decimal("0.00225")
    assert (fee.discount_asset, fee.discount) == ("BNB", Decimal("0.8"))
    assert market.order_book(sample["spot__depth"], "X").asks[0].price == Decimal("398.438")
    assert market.average_price(sample["spot__avg_price"]).traded_ms == 1790279230732
    assert market.server_time(sample["spot__time"]) == 1790534068958
    position = futures.positions(sample[FUTURES + "position_information_v3"]).positions[0]
    assert (position.side, position.quantity, position.liquidation_price) == ("SHORT", Decimal("-0.040"), None)
    income = sample[FUTURES + "get_income_history"]
    pnl = futures.profit_and_loss(sample[FUTURES + "account_information_v3"], income, limit=100)
    assert pnl.transfers == {"TRANSFER/USDT": Decimal("-2.5")}
    assert pnl.realized == {}
    forced = futures.liquidations(sample[FUTURES + "users_force_orders"]).liquidations[0]
    assert (forced.order_id, forced.time) == (490, "2026-09-24T14:48:24.867Z")
    deposits = wallet.deposits(sample["wallet__deposit_history"], GetDepositHistory())
    assert deposits.deposits[0].status == "success"
    withdrawal = wallet.withdrawals(sample["wallet__withdraw_history"], GetWithdrawHistory()).withdrawals[0]
    assert (withdrawal.time, withdrawal.status) == ("2026-03-04T05:06:07.000Z", "completed")
    address = wallet.deposit_address(sample["wallet__deposit_address"], GetDepositAddress(coin="BTC", network="BTC"))
    assert (address.network, address.tag) == ("BTC", None)
    request = GetUniversalTransferHistory(transfer_type="MAIN_UMFUTURE", limit=1)
    transfers = wallet.transfers(sample["wallet__query_user_universal_transfer_history"], request)
    assert (transfers.transfers[0].transfer_id, transfers.next_page) == ("286", 2)


@pytest.mark.recorded
def test_documented_samples_of_others_are_read() -> None:
    """The documentation's own samples of every account and wallet answer are understood."""

    def sample(name: str) -> Any:
        return recording(f"sdk_samples/{name}_success.json")["response"]

    assert orders.order(sample("spot__get_order")).state is OrderState.OPEN
    assert orders.orders(sample("spot__all_orders"))[0].client_order_id == "myOrder1"
    assert orders.orders(sample("spot__get_open_orders"))[0].time == 1499827319559
    cancelled = orders.cancelled(sample("spot__delete_order"))
    assert (cancelled.client_order_id, cancelled.state) == ("myOrder1", OrderState.CANCELLED)
    assert account.balances(sample("spot__get_account")).balances[0].free == Decimal("4723846.89208129")
    fee = account.fee(sample("spot__account_commission"), "BTCUSDT")
    assert fee.maker == Decimal("0.01000122")
    assert (fee.discount_asset, fee.discount) == ("BNB", Decimal("0.75"))
    assert market.order_book(sample("spot__depth"), "X").asks[0].price == Decimal("4.000002")
    assert market.average_price(sample("spot__avg_price")).traded_ms == 1694061154503
    assert market.server_time(sample("spot__time")) == 1499827319559
    position = futures.positions(sample(FUTURES + "position_information_v3")).positions[0]
    assert (position.side, position.quantity, position.liquidation_price) == ("LONG", Decimal(30), None)
    income = sample(FUTURES + "get_income_history")
    pnl = futures.profit_and_loss(sample(FUTURES + "account_information_v3"), income, limit=100)
    assert (pnl.profit, pnl.realized) == ({}, {})
    assert pnl.transfers == {"TRANSFER/USDT": Decimal("-0.375")}
    forced = futures.liquidations(sample(FUTURES + "users_force_orders")).liquidations[0]
    assert (forced.order_id, forced.time) == (6071832819, "2020-07-30T11:13:40.044Z")
    deposits = wallet.deposits(sample("wallet__deposit_history"), GetDepositHistory())
    assert deposits.deposits[0].status == "success"
    withdrawal = wallet.withdrawals(sample("wallet__withdraw_history"), GetWithdrawHistory()).withdrawals[0]
    assert (withdrawal.time, withdrawal.status) == ("2019-10-12T11:12:02.000Z", "completed")
    address = wallet.deposit_address(sample("wallet__deposit_address"), GetDepositAddress(coin="BTC", network="BTC"))
    assert (address.network, address.tag) == ("BTC", None)
    request = GetUniversalTransferHistory(transfer_type="MAIN_UMFUTURE", limit=1)
    transfers = wallet.transfers(sample("wallet__query_user_universal_transfer_history"), request)
    assert (transfers.transfers[0].transfer_id, transfers.next_page) == ("11415955596", 2)


@pytest.mark.parametrize(("kind", "total"), [("SPOT", "0.3125"), ("MARGIN", "29.097"), ("FUTURES", None)])
def test_snapshots_of_all_three_kinds_are_read(kind: str, total: str | None) -> None:
    """A snapshot is of the spot, the margin or the futures account, each in its own shape."""
    answer = documented()["wallet__daily_account_snapshot"].reply
    answer["snapshotVos"][0]["type"] = kind.lower()
    (day,) = wallet.account_snapshot(answer, kind).days
    asset = {"SPOT": "BTC", "MARGIN": "ETH", "FUTURES": "USDT"}[kind]
    assert day.balances[0].asset == asset
    assert day.total_in_btc == (None if total is None else Decimal(total))
    assert day.time == "2026-09-21T14:28:46.183Z"
    assert bool(day.positions) == (kind == "FUTURES")


@pytest.mark.parametrize("name", LISTINGS)
def test_listings_are_read_whole(name: str) -> None:
    """Every row of every known exchangeInfo becomes an instrument, in the order of the names."""
    answer = listing(name)
    rows = market.listed_symbols(answer)
    assert [row.symbol for row in rows] == sorted(row["symbol"] for row in answer["symbols"])
    assert all(row.tick_size >= 0 and row.step_size >= 0 for row in rows)


def test_asymmetric_price_bands_keep_their_sides() -> None:
    """PERCENT_PRICE_BY_SIDE: a BUY is judged by the bid factors, a SELL by the ask factors."""
    found = market.instruments(listing("asymmetric"), ["AURAUSDT"])["AURAUSDT"]
    assert found.percent_price == PercentPrice(
        bid_up=Decimal("1.3"), bid_down=Decimal("0.7"), ask_up=Decimal("1.4"), ask_down=Decimal("0.85")
    )
    assert found.lot == Range(minimum=Decimal("0.02"), maximum=Decimal(650000), step=Decimal("0.02"))
    assert (found.min_notional, found.max_notional) == (Decimal(6), Decimal(7500000))
    assert (found.max_orders, found.max_stop_orders, found.is_trading) == (150, 7, True)


@pytest.mark.recorded
def test_asymmetric_price_bands_that_were_recorded_keep_their_sides() -> None:
    """As above, of a row recorded in 2026."""
    found = market.instruments(listing("spot_mainnet_TSLABUSDT_2026-09.json"), ["TSLABUSDT"])["TSLABUSDT"]
    assert found.percent_price == PercentPrice(
        bid_up=Decimal("1.1"), bid_down=Decimal("0.8"), ask_up=Decimal("1.2"), ask_down=Decimal("0.9")
    )
    assert found.lot == Range(minimum=Decimal("0.001"), maximum=Decimal(922327), step=Decimal("0.001"))
    assert (found.min_notional, found.max_notional) == (Decimal(5), Decimal(9000000))
    assert (found.max_orders, found.max_stop_orders, found.is_trading) == (200, 5, True)


def instrument(**more: Any) -> Instrument:
    return market.instrument(Row(listed(**more)))


def test_missing_filters_are_disabled() -> None:
    """A symbol without filters has no bounds, as on the exchange."""
    found = instrument(filters=[])
    assert (found.price, found.lot, found.percent_price) == (Range(), Range(), None)
    zero = Decimal(0)
    assert (found.min_notional, found.max_notional, found.max_orders, found.max_position) == (zero, zero, None, zero)


def test_older_filters_are_read() -> None:
    """PERCENT_PRICE, MIN_NOTIONAL and MAX_POSITION are understood too; the stricter minimum of two holds."""
    found = instrument(
        filters=[
            {"filterType": "PERCENT_PRICE", "multiplierUp": "5", "multiplierDown": "0.2", "avgPriceMins": 5},
            {"filterType": "MIN_NOTIONAL", "minNotional": "10"},
            {"filterType": "NOTIONAL", "minNotional": "5", "maxNotional": "100"},
            {"filterType": "MAX_POSITION", "maxPosition": "12.5"},
            {"filterType": "SOMETHING_NEW", "x": [1]},
        ]
    )
    assert found.percent_price == PercentPrice(
        bid_up=Decimal(5), bid_down=Decimal("0.2"), ask_up=Decimal(5), ask_down=Decimal("0.2")
    )
    assert (found.min_notional, found.max_notional, found.max_position) == (Decimal(10), Decimal(100), Decimal("12.5"))


def test_symbol_closed_to_spot_trading_is_not_trading() -> None:
    """A status of TRADING does not help where spot trading is not allowed."""
    assert instrument().is_trading
    assert not instrument(isSpotTradingAllowed=False).is_trading
    assert not instrument(status="CANCEL_ONLY").is_trading


def test_order_fields_are_read() -> None:
    """Quantities and quote amounts come through exactly; a stop price of zero and a negative quote amount are none.

    Before: a quote amount below zero, Binance's word for "not known", became zero.
    """
    report = orders.order({**ORDER, "cummulativeQuoteQty": "-1.00000000"})
    assert (report.state, report.stop_price, report.executed_quote_quantity) == (OrderState.PART_FILLED, None, None)
    assert report.time == 1700000000123
    placed = orders.placed(PLACED)
    assert (placed.time, placed.fills[0].quantity) == (1700000000123, Decimal("0.0004"))
    assert orders.cancelled(CANCELLED).client_order_id == ORDER["clientOrderId"]
    assert (report.created_ms, placed.created_ms) == (ORDER["time"], PLACED["transactTime"])
    assert orders.cancelled(CANCELLED).created_ms is None


def test_positions_without_quantity_are_left_out() -> None:
    """A row that represents an open order alone is not a position; a negative one is short."""
    (position,) = futures.positions(ANSWERS["/fapi/v3/positionRisk"]).positions
    assert (position.symbol, position.side, position.quantity) == ("ADAUSDT", "SHORT", Decimal(-30))


def test_income_is_summed_by_kind_and_asset() -> None:
    """Realised profit is the exact sum by type and asset, and a list as long as the limit is called a part."""
    state, income = ANSWERS["/fapi/v3/account"], ANSWERS["/fapi/v1/income"]
    whole = futures.profit_and_loss(state, income, limit=100)
    assert whole.realized == {"REALIZED_PNL/USDT": Decimal("1.0")}
    assert whole.transfers == {"TRANSFER/USDT": Decimal("-0.375")}
    assert (whole.market, whole.complete, whole.entries) == ("futures", True, len(income))
    assert not futures.profit_and_loss(state, income, limit=3).complete


def test_discount_is_stated_only_where_it_is_on() -> None:
    """A discount that is off for the account or the symbol is not one."""
    answer = copy.deepcopy(ANSWERS["/api/v3/account/commission"])
    assert account.fee(answer, "BTCUSDT").maker == Decimal("0.00111")
    answer["discount"]["enabledForSymbol"] = False
    fee = account.fee(answer, "BTCUSDT")
    assert (fee.discount, fee.discount_asset) == (None, None)
    del answer["discount"], answer["specialCommission"], answer["taxCommission"]
    assert account.fee(answer, "BTCUSDT").maker == Decimal("0.001")


def test_pages_say_where_the_next_one_is() -> None:
    """A full page has a next one; a shorter one has none; no rows at all is an empty page."""
    row = ANSWERS["/sapi/v1/capital/deposit/hisrec"][0]
    assert wallet.deposits([row, row], GetDepositHistory(limit=2, offset=4)).next_offset == 6
    assert wallet.deposits([row], GetDepositHistory(limit=2)).next_offset is None
    request = GetUniversalTransferHistory(transfer_type="MAIN_UMFUTURE")
    empty = wallet.transfers({"total": 0}, request)
    assert (empty.transfers, empty.total, empty.next_page) == ((), 0, None)
    with pytest.raises(ExchangeUnavailable):
        wallet.transfers({"total": 3}, request)


@pytest.mark.parametrize("field", ["address", "tag"])
@pytest.mark.parametrize("text", ["1HPn\u200b8Rx2", "1HPn 8Rx2\n", "A" * 300, "\u202e1HPn", 5])
def test_address_that_cannot_be_shown_unaltered_is_not_shown(field: str, text: str | int) -> None:
    """An address or tag is exact or it is an error: cleaning one would lose funds."""
    answer = {**ANSWERS["/sapi/v1/capital/deposit/address"], field: text}
    with pytest.raises(ExchangeUnavailable):
        wallet.deposit_address(answer, GetDepositAddress(coin="BTC"))


def test_empty_address_or_another_coin_is_an_error() -> None:
    """An answer without an address, or about another coin, is no address."""
    good = ANSWERS["/sapi/v1/capital/deposit/address"]
    for answer in ({**good, "address": ""}, {**good, "coin": "ETH"}):
        with pytest.raises(ExchangeUnavailable):
            wallet.deposit_address(answer, GetDepositAddress(coin="BTC"))


HOURS = CandleSpan(interval=CandleInterval.H1, count=24)
MAPPED = {
    "time": (market.server_time, "/api/v3/time"),
    "price": (lambda a: market.ticker_price(a, "BTCUSDT"), "/api/v3/ticker/price"),
    "ticker": (lambda a: market.ticker(a, "BTCUSDT"), "/api/v3/ticker/24hr"),
    "tops": (lambda a: market.book_tops(a, ["BTCUSDT"], fetched_ms=1), "/api/v3/ticker/bookTicker"),
    "average": (market.average_price, "/api/v3/avgPrice"),
    "candles": (lambda a: candles.candles(a, "BTCUSDT", HOURS, now_ms=1700007000000), "/api/v3/klines"),
    "book": (lambda a: market.order_book(a, "BTCUSDT"), "/api/v3/depth"),
    "listing": (market.listed_symbols, "/api/v3/exchangeInfo"),
    "balances": (account.balances, "/api/v3/account"),
    "fee": (lambda a: account.fee(a, "BTCUSDT"), "/api/v3/account/commission"),
    "order": (orders.order, "/api/v3/order"),
    "orders": (orders.orders, "/api/v3/allOrders"),
    "placed": (orders.placed, "POST /api/v3/order"),
    "cancelled": (orders.cancelled, "DELETE /api/v3/order"),
    "positions": (futures.positions, "/fapi/v3/positionRisk"),
    "liquidations": (futures.liquidations, "/fapi/v1/forceOrders"),
    "account": (lambda a: futures.profit_and_loss(a, [], limit=1), "/fapi/v3/account"),
    "income": (lambda a: futures.profit_and_loss(ANSWERS["/fapi/v3/account"], a, limit=9), "/fapi/v1/income"),
    "snapshot": (lambda a: wallet.account_snapshot(a, "SPOT"), "/sapi/v1/accountSnapshot"),
    "deposits": (lambda a: wallet.deposits(a, GetDepositHistory()), "/sapi/v1/capital/deposit/hisrec"),
    "withdrawals": (lambda a: wallet.withdrawals(a, GetWithdrawHistory()), "/sapi/v1/capital/withdraw/history"),
    "transfers": (
        lambda a: wallet.transfers(a, GetUniversalTransferHistory(transfer_type="MAIN_UMFUTURE")),
        "/sapi/v1/asset/transfer",
    ),
}
Place = tuple[str | int, ...]
"""The keys and indices that lead to a field of an answer."""
HOSTILE: list[Any] = [
    None, True, 1.5, -1, "NaN", "1e5", "", [], {}, [None], [[]], {"a": []}, 10**400, "x" * 10_000, "\ud800",
    2**63, -(2**63), 253_402_300_800_000, 10**18, float("inf"), float("nan"), "9" * 30, "-0", "0." + "9" * 30, "1" * 31,
    [1] * 1000, ["x"], {"": None},
]  # fmt: skip


def _altered(value: Any, path: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every copy of `value` in which one field is replaced by something hostile, or is missing."""
    yield from ((path, hostile) for hostile in HOSTILE)
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _altered(inner, (*path, key))
    elif isinstance(value, list) and value:
        yield from _altered(value[0], (*path, 0))


def _with(value: Any, path: Place, hostile: Any) -> Any:
    if not path:
        return hostile
    copied = copy.copy(value)
    copied[path[0]] = _with(value[path[0]], path[1:], hostile)
    return copied


@pytest.mark.parametrize("name", MAPPED)
def test_malformed_answers_are_unavailable_and_nothing_else(name: str) -> None:
    """Whatever is in a field, the mapping gives a value or ExchangeUnavailable: no other exception and no NaN."""
    mapped, path = MAPPED[name]
    good = _answer(path)
    assert mapped(good)
    refused = 0
    for where, hostile in _altered(good):
        try:
            assert _rendered(mapped(_with(good, where, hostile)))
        except ExchangeUnavailable:
            refused += 1
    assert refused > 10


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.from_regex(r"-?[0-9]{1,31}"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=tries(150), deadline=None)
@given(name=st.sampled_from(sorted(MAPPED)), data=st.data(), value=JSON)
def test_anything_in_any_field_is_a_value_or_unavailable(name: str, data: st.DataObject, value: Any) -> None:
    """What the exchange answers is mapped and rendered, or it is unavailable: it never is a fault of guardian's."""
    mapped, path = MAPPED[name]
    places = sorted({where for where, _ in _altered(_answer(path))}, key=str)
    where = data.draw(st.sampled_from(places))
    try:
        _rendered(mapped(_with(_answer(path), where, value)))
    except ExchangeUnavailable:
        return


def _answer(path: str) -> Any:
    method, _, name = path.partition(" ")
    if not name:
        return ANSWERS[path]
    return PLACED if method == "POST" else CANCELLED


def _rendered(found: Any) -> str:
    """What is mapped as the text of a reply; orders as the assistant sees them, with their note."""
    reports = [found] if isinstance(found, OrderReport) else found
    if isinstance(reports, list | tuple) and reports and isinstance(reports[0], OrderReport):
        views = [view_of_report(report) for report in reports]
        found = [(view, note_on(view)) for view in views]
    return as_text(to_plain(found))


@pytest.mark.anyio
@pytest.mark.parametrize("time", ["1e400", "-1e400", str(10**18), "-1", '"x"', "null", "true", "[]", "253402300800000"])
async def test_cancel_that_was_done_is_reported_whatever_its_time_says(time: str) -> None:
    """The order is out of the book, and the answer says so: its time alone is not known.

    Before: `INTERNAL_ERROR` after a cancel that was done, where the time had no place in a calendar.
    """
    name = ORDER["clientOrderId"]
    text = json.dumps({**CANCELLED, "transactTime": "TIME"}).replace('"TIME"', time)
    async with served(lambda _: Told(body=text.encode())) as (_, exchange):
        report = await exchange.cancel_order("BTCUSDT", client_order_id=name, timestamp_ms=now_ms())
    view = view_of_report(report)
    assert (view.state, view.updated, view.time) == ("cancelled", None, None)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"executedQty": "1"}, "1 was executed of"),
        ({"executedQty": "-1"}, "below zero"),
        ({"origQty": "-1"}, "below zero"),
        ({"price": "-0.01"}, "below zero"),
        ({"executedQty": "NaN"}, "executedQty"),
        ({"cummulativeQuoteQty": "NaN"}, "cummulativeQuoteQty"),
        ({"price": 1.5}, "price"),
        ({"fills": [{"price": "1"}]}, "qty"),
    ],
)
def test_order_that_does_not_add_up_says_so_and_has_no_amounts(change: dict[str, Any], why: str) -> None:
    """More executed than ordered, less than nothing, and what is no number are true of no order: nothing is read."""
    report = orders.order({**ORDER, **change})
    assert why in present(report.flaw)
    assert (report.order_id, report.client_order_id) == (ORDER["orderId"], ORDER["clientOrderId"])
    zero = Decimal(0)
    amounts = (report.quantity, report.executed_quantity, report.executed_quote_quantity)
    assert (amounts, report.fills) == ((zero, zero, zero), ())


def test_answer_about_another_symbol_is_refused() -> None:
    """A price of another symbol is not a price."""
    for mapped, path in ((market.ticker_price, "/api/v3/ticker/price"), (market.ticker, "/api/v3/ticker/24hr")):
        with pytest.raises(ExchangeUnavailable):
            mapped(ANSWERS[path], "ETHUSDT")
    with pytest.raises(ExchangeUnavailable):
        account.fee(ANSWERS["/api/v3/account/commission"], "ETHUSDT")
    assert market.book_tops(ANSWERS["/api/v3/ticker/bookTicker"], ["ETHUSDT"], fetched_ms=1) == {}


def income_row(kind: str, amount: str, asset: str = "USDT") -> dict[str, Any]:
    return {"symbol": "", "incomeType": kind, "income": amount, "asset": asset, "time": 1_750_000_000_000}


def test_transfers_are_no_profit_and_assets_are_never_added() -> None:
    """Profit is what trading brought, by asset; what was moved in or given is apart, and what is not known too.

    Before: a transfer of 5000 stood under `realized`, beside a loss of 12.
    """
    rows = [
        income_row("TRANSFER", "5000"), income_row("WELCOME_BONUS", "50"), income_row("COIN_SWAP_DEPOSIT", "7", "BTC"),
        income_row("REALIZED_PNL", "-12"), income_row("REALIZED_PNL", "2.5"), income_row("COMMISSION", "-0.48"),
        income_row("COMMISSION", "-0.001", "BNB"), income_row("FUNDING_FEE", "0.1"), income_row("NEW_KIND", "9"),
    ]  # fmt: skip
    found = futures.profit_and_loss(ANSWERS["/fapi/v3/account"], rows, limit=100)
    assert found.profit == {"USDT": Decimal("-9.88"), "BNB": Decimal("-0.001")}
    assert found.realized == {
        "REALIZED_PNL/USDT": Decimal("-9.5"),
        "COMMISSION/USDT": Decimal("-0.48"),
        "COMMISSION/BNB": Decimal("-0.001"),
        "FUNDING_FEE/USDT": Decimal("0.1"),
    }
    assert found.transfers == {
        "TRANSFER/USDT": Decimal(5000),
        "WELCOME_BONUS/USDT": Decimal(50),
        "COIN_SWAP_DEPOSIT/BTC": Decimal(7),
    }
    assert found.other == {"NEW_KIND/USDT": Decimal(9)}
    assert found.entries == len(rows)


def test_names_are_cleaned() -> None:
    """Client order ids cannot carry what is not seen; an asset's odd name is escaped and equals no other name."""
    order = orders.order({**ORDER, "clientOrderId": "a\u202eb\x1b[0m\u200bc"})
    assert order.client_order_id == "ab[0mc"
    found = account.balances({"balances": [{"asset": "US\u200bDT", "free": "1", "locked": "0"}]})
    assert found.balances[0].asset == "US\\u200bDT"
    longest = account.balances({"balances": [{"asset": "B" * 500, "free": "1", "locked": "0"}]})
    assert longest.balances[0].asset == "B" * 64
    assert found.can_trade is False


def test_order_by_quote_quantity_may_execute_more_than_its_quantity() -> None:
    """An order that the owner placed by quote quantity states no quantity; it does not make a list unreadable."""
    by_quote = {**ORDER, "origQty": "0.00000000", "origQuoteOrderQty": "24.0"}
    assert orders.orders([ORDER, by_quote])[1].executed_quantity == Decimal("0.0004")
