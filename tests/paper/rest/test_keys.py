"""Keys of every kind, what they may do, and what the exchange says of parameters that are not right."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import quote, urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from guardian.domain.secrets import Secret
from guardian.errors import CredentialsError
from guardian.paper.host.standalone import PaperServer
from guardian.paper.keys import Ed25519Verifier, HmacVerifier, RsaVerifier, sign, verifier_of
from guardian.paper.rest.rate_limits import WIDE
from tests.paper.support.client import Client, ClientFor, Reply
from tests.paper.support.error_answers import documented_messages, error_answers, recorded_answers, recorded_messages
from tests.support.fixtures import fixture, recording

ACCOUNT = "/api/v3/account"
NAME = "R" * 64


def now() -> int:
    return time.time_ns() // 1_000_000


def pem(key: Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def rsa_sign(key: rsa.RSAPrivateKey, payload: str) -> str:
    return base64.b64encode(key.sign(payload.encode(), PKCS1v15(), SHA256())).decode()


@pytest.mark.parametrize("place", ["query", "body", "mixed"])
def test_rsa_signatures_are_taken_over_the_bytes_as_sent(
    client_for: ClientFor, rsa_key: rsa.RSAPrivateKey, place: str
) -> None:
    """PKCS #1 v1.5 with SHA-256 over query and body with nothing between; one changed byte is -1022."""
    with PaperServer(seed=7, other_keys={NAME: verifier_of(pem(rsa_key))}) as server:
        client = client_for(server.endpoint)

        def send(change: Callable[[str], str] = lambda text: text) -> Reply:
            first = "symbol=BTCUSDT&side=BUY"
            second = f"type=LIMIT&timeInForce=GTC&quantity=0.001&price=50000&timestamp={now()}"
            query, body = {
                "query": (f"{first}&{second}", ""),
                "body": ("", f"{first}&{second}"),
                "mixed": (first, second),
            }[place]
            signature = "signature=" + quote(rsa_sign(rsa_key, query + body), safe="")
            query, body = (
                (change(query), f"{change(body)}&{signature}") if body else (f"{change(query)}&{signature}", "")
            )
            return client.raw(
                "POST", f"/api/v3/order?{query}" if query else "/api/v3/order", body, {"X-MBX-APIKEY": NAME}
            )

        assert send().status == 200
        assert send(lambda text: text.replace("50000", "50001").replace("BUY", "SELL")).error[1] == -1022
        assert len(server.controls.orders()) == 1


def test_a_signature_of_another_kind_of_key_is_refused(client_for: ClientFor, rsa_key: rsa.RSAPrivateKey) -> None:
    """An HMAC under an RSA key, garbage, and another RSA key's signature are -1100 or -1022, never a crash."""
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with PaperServer(other_keys={NAME: verifier_of(pem(rsa_key))}) as server:
        client = client_for(server.endpoint)

        def ask(signature: str) -> int:
            payload = f"timestamp={now()}"
            text = signature or rsa_sign(other, payload)
            target = f"{ACCOUNT}?{payload}&signature={quote(text, safe='')}"
            return client.raw("GET", target, headers={"X-MBX-APIKEY": NAME}).error[1]

        assert ask("") == -1022
        assert ask("a" * 64) == -1022
        assert ask("no base64 at all!") == -1100
        assert server.troubles == []


def test_only_sound_public_keys_are_taken(rsa_key: rsa.RSAPrivateKey) -> None:
    """Ed25519 and RSA of 2048 bits or more are distinguished; weaker ones, other kinds and no keys are refused."""
    assert isinstance(verifier_of(pem(Ed25519PrivateKey.generate())), Ed25519Verifier)
    assert isinstance(verifier_of(b"\n" + pem(rsa_key).replace(b"\n", b"\r\n") + b"\n\n"), RsaVerifier)
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    for bad in (pem(weak), pem(ec.generate_private_key(ec.SECP256R1())), b"", b"-----BEGIN PUBLIC KEY-----"):
        with pytest.raises(CredentialsError):
            verifier_of(bad)


