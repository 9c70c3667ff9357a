"""What everybody may ask of the market, and the lists that clients load."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from guardian.paper.host.standalone import PaperServer
from tests.paper.support.client import Client

DAY_MS = 86_400_000


def klines(client: Client, **asked: Any) -> Any:
    return client.public("/api/v3/klines", **({"symbol": "ETHUSDT", "interval": "1m"} | asked)).json


def test_trades_are_the_last_ones_in_order(unchanged: Client) -> None:
    """trades gives up to the limit, the oldest first, by ids that rise, priced within the day's bounds."""
    told = unchanged.public("/api/v3/trades", symbol="ETHUSDT", limit=20).json
    day = unchanged.public("/api/v3/ticker/24hr", symbol="ETHUSDT").json
    assert len(told) == 20
    assert [row["id"] for row in told] == sorted({row["id"] for row in told})
    assert told[-1]["time"] <= day["closeTime"]
    for row in told:
        assert Decimal(row["quoteQty"]) == Decimal(row["price"]) * Decimal(row["qty"])
        assert Decimal(day["lowPrice"]) * Decimal("0.9") < Decimal(row["price"]) < Decimal(day["highPrice"]) * 2
    assert len(unchanged.public("/api/v3/trades", symbol="ETHUSDT").json) == 500


def test_candles_are_twelve_columns_without_gaps(unchanged: Client) -> None:
    """klines gives 500 unless asked otherwise, each opening where the last one ends, with typed columns."""
    rows = klines(unchanged)
    assert len(rows) == 500
    assert [row[0] for row in rows] == list(range(rows[0][0], rows[0][0] + 500 * 60_000, 60_000))
    kinds = [int, str, str, str, str, str, int, str, int, str, str, str]
    for row in rows:
        assert [type(value) for value in row] == kinds
        opened, high, low, closed = (Decimal(value) for value in row[1:5])
        assert low <= min(opened, closed) <= max(opened, closed) <= high
        assert row[6] == row[0] + 59_999
    assert len(klines(unchanged, limit=3)) == 3


def test_a_candle_ends_at_the_last_price(unchanged: Client) -> None:
    """Candles that have closed stay as they are, and the feed's prices are in them."""
    first, second = klines(unchanged, limit=5), klines(unchanged, limit=5)
    done = {row[0]: row for row in first[:-1]}
    assert all(done[row[0]] == row for row in second if row[0] in done)


