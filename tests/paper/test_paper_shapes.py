"""Replies have the keys and the JSON types that Binance documents."""

from __future__ import annotations

import json

import pytest

SDK = "sdk_samples"
DERIVATIVES = "derivatives_trading_usds_futures__"
# Binance writes these only where they apply, and here they never do (no order lists of prevention, pegs, routing).
CONDITIONAL_ORDER_KEYS = {
    "preventedMatchId", "preventedQuantity", "strategyId", "strategyType", "trailingDelta", "trailingTime", "usedSor",
    "workingFloor", "pegPriceType", "pegOffsetType", "pegOffsetValue", "peggedPrice", "expiryReason",
}  # fmt: skip


def kind(value: object) -> str:
    """The JSON type; numbers are one type."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return {str: "string", list: "list", dict: "object", type(None): "null"}[type(value)]


def differences(sample: object, reply: object, where: str = "$", *, absent: frozenset[str] = frozenset()) -> list[str]:
    """Where a reply has other keys or types than the sample; of lists the first elements are compared."""
    if kind(sample) != kind(reply):
        return [f"{where}: {kind(reply)} instead of {kind(sample)}"]
    if isinstance(sample, dict) and isinstance(reply, dict):
        wrong = [f"{where}.{key} is missing" for key in sample.keys() - reply.keys() - absent]
        wrong += [f"{where}.{key} is not in the sample" for key in reply.keys() - sample.keys()]
        for key in sample.keys() & reply.keys():
            wrong += differences(sample[key], reply[key], f"{where}.{key}", absent=absent)
        return wrong
    if isinstance(sample, list) and isinstance(reply, list) and sample:
        if not reply:
            return [f"{where} is empty"]
        return differences(sample[0], reply[0], f"{where}[0]", absent=absent)
    return []


@pytest.fixture
def busy_client(client):
    """A client of an account that has open orders, trades and a triggered history."""
    client.order(type="MARKET", quantity="0.01")
    client.order(quantity="0.001", newClientOrderId="open-1", strategyId=1, strategyType=1000000)
    return client


def sample(fixtures, name: str) -> object:
    return json.loads((fixtures / SDK / f"{name}_success.json").read_text())["response"]


@pytest.mark.parametrize(
    ("name", "path", "params"),
    [
        ("spot__time", "/api/v3/time", {}),
        ("spot__avg_price", "/api/v3/avgPrice", {"symbol": "BNBUSDT"}),
        ("spot__depth", "/api/v3/depth", {"symbol": "BNBUSDT"}),
        (DERIVATIVES + "mark_price", "/fapi/v1/premiumIndex", {"symbol": "BTCUSDT"}),
    ],
)
def test_open_replies_have_the_documented_shape(unchanged, fixtures, name, path, params):
    """Market data has the keys and types of the official SDK's samples."""
    assert differences(sample(fixtures, name), unchanged.public(path, **params).json) == []


@pytest.mark.parametrize(
    ("name", "path", "params", "absent"),
    [
        ("spot__get_account", "/api/v3/account", {}, set()),
        ("spot__account_commission", "/api/v3/account/commission", {"symbol": "BTCUSDT"}, set()),
        ("spot__all_orders", "/api/v3/allOrders", {"symbol": "BTCUSDT"}, CONDITIONAL_ORDER_KEYS),
        ("spot__get_open_orders", "/api/v3/openOrders", {}, CONDITIONAL_ORDER_KEYS - {"strategyId", "strategyType"}),
        (
            "spot__get_order",
            "/api/v3/order",
            {"symbol": "BTCUSDT", "origClientOrderId": "open-1"},
            CONDITIONAL_ORDER_KEYS - {"strategyId", "strategyType"},
        ),
        ("spot__my_trades", "/api/v3/myTrades", {"symbol": "BTCUSDT"}, set()),
        ("wallet__deposit_history", "/sapi/v1/capital/deposit/hisrec", {}, set()),
        # Only for withdrawals that were given an id by the customer.
        ("wallet__withdraw_history", "/sapi/v1/capital/withdraw/history", {}, {"withdrawOrderId"}),
        ("wallet__deposit_address", "/sapi/v1/capital/deposit/address", {"coin": "BTC"}, set()),
        ("wallet__query_user_universal_transfer_history", "/sapi/v1/asset/transfer", {"type": "MAIN_UMFUTURE"}, set()),
        ("wallet__trade_fee", "/sapi/v1/asset/tradeFee", {}, set()),
        (DERIVATIVES + "position_information_v3", "/fapi/v3/positionRisk", {}, set()),
        (DERIVATIVES + "account_information_v3", "/fapi/v3/account", {}, set()),
        (DERIVATIVES + "account_information_v2", "/fapi/v2/account", {}, set()),
        (DERIVATIVES + "get_income_history", "/fapi/v1/income", {}, set()),
        (DERIVATIVES + "users_force_orders", "/fapi/v1/forceOrders", {}, set()),
    ],
)
def test_signed_replies_have_the_documented_shape(busy_client, fixtures, name, path, params, absent):
    """Account, wallet and futures replies have the keys and types of the SDK's samples, conditional ones apart."""
    reply = busy_client.signed("GET", path, **params)
    assert differences(sample(fixtures, name), reply.json, absent=frozenset(absent)) == [], reply.text


