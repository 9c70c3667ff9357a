"""python-binance, sync or async as the plot says; only the base URL is set."""

from __future__ import annotations

import asyncio
from typing import Any

from binance import AsyncClient, Client
from binance.exceptions import BinanceAPIException
from story import read_plot, tell


class PythonBinance:
    """Calls by name, so that one story serves both of the package's clients."""

    def __init__(self, plot: dict[str, Any]) -> None:
        self.symbol, self.lively = plot["symbol"], plot["lively"]
        self.loop = asyncio.new_event_loop()
        if plot["mode"] == "async":
            self.loop.run_until_complete(self.connect(plot))
        else:
            self.client = Client(plot["key"], plot["secret"], private_key=plot["private_key"], ping=False)
            self.client.API_URL = plot["url"] + "/api"
            assert self.client.ping() == {}

    async def connect(self, plot: dict[str, Any]) -> None:
        self.client = AsyncClient(plot["key"], plot["secret"], private_key=plot["private_key"])
        self.client.API_URL = plot["url"] + "/api"
        assert await self.client.ping() == {}

    def call(self, name: str, **params: Any) -> Any:
        told = getattr(self.client, name)(**params)
        return self.loop.run_until_complete(told) if asyncio.iscoroutine(told) else told

    def market(self) -> dict[str, Any]:
        assert self.call("get_server_time")["serverTime"] > 0
        assert self.symbol in {row["symbol"] for row in self.call("get_exchange_info")["symbols"]}
        assert self.call("get_symbol_info", symbol=self.symbol)["status"] == "TRADING"
        assert self.call("get_all_tickers")
        assert self.call("get_orderbook_tickers")
        assert self.call("get_klines", symbol=self.lively, interval="1m", limit=5)
        assert self.call("get_recent_trades", symbol=self.lively, limit=5)
        assert self.call("get_aggregate_trades", symbol=self.lively, limit=5)
        best = self.call("get_orderbook_ticker", symbol=self.symbol)
        book = self.call("get_order_book", symbol=self.symbol, limit=5)
        assert [book["bids"][0][0], book["asks"][0][0]] == [best["bidPrice"], best["askPrice"]]
        return {
            "price": self.call("get_symbol_ticker", symbol=self.symbol)["price"],
            "bid": best["bidPrice"],
            "ask": best["askPrice"],
            "average": self.call("get_avg_price", symbol=self.symbol)["price"],
            "open": self.call("get_ticker", symbol=self.symbol)["openPrice"],
        }

    def rehearse(self, order: dict[str, str]) -> None:
        assert self.call("create_test_order", symbol=self.symbol, **order) == {}

    def place(self, order: dict[str, str]) -> str:
        return self.call("create_order", symbol=self.symbol, **order)["status"]

    def refused(self, order: dict[str, str]) -> str:
        try:
            self.place(order)
        except BinanceAPIException as error:
            return error.message
        raise AssertionError(order)

    def ask(self, name: str) -> str:
        return self.call("get_order", symbol=self.symbol, origClientOrderId=name)["status"]

    def cancel(self, name: str) -> str:
        return self.call("cancel_order", symbol=self.symbol, origClientOrderId=name)["status"]

    def cancel_all(self) -> int:
        return len(self.call("cancel_all_open_orders", symbol=self.symbol))

    def open_orders(self) -> list[str]:
        return [row["clientOrderId"] for row in self.call("get_open_orders", symbol=self.symbol)]

    def history(self) -> list[list[str]]:
        rows = self.call("get_all_orders", symbol=self.symbol)
        return [[row["clientOrderId"], row["status"], row["executedQty"]] for row in rows]

    def trades(self) -> list[list[str]]:
        rows = self.call("get_my_trades", symbol=self.symbol)
        return [[row["price"], row["qty"], row["commission"], row["commissionAsset"]] for row in rows]

    def rates(self) -> list[str]:
        told = self.call("get_account")["commissionRates"]
        return [told["maker"], told["taker"]]

    def balances(self) -> dict[str, list[str]]:
        return {row["asset"]: [row["free"], row["locked"]] for row in self.call("get_account")["balances"]}


plot = read_plot()
teller = PythonBinance(plot)
try:
    tell(teller, plot)
finally:
    teller.call("close_connection")
    teller.loop.close()
