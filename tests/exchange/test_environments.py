"""Nothing leaves the chosen environment, and nothing but the listed requests is ever made."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from guardian.domain.market import CandleInterval, CandleSpan
from guardian.domain.requests import (
    GetAccountSnapshot,
    GetDepositAddress,
    GetDepositHistory,
    GetFuturesPnl,
    GetLiquidationHistory,
    GetPositionInfo,
    GetUniversalTransferHistory,
    GetWithdrawHistory,
)
from guardian.domain.secrets import ApiKeyPair, KeyFamily
from guardian.domain.trading import Environment
from guardian.errors import CredentialsError, NoCredentials, RequestRefused
from guardian.exchange.environments import ENDPOINTS, LIVE_ENDPOINTS, ApiFamily, EnvironmentSpec
from guardian.exchange.exchange import Exchange
from guardian.exchange.http.request_list import permitted
from guardian.system.clock import SYSTEM_CLOCK
from tests.exchange.http.test_wire import limit_order
from tests.exchange.support.exchange_samples import ORDER
from tests.exchange.support.exchange_setup import CANARY_KEY, now_ms, pair
from tests.exchange.support.recording_session import RecordingSession
from tests.support.present import present

pytestmark = pytest.mark.anyio

HOSTS = {
    Environment.PAPER: {"127.0.0.1"},
    Environment.TESTNET: {"testnet.binance.vision", "testnet.binancefuture.com"},
    Environment.DEMO: {"demo-api.binance.com", "demo-fapi.binance.com"},
    Environment.LIVE: {"api.binance.com", "fapi.binance.com"},
}

Call = Callable[[Exchange], Coroutine[Any, Any, Any]]
"""One request of the facade."""
READS: dict[str, Call] = {
    "get_ticker_price": lambda e: e.ticker_price("BTCUSDT"),
    "get_ticker": lambda e: e.ticker("BTCUSDT"),
    "get_ticker with candles": lambda e: e.candles("BTCUSDT", CandleSpan(interval=CandleInterval.H1, count=24)),
    "get_order_book": lambda e: e.order_book("BTCUSDT", 20),
    "get_available_assets": lambda e: e.listing("ETH"),
    "get_balance": lambda e: e.balances(),
    "get_position_info": lambda e: e.positions(GetPositionInfo()),
    "get_pnl": lambda e: e.profit_and_loss(GetFuturesPnl()),
    "get_orders": lambda e: e.all_orders("BTCUSDT"),
    "get_orders open": lambda e: e.open_orders("BTCUSDT"),
    "get_orders one": lambda e: e.order("BTCUSDT", order_id=28),
    "trades of an order": lambda e: e.my_trades("BTCUSDT", 28),
    "get_fee_info": lambda e: e.fee("BTCUSDT"),
    "get_liquidation_history": lambda e: e.liquidations(GetLiquidationHistory()),
    "instrument": lambda e: e.instrument("BTCUSDT"),
    "book_tops": lambda e: e.book_tops(["BTCUSDT"]),
    "average_price": lambda e: e.average_price("BTCUSDT"),
    "clock_skew_ms": lambda e: e.clock_skew_ms(),
    "clock_skew_ms of futures": lambda e: e.clock_skew_ms(ApiFamily.FUTURES),
}
WALLET_READS: dict[str, Call] = {
    "get_account_snapshot": lambda e: e.account_snapshot(GetAccountSnapshot()),
    "get_deposit_history": lambda e: e.deposits(GetDepositHistory()),
    "get_deposit_address": lambda e: e.deposit_address(GetDepositAddress(coin="BTC")),
    "get_withdraw_history": lambda e: e.withdrawals(GetWithdrawHistory()),
    "get_universal_transfer_history": lambda e: e.transfers(GetUniversalTransferHistory(transfer_type="MAIN_UMFUTURE")),
}
LIVE_READS: dict[str, Call] = {"permissions of the key": lambda e: e.key_permissions()}
WRITES: dict[str, Call] = {
    "place": lambda e: e.place_order(limit_order(), client_order_id=ORDER["clientOrderId"], timestamp_ms=now_ms()),
    "cancel": lambda e: e.cancel_order("BTCUSDT", order_id=28, timestamp_ms=now_ms()),
}


def spec_of(environment: Environment) -> EnvironmentSpec:
    endpoint = "http://127.0.0.1:18080" if environment is Environment.PAPER else None
    return EnvironmentSpec(environment=environment, paper_endpoint=endpoint)


def recorded(environment: Environment, *, with_keys: bool = True) -> tuple[Exchange, RecordingSession]:
    """An Exchange of that environment from which nothing leaves, and what records it."""
    spot = pair(environment.value) if with_keys else None
    futures = pair(environment.value, KeyFamily.FUTURES, mark="F") if with_keys else None
    if environment is not Environment.TESTNET:
        futures = None
    exchange = Exchange(spec_of(environment), spot=spot, futures=futures, clock=SYSTEM_CLOCK)
    session = RecordingSession()
    exchange._client().session = session  # type: ignore[assignment]  # it takes the place of aiohttp's
    return exchange, session


@pytest.mark.parametrize("environment", list(Environment))
async def test_everything_asked_is_on_the_list_and_everything_listed_is_asked(environment: Environment) -> None:
    """All that the facade does stays on the environment's hosts, and the list holds nothing that it does not do."""
    exchange, session = recorded(environment)
    live = LIVE_READS if environment is Environment.LIVE else {}
    for call in {**READS, **WRITES, **(WALLET_READS if exchange.has_wallet else {}), **live}.values():
        await call(exchange)
    assert {host for _, host, _ in session.places} == HOSTS[environment]
    asked = {(method, str(url.with_query(None))) for method, url, _, _ in session.sent}
    assert asked == set(spec_of(environment).permitted)
    assert all(options["allow_redirects"] is False for _, _, _, options in session.sent)


