"""Binance's REST protocol in front of the true exchange, in this process: what is seen of it, and what goes wrong.

`Wire` takes the place of aiohttp's session, so all of guardian's own door (request list, signing, mapping) is real.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
from yarl import URL

from tests.adversary.venue import ZERO, Market, Order, Refused, TradeRow, Venue

ORDER, OPEN_ORDERS, ALL_ORDERS, TRADES = "/api/v3/order", "/api/v3/openOrders", "/api/v3/allOrders", "/api/v3/myTrades"


@dataclass
class Post:
    """One order that came in over the wire."""

    client_id: str
    fields: dict[str, str]
    at_ms: int
    order: Order | None = None
    """None where it was refused, or never reached the engine."""
    refusal: int | None = None


@dataclass
class Front:
    """The requests, one by one. Faults are fields: they hold until they are taken back, or count down."""

    venue: Venue
    asked: Counter[str] = field(default_factory=Counter)
    posts: list[Post] = field(default_factory=list)
    deletes: list[dict[str, str]] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    """Paths, or `METHOD path`, that have no usable answer; `*` for all."""
    slow: dict[str, float] = field(default_factory=dict)
    """By path: how many seconds an answer takes."""
    lose: list[str] = field(default_factory=list)
    """What becomes of the next orders: the `reply` is lost, or the `order`, it is `refused`, its process
    `dies` over it, or `dies before` it."""
    lies: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    """By `METHOD path`: what is told in place of the truth, of each row of a list, once."""
    before_post: Callable[[Post], None] = lambda _post: None
    after_post: Callable[[Post], None] = lambda _post: None
    after_delete: Callable[[Order], None] = lambda _order: None
    wait: Callable[[float], None] = lambda _seconds: None

    def answer(self, method: str, path: str, fields: dict[str, str]) -> tuple[int, Any]:
        """Status and JSON. Raises what the network would."""
        self.asked[f"{method} {path}"] += 1
        self.wait(self.slow.get(path, 0.0))
        if {"*", path, f"{method} {path}"} & self.down:
            raise aiohttp.ServerDisconnectedError
        try:
            told = self._told(method, path, fields)
        except Refused as no:
            return no.status, {"code": no.code, "msg": no.text}
        lie = self.lies.pop(f"{method} {path}", None)
        if lie is None:
            return 200, told
        return 200, [lie(row) for row in told] if isinstance(told, list) else lie(told)

    def _told(self, method: str, path: str, fields: dict[str, str]) -> Any:
        if method == "POST":
            return self._post(fields)
        if method == "DELETE":
            self.deletes.append(fields)
            order = self._find(fields)
            if order is None:
                raise Refused(-2011, "Unknown order sent.")
            self.venue.cancel(order)
            self.after_delete(order)
            names = {"origClientOrderId": order.client_id, "clientOrderId": "x", "transactTime": order.updated}
            return report(order) | names
        if path == ORDER:
            order = self._find(fields)
            if order is None or order.is_hidden:
                raise Refused(-2013, "Order does not exist.")
            return report(order)
        if path in {OPEN_ORDERS, ALL_ORDERS}:
            return self._listed(path, fields)
        if path == TRADES:
            shown = [t for t in self.venue.trades if t.order.symbol == fields["symbol"] and not t.order.is_hidden]
            return [trade(t) for t in shown if str(t.order.order_id) == fields.get("orderId", str(t.order.order_id))]
        return self._market(path, fields)

    def _post(self, fields: dict[str, str]) -> Any:
        post = Post(fields["newClientOrderId"], fields, self.venue.now_ms())
        fate = self.lose.pop(0) if self.lose else "arrives"
        if fate == "dies before":
            raise Killed
        self.before_post(post)
        self.posts.append(post)
        if fate == "order":
            raise aiohttp.ServerDisconnectedError
        try:
            if fate == "refused":
                raise Refused(-2010, "This action is disabled on this account.")
            post.order = self.venue.place(fields)
        except Refused as no:
            post.refusal = no.code
            raise
        finally:
            self.after_post(post)
        if fate == "reply":
            raise aiohttp.ServerDisconnectedError
        if fate == "dies":
            raise Killed
        fills = [
            {"price": str(t.price), "qty": str(t.quantity), "commission": str(t.fee), "commissionAsset": t.fee_asset}
            for t in self.venue.trades
            if t.order is post.order
        ]
        return {**report(post.order), "transactTime": post.order.updated, "fills": fills}

    def _find(self, fields: dict[str, str]) -> Order | None:
        for order in reversed(self.venue.orders):
            same = fields.get("orderId") == str(order.order_id) or fields.get("origClientOrderId") == order.client_id
            if order.symbol == fields["symbol"] and same:
                return order
        return None

    def _listed(self, path: str, fields: dict[str, str]) -> list[dict[str, Any]]:
        symbol = fields.get("symbol")
        start, end = int(fields.get("startTime", 0)), int(fields.get("endTime", 2**62))
        shown = [o for o in self.venue.orders if not o.is_hidden and symbol in {None, o.symbol}]
        if path == OPEN_ORDERS:
            return [report(o) for o in shown if o.is_open]
        first = int(fields.get("orderId", 0))
        found = [report(o) for o in shown if start <= o.time <= end and o.order_id >= first]
        limit = int(fields.get("limit", 500))
        return found[:limit] if first or start else found[-limit:]

    # -- the market

    def _market(self, path: str, fields: dict[str, str]) -> Any:
        if path == "/api/v3/time":
            return {"serverTime": self.venue.now_ms()}
        if path == "/api/v3/account":
            assets = sorted(self.venue.free.keys() | self.venue.locked.keys())
            rows = [(a, self.venue.free.get(a, ZERO), self.venue.locked.get(a, ZERO)) for a in assets]
            balances = [{"asset": a, "free": f"{f:f}", "locked": f"{k:f}"} for a, f, k in rows]
            return {"uid": 1, "canTrade": True, "updateTime": self.venue.now_ms(), "balances": balances}
        several = "symbols" in fields or "symbol" not in fields
        wanted: list[Any] = json.loads(fields["symbols"]) if "symbols" in fields else [fields.get("symbol")]
        wanted = sorted(self.venue.markets) if wanted == [None] else wanted
        for symbol in wanted:
            if symbol not in self.venue.markets or not self.venue.markets[symbol].is_listed:
                raise Refused(-1121, "Invalid symbol.")
        found = [self.venue.markets[symbol] for symbol in wanted]
        if path == "/api/v3/exchangeInfo":
            return {"serverTime": self.venue.now_ms(), "rateLimits": [], "symbols": [rules(m) for m in found]}
        told = [self._quote(path, market) for market in found]
        return told if several else told[0]

    def _quote(self, path: str, market: Market) -> dict[str, Any]:
        now = self.venue.now_ms()
        traded = min(now, now if market.halted_ms is None else market.halted_ms) - market.traded_ago_ms
        if path == "/api/v3/avgPrice":
            if market.average is None:
                raise Refused(-1000, "An unknown error occurred.", 500)
            return {"mins": 5, "price": f"{market.average:f}", "closeTime": traded}
        bid, ask = f"{market.bid:f}", f"{market.ask:f}"
        if path == "/api/v3/ticker/bookTicker":
            return {"symbol": market.symbol, "bidPrice": bid, "bidQty": "1", "askPrice": ask, "askQty": "1"}
        last = f"{(market.average or ZERO):f}"
        if path == "/api/v3/ticker/price":
            return {"symbol": market.symbol, "price": last}
        if path == "/api/v3/ticker/24hr":
            names = ("lastPrice", "weightedAvgPrice", "openPrice", "highPrice", "lowPrice", "prevClosePrice")
            return {
                "symbol": market.symbol, "priceChange": "0", "priceChangePercent": "0", "bidPrice": bid,
                "askPrice": ask, "bidQty": "1", "askQty": "1", "lastQty": "1", "volume": "1", "quoteVolume": "1",
                "firstId": 1, "lastId": 2,
                "openTime": now - 86_400_000, "closeTime": traded, "count": 1, **dict.fromkeys(names, last),
            }  # fmt: skip
        raise AssertionError(f"nobody asks for {path}")


class Killed(BaseException):
    """The process is dead: nothing of guardian's catches this, and nothing behind it runs."""


