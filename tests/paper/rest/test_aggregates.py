"""Aggregate trades: what one order did to the book at one price, shown as one."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from guardian.paper.host.standalone import PaperServer
from guardian.paper.market.feed import MarketTrade
from guardian.paper.market.seeded import SeededFeed
from tests.paper.support.client import Client, ClientFor

SYMBOL = {"symbol": "BTCUSDT"}


class SweepingFeed(SeededFeed):
    """A market in which five trades came a second ago: three of one order at two prices, and two of others."""

    def trades(self, symbol: str, after: int, until: int) -> Iterable[MarketTrade]:
        moment = until // 1000 * 1000
        told = [
            (11, "60000", "0.1", moment - 1000, False),
            (12, "60000", "0.2", moment - 1000, False),
            (13, "60000.01", "0.4", moment - 1000, False),
            (14, "60000.01", "0.5", moment - 1000, True),
            (15, "60000.01", "0.6", moment - 900, True),
        ]
        return [
            MarketTrade(
                trade_id=number, price=Decimal(price), quantity=Decimal(quantity), time=time, is_buyer_maker=maker
            )
            for number, price, quantity, time, maker in told
            if after < time <= until
        ]


def test_trades_of_one_moment_price_and_side_are_told_as_one(client_for: ClientFor) -> None:
    """The quantities add up and the first and last trade are named; another price, side or moment is another one."""
    with PaperServer(seed=7, feed=SweepingFeed(7)) as server:
        client = client_for(server.endpoint)
        rows = client.public("/api/v3/aggTrades", **SYMBOL).json
        assert [(row["f"], row["l"], row["p"], row["q"], row["m"]) for row in rows] == [
            (11, 12, "60000.00000000", "0.30000000", False),
            (13, 13, "60000.01000000", "0.40000000", False),
            (14, 14, "60000.01000000", "0.50000000", True),
            (15, 15, "60000.01000000", "0.60000000", True),
        ]
        assert [row["a"] for row in client.public("/api/v3/aggTrades", limit=2, **SYMBOL).json] == [14, 15]
        assert [row["a"] for row in client.public("/api/v3/aggTrades", limit=2, fromId=13, **SYMBOL).json] == [13, 14]


def test_aggregate_trades_of_a_period_are_within_it(unchanged: Client) -> None:
    """Both ends belong to the period; with a beginning the first ones are reported, else the last ones."""
    asked = {"symbol": "ETHBTC"}
    newest = unchanged.public("/api/v3/aggTrades", limit=50, **asked).json
    period = {"startTime": newest[10]["T"], "endTime": newest[19]["T"], **asked}
    assert unchanged.public("/api/v3/aggTrades", **period).json == newest[10:20]
    assert unchanged.public("/api/v3/aggTrades", limit=3, **period).json == newest[10:13]
    before = unchanged.public("/api/v3/aggTrades", endTime=newest[19]["T"], limit=3, **asked).json
    assert before == newest[17:20]
    refused = unchanged.public("/api/v3/aggTrades", fromId=1, **period)
    assert refused.error == (400, -1128, "Combination of optional parameters invalid.")
