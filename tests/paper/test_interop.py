"""Clients that know nothing of guardian, unmodified but for their base URLs, find what they expect."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from binance.async_client import AsyncClient
from binance.exceptions import BinanceAPIException
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from guardian.paper.host.standalone import PaperServer
from guardian.paper.keys import verifier_of
from tests.support.peer_packages import (
    BINANCE,
    BINANCE_API_NODE,
    BINANCE_CONNECTOR,
    BINANCE_SDK_SPOT,
    BINANCE_SPOT,
    CCXT,
    PYTHON_BINANCE,
    Package,
    python_of,
)
from tests.support.peers import installed, peer_cache

PrivateKey = Ed25519PrivateKey | RSAPrivateKey

DRIVERS = Path(__file__).parent / "interop"
STORY_S = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Independent:
    """A client that others wrote: the package, its version, and the driver that plays the story with it."""

    package: Package
    driver: str
    mode: str = ""

    def __str__(self) -> str:
        return "-".join(part for part in (self.package.name, self.mode) if part)


CLIENTS = (
    Independent(package=PYTHON_BINANCE, driver="drive_python_binance.py", mode="sync"),
    Independent(package=PYTHON_BINANCE, driver="drive_python_binance.py", mode="async"),
    Independent(package=CCXT, driver="drive_ccxt.py"),
    Independent(package=BINANCE_CONNECTOR, driver="drive_binance_connector.py"),
    Independent(package=BINANCE_SDK_SPOT, driver="drive_binance_sdk_spot.py"),
    Independent(package=BINANCE, driver="drive_binance.mjs"),
    Independent(package=BINANCE_SPOT, driver="drive_binance_spot.mjs"),
    Independent(package=BINANCE_API_NODE, driver="drive_binance_api_node.mjs"),
)

RESULT, FULL = {"newOrderRespType": "RESULT"}, {"newOrderRespType": "FULL"}
GTC = {"type": "LIMIT", "timeInForce": "GTC"}
PLOT = {
    "symbol": "BTCUSDT",
    "lively": "ETHBTC",  # whose book is not pinned, so that others trade there
    "orders": [
        {"newClientOrderId": "resting", "side": "BUY", "quantity": "0.001", "price": "50000", **GTC, **RESULT},
        {"newClientOrderId": "bought", "side": "BUY", "type": "MARKET", "quantity": "0.01", **FULL},
        {"newClientOrderId": "spent", "side": "BUY", "type": "MARKET", "quoteOrderQty": "100", **FULL},
        {"newClientOrderId": "sold", "side": "SELL", "quantity": "0.002", "price": "59900", **GTC, **FULL},
        {
            "newClientOrderId": "stop",
            "side": "SELL",
            "type": "STOP_LOSS_LIMIT",
            "timeInForce": "GTC",
            "quantity": "0.004",
            "price": "57900",
            "stopPrice": "58000",
            **RESULT,
        },
        {
            "newClientOrderId": "maker",
            "side": "BUY",
            "type": "LIMIT_MAKER",
            "quantity": "0.005",
            "price": "59000.01",
            **RESULT,
        },
        {"newClientOrderId": "left", "side": "SELL", "quantity": "0.003", "price": "66000", **GTC, **FULL},
    ],
    "beyond": {"newClientOrderId": "beyond", "side": "BUY", "type": "MARKET", "quantity": "1", **FULL},
    "asked": ["resting", "bought"],
    "cancelled": ["resting", "stop"],
}

# Worked out by hand. 100 USDT at 60000 buy 0.00166; each commission is a thousandth of what was received.
# BTC:  0.5 + 0.01 - 0.00001 + 0.00166 - 0.00000166 - 0.002 = 0.50964834, of which 0.003 are offered.
# USDT: 10000 - 600 - 99.6 + 119.99998 - 0.11999998 = 9420.27998002, of which 0.005 x 59000.01 are bid.
SEEN: dict[str, Any] = {
    "before": {"BTC": ["0.5", "0"], "ETH": ["5", "0"], "BNB": ["10", "0"], "USDT": ["10000", "0"]},
    "market": {"bid": "59999.99", "ask": "60000", "average": "59999.995"},
    "rates": ["0.001", "0.001"],
    "placed": ["NEW", "FILLED", "FILLED", "FILLED", "NEW", "NEW", "NEW"],
    "refused": "Account has insufficient balance for requested action.",
    "open": ["resting", "stop", "maker", "left"],
    "asked": ["NEW", "FILLED"],
    "cancelled": ["CANCELED", "CANCELED"],
    "left open": ["maker", "left"],
    "history": [
        ["resting", "CANCELED", "0"],
        ["bought", "FILLED", "0.01"],
        ["spent", "FILLED", "0.00166"],
        ["sold", "FILLED", "0.002"],
        ["stop", "CANCELED", "0"],
        ["maker", "NEW", "0"],
        ["left", "NEW", "0"],
    ],
    "trades": [
        ["60000", "0.01", "0.00001", "BTC"],
        ["60000", "0.00166", "0.00000166", "BTC"],
        ["59999.99", "0.002", "0.11999998", "USDT"],
    ],
    "balances": {
        "BTC": ["0.50664834", "0.003"],
        "ETH": ["5", "0"],
        "BNB": ["10", "0"],
        "USDT": ["9125.27993002", "295.00005"],
    },
    "swept": 2,
    "after": {"BTC": ["0.50964834", "0"], "ETH": ["5", "0"], "BNB": ["10", "0"], "USDT": ["9420.27998002", "0"]},
}


def exact(told: object) -> Any:
    """The same with every number as a Decimal, so that 1.0 and 1.00000000 are one and no digit is lost."""
    if isinstance(told, dict):
        return {name: exact(value) for name, value in told.items()}
    if isinstance(told, list):
        return [exact(value) for value in told]
    if isinstance(told, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", told):
        return Decimal(told)
    return told


def held(balances: dict[str, list[Decimal]]) -> dict[str, list[Decimal]]:
    """What there is any of."""
    return {asset: both for asset, both in balances.items() if any(both)}


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where clients are installed."""
    with peer_cache(tmp_path_factory) as folder:
        yield folder