def report(order: Order) -> dict[str, Any]:
    """An order as the exchange reports it."""
    return {
        "symbol": order.symbol, "orderId": order.order_id, "orderListId": -1, "clientOrderId": order.client_id,
        "price": f"{order.price:f}", "origQty": f"{order.quantity:f}", "executedQty": f"{order.executed:f}",
        "cummulativeQuoteQty": f"{order.quote:f}", "status": order.status, "timeInForce": order.time_in_force,
        "type": order.kind, "side": order.side, "stopPrice": f"{order.stop or ZERO:f}", "time": order.time,
        "updateTime": order.updated, "workingTime": order.time, "isWorking": not order.waits, "origQuoteOrderQty": "0",
    }  # fmt: skip


def trade(row: TradeRow) -> dict[str, Any]:
    """An execution as the exchange reports it."""
    return {
        "id": row.trade_id, "symbol": row.order.symbol, "orderId": row.order.order_id, "price": f"{row.price:f}",
        "qty": f"{row.quantity:f}", "quoteQty": f"{row.price * row.quantity:f}", "commission": f"{row.fee:f}",
        "commissionAsset": row.fee_asset, "time": row.time, "isBuyer": row.order.side == "BUY", "isMaker": False,
    }  # fmt: skip


def rules(market: Market) -> dict[str, Any]:
    """A symbol's row of `exchangeInfo`."""
    tick, step = f"{market.tick:f}", f"{market.step:f}"
    up, down = f"{1 + market.percent:f}", f"{1 - market.percent:f}"
    filters: list[dict[str, Any]] = [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "9000", "stepSize": step},
        {"filterType": "NOTIONAL", "minNotional": f"{market.min_notional:f}", "maxNotional": "9000000"},
        {
            "filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": up, "bidMultiplierDown": down,
            "askMultiplierUp": up, "askMultiplierDown": down, "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": market.max_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": market.max_stop_orders},
    ]  # fmt: skip
    if market.max_position:
        filters.append({"filterType": "MAX_POSITION", "maxPosition": f"{market.max_position:f}"})
    return {
        "symbol": market.symbol, "status": market.status, "baseAsset": market.base, "quoteAsset": market.quote,
        "orderTypes": list(market.order_types), "isSpotTradingAllowed": True, "filters": filters,
    }  # fmt: skip


@dataclass
class _Body:
    whole: bytes

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self.whole


@dataclass
class _Response:
    status: int
    content: _Body
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Wire:
    """What guardian's client takes for its HTTP session."""

    front: Front
    closed: bool = False

    @asynccontextmanager
    async def request(
        self, method: str, url: URL, *, data: bytes | None = None, **_: object
    ) -> AsyncIterator[_Response]:
        """One request and its answer."""
        text = url.raw_query_string if data is None else data.decode()
        status, told = self.front.answer(method, url.path, dict(parse_qsl(text)))
        yield _Response(status, _Body(json.dumps(told).encode()))

    async def close(self) -> None:
        """Nothing was opened."""
