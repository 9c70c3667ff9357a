"""Every documented sample of an endpoint that the paper exchange has: the same keys, the same JSON types."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from guardian.paper.host.standalone import PaperServer
from guardian.paper.rest.app import ENDPOINTS
from guardian.paper.rest.rate_limits import WIDE
from tests.paper.support.client import Client, ClientFor
from tests.paper.support.shapes import compare, shape
from tests.support.documented import documented, documented_by_others

Ask = Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class Case:
    """How to get such a reply here, and what differs, with the reason; what differs no longer must not be listed."""

    ask: Ask
    absent: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)


SAMPLES = documented()


def told(reply: Any) -> object:
    """The body of a reply that is as it should be."""
    assert reply.status == 200, reply.text
    return reply.json


def open_(path: str, **params: object) -> Ask:
    """A request that everybody may make."""
    return lambda client: told(client.public(path, **params))


def signed(path: str, **params: object) -> Ask:
    """A signed GET."""
    return lambda client: told(client.signed("GET", path, **params))


def placed(**terms: object) -> Ask:
    """A new order of 0.01 BTC at the market."""
    return lambda client: told(client.order(type="MARKET", quantity="0.01", **terms))


def rehearsed(**terms: object) -> Ask:
    """A test order."""
    asked = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01", **terms}
    return lambda client: told(client.signed("POST", "/api/v3/order/test", in_body=True, **asked))


def cancelled(**terms: object) -> Ask:
    """An order that is placed and cancelled at once."""

    def ask(client: Any) -> object:
        order = told(client.order(**terms))
        assert isinstance(order, dict)
        return told(client.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=order["orderId"]))

    return ask


def refused_cancel(client: Any, **terms: object) -> object:
    """A cancel that is refused, of an order that is new."""
    order = client.order().json
    reply = client.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=order["orderId"], **terms)
    assert reply.status == 400
    return reply.json


def all_cancelled(client: Any) -> object:
    """All of a symbol's orders cancelled at once."""
    for price in ("100", "101"):
        told(client.order(symbol="SOLUSDT", quantity="0.1", price=price))
    return told(client.signed("DELETE", "/api/v3/openOrders", symbol="SOLUSDT"))


def every_snapshot(client: Any) -> object:
    """The sample has the fields of all three account types at once; each type has its own."""
    path = "/sapi/v1/accountSnapshot"
    replies = [client.signed("GET", path, type=name).json for name in ("SPOT", "MARGIN", "FUTURES")]
    return replies[0] | {"snapshotVos": [row for reply in replies for row in reply["snapshotVos"]]}


SDK_UNITES = "the SDK's sample unites what never comes together, and here it never comes at all"
NO_ROUTING = f"smart order routing is not part of the paper exchange: {SDK_UNITES}"
NO_PEGS = f"pegged orders are not part of the paper exchange: {SDK_UNITES}"
NO_TRAILING = f"trailing stops are not part of the paper exchange: {SDK_UNITES}"
TRUNCATED = "the SDK's sample leaves out what the documentation's own sample has"
UNTOLD = "live replies have it, the SDK's sample leaves it out"
SCALED = "priceExponent belongs to the SDK's binary encoding and is in no recorded reply"
BY_TYPE = "each type of filter has its own keys, and the sample shows one type; a recorded row is compared elsewhere"

ORDER_CONDITIONS = {
    "usedSor": NO_ROUTING,
    "workingFloor": NO_ROUTING,
    "pegPriceType": NO_PEGS,
    "pegOffsetType": NO_PEGS,
    "pegOffsetValue": NO_PEGS,
    "peggedPrice": NO_PEGS,
    "trailingDelta": NO_TRAILING,
    "trailingTime": NO_TRAILING,
}
EXPIRED = {"expiryReason": "documented as there only once an order has expired, which this one has not"}
NOT_PREVENTED = "documented as there only where a match with an own order was prevented, and here none was"
PREVENTED = {"preventedMatchId": NOT_PREVENTED, "preventedQuantity": NOT_PREVENTED}


ORDER_LIST = dict.fromkeys(
    (
        "contingencyType", "listClientOrderId", "listOrderStatus", "listStatusType", "orderReports", "orders",
        "transactionTime",
    ),
    "order lists are not part of the paper exchange; the sample's third element is one",
)  # fmt: skip


def rows(names: Mapping[str, str], prefix: str = "$[].") -> dict[str, str]:
    """The exceptions as paths."""
    return {prefix + name: why for name, why in names.items()}