@pytest.fixture(scope="session")
def private_keys() -> dict[str, PrivateKey]:
    """One key of each kind that Binance takes beside HMAC."""
    return {"Ed25519": Ed25519PrivateKey.generate(), "RSA": generate_private_key(65537, 2048)}


@pytest.fixture(scope="session")
def pems(private_keys: dict[str, PrivateKey]) -> dict[str, str]:
    """The private keys as clients take them: several tell the kinds apart by length, so no newline at the end."""
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {kind: key.private_bytes(*form).decode().strip() for kind, key in private_keys.items()}


@pytest.fixture
def open_to_all(private_keys: dict[str, PrivateKey]) -> Iterator[PaperServer]:
    """A paper exchange whose account opens to three keys, BTCUSDT at 59999.99 / 60000.00 with 100 a side."""
    form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    others = {key_of(kind): verifier_of(key.public_key().public_bytes(*form)) for kind, key in private_keys.items()}
    with PaperServer(seed=7, api_key=key_of("HMAC"), other_keys=others) as server:
        server.controls.set_book("BTCUSDT", "59999.99", "60000")
        yield server
        assert server.troubles == []


def key_of(kind: str) -> str:
    """An API key for each kind of signature."""
    return kind.ljust(64, "0")


@pytest.mark.interop
@pytest.mark.parametrize("kind", ["HMAC", "Ed25519", "RSA"])
@pytest.mark.parametrize("client", CLIENTS, ids=str)
def test_independent_clients_tell_one_story_and_see_the_same_balances(
    client: Independent, kind: str, cache: Path, open_to_all: PaperServer, pems: dict[str, str]
) -> None:
    """Market data, account, orders, cancels and history work, and every amount is right to the last digit."""
    folder, paper = installed(client.package, cache), open_to_all
    paper.controls.set_average("BTCUSDT", "59999.995")
    secret = paper.api_secret.reveal() if kind == "HMAC" else None
    plot = {**PLOT, "url": paper.url, "key": key_of(kind), "secret": secret, "private_key": pems.get(kind)}
    interpreter = shutil.which("node") or "node" if client.package.is_node else python_of(folder)
    done = subprocess.run(
        [interpreter, str(DRIVERS / client.driver)],
        cwd=folder,
        input=json.dumps({**plot, "mode": client.mode}),
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=STORY_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = exact(json.loads(done.stdout))
    market = seen["market"]
    assert market["bid"] <= market.pop("price") <= market["ask"]
    assert market.pop("open") > 0
    seen |= {name: held(seen[name]) for name in ("before", "balances", "after")}
    assert seen == exact(SEEN)
    for asset, both in seen["after"].items():
        assert tuple(both) == paper.controls.balance(asset)


@pytest.fixture
def point_at(paper: PaperServer) -> Callable[[], Awaitable[AsyncClient]]:
    """Makes a python-binance client of the paper exchange."""

    async def make() -> AsyncClient:
        client = AsyncClient(paper.api_key.reveal(), paper.api_secret.reveal())
        client.API_URL = paper.url + "/api"
        client.MARGIN_API_URL = paper.url + "/sapi"
        client.FUTURES_URL = paper.url + "/fapi"
        return client

    return make


def test_python_binance_trades_and_reads_on_the_paper_exchange(
    paper: PaperServer, point_at: Callable[[], Awaitable[AsyncClient]]
) -> None:
    """Market data, account, orders, history, wallet and futures work through the client that guardian uses."""

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
            assert (await client.futures_account_balance())[0]["balance"] == "1500.00000000"
            assert (await client.futures_symbol_ticker(symbol="BTCUSDT"))["symbol"] == "BTCUSDT"
            assert len((await client.futures_exchange_info())["symbols"]) == len(await client.futures_mark_price())
            assert {row["coin"] for row in await client.get_all_coins_info()} >= {"BTC", "USDT"}
            assert await client.get_aggregate_trades(symbol="ETHBTC")
        finally:
            await client.close_connection()

    asyncio.run(day())
    assert paper.troubles == []