@pytest.mark.parametrize("environment", [Environment.TESTNET, Environment.DEMO])
@pytest.mark.parametrize("tool", WALLET_READS)
async def test_wallet_reads_are_refused_where_there_is_no_wallet(environment: Environment, tool: str) -> None:
    """Without `/sapi` the five wallet tools are refused, and nothing is sent."""
    exchange, session = recorded(environment)
    assert not exchange.has_wallet
    with pytest.raises(RequestRefused):
        await WALLET_READS[tool](exchange)
    assert session.sent == []


@pytest.mark.parametrize("environment", [one for one in Environment if one is not Environment.LIVE])
async def test_permissions_of_a_key_are_asked_of_live_alone(environment: Environment) -> None:
    """python-binance would send a testnet key to production for this; here it is refused before it is signed."""
    exchange, session = recorded(environment)
    with pytest.raises(RequestRefused, match="on `live` alone"):
        await exchange.key_permissions()
    with pytest.raises(RequestRefused):
        await exchange._client().get_account_api_permissions()
    assert session.sent == []
    assert not any("apiRestrictions" in address for _, address in spec_of(environment).permitted)


def test_live_is_asked_one_thing_more_and_may_not_change_it() -> None:
    """The list of live has the read of the permissions; the requests below that path, which change a key, are not."""
    more = {(one.method, one.path) for one in LIVE_ENDPOINTS}
    assert more == {("GET", "/sapi/v1/account/apiRestrictions")}
    assert len(spec_of(Environment.LIVE).permitted) == len(ENDPOINTS) + 1
    for method, path in (
        ("POST", "/sapi/v1/account/apiRestrictions"),
        ("DELETE", "/sapi/v1/account/apiRestrictions"),
        ("GET", "/sapi/v1/account/apiRestrictions/ipRestriction"),
        ("POST", "/sapi/v1/account/apiRestrictions/ipRestriction"),
    ):
        with pytest.raises(RequestRefused):
            permitted(spec_of(Environment.LIVE), method, f"https://api.binance.com{path}")


@pytest.mark.parametrize("environment", list(Environment))
async def test_fee_is_asked_of_the_api_that_every_environment_has(environment: Environment) -> None:
    """get_fee_info asks account/commission, never /sapi's tradeFee."""
    exchange, session = recorded(environment)
    await exchange.fee("BTCUSDT")
    assert [place[2] for place in session.places] == ["/api/v3/account/commission"]
    with pytest.raises(RequestRefused):
        await exchange._client().get_trade_fee(symbol="BTCUSDT")


@pytest.mark.parametrize("tool", [*READS, *WALLET_READS])
async def test_warm_read_is_one_request(tool: str) -> None:
    """A read costs one request upstream; profit and loss costs two, the listing none while it is kept."""
    exchange, session = recorded(Environment.PAPER)
    call = {**READS, **WALLET_READS}[tool]
    await call(exchange)
    first = len(session.sent)
    await call(exchange)
    assert first <= 2
    kept = {"get_available_assets", "instrument"}
    wanted = 2 if tool == "get_pnl" else 0 if tool in kept else 1
    if not tool.startswith("clock_skew_ms"):
        assert len(session.sent) - first == wanted


