"""python-binance, unmodified but for its base URLs, finds what it expects."""

from __future__ import annotations

from decimal import Decimal

import pytest
from binance.async_client import AsyncClient
from binance.exceptions import BinanceAPIException


@pytest.fixture
def point_at(paper):
    """Makes a python-binance client of the paper exchange."""

    async def make() -> AsyncClient:
        client = AsyncClient(paper.api_key.reveal(), paper.api_secret.reveal())
        client.API_URL = paper.url + "/api"
        client.MARGIN_API_URL = paper.url + "/sapi"
        client.FUTURES_URL = paper.url + "/fapi"
        return client

    return make


def test_python_binance_trades_and_reads_on_the_paper_exchange(paper, point_at):
    """Market data, account, orders, history, wallet and futures work through the client that guardian uses."""
    import asyncio

    async def day() -> None:
        client = await point_at()
        try:
            assert await client.ping() == {}
            assert len((await client.get_exchange_info())["symbols"]) == 5
            assert (await client.get_symbol_ticker(symbol="BTCUSDT"))["price"] == "59999.99000000"
            assert (await client.get_order_book(symbol="BTCUSDT"))["asks"] == [["60000.00000000", "100.00000000"]]
            assert (await client.get_avg_price(symbol="BTCUSDT"))["mins"] == 5
            bought = await client.create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01")
            assert bought["status"] == "FILLED"
            placed = await client.create_order(
                symbol="BTCUSDT",
                side="BUY",
                type="LIMIT",
                timeInForce="GTC",
                quantity="0.001",
                price="50000",
                newClientOrderId="g1-0123456789abcdef0123456789abcdef",
            )
            assert [row["orderId"] for row in await client.get_open_orders()] == [placed["orderId"]]
            gone = await client.cancel_order(symbol="BTCUSDT", origClientOrderId=placed["clientOrderId"])
            assert gone["status"] == "CANCELED"
            assert len(await client.get_all_orders(symbol="BTCUSDT")) == 2
            assert len(await client.get_my_trades(symbol="BTCUSDT")) == 1
            balance = await client.get_asset_balance("BTC")
            assert Decimal(balance["free"]) == Decimal("0.50999")
            with pytest.raises(BinanceAPIException) as caught:
                await client.create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="1")
            assert (caught.value.code, caught.value.status_code) == (-2010, 400)
            assert (await client.get_account_snapshot(type="SPOT"))["code"] == 200
            assert await client.get_deposit_history()
            assert await client.get_withdraw_history()
            assert (await client.get_deposit_address(coin="USDT", network="TRX"))["address"].startswith("T")
            assert (await client.query_universal_transfer_history(type="MAIN_UMFUTURE"))["total"] == 2
            assert (await client.get_trade_fee(symbol="BTCUSDT"))[0]["makerCommission"] == "0.001"
            assert await client.futures_position_information()
            assert await client.futures_income_history()
            assert (await client.futures_account(version=3))["totalWalletBalance"] == "1500.00000000"
            assert (await client.futures_account())["canTrade"] is False
        finally:
            await client.close_connection()

    asyncio.run(day())
    assert paper.troubles == []