@pytest.mark.parametrize("account_type", ["SPOT", "MARGIN", "FUTURES"])
def test_snapshots_have_the_documented_shape(unchanged, fixtures, account_type):
    """Each kind of snapshot has its own part of the sample's keys, wrapped with code and msg."""
    told = sample(fixtures, "wallet__daily_account_snapshot")
    reply = unchanged.signed("GET", "/sapi/v1/accountSnapshot", type=account_type).json
    everything = told["snapshotVos"][0]["data"].keys()
    own = {
        "SPOT": {"balances", "totalAssetOfBtc"},
        "MARGIN": {"marginLevel", "totalAssetOfBtc", "totalLiabilityOfBtc", "totalNetAssetOfBtc", "userAssets"},
        "FUTURES": {"assets", "position"},
    }[account_type]
    assert differences(told, reply, absent=frozenset(everything - own)) == []
    assert reply["snapshotVos"][0]["type"] == account_type.lower()
    assert reply["snapshotVos"][0]["data"].keys() == own
    assert len(reply["snapshotVos"]) == 7


@pytest.mark.parametrize(
    ("section", "index", "path", "params"),
    [
        ("24hr ticker price change statistics", 0, "/api/v3/ticker/24hr", {"symbol": "ETHBTC"}),
        ("24hr ticker price change statistics", 1, "/api/v3/ticker/24hr", {}),
        ("Symbol price ticker", 0, "/api/v3/ticker/price", {"symbol": "ETHBTC"}),
        ("Symbol price ticker", 1, "/api/v3/ticker/price", {"symbols": '["ETHBTC","BTCUSDT"]'}),
        ("Symbol order book ticker", 0, "/api/v3/ticker/bookTicker", {"symbol": "ETHBTC"}),
        ("Symbol order book ticker", 1, "/api/v3/ticker/bookTicker", {"symbols": '["ETHBTC","BTCUSDT"]'}),
    ],
)
def test_tickers_have_the_documented_shape(unchanged, fixtures, section, index, path, params):
    """Tickers are one object for one symbol and a list otherwise, as the documentation's samples are."""
    samples = json.loads((fixtures / "docs_samples" / "spot_rest_api_samples_2026-07-21.json").read_text())
    assert differences(samples[section]["samples"][index], unchanged.public(path, **params).json) == []


@pytest.mark.parametrize(("kind_of_reply", "index"), [("ACK", 0), ("RESULT", 1), ("FULL", 2)])
def test_order_replies_have_the_documented_shape(client, fixtures, kind_of_reply, index):
    """ACK, RESULT and FULL say as much as documented."""
    samples = json.loads((fixtures / "docs_samples" / "spot_rest_api_samples_2026-07-21.json").read_text())
    reply = client.order(type="MARKET", quantity="0.01", newOrderRespType=kind_of_reply).json
    assert differences(samples["New order (TRADE)"]["samples"][index], reply) == []


def test_cancel_replies_have_the_documented_shape(client, fixtures):
    """A cancel says as much as documented."""
    samples = json.loads((fixtures / "docs_samples" / "spot_rest_api_samples_2026-07-21.json").read_text())
    placed = client.order().json
    reply = client.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=placed["orderId"]).json
    assert differences(samples["Cancel order (TRADE)"]["samples"][0], reply) == []


def test_exchange_info_has_the_shape_of_a_recorded_row(unchanged, fixtures):
    """A symbol's row has the keys and types of a row recorded in 2026, filter by filter."""
    recorded = json.loads((fixtures / "exchange_info" / "spot_mainnet_TSLABUSDT_2026-09.json").read_text())
    limits = json.loads((fixtures / "exchange_info" / "binanceus_BTCUSD_2026-09-04.json").read_text())["rateLimits"]
    reply = unchanged.public("/api/v3/exchangeInfo", symbol="BTCUSDT").json
    assert differences(recorded, reply) == []
    assert reply["rateLimits"] == limits
    expected = {row["filterType"]: row for row in recorded["symbols"][0]["filters"]}
    given = {row["filterType"]: row for row in reply["symbols"][0]["filters"]}
    assert differences(expected, given) == []
    assert given["MARKET_LOT_SIZE"]["stepSize"] == "0.00000000"


def test_exchange_info_lists_what_was_asked_for(unchanged):
    """Without arguments all symbols are listed; with a symbol or a list just those; an unknown one is refused."""

    def listed(**asked: str) -> list[str]:
        return [row["symbol"] for row in unchanged.public("/api/v3/exchangeInfo", **asked).json["symbols"]]

    assert {"BTCUSDT", "ETHUSDT", "BNBUSDT", "ETHBTC", "SOLUSDT"} <= set(listed())
    assert listed(symbol="ETHBTC") == ["ETHBTC"]
    assert listed(symbols='["SOLUSDT","BNBUSDT"]') == ["SOLUSDT", "BNBUSDT"]
    assert unchanged.public("/api/v3/exchangeInfo", symbol="XXXYYY").error == (400, -1121, "Invalid symbol.")
    assert unchanged.public("/api/v3/exchangeInfo", symbols='["SOLUSDT","SOLUSDT"]').error[1] == -1151
    assert unchanged.public("/api/v3/exchangeInfo", symbols="SOLUSDT").error[1] == -1100
    assert unchanged.public("/api/v3/exchangeInfo", symbol="SOLUSDT", symbols='["SOLUSDT"]').error[1] == -1128
    assert unchanged.public("/api/v3/ping").json == {}


def test_replies_are_declared_as_binance_declares_them(unchanged):
    """JSON comes with Binance's content type."""
    assert unchanged.public("/api/v3/time").headers["content-type"] == "application/json;charset=UTF-8"