async def test_each_family_is_signed_with_its_own_key_on_testnet() -> None:
    """Under testnet the futures host never sees the spot key, nor the other way round."""
    exchange, session = recorded(Environment.TESTNET)
    await exchange.balances()
    await exchange.positions(GetPositionInfo())
    keys = {url.host: headers["X-MBX-APIKEY"] for _, url, headers, _ in session.sent}
    assert keys == {"testnet.binance.vision": CANARY_KEY, "testnet.binancefuture.com": CANARY_KEY + "F"}


async def test_one_pair_serves_both_families_elsewhere() -> None:
    """Demo and live have one pair, given as `spot`, for futures too."""
    exchange, session = recorded(Environment.LIVE)
    await exchange.positions(GetPositionInfo())
    assert session.sent[0][2]["X-MBX-APIKEY"] == CANARY_KEY


@pytest.mark.parametrize("environment", [Environment.TESTNET, Environment.DEMO, Environment.LIVE])
async def test_without_keys_market_reads_work_and_others_say_which_command(environment: Environment) -> None:
    """Without keys nothing signed is sent, and the error names the command that adds a key."""
    exchange, session = recorded(environment, with_keys=False)
    await exchange.ticker_price("BTCUSDT")
    for call in (exchange.balances(), WRITES["place"](exchange), WRITES["cancel"](exchange)):
        with pytest.raises(NoCredentials) as caught:
            await call
        assert f"guardian keys add {environment.value}" in present(caught.value.hint)
    with pytest.raises(NoCredentials) as caught:
        await exchange.positions(GetPositionInfo())
    assert ("--family futures" in present(caught.value.hint)) == (environment is Environment.TESTNET)
    assert len(session.sent) == 1


@pytest.mark.parametrize(
    ("environment", "spot", "futures"),
    [
        (Environment.TESTNET, pair("live"), None),
        (Environment.LIVE, pair("testnet"), None),
        (Environment.DEMO, None, pair("live", KeyFamily.FUTURES)),
        (Environment.TESTNET, pair("testnet", KeyFamily.FUTURES), None),
        (Environment.TESTNET, None, pair("testnet")),
    ],
)
def test_key_of_another_environment_is_not_taken(
    environment: Environment, spot: ApiKeyPair | None, futures: ApiKeyPair | None
) -> None:
    """A key belongs to one environment, and is never offered to another."""
    with pytest.raises(CredentialsError):
        Exchange(spec_of(environment), spot=spot, futures=futures, clock=SYSTEM_CLOCK)


