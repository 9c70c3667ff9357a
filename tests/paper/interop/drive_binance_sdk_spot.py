"""binance-sdk-spot, whose models say what they did not expect; only the base path is set."""

from __future__ import annotations

import re
from typing import Any

from binance_common.configuration import ConfigurationRestAPI
from binance_common.errors import BadRequestError
from binance_sdk_spot.spot import Spot
from story import read_plot, tell


def _snake(order: dict[str, str]) -> dict[str, str]:
    return {re.sub("([A-Z])", r"_\1", name).lower(): value for name, value in order.items()}


class BinanceSdkSpot:
    """The official SDK: every reply is parsed into a typed model."""

    def __init__(self, plot: dict[str, Any]) -> None:
        self.symbol, self.lively = plot["symbol"], plot["lively"]
        configuration = ConfigurationRestAPI(
            api_key=plot["key"],
            api_secret=plot["secret"],
            private_key=plot["private_key"],
            base_path=plot["url"],
            timeout=10_000,
            retries=0,
        )
        self.api = Spot(config_rest_api=configuration).rest_api

    def call(self, name: str, **params: Any) -> Any:
        told = getattr(self.api, name)(**params).data()
        # A oneOf of the SDK: one for a symbol, a list for several.
        return getattr(told, "actual_instance", None) or told

    def market(self) -> dict[str, Any]:
        self.call("ping")
        assert self.call("time").server_time > 0
        assert self.call("exchange_info", symbol=self.symbol).symbols[0].status == "TRADING"
        assert self.call("klines", symbol=self.lively, interval="1m", limit=5)
        assert self.call("get_trades", symbol=self.lively, limit=5)
        best = self.call("ticker_book_ticker", symbol=self.symbol)
        book = self.call("depth", symbol=self.symbol, limit=5)
        assert [book.bids[0][0], book.asks[0][0]] == [best.bid_price, best.ask_price]
        return {
            "price": self.call("ticker_price", symbol=self.symbol).price,
            "bid": best.bid_price,
            "ask": best.ask_price,
            "average": self.call("avg_price", symbol=self.symbol).price,
            "open": self.call("ticker24hr", symbol=self.symbol).open_price,
        }

    def rehearse(self, order: dict[str, str]) -> None:
        self.call("order_test", symbol=self.symbol, **_snake(order))

    def place(self, order: dict[str, str]) -> str:
        return self.call("new_order", symbol=self.symbol, **_snake(order)).status

    def refused(self, order: dict[str, str]) -> str:
        try:
            self.place(order)
        except BadRequestError as error:
            return error.error_message
        raise AssertionError(order)

    def ask(self, name: str) -> str:
        return self.call("get_order", symbol=self.symbol, orig_client_order_id=name).status

    def cancel(self, name: str) -> str:
        return self.call("delete_order", symbol=self.symbol, orig_client_order_id=name).status

    def cancel_all(self) -> int:
        return len(self.call("delete_open_orders", symbol=self.symbol))

    def open_orders(self) -> list[str]:
        return [row.client_order_id for row in self.call("get_open_orders", symbol=self.symbol)]

    def history(self) -> list[list[str]]:
        rows = self.call("all_orders", symbol=self.symbol)
        return [[row.client_order_id, row.status, row.executed_qty] for row in rows]

    def trades(self) -> list[list[str]]:
        rows = self.call("my_trades", symbol=self.symbol)
        return [[row.price, row.qty, row.commission, row.commission_asset] for row in rows]

    def rates(self) -> list[str]:
        assert self.call("rate_limit_order")
        told = self.call("account_commission", symbol=self.symbol).standard_commission
        return [told.maker, told.taker]

    def balances(self) -> dict[str, list[str]]:
        return {row.asset: [row.free, row.locked] for row in self.call("get_account").balances}


plot = read_plot()
tell(BinanceSdkSpot(plot), plot)
