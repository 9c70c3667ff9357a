"""What of the shape of replies is not in the documented samples: recorded rows, and what comes when."""

from __future__ import annotations

import pytest

from guardian.paper.host.standalone import PaperServer
from tests.paper.support.client import Client, ClientFor
from tests.paper.support.shapes import compare
from tests.support.fixtures import fixture, recording


@pytest.mark.parametrize("account_type", ["SPOT", "MARGIN", "FUTURES"])
def test_snapshots_have_the_documented_shape(unchanged: Client, account_type: str) -> None:
    """Each kind of snapshot has its own part of the sample's keys, and seven days of them."""
    reply = unchanged.signed("GET", "/sapi/v1/accountSnapshot", type=account_type).json
    own = {
        "SPOT": {"balances", "totalAssetOfBtc"},
        "MARGIN": {"marginLevel", "totalAssetOfBtc", "totalLiabilityOfBtc", "totalNetAssetOfBtc", "userAssets"},
        "FUTURES": {"assets", "position"},
    }[account_type]
    assert reply["snapshotVos"][0]["type"] == account_type.lower()
    assert reply["snapshotVos"][0]["data"].keys() == own
    assert len(reply["snapshotVos"]) == 7


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"price": "60000", "timeInForce": "IOC"}, "UNFILLED_IOC_QUANTITY_EXPIRED"),
        ({"price": "60000", "timeInForce": "FOK"}, "UNFILLED_FOK_ORDER_EXPIRED"),
        ({"type": "MARKET"}, "INSUFFICIENT_LIQUIDITY"),
    ],
)
def test_an_expired_order_says_why(paper: PaperServer, client: Client, terms: dict[str, str], reason: str) -> None:
    """In the reply to the order and in every query from then on; an order that has not expired says nothing of it."""
    paper.controls.set_book("BTCUSDT", "59999.99", "60000", "0.001")
    placed = client.order(**{"quantity": "0.002", "newOrderRespType": "FULL", **terms}).json
    queried = client.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=placed["orderId"]).json
    assert (placed["status"], placed["expiryReason"], queried["expiryReason"]) == ("EXPIRED", reason, reason)
    assert "expiryReason" not in client.order(quantity="0.001", price="50000", newOrderRespType="FULL").json


@pytest.mark.parametrize(
    "known",
    [
        "asymmetric",
        pytest.param("exchange_info/spot_mainnet_TSLABUSDT_2026-09.json", marks=pytest.mark.recorded, id="recorded"),
    ],
)
def test_exchange_info_has_the_shape_of_a_known_row(unchanged: Client, known: str) -> None:
    """A symbol's row has the keys and types of a known row, filter by filter; one was recorded in 2026."""
    recorded = recording(known) if "/" in known else fixture(f"exchange_info/{known}")
    reply = unchanged.public("/api/v3/exchangeInfo", symbol="BTCUSDT").json
    assert compare(recorded, reply) == (set(), set(), [])
    expected = {row["filterType"]: row for row in recorded["symbols"][0]["filters"]}
    given = {row["filterType"]: row for row in reply["symbols"][0]["filters"]}
    assert compare(expected, given) == (set(), set(), [])
    assert given["MARKET_LOT_SIZE"]["stepSize"] == "0.00000000"


@pytest.mark.parametrize(
    "known",
    [
        "older_filters",
        pytest.param("exchange_info/binanceus_BTCUSD_2026-09-04.json", marks=pytest.mark.recorded, id="recorded"),
    ],
)
def test_the_rate_limits_reported_are_the_known_ones(client_for: ClientFor, known: str) -> None:
    """By default the exchange has the limits of Binance, as they were recorded in 2026."""
    recorded = recording(known) if "/" in known else fixture(f"exchange_info/{known}")
    with PaperServer(seed=7) as server:
        reply = client_for(server.endpoint).public("/api/v3/exchangeInfo", symbol="BTCUSDT").json
    assert reply["rateLimits"] == recorded["rateLimits"]


def test_exchange_info_lists_what_was_asked_for(unchanged: Client) -> None:
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


def test_replies_are_declared_as_binance_declares_them(unchanged: Client) -> None:
    """JSON comes with Binance's content type."""
    assert unchanged.public("/api/v3/time").headers["content-type"] == "application/json;charset=UTF-8"
