"""The wallet's history and the futures account."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from guardian.paper.host.standalone import PaperServer
from tests.paper.support.client import Client, ClientFor

DAY_MS = 86_400_000


def test_wallet_history_is_the_same_for_the_same_seed_and_birth(client_for: ClientFor) -> None:
    """Two exchanges with one seed and one birth have one history; another seed has another."""

    def told(seed: int) -> list[object]:
        with PaperServer(seed=seed, clock=lambda: 1_795_000_000_000) as server:
            client = client_for(server.endpoint)
            asked: dict[str, Any] = {"timestamp": 1_795_000_000_000}
            return [
                client.signed("GET", "/sapi/v1/capital/deposit/hisrec", **asked).json,
                client.signed("GET", "/sapi/v1/capital/withdraw/history", **asked).json,
                client.signed("GET", "/fapi/v1/income", **asked).json,
                client.signed("GET", "/sapi/v1/capital/deposit/address", coin="ETH", **asked).json,
            ]

    assert told(1) == told(1)
    assert all(one != other for one, other in zip(told(1), told(2), strict=True))


def test_deposits_and_withdrawals_can_be_narrowed(unchanged: Client) -> None:
    """Coin, status, period, limit and offset narrow the history; a period over 90 days is refused."""
    path = "/sapi/v1/capital/deposit/hisrec"
    everything = unchanged.signed("GET", path).json
    assert [row["insertTime"] for row in everything] == sorted((row["insertTime"] for row in everything), reverse=True)
    assert {row["coin"] for row in unchanged.signed("GET", path, coin="BTC").json} == {"BTC"}
    assert unchanged.signed("GET", path, status=6).json == []
    assert unchanged.signed("GET", path, limit=2, offset=1).json == everything[1:3]
    newest = everything[0]["insertTime"]
    assert unchanged.signed("GET", path, startTime=newest, endTime=newest).json == everything[:1]
    assert unchanged.signed("GET", path, startTime=0, endTime=91 * DAY_MS).error[1] == -1127
    withdrawn = unchanged.signed("GET", "/sapi/v1/capital/withdraw/history", coin="ETH").json
    assert len(withdrawn) == 1
    assert withdrawn[0]["applyTime"] < withdrawn[0]["completeTime"]


def test_deposit_addresses_differ_by_network_and_unknown_coins_are_refused(unchanged: Client) -> None:
    """A coin without a network has its default one; an unknown coin or network is refused."""
    path = "/sapi/v1/capital/deposit/address"
    tron = unchanged.signed("GET", path, coin="USDT").json
    assert tron["address"].startswith("T")
    assert unchanged.signed("GET", path, coin="USDT", network="ETH").json["address"].startswith("0x")
    assert unchanged.signed("GET", path, coin="USDT", network="BTC").error[:2] == (400, -4019)
    assert unchanged.signed("GET", path, coin="WAT").error == (400, -4018, "We don't have this asset.")
    assert unchanged.signed("GET", path).error[1] == -1102


def test_transfers_are_of_one_type_and_paged(unchanged: Client) -> None:
    """A type is mandatory; total counts all, rows one page."""
    path = "/sapi/v1/asset/transfer"
    both = unchanged.signed("GET", path, type="MAIN_UMFUTURE").json
    assert (both["total"], len(both["rows"])) == (2, 2)
    second = unchanged.signed("GET", path, type="MAIN_UMFUTURE", current=2, size=1).json
    assert (second["total"], second["rows"]) == (2, both["rows"][1:])
    assert unchanged.signed("GET", path).error[1] == -1102
    assert unchanged.signed("GET", path, type="MARGIN_MAIN").json == {"total": 0, "rows": []}


def test_snapshots_are_daily_and_of_what_was_owned_then(client: Client) -> None:
    """A snapshot of a day before the first trade has the balances of that time, whatever was traded since."""
    client.order(type="MARKET", quantity="0.01")
    reply = client.signed("GET", "/sapi/v1/accountSnapshot", type="SPOT", limit=10).json["snapshotVos"]
    assert [later["updateTime"] - earlier["updateTime"] for earlier, later in pairwise(reply)] == [DAY_MS] * 9
    owned = {row["asset"]: row["free"] for row in reply[-1]["data"]["balances"]}
    assert owned == {"USDT": "10000", "BTC": "0.5", "ETH": "5", "BNB": "10"}
    assert client.signed("GET", "/sapi/v1/accountSnapshot", type="ODD").error[1] == -1130


def test_fees_are_listed_for_one_symbol_or_all(unchanged: Client) -> None:
    """tradeFee lists the symbol requested, else every symbol."""
    assert unchanged.signed("GET", "/sapi/v1/asset/tradeFee", symbol="ETHBTC").json == [
        {"symbol": "ETHBTC", "makerCommission": "0.001", "takerCommission": "0.001"}
    ]
    assert len(unchanged.signed("GET", "/sapi/v1/asset/tradeFee").json) >= 5


def test_the_paper_key_can_withdraw_nothing(unchanged: Client) -> None:
    """apiRestrictions says that the key reads and trades spot, and no more."""
    told = unchanged.signed("GET", "/sapi/v1/account/apiRestrictions").json
    assert {name for name, value in told.items() if value is True} == {"enableReading", "enableSpotAndMarginTrading"}


def test_futures_account_adds_up(unchanged: Client) -> None:
    """Margin balance is wallet plus profit, and profit is the positions' own."""
    account = unchanged.signed("GET", "/fapi/v3/account").json
    assert Decimal(account["totalMarginBalance"]) == Decimal(account["totalWalletBalance"]) + Decimal(
        account["totalUnrealizedProfit"]
    )
    assert sum(Decimal(row["unrealizedProfit"]) for row in account["positions"]) == Decimal(
        account["totalUnrealizedProfit"]
    )
    positions = unchanged.signed("GET", "/fapi/v3/positionRisk").json
    assert {row["symbol"] for row in positions} == {"BTCUSDT", "ETHUSDT"}
    for row in positions:
        assert Decimal(row["notional"]) * Decimal(row["positionAmt"]) > 0
    assert unchanged.signed("GET", "/fapi/v3/positionRisk", symbol="SOLUSDT").json == []
    assert unchanged.signed("GET", "/fapi/v3/positionRisk", symbol="ETHBTC").error[1] == -1121
    config = unchanged.signed("GET", "/fapi/v1/symbolConfig", symbol="BTCUSDT").json
    assert config == [
        {
            "symbol": "BTCUSDT",
            "marginType": "CROSSED",
            "isAutoAddMargin": False,
            "leverage": 10,
            "maxNotionalValue": "1000000",
        }
    ]


