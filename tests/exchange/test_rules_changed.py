"""Trading rules are kept for an hour, and no longer than until the exchange contradicts them."""

from __future__ import annotations

import copy
import time
from decimal import Decimal
from typing import Any

import pytest

from guardian.domain.orders import OrderSide, OrderSpec, OrderType, ResolvedOrder, TimeInForce
from guardian.errors import ExchangeRejected
from guardian.exchange.exchange import Exchange
from tests.exchange.support.exchange_samples import answer, listed
from tests.exchange.support.exchange_setup import served
from tests.exchange.support.loopback_exchange import Seen, Told
from tests.support.present import present

pytestmark = pytest.mark.anyio


def an_order() -> ResolvedOrder:
    """BUY LIMIT 0.00001 BTCUSDT at 60000."""
    spec = OrderSpec(
        symbol="BTCUSDT",
        side=OrderSide.BUY,
        order_type=OrderType.LIMIT,
        quantity=Decimal("0.00001"),
        price=Decimal(60000),
        time_in_force=TimeInForce.GTC,
    )
    return ResolvedOrder(
        spec=spec,
        wire_type=OrderType.LIMIT,
        quantity=Decimal("0.00001"),
        price=Decimal(60000),
        time_in_force=TimeInForce.GTC,
    )


class Market:
    """Lists BTCUSDT with a step size and a status that a test changes, and refuses orders as `refusal` says."""

    def __init__(self) -> None:
        self.step, self.status = "0.00001", "TRADING"
        self.refusal: dict[str, Any] | None = None
        self.is_gone = False

    def __call__(self, seen: Seen) -> object:
        if self.is_gone:
            return Told(status=400, body={"code": -1121, "msg": "Invalid symbol."})
        if seen.path == "/api/v3/exchangeInfo":
            row = copy.deepcopy(listed(status=self.status))
            row["filters"][1]["stepSize"] = self.step
            return {"symbols": [row]}
        if seen.method == "POST" and self.refusal is not None:
            return Told(status=400, body=self.refusal)
        return answer(seen.method, seen.path)


async def place(exchange: Exchange) -> None:
    await exchange.place_order(an_order(), client_order_id="g1-a", timestamp_ms=time.time_ns() // 1_000_000)


@pytest.mark.parametrize(
    "refusal",
    [
        {"code": -1013, "msg": "Filter failure: LOT_SIZE"},
        {"code": -1111, "msg": "Precision is over the maximum defined for this asset."},
        {"code": -1121, "msg": "Invalid symbol."},
        {"code": -2010, "msg": "Market is closed."},
    ],
    ids=lambda refusal: str(refusal["code"]),
)
async def test_order_that_is_refused_makes_the_rules_of_its_symbol_be_fetched_again(refusal: dict[str, Any]) -> None:
    """The order passed the rules that were kept, so the next one is judged by new ones. (They stayed for an hour.)"""
    market = Market()
    async with served(market) as (_, exchange):
        assert present(await exchange.instrument("BTCUSDT")).lot.step == Decimal("0.00001")
        market.step, market.refusal = "0.001", refusal
        assert present(await exchange.instrument("BTCUSDT")).lot.step == Decimal("0.00001")
        with pytest.raises(ExchangeRejected):
            await place(exchange)
        assert present(await exchange.instrument("BTCUSDT")).lot.step == Decimal("0.001")


async def test_order_that_is_placed_leaves_the_rules_as_they_are() -> None:
    """No request is spent on rules that the exchange has just confirmed."""
    async with served(Market()) as (server, exchange):
        await exchange.instrument("BTCUSDT")
        await place(exchange)
        await exchange.instrument("BTCUSDT")
        assert [seen.path for seen in server.seen].count("/api/v3/exchangeInfo") == 1


async def test_status_other_than_trading_is_asked_for_again_each_time() -> None:
    """A symbol that trades again is traded again at once, as its price is. (For 5 s even a full exit was denied.)"""
    market = Market()
    market.status = "BREAK"
    async with served(market) as (server, exchange):
        assert not present(await exchange.instrument("BTCUSDT")).is_trading
        market.status = "TRADING"
        assert present(await exchange.instrument("BTCUSDT")).is_trading
        assert present(await exchange.instrument("BTCUSDT")).is_trading
        assert len(server.seen) == 2


async def test_symbol_that_has_no_price_any_more_is_looked_up_again() -> None:
    """Where the exchange no longer knows a symbol that is kept as listed, its rules are forgotten."""
    market = Market()
    async with served(market) as (_, exchange):
        assert await exchange.instrument("BTCUSDT") is not None
        market.is_gone = True
        assert await exchange.book_tops(["BTCUSDT"]) == {}
        assert await exchange.instrument("BTCUSDT") is None
