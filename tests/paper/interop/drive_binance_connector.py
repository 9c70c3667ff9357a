"""binance-connector; only the base URL is set."""

from __future__ import annotations

from typing import Any

from binance.error import ClientError
from binance.spot import Spot
from story import read_plot, tell


class BinanceConnector:
    """Thin methods with Binance's own parameter names."""

    def __init__(self, plot: dict[str, Any]) -> None:
        self.symbol, self.lively = plot["symbol"], plot["lively"]
        self.client = Spot(plot["key"], plot["secret"], base_url=plot["url"], private_key=plot["private_key"])

    def market(self) -> dict[str, Any]:
        assert self.client.ping() == {}
        assert self.client.time()["serverTime"] > 0
        assert self.client.exchange_info(symbol=self.symbol)["symbols"][0]["status"] == "TRADING"
        assert len(self.client.exchange_info(symbols=[self.symbol, "ETHUSDT"])["symbols"]) == 2
        assert len(self.client.ticker_price(symbols=[self.symbol, "ETHUSDT"])) == 2
        assert self.client.klines(self.lively, "1m", limit=5)
        assert self.client.trades(self.lively, limit=5)
        best = self.client.book_ticker(self.symbol)
        book = self.client.depth(self.symbol, limit=5)
        assert [book["bids"][0][0], book["asks"][0][0]] == [best["bidPrice"], best["askPrice"]]
        return {
            "price": self.client.ticker_price(self.symbol)["price"],
            "bid": best["bidPrice"],
            "ask": best["askPrice"],
            "average": self.client.avg_price(self.symbol)["price"],
            "open": self.client.ticker_24hr(self.symbol)["openPrice"],
        }

    def rehearse(self, order: dict[str, str]) -> None:
        assert self.client.new_order_test(self.symbol, **order) == {}

    def place(self, order: dict[str, str]) -> str:
        return self.client.new_order(self.symbol, **order)["status"]

    def refused(self, order: dict[str, str]) -> str:
        try:
            self.place(order)
        except ClientError as error:
            return error.error_message
        raise AssertionError(order)

    def ask(self, name: str) -> str:
        return self.client.get_order(self.symbol, origClientOrderId=name)["status"]

    def cancel(self, name: str) -> str:
        return self.client.cancel_order(self.symbol, origClientOrderId=name)["status"]

    def cancel_all(self) -> int:
        return len(self.client.cancel_open_orders(self.symbol))

    def open_orders(self) -> list[str]:
        return [row["clientOrderId"] for row in self.client.get_open_orders(self.symbol)]

    def history(self) -> list[list[str]]:
        rows = self.client.get_orders(self.symbol)
        return [[row["clientOrderId"], row["status"], row["executedQty"]] for row in rows]

    def trades(self) -> list[list[str]]:
        rows = self.client.my_trades(self.symbol)
        return [[row["price"], row["qty"], row["commission"], row["commissionAsset"]] for row in rows]

    def rates(self) -> list[str]:
        assert self.client.get_order_rate_limit()
        told = self.client.query_commission_rates(self.symbol)["standardCommission"]
        return [told["maker"], told["taker"]]

    def balances(self) -> dict[str, list[str]]:
        return {row["asset"]: [row["free"], row["locked"]] for row in self.client.account()["balances"]}


plot = read_plot()
tell(BinanceConnector(plot), plot)
