"""Who may ask: keys, signatures over the raw bytes, timestamps."""

from __future__ import annotations

import base64
import time
from urllib.parse import quote, urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from guardian.domain.secrets import Secret
from guardian.paper.host.standalone import PaperServer
from guardian.paper.keys import HmacVerifier, sign
from guardian.paper.rest.authentication import signed_bytes
from tests.paper.support.client import Client, ClientFor
from tests.support.fixtures import fixture, recording

ACCOUNT = "/api/v3/account"


def now() -> int:
    return time.time_ns() // 1_000_000


@pytest.mark.parametrize("source", ["own", pytest.param("recorded", marks=pytest.mark.recorded)])
def test_known_signatures_are_accepted_and_altered_ones_are_not(source: str) -> None:
    """Every known HMAC vector verifies, in upper case too; with one character changed it does not."""
    vectors = fixture("signatures") if source == "own" else recording("signatures/hmac_vectors.json")
    assert len(vectors) == 4
    for vector in vectors:
        secret = Secret(vector["secret"])
        query, body = vector.get("query", vector["payload"]), vector.get("body", "")
        payload = signed_bytes(query.encode(), f"{body}&signature=x".encode() if body else b"")
        assert payload == vector["payload"].encode()
        assert sign(secret, payload) == vector["signature"]
        assert HmacVerifier(secret).accepts(payload, vector["signature"].upper())
        assert not HmacVerifier(secret).accepts(payload + b"0", vector["signature"])


@pytest.mark.parametrize("place", ["query", "body", "mixed"])
def test_signature_covers_query_and_body_as_sent(client: Client, place: str) -> None:
    """A signed request is taken with its parameters in the query, in the body, or in both with nothing in between."""
    fixed = f"symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=50000&timestamp={now()}"
    query, body = {"query": (fixed, ""), "body": ("", fixed), "mixed": (fixed[:40], fixed[41:])}[place]
    if place == "mixed":
        query, body = fixed.split("&type=")[0], "type=" + fixed.split("&type=")[1]
    signature = client.sign(query + body)
    if body:
        body += "&signature=" + signature
    else:
        query += "&signature=" + signature
    reply = client.raw("POST", f"/api/v3/order?{query}", body, {"X-MBX-APIKEY": client.key})
    assert reply.status == 200, reply.text


def test_bytes_changed_after_signing_are_refused(unchanged: Client) -> None:
    """A request whose bytes are not the signed ones is refused with -1022, whatever they decode to."""
    payload = f"symbol=BTCUSDT&timestamp={now()}"
    signature = unchanged.sign(payload)
    for sent in (payload.replace("BTC", "ETH"), payload.replace("BTC", "%42TC"), payload + "&limit=5"):
        reply = unchanged.raw(
            "GET", f"/api/v3/openOrders?{sent}&signature={signature}", headers={"X-MBX-APIKEY": unchanged.key}
        )
        assert reply.error == (400, -1022, "Signature for this request is not valid.")


def test_keys_that_are_absent_malformed_or_unknown_are_refused(unchanged: Client) -> None:
    """No key or a malformed one is -2014, an unknown one -2008, or -2015 for futures, all with HTTP 401."""
    target = f"{ACCOUNT}?timestamp={now()}&signature={'0' * 64}"
    assert unchanged.raw("GET", target).error == (401, -2014, "API-key format invalid.")
    assert unchanged.raw("GET", target, headers={"X-MBX-APIKEY": "short"}).error[:2] == (401, -2014)
    assert unchanged.raw("GET", target, headers={"X-MBX-APIKEY": "a" * 64}).error == (
        401,
        -2008,
        "Invalid Api-Key ID.",
    )
    futures = f"/fapi/v3/account?timestamp={now()}&signature={'0' * 64}"
    assert unchanged.raw("GET", futures, headers={"X-MBX-APIKEY": "a" * 64}).error == (
        401,
        -2015,
        "Invalid API-key, IP, or permissions for action.",
    )


