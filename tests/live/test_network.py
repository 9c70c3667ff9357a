"""The play of live is reached by code alone: nothing that is set leads there, and nothing in it leads out."""

from __future__ import annotations

import ast
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

import guardian
from guardian.domain.accounts import KeyPermissions
from guardian.domain.trading import Environment
from guardian.errors import ExchangeUnavailable, NotSent
from guardian.exchange.environments import EnvironmentSpec
from guardian.exchange.exchange import Exchange
from guardian.exchange.http.tls import own_tls_context
from guardian.exchange.network import Network
from guardian.policy.permissions import judge_permissions
from guardian.system.clock import SYSTEM_CLOCK
from tests.exchange.http.test_wire import limit_order
from tests.exchange.support.exchange_setup import now_ms
from tests.support.authority import made_authority
from tests.support.live_play import FUTURES_HOST, HOSTS, SPOT_HOST, LivePlay, trusting_only

pytestmark = pytest.mark.anyio

COINS = {"Deposit", "DepositAddress", "GetDepositAddress", "Withdrawal"}
"""They have a network too: the one that a coin is sent over."""
SOURCE = Path(guardian.__file__).parent


@asynccontextmanager
async def live(play: LivePlay, network: Network | None) -> AsyncIterator[Exchange]:
    spec = EnvironmentSpec(environment=Environment.LIVE)
    exchange = Exchange(spec, spot=play.pair, futures=None, clock=SYSTEM_CLOCK, network=network)
    try:
        yield exchange
    finally:
        await exchange.close()


async def test_live_is_played_on_loopback_under_its_own_names(play: LivePlay) -> None:
    """Reads, an order and its cancel, the futures host and the permissions go over TLS to Binance's names, here."""
    async with live(play, play.network) as exchange:
        assert (await exchange.balances()).can_trade
        order_id = "g1-" + "0" * 32
        await exchange.place_order(limit_order("0.001", "59000"), client_order_id=order_id, timestamp_ms=now_ms())
        await exchange.cancel_order("BTCUSDT", client_order_id=order_id, timestamp_ms=now_ms())
        found: KeyPermissions = await exchange.key_permissions()
        assert judge_permissions(found, now_ms=0).is_safe
        assert abs(await exchange.clock_skew_ms()) < 1000
        await exchange._client().futures_time()
    assert set(play.resolver.asked) == set(HOSTS)
    assert {(host, path) for host, _, path in play.requests} >= {
        (SPOT_HOST, "/api/v3/order"),
        (SPOT_HOST, "/sapi/v1/account/apiRestrictions"),
        (FUTURES_HOST, "/fapi/v1/time"),
    }


@pytest.mark.parametrize(
    "host", ["example.com", "www.binance.com", "api.binance.us", "localhost", "demo-api.binance.com"]
)
async def test_play_knows_no_other_host(play: LivePlay, host: str) -> None:
    """Whatever else its session is asked for ends at the resolver, and no connection is tried."""
    async with live(play, play.network) as exchange:
        with pytest.raises(aiohttp.ClientConnectorDNSError):
            await exchange._client()._open_session().get(f"https://{host}/")
    assert play.resolver.asked == [host]
    assert play.requests == []


async def test_guardians_own_client_does_not_believe_the_play(play: LivePlay) -> None:
    """With the names led to loopback alone, as a changed hosts file would, TLS refuses: no request is made."""
    diverted = Network(resolver=play.resolver, tls=own_tls_context())
    async with live(play, diverted) as exchange:
        with pytest.raises(ExchangeUnavailable):
            await exchange.key_permissions()
        with pytest.raises(NotSent):
            await exchange.place_order(limit_order(), client_order_id="g1-" + "1" * 32, timestamp_ms=now_ms())
    assert play.requests == []
    assert play.controls.orders() == []


async def test_authority_of_another_play_is_not_believed(play: LivePlay, tmp_path: Path) -> None:
    """Only the one authority that the test names counts."""
    made_authority(tmp_path, HOSTS)
    async with live(play, Network(resolver=play.resolver, tls=trusting_only(tmp_path / "ca.pem"))) as exchange:
        with pytest.raises(ExchangeUnavailable):
            await exchange.key_permissions()
    assert play.requests == []


async def test_without_a_network_the_systems_resolver_and_the_own_authorities_are_used(
    play: LivePlay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guardian's own client asks the system for exactly Binance's name, whatever the environment's variables say."""
    asked: list[tuple[str, int]] = []

    async def resolve(self: object, host: str, port: int = 0, family: int = 0) -> list[object]:
        asked.append((host, port))
        raise OSError("nothing is looked up in a test")

    monkeypatch.setattr(aiohttp.resolver.DefaultResolver, "resolve", resolve)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "SSL_CERT_FILE", "BINANCE_API_URL", "GUARDIAN_NETWORK"):
        monkeypatch.setitem(os.environ, name, "http://127.0.0.1:9")
    async with live(play, None) as exchange:
        with pytest.raises(ExchangeUnavailable):
            await exchange.balances()
        connector = exchange._client()._open_session().connector
        assert isinstance(connector, aiohttp.TCPConnector)
        assert type(connector._resolver) is aiohttp.resolver.DefaultResolver
        assert connector._ssl is own_tls_context()
    assert set(asked) == {(SPOT_HOST, 443)}
    assert play.requests == []


async def test_paper_ignores_a_network(play: LivePlay) -> None:
    """A network is for the hosts of TLS alone: the paper exchange stays on its loopback address."""
    spec = EnvironmentSpec(environment=Environment.PAPER, paper_endpoint="http://127.0.0.1:1")
    exchange = Exchange(spec, spot=None, futures=None, clock=SYSTEM_CLOCK, network=play.network)
    with pytest.raises(ExchangeUnavailable):
        await exchange.ticker_price("BTCUSDT")
    await exchange.close()
    assert play.resolver.asked == []


def test_no_code_of_guardians_makes_a_network_or_hands_one_to_an_opened_home() -> None:
    """Only the constructors pass one on; no command, server, setting or policy can name one."""
    makes, passes = set(), set()
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            module = path.relative_to(SOURCE).as_posix()
            if name == "Network":
                makes.add(module)
            if name not in COINS and any(keyword.arg == "network" for keyword in node.keywords):
                passes.add(module)
            if name == "open_guardian" or (name == "open_home" and module != "bootstrap.py"):
                assert all(keyword.arg in {"home", "clock"} for keyword in node.keywords), module
    assert makes == set()
    assert passes == {
        "bootstrap.py", "cli/keys/account/trial.py", "connector.py", "exchange/exchange.py", "exchange/session.py",
    }  # fmt: skip