DANGEROUS = {
    "withdraw": lambda c: c.withdraw(coin="BTC", address="x", amount="1"),
    "make_universal_transfer": lambda c: c.make_universal_transfer(type="MAIN_UMFUTURE", asset="USDT", amount="1"),
    "create_margin_order": lambda c: c.create_margin_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="1"),
    "create_margin_loan": lambda c: c.create_margin_loan(asset="BTC", amount="1"),
    "futures_create_order": lambda c: c.futures_create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="1"),
    "futures_change_leverage": lambda c: c.futures_change_leverage(symbol="BTCUSDT", leverage=125),
    "futures_coin_create_order": lambda c: c.futures_coin_create_order(symbol="BTCUSD_PERP", side="BUY"),
    "create_oco_order": lambda c: c.create_oco_order(symbol="BTCUSDT", side="BUY"),
    "cancel_all_open_orders": lambda c: c._delete("openOrders", True, data={"symbol": "BTCUSDT"}),
    "cancel_replace": lambda c: c._post("order/cancelReplace", True, data={}),
    "create_test_order": lambda c: c.create_test_order(symbol="BTCUSDT"),
    "order without an intent": lambda c: c.create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="1"),
    "order with a string for a time": lambda c: c.create_order(symbol="BTCUSDT", timestamp="1"),
    "options_place_order": lambda c: c.options_place_order(symbol="BTC"),
    "papi_create_um_order": lambda c: c.papi_create_um_order(symbol="BTCUSDT"),
    "get_products": lambda c: c.get_products(),
    "ping": lambda c: c.ping(),
    "stream_get_listen_key": lambda c: c.stream_get_listen_key(),
    "get_trade_fee": lambda c: c.get_trade_fee(),
    "enable_fast_withdraw_switch": lambda c: c.enable_fast_withdraw_switch(),
    "create_sub_account_transfer": lambda c: c.make_subaccount_universal_transfer(asset="USDT"),
    "ws order": lambda c: c._ws_api_request("order.place", True, {}),
    "ws futures order": lambda c: c._ws_futures_api_request("order.place", True, {}),
    "ws_create_order": lambda c: c.ws_create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="1"),
    "put": lambda c: c._put("order", True, data={}),
    "forced parameters": lambda c: c._get("account", True, force_params=True, data={}),
    "unsigned account": lambda c: c._get("account", False, data={}),
    "signed price": lambda c: c._get("ticker/price", True, data={}),
    "headers": lambda c: c.get_account(headers={"X": "1"}),
    "requests_params": lambda c: c.get_account(requests_params={"timeout": 1}),
    "recvWindow": lambda c: c.get_account(recvWindow=60000),
    "timestamp": lambda c: c.get_account(timestamp=1),
    "signature": lambda c: c.get_account(signature="00"),
    "version": lambda c: c.get_account(version=1),
    "a float": lambda c: c.get_account(amount=0.1),
    "a list": lambda c: c.get_account(batchOrders=["x"]),
    "an odd name": lambda c: c._get("account", True, data={"a&b": "1"}),
    "a path within a version": lambda c: c.futures_account(version="../../sapi/v1/x"),
    "futures v2": lambda c: c.futures_account(version=2),
    "half a character": lambda c: c.get_account(text="\ud800"),
}