def test_a_key_that_may_only_read_reads_and_does_not_trade(client_for: ClientFor) -> None:
    """Without the permission reading works, and placing and cancelling are -2015 with HTTP 401."""
    secret = Secret("s" * 64)
    with PaperServer(other_keys={NAME: HmacVerifier(secret, may_trade=False)}) as server:
        client = client_for(server.endpoint)
        client.key, client.secret = NAME, secret.reveal()
        assert client.signed("GET", ACCOUNT).status == 200
        refused = (401, -2015, "Invalid API-key, IP, or permissions for action.")
        assert client.order().error == refused
        assert client.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=1).error == refused
        assert server.controls.orders() == []


def test_a_signature_is_hex_of_either_case_and_64_long(unchanged: Client) -> None:
    """Upper case is taken; what cannot be an HMAC is -1100 with the legal form, a wrong one -1022."""
    payload = f"timestamp={now()}"
    headers = {"X-MBX-APIKEY": unchanged.key}

    def ask(signature: str) -> Reply:
        return unchanged.raw("GET", f"{ACCOUNT}?{payload}&signature={signature}", headers=headers)

    assert ask(unchanged.sign(payload).upper()).status == 200
    assert ask("0" * 63).error == (
        400,
        -1100,
        "Illegal characters found in parameter 'signature'; legal range is '^[A-Fa-f0-9]{64}$'.",
    )
    assert ask("0" * 64).error[1] == -1022
    assert ask("").error == (400, -1105, "Parameter 'signature' was empty.")


def test_a_parameter_in_both_places_counts_as_the_query_says(paper: PaperServer, client: Client) -> None:
    """Of one sent twice, in the query and in the body, the query's value is taken; both are signed."""
    query = "symbol=BTCUSDT&price=50000"
    body = f"price=1&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&timestamp={now()}"
    body += "&signature=" + client.sign(query + body)
    reply = client.raw("POST", f"/api/v3/order?{query}", body, {"X-MBX-APIKEY": client.key})
    assert reply.json["price"] == "50000.00000000"