@pytest.mark.parametrize(
    ("interval", "length"), [("1s", 1000), ("3m", 180_000), ("12h", DAY_MS // 2), ("1d", DAY_MS), ("1w", 7 * DAY_MS)]
)
def test_candles_are_aligned_to_their_interval(unchanged: Client, interval: str, length: int) -> None:
    """They open at whole intervals of UTC, weeks on Mondays, days at the asked time zone's midnight."""
    monday = 4 * DAY_MS
    for row in klines(unchanged, interval=interval, limit=4):
        assert (row[0] - (monday if interval == "1w" else 0)) % length == 0
    if length >= DAY_MS:
        shifted = klines(unchanged, interval="1d", limit=2, timeZone="+5:30")
        assert all((row[0] + 19_800_000) % DAY_MS == 0 for row in shifted)


def test_months_are_those_of_the_calendar(unchanged: Client) -> None:
    """1M candles open on the first of each month and end before the next one."""
    rows = klines(unchanged, interval="1M", startTime=1_704_067_200_000, limit=3)
    assert [row[0] for row in rows] == [1_704_067_200_000, 1_706_745_600_000, 1_709_251_200_000]
    assert rows[0][6] == rows[1][0] - 1


def test_candles_are_chosen_by_time(unchanged: Client) -> None:
    """startTime and endTime bound when a candle opens; what is malformed is refused."""
    start = 1_700_000_000_000 // 60_000 * 60_000
    rows = klines(unchanged, startTime=start, endTime=start + 180_000)
    assert [row[0] - start for row in rows] == [0, 60_000, 120_000, 180_000]
    assert [row[0] - start for row in klines(unchanged, startTime=start + 1, limit=1)] == [60_000]
    assert [row[0] - start for row in klines(unchanged, endTime=start + 59_999, limit=2)] == [-60_000, 0]
    wrong = unchanged.public("/api/v3/klines", symbol="ETHUSDT", interval="7m")
    assert wrong.error == (400, -1120, "Invalid interval.")
    assert unchanged.public("/api/v3/klines", symbol="ETHUSDT").error[1] == -1102
    assert unchanged.public("/api/v3/klines", symbol="ETHUSDT", interval="1m", timeZone="+15").error[1] == -1130


def test_exchange_info_is_filtered_by_permission_and_status(unchanged: Client) -> None:
    """permissions and symbolStatus choose symbols, and cannot be joined with names; permission sets can be left out."""

    def listed(**asked: str) -> Any:
        return unchanged.public("/api/v3/exchangeInfo", **asked).json["symbols"]

    assert len(listed(permissions="SPOT")) == len(listed()) == len(listed(permissions='["MARGIN","SPOT"]')) > 0
    assert listed(permissions="MARGIN") == []
    assert listed(symbolStatus="BREAK") == []
    assert len(listed(symbolStatus="TRADING")) == len(listed())
    assert {len(row["permissionSets"]) for row in listed(showPermissionSets="false")} == {0}
    assert {len(row["permissionSets"]) for row in listed(showPermissionSets="true")} == {1}
    both = unchanged.public("/api/v3/exchangeInfo", permissions="SPOT", symbol="BTCUSDT")
    assert both.error == (400, -1128, "Combination of optional parameters invalid.")
    limits = {row["filterType"] for row in listed(symbol="SOLUSDT")[0]["filters"]}
    assert {"MAX_POSITION", "MAX_NUM_ICEBERG_ORDERS"} <= limits


def test_mini_tickers_leave_most_out(unchanged: Client) -> None:
    """type=MINI gives the documented twelve keys; another type is refused."""
    mini = unchanged.public("/api/v3/ticker/24hr", symbol="ETHUSDT", type="MINI").json
    assert len(mini) == 12
    assert "priceChange" not in mini
    assert unchanged.public("/api/v3/ticker/24hr", symbol="ETHUSDT", type="TINY").error[1] == -1139


def test_own_orders_are_in_the_depth_and_the_book_ticker(paper: PaperServer, client: Client) -> None:
    """A resting order is the best bid for everybody, and its quantity adds to a level; an iceberg shows a part."""
    client.order(price="59999.99", quantity="0.5", type="LIMIT", side="SELL", timeInForce="GTC")
    told = client.public("/api/v3/depth", symbol="BTCUSDT").json
    assert told["bids"] == [["59999.99000000", "99.50000000"]]
    paper.controls.set_book("BTCUSDT", "59990", "60000")
    client.order(price="59995", quantity="0.01")
    client.order(price="59990", quantity="0.1", icebergQty="0.025")
    told = client.public("/api/v3/depth", symbol="BTCUSDT").json
    assert told["bids"] == [["59995.00000000", "0.01000000"], ["59990.00000000", "100.02500000"]]
    ticker = client.public("/api/v3/ticker/bookTicker", symbol="BTCUSDT").json
    assert (ticker["bidPrice"], ticker["bidQty"], ticker["askPrice"]) == (
        "59995.00000000",
        "0.01000000",
        "60000.00000000",
    )


def test_own_trades_are_the_last_price_until_the_market_moves(paper: PaperServer, client: Client) -> None:
    """Right after a trade both tickers tell its price, within the day's bounds."""
    for _ in range(20):
        # The market moves once a second: it may do so between two of these requests.
        client.order(type="MARKET", quantity="0.001", newOrderRespType="ACK")
        price = client.public("/api/v3/ticker/price", symbol="BTCUSDT").json["price"]
        day = client.public("/api/v3/ticker/24hr", symbol="BTCUSDT").json
        assert Decimal(day["lowPrice"]) <= Decimal(day["lastPrice"]) <= Decimal(day["highPrice"])
        if price == day["lastPrice"] == "60000.00000000":
            return
    raise AssertionError("the trade was never the last price")


def test_all_open_orders_of_a_symbol_are_cancelled_over_http(paper: PaperServer, client: Client) -> None:
    """DELETE openOrders reports each cancelled order; when there is none it is refused."""
    for number in range(3):
        client.order(newClientOrderId=f"all-{number}")
    client.order(symbol="ETHUSDT", price="2000", quantity="0.1", newClientOrderId="other")
    told = client.signed("DELETE", "/api/v3/openOrders", symbol="BTCUSDT").json
    assert [row["origClientOrderId"] for row in told] == ["all-0", "all-1", "all-2"]
    assert {row["status"] for row in told} == {"CANCELED"}
    assert [row["clientOrderId"] for row in client.signed("GET", "/api/v3/openOrders").json] == ["other"]
    assert client.signed("DELETE", "/api/v3/openOrders", symbol="BTCUSDT").error == (
        400,
        -2011,
        "Unknown order sent.",
    )


def test_prevented_self_trades_are_told(paper: PaperServer, client: Client) -> None:
    """A FULL reply lists what was prevented, and both orders tell their prevented quantity when requested."""
    paper.controls.set_book("BTCUSDT", "59990", "60010")
    maker = client.order(side="SELL", price="60000", quantity="0.02").json["orderId"]
    taker = client.order(price="60000", quantity="0.05", selfTradePreventionMode="EXPIRE_BOTH").json
    assert (taker["status"], taker["fills"], taker["preventedQuantity"]) == ("EXPIRED_IN_MATCH", [], "0.05000000")
    assert taker["preventedMatches"] == [
        {
            "preventedMatchId": taker["preventedMatchId"],
            "makerOrderId": maker,
            "price": "60000.00000000",
            "takerPreventedQuantity": "0.05000000",
            "makerPreventedQuantity": "0.02000000",
        }
    ]
    asked = client.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=maker).json
    assert (asked["status"], asked["preventedQuantity"]) == ("EXPIRED_IN_MATCH", "0.02000000")
    assert {locked for _, locked in client.balances().values()} == {"0.00000000"}
    assert client.order(selfTradePreventionMode="TRANSFER").error == (
        400,
        -1013,
        "This symbol does not allow the specified self-trade prevention mode.",
    )


def test_icebergs_and_stops_are_told_with_their_terms(client: Client) -> None:
    """icebergQty and stopPrice come back where they apply; what does not fit the type is refused."""
    placed = client.order(quantity="0.01", icebergQty="0.002").json
    assert placed["icebergQty"] == "0.00200000"
    asked = client.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=placed["orderId"]).json
    assert (asked["icebergQty"], asked["origQty"]) == ("0.00200000", "0.01000000")
    assert client.order(quantity="0.01", icebergQty="0.02").error == (400, -2010, "IcebergQty exceeds QTY.")
    assert client.order(quantity="0.01", icebergQty="0.002", timeInForce="IOC").error == (
        400,
        -1014,
        "Unsupported order combination.",
    )
    many = client.order(quantity="0.01", icebergQty="0.00009")
    assert many.error == (400, -1013, "Filter failure: ICEBERG_PARTS")
    for kind, stop in (("STOP_LOSS", "59000"), ("TAKE_PROFIT", "61000")):
        terms: dict[str, Any] = {
            "symbol": "BTCUSDT",
            "side": "SELL",
            "type": kind,
            "quantity": "0.01",
            "stopPrice": stop,
        }
        reply = client.signed("POST", "/api/v3/order", newOrderRespType="RESULT", **terms).json
        assert (reply["type"], reply["stopPrice"], reply["price"]) == (kind, f"{stop}.00000000", "0.00000000")
        refused = client.signed("POST", "/api/v3/order", price="58000", **terms)
        assert refused.error == (400, -1106, "Parameter 'price' sent when not required.")
        del terms["stopPrice"]
        assert client.signed("POST", "/api/v3/order", **terms).error == (
            400,
            -1102,
            "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!",
        )