def test_timestamps_outside_the_window_are_refused_with_binances_two_messages(unchanged: Client) -> None:
    """Too old is one -1021 message, more than a second ahead is the other; recvWindow moves the first bound."""
    old = unchanged.signed("GET", ACCOUNT, timestamp=now() - 5500)
    assert old.error == (400, -1021, "Timestamp for this request is outside of the recvWindow.")
    assert unchanged.signed("GET", ACCOUNT, timestamp=now() - 5500, recvWindow=20000).status == 200
    assert unchanged.signed("GET", ACCOUNT, timestamp=now() - 300, recvWindow="100.5").error[1] == -1021
    ahead = unchanged.signed("GET", ACCOUNT, timestamp=now() + 2000)
    assert ahead.error == (400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    assert unchanged.signed("GET", ACCOUNT, timestamp=now() + 500).status == 200


def test_a_skewed_exchange_clock_is_told_and_judged_by(paper: PaperServer, client: Client) -> None:
    """With its clock put ahead the exchange says so, and takes timestamps of its own time only."""
    paper.controls.clock_skew_ms = 60_000
    assert client.public("/api/v3/time").json["serverTime"] > now() + 59_000
    assert client.signed("GET", ACCOUNT).error[1] == -1021
    assert client.signed("GET", ACCOUNT, timestamp=now() + 60_000).status == 200


def test_missing_and_malformed_security_parameters_are_named(unchanged: Client) -> None:
    """A missing timestamp or signature is -1102, a malformed one -1100, a window over a minute -1131."""
    headers = {"X-MBX-APIKEY": unchanged.key}
    assert unchanged.raw("GET", f"{ACCOUNT}?timestamp={now()}", headers=headers).error == (
        400,
        -1102,
        "Mandatory parameter 'signature' was not sent, was empty/null, or malformed.",
    )
    unstamped = "recvWindow=5000"
    reply = unchanged.raw("GET", f"{ACCOUNT}?{unstamped}&signature={unchanged.sign(unstamped)}", headers=headers)
    assert reply.error[1:] == (-1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.")
    assert unchanged.signed("GET", ACCOUNT, timestamp="now").error[1] == -1100
    assert unchanged.signed("GET", ACCOUNT, recvWindow=60001).error == (
        400,
        -1131,
        "recvWindow must be less than 60000.",
    )
    assert unchanged.signed("GET", ACCOUNT, recvWindow="-1").error[1] == -1100


def test_ed25519_keys_sign_too(client_for: ClientFor) -> None:
    """A request signed with a registered Ed25519 key is taken; with another key's signature it is not."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    name = "E" * 64
    with PaperServer(ed25519_keys={name: public}) as server:
        client = client_for(server.endpoint)

        def ask(key: Ed25519PrivateKey) -> int:
            payload = f"timestamp={now()}"
            signature = quote(base64.b64encode(key.sign(payload.encode())).decode(), safe="")
            reply = client.raw("GET", f"{ACCOUNT}?{payload}&signature={signature}", headers={"X-MBX-APIKEY": name})
            return reply.status if reply.status == 200 else reply.error[1]

        assert ask(private) == 200
        assert ask(Ed25519PrivateKey.generate()) == -1022


def test_only_this_machine_is_answered(unchanged: Client) -> None:
    """A request whose Host is a name that merely resolves to this machine is refused."""
    reply = unchanged.raw("GET", "/api/v3/time", headers={"Host": "evil.example:80"})
    assert reply.status == 403
    assert unchanged.raw("GET", "/api/v3/time", headers={"Host": "localhost:80"}).status == 200


PAGES = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:18080"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Referer": "https://evil.example/page"},
    {"Host": "evil.example"},
    {"Host": "evil.example:80", "Sec-Fetch-Site": "same-origin"},
]


@pytest.mark.parametrize("headers", PAGES, ids=str)
def test_web_page_spends_no_limit_and_changes_nothing(
    paper: PaperServer, client: Client, headers: dict[str, str]
) -> None:
    """Whatever a page fires at the port is refused before it is counted, and no answer lets a page read it (before:
    a page could spend all of the weight, and get the exchange banned for its user)."""
    received = len(paper.controls.journal)
    used = int(client.public("/api/v3/time").headers["x-mbx-used-weight-1m"])
    for method, path in (("GET", "/api/v3/exchangeInfo"), ("POST", "/api/v3/order?symbol=BTCUSDT"), ("DELETE", "/x")):
        reply = client.raw(method, path, headers=headers)
        assert reply.status == 403
        assert not [name for name in reply.headers if name.lower().startswith("access-control")]
        assert not [name for name in reply.headers if name.lower().startswith("x-mbx-used")]
    assert client.raw("OPTIONS", "/api/v3/order", headers=headers).status == 405
    after = client.public("/api/v3/time")
    assert int(after.headers["x-mbx-used-weight-1m"]) == used + 1
    assert len(paper.controls.journal) == received + 2


def test_parameters_that_nobody_reads_are_refused(unchanged: Client) -> None:
    """An unknown parameter is -1104 on a signed request and -1101 on an open one; a repeated one is -1101."""
    assert unchanged.signed("GET", "/api/v3/openOrders", symbol="BTCUSDT", startTimee=1).error == (
        400,
        -1104,
        "Not all sent parameters were read; read '3' parameter(s) but was sent '4'.",
    )
    assert unchanged.public("/api/v3/avgPrice", symbol="BTCUSDT", x=1).error == (
        400,
        -1101,
        "Too many parameters; expected '1' and received '2'.",
    )
    twice = unchanged.raw("GET", "/api/v3/avgPrice?" + urlencode([("symbol", "BTCUSDT"), ("symbol", "ETHUSDT")]))
    assert twice.error == (400, -1101, "Duplicate values for a parameter detected.")


def test_unknown_paths_and_methods_are_not_found(unchanged: Client) -> None:
    """What is not an endpoint is 404, and the helper's own paths are no part of the trading API."""
    for method, path in (
        ("GET", "/api/v3/nothing"),
        ("POST", "/sapi/v1/capital/withdraw/apply"),
        ("GET", "/guardian/identity"),
    ):
        assert unchanged.raw(method, path).status == 404


def test_what_happened_under_a_fast_clock_is_still_shown_when_it_is_put_right(
    paper: PaperServer, client: Client
) -> None:
    """Orders placed while the exchange's clock was ahead are listed after it was put back, and time does not move."""
    paper.controls.clock_skew_ms = 3_600_000
    placed = client.order(timestamp=now() + 3_600_000).json
    paper.controls.clock_skew_ms = 0
    assert [row["orderId"] for row in client.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT").json] == [
        placed["orderId"]
    ]
    later = client.order().json
    assert later["transactTime"] >= placed["transactTime"]