FILTER_KEYS = {
    f"$.symbols[].filters[].{name}": BY_TYPE
    for name in (
        "minQty", "maxQty", "stepSize", "limit", "bidMultiplierUp", "bidMultiplierDown", "askMultiplierUp",
        "askMultiplierDown", "avgPriceMins", "minNotional", "maxNotional", "applyMinToMarket", "applyMaxToMarket",
        "maxNumOrders", "maxNumOrderLists", "maxNumIcebergOrders", "maxPosition", "maxNumAlgoOrders",
        "maxNumOrderAmends", "minTrailingAboveDelta",
        "maxTrailingAboveDelta", "minTrailingBelowDelta", "maxTrailingBelowDelta",
    )
}  # fmt: skip
STOP = {
    "type": "STOP_LOSS_LIMIT",
    "price": "61100",
    "stopPrice": "61000",
    "icebergQty": "0.0005",
    "strategyId": 1,
    "strategyType": 1_000_000,
}
AMOUNTS = ("price", "origQty", "executedQty", "origQuoteOrderQty", "cummulativeQuoteQty")
FILLS = {f"$.fills[].{name}": TRUNCATED for name in ("price", "qty", "commission")}
TEST_RATES = {
    f"$.{name}": TRUNCATED
    for name in (
        "discount.discount", "standardCommissionForOrder", "specialCommissionForOrder", "taxCommissionForOrder",
    )
}  # fmt: skip
STATISTICS = (
    "priceChange", "priceChangePercent", "weightedAvgPrice", "prevClosePrice", "lastPrice", "lastQty", "bidPrice",
    "bidQty", "askPrice", "askQty", "openPrice", "highPrice", "lowPrice", "volume", "quoteVolume",
)  # fmt: skip
FUTURES = "derivatives_trading_usds_futures__"
BOTH = '["ETHBTC","BTCUSDT"]'