def test_timestamps_may_be_in_microseconds_and_windows_have_three_decimals(unchanged: Client) -> None:
    """Sixteen digits are microseconds; recvWindow takes up to three decimals and no more, 60000 and no more."""
    assert unchanged.signed("GET", ACCOUNT, timestamp=time.time_ns() // 1000).status == 200
    assert unchanged.signed("GET", ACCOUNT, timestamp=time.time_ns() // 1000 - 6_000_000).error[1] == -1021
    assert unchanged.signed("GET", ACCOUNT, recvWindow="5000.125").status == 200
    assert unchanged.signed("GET", ACCOUNT, recvWindow="5000.1255").error[1] == -1100
    assert unchanged.signed("GET", ACCOUNT, recvWindow="60000").status == 200
    assert unchanged.signed("GET", ACCOUNT, recvWindow="60000.001").error[1] == -1131


@pytest.mark.parametrize(
    ("terms", "code", "text"),
    [
        ({"symbol": None}, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."),
        ({"side": None}, -1102, "Mandatory parameter 'side' was not sent, was empty/null, or malformed."),
        ({"timeInForce": None}, -1102, "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed."),
        ({"symbol": ""}, -1105, "Parameter 'symbol' was empty."),
        ({"price": ""}, -1105, "Parameter 'price' was empty."),
        ({"surprise": "1"}, -1104, "Not all sent parameters were read; read '8' parameter(s) but was sent '9'."),
        ({"quoteOrderQty": "5"}, -1106, "Parameter 'quoteOrderQty' sent when not required."),
        (
            {"quantity": "1e-05"},
            -1100,
            "Illegal characters found in parameter 'quantity'; legal range is '^([0-9]{1,20})(\\.[0-9]{1,20})?$'.",
        ),
        ({"quantity": "0.123456789"}, -1111, "Parameter 'quantity' has too much precision."),
        ({"side": "HOLD"}, -1117, "Invalid side."),
        ({"type": "LIMITLESS"}, -1116, "Invalid orderType."),
        ({"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
        ({"symbol": "NOTLISTED"}, -1121, "Invalid symbol."),
        ({"strategyId": "99999999999999999999"}, -1108, "Parameter 'strategyId' overflowed."),
    ],
)
def test_parameters_that_are_not_right_are_named_as_documented(
    unchanged: Client, terms: dict[str, str | None], code: int, text: str
) -> None:
    """Each mistake has its documented code and words."""
    assert unchanged.order(**terms).error == (400, code, text)
    assert any(pattern_fits(pattern, text) for pattern in documented_messages(code))


def pattern_fits(pattern: str, text: str) -> bool:
    """Whether a text is a documented one with its gaps filled."""
    head, *rest = pattern.split("%s")
    return text.startswith(head) and all(part in text for part in rest)


def every_vector() -> list[object]:
    """The fixtures' signatures, and the documented ones where they are kept."""
    own = [pytest.param([vector], id=f"own-{index}") for index, vector in enumerate(fixture("signatures"))]
    return [*own, pytest.param([], id="recorded", marks=pytest.mark.recorded)]


@pytest.mark.parametrize("vectors", every_vector())
def test_signed_vectors_are_reproduced_by_a_server(client_for: ClientFor, vectors: list[dict[str, str]]) -> None:
    """Sent as they are to an exchange that has their key and is at their time, the signed requests pass.

    They name symbols that are not listed here: that they are refused for the symbol shows that the signature was taken.
    """
    for vector in vectors or recording("signatures/hmac_vectors.json"):
        stamped = int(vector["payload"].rpartition("timestamp=")[2])
        key = vector.get("apiKey", "v" * 64)
        with PaperServer(clock=partial(int, stamped), limits=WIDE, api_key=key, api_secret=vector["secret"]) as server:
            client = client_for(server.endpoint)
            query, body = vector.get("query", ""), vector.get("body", vector["payload"])

            codes = []
            for signature in (vector["signature"], vector["signature"].upper(), vector["signature"][::-1]):
                target = f"/api/v3/order?{query}" if query else "/api/v3/order"
                reply = client.raw("POST", target, f"{body}&signature={signature}", {"X-MBX-APIKEY": key})
                codes.append(reply.error[1])
            assert set(codes[:2]) <= {-1121, -1100}
            assert codes[2] == -1022
            assert sign(Secret(vector["secret"]), vector["payload"].encode()) == vector["signature"]


def test_refusals_of_the_front_door_are_reproduced(paper: PaperServer, client: Client) -> None:
    """What Binance answers about keys, signatures, clocks and parameters is answered word for word; the status too."""
    stranger = client_for_key(client, "z" * 64)
    given = [
        client.raw("GET", f"{ACCOUNT}?timestamp={now()}&signature={'0' * 64}", headers={"X-MBX-APIKEY": client.key}),
        client.order(quantity="1e-05"),
        client.signed("GET", ACCOUNT, timestamp=now() - 100_000),
        client.signed("GET", ACCOUNT, timestamp=now() + 100_000),
        client.raw("GET", ACCOUNT),
        client.raw("GET", f"{ACCOUNT}?{stranger}", headers={"X-MBX-APIKEY": "z" * 64}),
        client.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=1),
        client.order(quantity="0.00001"),
        client.order(quantity="0.000011"),
        client.order(price="0.01", quantity="9000"),
        client.order(type="MARKET", quantity="100"),
        (client.order(newClientOrderId="twice"), client.order(newClientOrderId="twice"))[1],
    ]
    assert {reply.error for reply in given} <= error_answers()
    assert len({reply.error for reply in given}) == len(given)
    assert {reply.headers["content-type"] for reply in given} == {fixture("errors")["content_type"]}


@pytest.mark.recorded
def test_the_fixtures_errors_are_those_that_were_recorded() -> None:
    """Every answer of the fixtures was recorded, with its status where that was recorded too, and so are the codes."""
    real = {(row["body"]["code"], row["body"]["msg"]): row.get("http") for row in recorded_answers() if "body" in row}
    for status, code, text in error_answers():
        assert real[code, text] in {status, None}
    header = next(row["headers"]["Content-Type"] for row in recorded_answers() if "headers" in row)
    assert fixture("errors")["content_type"] == header
    for code, messages in fixture("errors")["codes"].items():
        assert set(messages) <= set(recorded_messages(int(code)))


def client_for_key(client: Client, _key: str) -> str:
    payload = urlencode({"timestamp": now()})
    return f"{payload}&signature={client.sign(payload)}"