def test_commission_rates_of_a_test_order(client: Client) -> None:
    """computeCommissionRates makes order/test tell what the order would pay."""
    terms: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    told = client.signed("POST", "/api/v3/order/test", computeCommissionRates="true", **terms).json
    assert told["standardCommissionForOrder"] == {"maker": "0.00100000", "taker": "0.00100000"}
    assert told["discount"]["enabledForAccount"] is False
    assert client.signed("POST", "/sapi/v1/bnbBurn", spotBNBBurn="true").json == {
        "spotBNBBurn": True,
        "interestBNBBurn": False,
    }
    assert client.signed("GET", "/api/v3/account/commission", symbol="BTCUSDT").json["discount"]["enabledForAccount"]
    fills = client.order(type="MARKET", quantity="0.01").json["fills"]
    assert [fill["commissionAsset"] for fill in fills] == ["BNB"]


def test_there_is_no_margin_here(unchanged: Client) -> None:
    """The two lists of margin pairs, which clients load, are empty."""
    assert unchanged.public("/sapi/v1/margin/allPairs").json == []
    assert unchanged.public("/sapi/v1/margin/isolated/allPairs").json == []


def test_futures_contracts_are_listed_and_priced(unchanged: Client) -> None:
    """Each contract of exchangeInfo has a price, a day and a mark; what is no contract is refused."""
    told = unchanged.public("/fapi/v1/exchangeInfo").json
    names = [row["symbol"] for row in told["symbols"]]
    assert "BTCUSDT" in names
    assert "ETHBTC" not in names
    for path in ("ticker/price", "ticker/24hr", "premiumIndex"):
        rows = unchanged.public(f"/fapi/v1/{path}").json
        assert [row["symbol"] for row in rows] == names
        assert unchanged.public(f"/fapi/v1/{path}", symbol="ETHBTC").error == (400, -1121, "Invalid symbol.")
        assert unchanged.public(f"/fapi/v1/{path}", symbol="ETHUSDT").json["symbol"] == "ETHUSDT"
    rate = unchanged.signed("GET", "/fapi/v1/commissionRate", symbol="BTCUSDT").json
    assert rate["symbol"] == "BTCUSDT"
    assert unchanged.signed("GET", "/fapi/v1/commissionRate").error[1] == -1102


def test_positions_are_all_in_version_2_and_only_held_ones_in_version_3(unchanged: Client) -> None:
    """Version 2 reports every contract, version 3 of those with a position; they agree on what is held."""
    second = unchanged.signed("GET", "/fapi/v2/positionRisk").json
    third = unchanged.signed("GET", "/fapi/v3/positionRisk").json
    held = {row["symbol"]: row["positionAmt"] for row in third}
    assert len(second) > len(third) > 0
    for row in second:
        assert Decimal(row["positionAmt"]) == Decimal(held.get(row["symbol"], "0"))
    assert len(unchanged.signed("GET", "/fapi/v2/positionRisk", symbol="SOLUSDT").json) == 1