CASES: dict[str, Case] = {
    # Market data.
    "GET /api/v3/ping 0": Case(open_("/api/v3/ping")),
    "spot__time": Case(open_("/api/v3/time")),
    "GET /api/v3/time 0": Case(open_("/api/v3/time")),
    "spot__exchange_info": Case(
        open_("/api/v3/exchangeInfo"),
        absent={
            "$.rateLimits[].count": "only myFilters counts; no recorded reply of exchangeInfo has it",
            "$.exchangeFilters[]": "no recorded reply has a filter of the whole exchange either",
            "$.symbols[].permissions[]": "an empty list in every recorded reply; the SDK's sample says 'undefined'",
            "$.symbols[].filters[].priceExponent": SCALED,
            "$.sors": NO_ROUTING,
        },
        extra=FILTER_KEYS,
    ),
    "GET /api/v3/exchangeInfo 0": Case(open_("/api/v3/exchangeInfo"), absent={"$.sors": NO_ROUTING}),
    "spot__avg_price": Case(open_("/api/v3/avgPrice", symbol="BTCUSDT")),
    "GET /api/v3/avgPrice 0": Case(open_("/api/v3/avgPrice", symbol="BTCUSDT")),
    "spot__depth": Case(open_("/api/v3/depth", symbol="BTCUSDT")),
    "GET /api/v3/depth 0": Case(open_("/api/v3/depth", symbol="BTCUSDT")),
    "GET /api/v3/trades 0": Case(open_("/api/v3/trades", symbol="ETHBTC")),
    "GET /api/v3/historicalTrades 0": Case(open_("/api/v3/historicalTrades", symbol="ETHBTC")),
    "GET /api/v3/aggTrades 0": Case(open_("/api/v3/aggTrades", symbol="ETHBTC")),
    "spot__klines": Case(
        open_("/api/v3/klines", symbol="BTCUSDT", interval="1m"),
        absent={"$[][]": "the SDK's sample has the first number of a row only"},
        extra={f"$[][{place}]": TRUNCATED for place in range(12)},
    ),
    "GET /api/v3/klines 0": Case(open_("/api/v3/klines", symbol="BTCUSDT", interval="1m")),
    "GET /api/v3/uiKlines 0": Case(open_("/api/v3/uiKlines", symbol="BTCUSDT", interval="1m")),
    "spot__ticker_price": Case(open_("/api/v3/ticker/price", symbol="BTCUSDT"), extra={"$.price": TRUNCATED}),
    "GET /api/v3/ticker/price 0": Case(open_("/api/v3/ticker/price", symbol="BTCUSDT")),
    "GET /api/v3/ticker/price 1": Case(open_("/api/v3/ticker/price", symbols=BOTH)),
    "GET /api/v3/ticker/bookTicker 0": Case(open_("/api/v3/ticker/bookTicker", symbol="BTCUSDT")),
    "GET /api/v3/ticker/bookTicker 1": Case(open_("/api/v3/ticker/bookTicker", symbols=BOTH)),
    "spot__ticker24hr": Case(
        open_("/api/v3/ticker/24hr", symbol="BTCUSDT"), extra={"$." + name: TRUNCATED for name in STATISTICS}
    ),
    "GET /api/v3/ticker/24hr 0": Case(open_("/api/v3/ticker/24hr", symbol="BTCUSDT")),
    "GET /api/v3/ticker/24hr 1": Case(open_("/api/v3/ticker/24hr")),
    "GET /api/v3/ticker/24hr 2": Case(open_("/api/v3/ticker/24hr", symbol="BTCUSDT", type="MINI")),
    "GET /api/v3/ticker/24hr 3": Case(open_("/api/v3/ticker/24hr", symbols=BOTH, type="MINI")),
    # Orders.
    "POST /api/v3/order 0": Case(placed(newOrderRespType="ACK")),
    "POST /api/v3/order 1": Case(placed(newOrderRespType="RESULT")),
    "POST /api/v3/order 2": Case(placed(newOrderRespType="FULL")),
    "POST /api/v3/order/test 0": Case(rehearsed()),
    "POST /api/v3/order/test 1": Case(rehearsed(computeCommissionRates="true")),
    "spot__new_order": Case(placed(), extra={"$." + name: TRUNCATED for name in AMOUNTS} | FILLS),
    "spot__order_test": Case(rehearsed(computeCommissionRates="true"), extra=TEST_RATES),
    "spot__delete_order": Case(
        cancelled(**STOP),
        absent=rows(ORDER_CONDITIONS | EXPIRED | PREVENTED, "$."),
    ),
    "DELETE /api/v3/order 0": Case(cancelled()),
    "DELETE /api/v3/order 2": Case(lambda client: refused_cancel(client, cancelRestrictions="ONLY_PARTIALLY_FILLED")),
    "DELETE /api/v3/order 1": Case(lambda client: refused_cancel(client, cancelRestrictions="ONLY_OLD")),
    "DELETE /api/v3/openOrders 0": Case(all_cancelled, absent=rows(ORDER_LIST)),
    "GET /api/v3/order 0": Case(signed("/api/v3/order", symbol="BTCUSDT", origClientOrderId="plain")),
    "GET /api/v3/openOrders 0": Case(signed("/api/v3/openOrders", symbol="BNBUSDT")),
    "GET /api/v3/allOrders 0": Case(signed("/api/v3/allOrders", symbol="BNBUSDT")),
    "GET /api/v3/myTrades 0": Case(signed("/api/v3/myTrades", symbol="BTCUSDT")),
    "GET /api/v3/rateLimit/order 0": Case(signed("/api/v3/rateLimit/order")),
    "spot__get_order": Case(
        signed("/api/v3/order", symbol="ETHUSDT", origClientOrderId="named"),
        absent=rows(ORDER_CONDITIONS | EXPIRED, "$."),
    ),
    "spot__get_open_orders": Case(signed("/api/v3/openOrders"), absent=rows(ORDER_CONDITIONS | EXPIRED)),
    "spot__all_orders": Case(signed("/api/v3/allOrders", symbol="ETHUSDT"), absent=rows(ORDER_CONDITIONS)),
    "spot__my_trades": Case(signed("/api/v3/myTrades", symbol="BTCUSDT")),
    "spot__rate_limit_order": Case(signed("/api/v3/rateLimit/order")),
    # The account.
    "spot__get_account": Case(signed("/api/v3/account")),
    "GET /api/v3/account 0": Case(signed("/api/v3/account")),
    "spot__account_commission": Case(signed("/api/v3/account/commission", symbol="BTCUSDT")),
    "GET /api/v3/account/commission 0": Case(signed("/api/v3/account/commission", symbol="BTCUSDT")),
    # The wallet.
    "wallet__daily_account_snapshot": Case(every_snapshot),
    "wallet__all_coins_information": Case(
        signed("/sapi/v1/capital/config/getall"),
        absent={"$[].networkList[].denomination": "only of coins that are traded by the thousand or the million"},
    ),
    "wallet__deposit_history": Case(signed("/sapi/v1/capital/deposit/hisrec")),
    "wallet__deposit_address": Case(signed("/sapi/v1/capital/deposit/address", coin="BTC")),
    "wallet__query_user_universal_transfer_history": Case(signed("/sapi/v1/asset/transfer", type="MAIN_UMFUTURE")),
    "wallet__trade_fee": Case(signed("/sapi/v1/asset/tradeFee")),
    "wallet__withdraw_history": Case(
        signed("/sapi/v1/capital/withdraw/history"),
        absent={"$[].withdrawOrderId": "only for withdrawals that the customer gave an id, and nobody withdraws here"},
    ),
    # Futures.
    FUTURES + "exchange_information": Case(
        open_("/fapi/v1/exchangeInfo"),
        absent={"$.exchangeFilters[]": "an empty list live; the SDK's sample has an empty text in it"},
        extra={"$.futuresType": UNTOLD, "$.symbols[].maxMoveOrderLimit": UNTOLD},
    ),
    FUTURES + "mark_price": Case(open_("/fapi/v1/premiumIndex", symbol="BTCUSDT")),
    FUTURES + "account_information_v2": Case(signed("/fapi/v2/account")),
    FUTURES + "account_information_v3": Case(signed("/fapi/v3/account")),
    FUTURES + "position_information_v2": Case(signed("/fapi/v2/positionRisk")),
    FUTURES + "position_information_v3": Case(signed("/fapi/v3/positionRisk")),
    FUTURES + "futures_account_balance_v3": Case(signed("/fapi/v3/balance")),
    FUTURES + "get_income_history": Case(signed("/fapi/v1/income")),
    FUTURES + "users_force_orders": Case(signed("/fapi/v1/forceOrders")),
    FUTURES + "user_commission_rate": Case(signed("/fapi/v1/commissionRate", symbol="BTCUSDT")),
}