def test_income_and_forced_orders_can_be_narrowed(unchanged: Client) -> None:
    """Symbol, type, period and limit narrow income and forced orders."""
    income = unchanged.signed("GET", "/fapi/v1/income", incomeType="REALIZED_PNL").json
    assert {row["incomeType"] for row in income} == {"REALIZED_PNL"}
    assert len(unchanged.signed("GET", "/fapi/v1/income", limit=3).json) == 3
    forced = unchanged.signed("GET", "/fapi/v1/forceOrders").json
    assert [row["symbol"] for row in forced] == ["BTCUSDT", "ETHUSDT"]
    assert [row["symbol"] for row in unchanged.signed("GET", "/fapi/v1/forceOrders", symbol="ETHUSDT").json] == [
        "ETHUSDT"
    ]
    assert unchanged.signed("GET", "/fapi/v1/forceOrders", autoCloseType="ADL").json == []


@pytest.mark.parametrize("omit", ["true", "false"])
def test_zero_balances_can_be_left_out(unchanged: Client, omit: str) -> None:
    """omitZeroBalances leaves out what is empty, and the account's uid is a number."""
    account = unchanged.signed("GET", "/api/v3/account", omitZeroBalances=omit).json
    assert ("EUR" in {row["asset"] for row in account["balances"]}) == (omit == "false")
    assert isinstance(account["uid"], int)


def test_permissions_of_the_key_can_be_set(paper: PaperServer, client: Client) -> None:
    """A rehearsal changes a field or drops it; the next call without fields restores the usual answer."""
    path = "/sapi/v1/account/apiRestrictions"
    usual = client.signed("GET", path).json
    paper.controls.set_permissions(enableWithdrawals=True, ipRestrict=None, canFly=True)
    told = client.signed("GET", path).json
    assert told == {name: value for name, value in usual.items() if name != "ipRestrict"} | {
        "enableWithdrawals": True,
        "canFly": True,
    }
    paper.controls.set_permissions()
    assert client.signed("GET", path).json == usual
