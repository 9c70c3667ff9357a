"""ccxt, with its numbers as strings; only the base URLs are set."""

from __future__ import annotations

from typing import Any

import ccxt
from story import read_plot, tell


class Ccxt:
    """The unified methods; ids of orders are the exchange's own there."""

    def __init__(self, plot: dict[str, Any]) -> None:
        secret = plot["secret"] or plot["private_key"]
        self.client = ccxt.binance({"apiKey": plot["key"], "secret": secret, "number": str})
        for name, url in self.client.urls["api"].items():
            self.client.urls["api"][name] = plot["url"] + "/" + url.split("/", 3)[3]
        self.markets = self.client.load_markets()
        self.symbol, self.lively = self.spot(plot["symbol"]), self.spot(plot["lively"])
        self.ids: dict[str, str] = {}

    def spot(self, name: str) -> str:
        """ccxt's name of a spot symbol; a contract may have the same name on the exchange."""
        return next(market["symbol"] for market in self.client.markets_by_id[name] if market["spot"])

    def market(self) -> dict[str, Any]:
        assert self.client.fetch_time() > 0
        assert self.client.fetch_tickers()
        assert self.client.fetch_bids_asks()
        assert self.client.fetch_ohlcv(self.lively, "1m", limit=5)
        assert self.client.fetch_trades(self.lively, limit=5)
        assert self.client.fetch_order_book(self.symbol, limit=5)["bids"]
        day = self.client.fetch_ticker(self.symbol)
        best = self.client.fetch_bids_asks([self.symbol])[self.symbol]
        return {
            "price": self.client.fetch_last_prices([self.symbol])[self.symbol]["price"],
            "bid": best["bid"],
            "ask": best["ask"],
            "average": self.client.public_get_avgprice({"symbol": self.markets[self.symbol]["id"]})["price"],
            "open": day["open"],
        }

    def send(self, order: dict[str, str], **more: Any) -> dict[str, Any]:
        params = {"clientOrderId": order["newClientOrderId"], **more}
        params |= {name: order[name] for name in ("timeInForce", "quoteOrderQty", "stopPrice") if name in order}
        kind, side = order["type"].lower(), order["side"].lower()
        return self.client.create_order(self.symbol, kind, side, order.get("quantity"), order.get("price"), params)

    def rehearse(self, order: dict[str, str]) -> None:
        self.send(order, test=True)

    def place(self, order: dict[str, str]) -> str:
        placed = self.send(order)
        self.ids[order["newClientOrderId"]] = placed["id"]
        return placed["info"]["status"]

    def refused(self, order: dict[str, str]) -> str:
        try:
            self.send(order)
        except ccxt.InsufficientFunds as error:
            return str(error).removeprefix("binance ")
        raise AssertionError(order)

    def ask(self, name: str) -> str:
        return self.client.fetch_order(self.ids[name], self.symbol)["info"]["status"]

    def cancel(self, name: str) -> str:
        return self.client.cancel_order(self.ids[name], self.symbol)["info"]["status"]

    def cancel_all(self) -> int:
        return len(self.client.cancel_all_orders(self.symbol))

    def open_orders(self) -> list[str]:
        return [row["clientOrderId"] for row in self.client.fetch_open_orders(self.symbol)]

    def history(self) -> list[list[str]]:
        rows = self.client.fetch_orders(self.symbol)
        return [[row["clientOrderId"], row["info"]["status"], row["filled"]] for row in rows]

    def trades(self) -> list[list[str]]:
        rows = self.client.fetch_my_trades(self.symbol)
        return [[row["price"], row["amount"], row["fee"]["cost"], row["fee"]["currency"]] for row in rows]

    def rates(self) -> list[str]:
        told = self.client.fetch_trading_fee(self.symbol)
        return [told["maker"], told["taker"]]

    def balances(self) -> dict[str, list[str]]:
        told = self.client.fetch_balance()
        return {asset: [told["free"][asset], told["used"][asset]] for asset in told["total"]}


plot = read_plot()
tell(Ccxt(plot), plot)