@pytest.fixture(scope="module")
def eventful(client_for: ClientFor) -> Iterator[Client]:
    """A client of an account with trades, open orders and ended ones; the tests of this module share it."""
    with PaperServer(seed=7, limits=WIDE) as server:
        server.controls.set_book("BTCUSDT", "59999.99", "60000")
        server.controls.set_book("ETHUSDT", "2999", "3001")
        client = client_for(server.endpoint)
        told(client.order(type="MARKET", quantity="0.01"))
        told(client.order(newClientOrderId="plain"))
        told(client.order(symbol="BNBUSDT", quantity="0.1", price="500"))
        # An order that would have met the account's own, and stays open.
        told(client.order(symbol="ETHUSDT", side="SELL", quantity="0.01", price="3000"))
        named = {"newClientOrderId": "named", "strategyId": 1, "strategyType": 1_000_000}
        told(
            client.order(symbol="ETHUSDT", quantity="0.02", price="3000", selfTradePreventionMode="DECREMENT", **named)
        )
        told(client.order(symbol="ETHUSDT", quantity="0.01", price="2000", timeInForce="IOC"))
        yield client
        assert server.troubles == []


@pytest.mark.parametrize("name", SAMPLES)
def test_replies_have_the_keys_and_types_of_every_documented_sample(name: str, eventful: Client) -> None:
    """Of each sample of an endpoint that is there; what differs is listed with its reason, and nothing else is."""
    case = CASES[name]
    missing, extra, wrong = compare(SAMPLES[name].reply, case.ask(eventful))
    assert wrong == []
    assert sorted(missing) == sorted(case.absent)
    assert sorted(extra) == sorted(case.extra)


def test_every_sample_of_an_endpoint_that_is_there_has_a_case() -> None:
    """A sample that nobody looks at fails this test, and so does one of an endpoint that is not there."""
    assert sorted(SAMPLES.keys() - CASES.keys()) == []
    assert all((sample.method, sample.path) in ENDPOINTS for sample in SAMPLES.values())
    assert len(SAMPLES) > 60


@pytest.mark.recorded
def test_the_fixtures_have_the_keys_types_and_parameters_of_every_documented_sample() -> None:
    """Of each endpoint that is there the fixtures have every sample that others keep, alike in all but its values."""
    theirs = {name: one for name, one in documented_by_others().items() if (one.method, one.path) in ENDPOINTS}
    assert theirs.keys() == SAMPLES.keys()
    for name, sample in theirs.items():
        ours = SAMPLES[name]
        assert (ours.method, ours.path, ours.parameters) == (sample.method, sample.path, sample.parameters), name
        assert shape(ours.reply) == shape(sample.reply), name


def test_a_missing_key_a_new_key_and_another_type_are_all_seen() -> None:
    """The comparison itself: at any depth, in any row of a list, by position in a row of unlike things."""
    sample = {"a": [{"b": "1", "c": 2}], "d": [[1, "x"]], "e": []}
    assert compare(sample, {"a": [{"b": "3", "c": 4}], "d": [[5, "y"], [6, "z"]], "e": [7]}) == (set(), set(), [])
    assert compare(sample, {"a": [{"b": "3"}], "d": [[5, "y"]], "e": []}) == ({"$.a[].c"}, set(), [])
    assert compare(sample, {"a": [], "d": [[5, "y"]], "e": []}) == ({"$.a[]"}, set(), [])
    more = {"a": [{"b": "3", "c": 4}, {"b": "3", "c": 4, "f": 1}], "d": [[5, "y"]], "e": []}
    assert compare(sample, more) == (set(), {"$.a[].f"}, [])
    other = {"a": [{"b": 3, "c": 4.5}], "d": [[5, 6.5]], "e": {}}
    assert compare(sample, other)[2] == [
        "$.a[].b: ['integer'] instead of ['string']",
        "$.a[].c: ['number'] instead of ['integer']",
        "$.d[][1]: ['number'] instead of ['string']",
        "$.e: ['object'] instead of ['list']",
    ]
