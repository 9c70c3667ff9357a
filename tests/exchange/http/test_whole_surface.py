"""All of python-binance: whatever is called of it, with whatever arguments, no request leaves the list."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import binance.helpers
import dateparser
import pytest
from binance import AsyncClient
from yarl import URL

from guardian.domain.trading import Environment
from guardian.errors import GuardianError, RequestRefused
from tests.exchange.support.exchange_samples import ORDER, answer
from tests.exchange.support.exchange_setup import exchange_at, now_ms, served
from tests.exchange.support.loopback_exchange import LoopbackExchange, Seen, Told
from tests.exchange.support.recording_session import RecordingSession
from tests.exchange.test_environments import HOSTS, READS, WALLET_READS, WRITES, recorded, spec_of

pytestmark = pytest.mark.anyio

CLOSED = {"create", "close_connection"}
"""Not requests: the one is refused whole (a test of its own), the other closes the session."""
FILLED = {
    "symbol": "BTCUSDT", "interval": "1m", "start_str": "1 Jan, 2024", "end_str": "2 Jan, 2024", "asset": "USDT",
    "coin": "BTC", "network": "BTC", "withdraw_id": "1", "listenKey": "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a8",
    "multiAssetsMargin": "true", "limit": 5, "timeInForce": "GTC", "is_isolated": True, "validity": 60_000,
    "last_id": None, "order": {}, "data": "x", "params": {}, "api_key": "x", "api_secret": "x",
}  # fmt: skip
"""By the name of a parameter: what a user would give."""
MORE = {
    "side": "BUY", "type": "LIMIT", "quantity": "1", "price": "60000", "amount": "1", "address": "1Boat",
    "orderId": 28, "origClientOrderId": ORDER["clientOrderId"], "newClientOrderId": ORDER["clientOrderId"],
    "fromAsset": "USDT", "toAsset": "BTC", "email": "a@example.org", "leverage": 125, "marginType": "CROSSED",
    "startTime": 1_700_000_000_000, "endTime": 1_700_000_100_000, "size": 10, "current": 1, "period": "5m",
    "tranId": 1, "productId": "1", "code": "x", "fromEmail": "a@example.org", "toEmail": "b@example.org",
    "underlying": "BTCUSDT", "pair": "BTCUSD", "contractType": "PERPETUAL", "isIsolated": "TRUE", "stopPrice": "59000",
}  # fmt: skip
"""What the methods with `**params` are for."""
ODD = {
    "a path upwards": "../../sapi/v1/capital/withdraw/apply",
    "an encoded path": "%2e%2e%2f%2e%2e%2fsapi%2fv1%2fcapital%2fwithdraw%2fapply",
    "a slash at the end": "BTCUSDT/",
    "a backslash": "..\\..\\sapi",
    "a query": "BTCUSDT?side=SELL&type=MARKET",
    "a second parameter": "BTCUSDT&side=SELL",
    "a fragment": "BTCUSDT#x",
    "a line break": "BTCUSDT\r\nHost: evil.example\r\n\r\nPOST /sapi/v1/capital/withdraw/apply HTTP/1.1",
    "a bare line break": "BTC\nUSDT",
    "a zero byte": "BTC\x00USDT",
    "wide letters": "\uff22\uff34\uff23USDT",
    "right to left": "BTC\u202eTDSU",
    "a zero width space": "BTC\u200bUSDT",
    "a letter that grows": "\u0130\u00df\ufb03",
    "half a character": "BTC\ud800",
    "another host": "@evil.example/api/v3/order",
    "an address": "https://evil.example/api/v3/order",
    "nothing": "",
    "a space": " ",
    "a semicolon": "BTCUSDT;DROP",
    "plus and percent": "+%+%zz",
    "very long": "A" * 10_000,
}


def surface() -> tuple[list[str], list[str]]:
    """Every public method, and the library's own request methods beneath them."""
    beneath = [name for name in dir(AsyncClient) if name.startswith("_request")]
    beneath += ["_get", "_post", "_put", "_delete", "_ws_api_request", "_ws_futures_api_request"]
    public = [name for name in dir(AsyncClient) if not name.startswith("_") and name not in CLOSED]
    return [name for name in public if callable(getattr(AsyncClient, name))], beneath


def arguments_of(
    method: Callable[..., Any], value: object = None, more: Iterable[tuple[str, object]] = ()
) -> dict[str, Any]:
    """Something for each of its parameters: what a user would give, or this value for everything."""
    named: dict[str, Any] = {}
    takes_more = False
    for name, parameter in inspect.signature(method).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            takes_more = True
        elif parameter.kind is parameter.VAR_POSITIONAL:
            continue
        elif name in FILLED or parameter.default is parameter.empty:
            named[name] = FILLED.get(name, "x") if value is None else value
    if takes_more:
        named = {**dict(more), **named}
        named |= {name: value for name in ("symbol", "asset", "coin") if value is not None}
    return named