@pytest.mark.parametrize("environment", list(Environment))
@pytest.mark.parametrize("name", DANGEROUS)
async def test_dangerous_methods_are_refused_before_signing(
    environment: Environment, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever of python-binance is called, what is not listed is neither signed nor sent."""
    exchange, session = recorded(environment)

    def no_signing(*_: object) -> None:
        raise AssertionError("signed")

    monkeypatch.setattr("guardian.exchange.http.signing.Signer.sign", no_signing)
    with pytest.raises((RequestRefused, KeyError)):
        await DANGEROUS[name](exchange._client())
    assert session.sent == []


async def test_librarys_own_way_to_make_a_client_is_closed() -> None:
    """create() would ping with the key in the headers; it makes nothing and sends nothing."""
    with pytest.raises(RequestRefused):
        await type(recorded(Environment.TESTNET)[0]._client()).create(CANARY_KEY, CANARY_KEY)


def test_writes_on_the_list_are_the_order_and_its_cancel() -> None:
    """The only writes are POST and DELETE of /api/v3/order."""
    assert {(one.method, one.path) for one in ENDPOINTS if one.writes} == {
        ("POST", "/api/v3/order"),
        ("DELETE", "/api/v3/order"),
    }
    assert not any("/order/test" in one.path or "userDataStream" in one.path for one in ENDPOINTS)


@pytest.mark.parametrize(
    "address",
    [
        "http://testnet.binance.vision/api/v3/order",
        "https://testnet.binance.vision:443/api/v3/order",
        "https://testnet.binance.vision./api/v3/order",
        "https://TESTNET.binance.vision/api/v3/order",
        "HTTPS://testnet.binance.vision/api/v3/order",
        "https://user@testnet.binance.vision/api/v3/order",
        "https://user:pw@testnet.binance.vision/api/v3/order",
        "https://testnet.binance.vision@evil.example/api/v3/order",
        "https://evil.example#testnet.binance.vision/api/v3/order",
        "https://testnet.binance.vision.evil.example/api/v3/order",
        "https://api.binance.com/api/v3/order",
        "https://testnet.binance.vision/api/v3/Order",
        "https://testnet.binance.vision/api/v3/order/",
        "https://testnet.binance.vision/api//v3/order",
        "https://testnet.binance.vision/api/v3%2Forder",
        "https://testnet.binance.vision/api/v3/%6frder",
        "https://testnet.binance.vision/api/v3/../v3/order",
        "https://testnet.binance.vision/api/v3/./order",
        "https://testnet.binance.vision/api/v3/order;x",
        "https://testnet.binance.vision/api/v3/order?x=1",
        "https://testnet.binance.vision/api/v3/order?",
        "https://testnet.binance.vision/api/v3/order#x",
        "https://testnet.binance.vision/api/v3/order\n",
        "https://testnet.binance.vision/api/v3/order ",
        " https://testnet.binance.vision/api/v3/order",
        "https://testnet.binance.vision\\@evil.example/api/v3/order",
        "https://testnet\u3002binance\u3002vision/api/v3/order",
        "https://testnet.binance.vision/api/v3/\u043erder",
        "https://[::1]/api/v3/order",
        "https://testnet.binance.vision:99999/api/v3/order",
        "https://testnet.binancefuture.com/api/v3/order",
        "//testnet.binance.vision/api/v3/order",
        "/api/v3/order",
        "",
    ],
)
def test_no_other_way_to_write_an_address_passes(address: str) -> None:
    """An address that is not letter by letter on the list is refused, whatever it may be resolved to."""
    spec = spec_of(Environment.TESTNET)
    assert permitted(spec, "get", "https://testnet.binance.vision/api/v3/order").method == "GET"
    for method in ("get", "post", "delete", "GET"):
        with pytest.raises(RequestRefused):
            permitted(spec, method, address)


@pytest.mark.parametrize("method", ["Put", "put", "PATCH", "Get", "geT", "get ", "", "head", "options"])
def test_no_other_method_passes(method: str) -> None:
    """Methods are GET, POST and DELETE."""
    with pytest.raises(RequestRefused):
        permitted(spec_of(Environment.TESTNET), method, "https://testnet.binance.vision/api/v3/order")


@pytest.mark.parametrize(
    "endpoint",
    [
        None,
        "",
        "http://localhost:8080",
        "http://127.0.0.1",
        "https://127.0.0.1:8080",
        "http://127.0.0.2:8080",
        "http://127.1:8080",
        "http://0.0.0.0:8080",
        "http://[::]:8080",
        "http://[::ffff:10.0.0.1]:8080",
        "http://2130706433:8080",
        "http://0x7f.0.0.1:8080",
        "http://127.0.0.1:8080@evil.example",
        "http://evil.example:8080",
        "http://api.binance.com:80",
        "http://u@127.0.0.1:8080",
        "http://127.0.0.1:0",
        "http://127.0.0.1:65536",
        "http://127.0.0.1:08080",
        "http://127.0.0.1:\uff18\uff10\uff18\uff10",
        "http://127.0.0.1:8080/api",
        "http://127.0.0.1:8080?x",
        "http://127.0.0.1:8080\n",
        "HTTP://127.0.0.1:8080",
    ],
)
def test_paper_is_on_loopback_and_nowhere_else(endpoint: str | None) -> None:
    """Only a literal loopback address with a port is taken as the paper exchange."""
    with pytest.raises(RequestRefused):
        EnvironmentSpec(environment=Environment.PAPER, paper_endpoint=endpoint)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:18080", "http://[::1]:1", "http://127.0.0.1:65535/"])
def test_paper_serves_all_three_families_on_one_origin(endpoint: str) -> None:
    """Under paper /api, /sapi and /fapi are on the one loopback origin."""
    spec = EnvironmentSpec(environment=Environment.PAPER, paper_endpoint=endpoint)
    assert spec.has_wallet
    assert len(spec.permitted) == len(ENDPOINTS)
    assert all(address.startswith(endpoint.rstrip("/") + "/") for _, address in spec.permitted)


@pytest.mark.parametrize("environment", [Environment.TESTNET, Environment.DEMO, Environment.LIVE])
def test_endpoint_is_for_paper_alone(environment: Environment) -> None:
    """No other environment can be pointed elsewhere."""
    with pytest.raises(RequestRefused):
        EnvironmentSpec(environment=environment, paper_endpoint="http://127.0.0.1:18080")


def test_nothing_can_be_added_to_a_list() -> None:
    """The list is worked out from the environment alone: it cannot be given, replaced or written to."""
    spec = spec_of(Environment.LIVE)
    request = ("POST", "https://api.binance.com/sapi/v1/capital/withdraw/apply")
    # mypy refuses each of them too.
    with pytest.raises(TypeError):
        spec.permitted[request] = ENDPOINTS[0]  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.permitted = {}  # type: ignore[assignment, misc]
    with pytest.raises((TypeError, ValueError)):
        EnvironmentSpec(environment=Environment.LIVE, permitted={})  # type: ignore[call-arg]
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(spec, permitted={})  # type: ignore[arg-type]
