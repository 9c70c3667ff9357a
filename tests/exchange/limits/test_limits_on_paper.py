"""Against an exchange that counts as Binance does, and answers 429 and then 418 to who passes its limits."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from guardian.domain.orders import OrderReport
from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind
from guardian.errors import ExchangeRateLimited
from guardian.exchange.exchange import Exchange
from guardian.paper.host.standalone import PaperServer
from guardian.paper.rest.rate_limits import RateLimitSettings
from tests.exchange.http.test_wire import limit_order
from tests.exchange.support.exchange_setup import exchange_at, now_ms
from tests.exchange.test_on_paper import client_order_id

pytestmark = pytest.mark.anyio

SMALL = RateLimitSettings(weight_per_minute=400, orders_per_10_seconds=20)


async def test_load_over_the_limits_is_held_back_before_the_exchange_has_to_say_so(tmp_path: Path) -> None:
    """Two doors of one home ask for far more than the limits: all that is refused is refused here, and cancels go."""
    with PaperServer(balances={"USDT": "1000000"}, limits=SMALL) as server:
        server.controls.set_book("BTCUSDT", "60000.00", "60000.01")
        keys = ApiKeyPair(
            environment="paper",
            family=KeyFamily.SPOT,
            kind=KeyKind.HMAC,
            api_key=server.api_key,
            signing_key=server.api_secret,
        )
        shared: dict[str, Any] = {"keys": keys, "limits_path": tmp_path / "limits.db", "pause": asyncio.sleep}
        async with exchange_at(server.url, **shared) as one, exchange_at(server.url, **shared) as other:
            await one.instrument("BTCUSDT")

            async def order(number: int, door: Exchange) -> OrderReport:
                name = client_order_id(number)
                return await door.place_order(
                    limit_order("0.001", "59000"), client_order_id=name, timestamp_ms=now_ms()
                )

            doors = [one, other]
            asked: list[Coroutine[Any, Any, Any]] = [order(number, doors[number % 2]) for number in range(40)]
            asked += [doors[number % 2].open_orders("BTCUSDT") for number in range(100)]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            refused = [one for one in answers if isinstance(one, Exception)]
            assert {type(one) for one in refused} == {ExchangeRateLimited}
            # An answer of the exchange itself has another hint.
            assert all("guardian keeps within" in getattr(one, "hint", "") for one in refused)
            placed = [one for one in answers[:40] if isinstance(one, OrderReport)]
            assert len(placed) >= 15
            assert len(server.controls.orders()) == len(placed)
            assert any(isinstance(one, tuple) for one in answers[40:])
            for report in placed[:15]:
                await other.cancel_order("BTCUSDT", order_id=report.order_id, timestamp_ms=now_ms())
        assert server.troubles == []