async def called(method: Callable[..., Any], arguments: dict[str, Any]) -> Exception | None:
    """Call it and take what it gives for at most a moment; None, or what it raised."""
    try:
        async with asyncio.timeout(0.5):
            given = method(**arguments)
            if inspect.isawaitable(given):
                given = await given
            if hasattr(given, "__anext__"):
                await anext(given)
    except Exception as error:  # noqa: BLE001  what is looked at is what was sent
        return error
    return None


def check_sent(session: RecordingSession, environment: Environment) -> None:
    """All that was sent is on the list, letter by letter, on the environment's hosts, and is followed nowhere."""
    permitted = set(spec_of(environment).permitted)
    for method, url, headers, options in session.sent:
        bare = f"{url.scheme}://{url.raw_authority}{url.raw_path}"
        assert (method, bare) in permitted
        assert url.host in HOSTS[environment]
        assert all("!" <= letter <= "~" for letter in str(url))
        assert url.raw_fragment == ""
        assert all("\r" not in text and "\n" not in text for text in (*headers, *headers.values()))
        assert options["allow_redirects"] is False
        assert set(options) <= {"data", "allow_redirects", "timeout"}


VARIANTS: dict[str, Iterable[tuple[str, object]]] = {
    "bare": (),
    "filled in": MORE.items(),
    "with a time": MORE.items(),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("environment", list(Environment))
async def test_no_method_of_the_library_sends_what_is_not_listed(environment: Environment, variant: str) -> None:
    """Every method of AsyncClient, arguments filled in, sends listed requests of the environment or nothing."""
    exchange, session = recorded(environment)
    client = exchange._client()
    public, beneath = surface()
    refused = 0
    for name in (*public, *beneath):
        method = getattr(client, name)
        # The time is that of each call: a write of 5 s ago is not sent.
        time = (("timestamp", now_ms()),) if variant == "with a time" else ()
        error = await called(method, arguments_of(method, more=(*VARIANTS[variant], *time)))
        refused += isinstance(error, RequestRefused)
        assert not isinstance(error, TimeoutError), f"{name} waited for something"
    check_sent(session, environment)
    writes = {(method, url.path) for method, url, *_ in session.sent if method != "GET"}
    # Without the time of an intent there is no write; with one there are those two that are on the list.
    assert writes == ({("POST", "/api/v3/order"), ("DELETE", "/api/v3/order")} if variant == "with a time" else set())
    assert refused > 700
    least = 5 if variant == "with a time" else 15
    assert len({url.path for _, url, *_ in session.sent}) > least, "so little was sent that nothing is shown"


class Unguarded(RecordingSession):
    """For the library's own client, which names a method of the session for each method of HTTP."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name not in {"get", "post", "put", "delete"}:
            raise AttributeError(name)

        def send(url: URL, **options: Any) -> None:
            self.sent.append((name.upper(), url, {}, options))
            raise ConnectionError

        return send


async def test_the_same_calls_of_an_unguarded_client_go_everywhere() -> None:
    """What is called above does reach the wire where nothing guards it: hundreds of requests that are not listed."""
    client = AsyncClient("key", "secret", testnet=True)
    await client.close_connection()
    client.session = session = Unguarded()
    public, _ = surface()
    for name in public:
        if not name.startswith("ws_"):
            method = getattr(client, name)
            await called(method, arguments_of(method, more=MORE.items()))
    listed = {path for _, path in spec_of(Environment.TESTNET).permitted}
    beyond = {str(url).partition("?")[0] for _, url, *_ in session.sent} - listed
    assert len(beyond) > 500
    assert any("api.binance.com/sapi" in address for address in beyond), "testnet=True goes to production"


@pytest.fixture
def dates_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library looks for a date in 200 languages, which takes seconds; no odd value is a date in any."""
    english = functools.partial(dateparser.parse, languages=["en"])
    monkeypatch.setattr(binance.helpers, "dateparser", SimpleNamespace(parse=english))


@pytest.mark.usefixtures("dates_in_english")
@pytest.mark.parametrize("environment", list(Environment))
@pytest.mark.parametrize("odd", ODD)
async def test_odd_values_go_nowhere_else(environment: Environment, odd: str) -> None:
    """A value with a path, a query, a line break, any letters or any length in it is a value, or is not sent."""
    exchange, session = recorded(environment)
    client = exchange._client()
    for name in surface()[0]:
        method = getattr(client, name)
        await called(method, arguments_of(method, ODD[odd]))
    check_sent(session, environment)
    assert all(method == "GET" for method, *_ in session.sent)
    ours = {"timestamp", "recvWindow", "signature"}
    for _, url, *_ in session.sent:
        told = parse_qsl(url.raw_query_string, keep_blank_values=True)
        assert all(value == ODD[odd] for name, value in told if name in {"symbol", "asset", "coin"})
        # A value that ends early would leave its rest behind as another parameter.
        assert {name for name, _ in told} <= {"symbol", "asset", "coin", *FILLED} | ours
    assert session.sent or odd == "half a character"


@pytest.mark.parametrize("name", ["requests_params", "headers", "version", "force_params", "proxy", "url", "path"])
@pytest.mark.parametrize("environment", list(Environment))
async def test_no_argument_changes_where_or_how_a_request_is_sent(environment: Environment, name: str) -> None:
    """What the library takes out of the parameters to change the request by is refused, or is a parameter like any."""
    value = {
        "requests_params": {"proxy": "http://127.0.0.1:9", "allow_redirects": True, "ssl": False, "timeout": 1},
        "headers": {"Host": "evil.example"}, "version": "../../sapi/v1", "force_params": True,
    }.get(name, "http://127.0.0.1:9")  # fmt: skip
    exchange, session = recorded(environment)
    client = exchange._client()
    for method_name in surface()[0]:
        method = getattr(client, method_name)
        if any(p.kind is p.VAR_KEYWORD for p in inspect.signature(method).parameters.values()):
            await called(method, {**arguments_of(method, more=[("symbol", "BTCUSDT")]), name: value})
    check_sent(session, environment)
    if name in {"requests_params", "headers", "force_params"}:
        # The library itself takes nothing for this one, and so drops what it was given.
        assert {url.path for _, url, *_ in session.sent} <= {"/api/v3/ticker/bookTicker"}
        assert all(name not in str(url) for _, url, *_ in session.sent)


async def test_settings_of_the_client_itself_change_nothing() -> None:
    """Addresses, parameters for the transport, and a proxy that are set on the client are not used."""
    exchange, session = recorded(Environment.TESTNET)
    client = exchange._client()
    client._requests_params = {"proxy": "http://127.0.0.1:9", "allow_redirects": True, "ssl": False}
    client.https_proxy = "http://127.0.0.1:9"
    await exchange.ticker_price("BTCUSDT")
    check_sent(session, Environment.TESTNET)
    client.API_URL = client.FUTURES_URL = client.MARGIN_API_URL = "https://evil.example/api"
    for name in surface()[0]:
        method = getattr(client, name)
        await called(method, arguments_of(method, more=MORE.items()))
    assert len(session.sent) == 1


async def test_odd_symbols_are_one_request_on_the_wire() -> None:
    """As bytes on the wire an odd symbol is one request to the listed path, with that symbol as its one parameter."""
    async with served() as (server, exchange):
        for odd in ODD.values():
            symbol = odd[:5000]
            before = len(server.seen)
            with suppress(GuardianError):
                await exchange._client().get_symbol_ticker(symbol=symbol)
            came = server.seen[before:]
            if "\ud800" in symbol:
                assert came == []
                continue
            assert [(seen.method, seen.path) for seen in came] == [("GET", "/api/v3/ticker/price")]
            assert came[0].parameters == {"symbol": symbol}
            assert came[0].headers["host"] == server.url.removeprefix("http://")


def always(told: Told) -> Callable[[Seen], object]:
    return lambda _: told


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_request_follows_a_redirect(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent elsewhere by the exchange, nobody goes: to no other host, to no other path; and no proxy is used."""
    async with LoopbackExchange(lambda seen: answer("GET", "/api/v3/time")) as elsewhere:
        for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(variable, elsewhere.url)
        places = [f"{elsewhere.url}/api/v3/order", "/sapi/v1/capital/withdraw/apply", "//evil.example/", "../x"]
        for number, (name, call) in enumerate({**READS, **WALLET_READS, **WRITES}.items()):
            location = places[number % len(places)]
            told = Told(status=status, body=b"", headers={"Location": location})
            async with LoopbackExchange(always(told)) as server, exchange_at(server.url) as exchange:
                with pytest.raises(GuardianError):
                    await call(exchange)
                listed = {path for _, path in exchange._spec.permitted}
                asked = [(seen.method, seen.path) for seen in server.seen]
                assert 1 <= len(asked) <= 2, (name, asked)
                assert {server.url + path for _, path in asked} <= listed
                assert len([1 for method, _ in asked if method != "GET"]) <= 1
        assert elsewhere.seen == []
