"""What is on the wire: bytes, order, signature, decimals."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guardian.domain.orders import OrderSide, OrderSpec, OrderType, ResolvedOrder, TimeInForce
from guardian.errors import NotSent, OutcomeUnknown, RequestRefused
from tests.exchange.support.exchange_samples import CANCELLED, ORDER, PLACED
from tests.exchange.support.exchange_setup import CANARY_KEY, CANARY_SECRET, ed25519_pair, now_ms, served
from tests.exchange.support.loopback_exchange import Seen

pytestmark = pytest.mark.anyio

ID = ORDER["clientOrderId"]


def limit_order(quantity: str = "0.00001", price: str = "60000", **more: Any) -> ResolvedOrder:
    spec = OrderSpec(
        symbol="BTCUSDT",
        side=OrderSide.BUY,
        order_type=OrderType.LIMIT,
        quantity=Decimal(quantity),
        price=Decimal(price),
    )
    return ResolvedOrder(
        spec=spec,
        wire_type=OrderType.LIMIT,
        quantity=Decimal(quantity),
        price=Decimal(price),
        time_in_force=TimeInForce.GTC,
        **more,
    )


def assert_signed(seen: Seen) -> None:
    payload, _, mark = seen.payload.rpartition(b"&signature=")
    expected = hmac.new(CANARY_SECRET.encode(), payload, hashlib.sha256).hexdigest()
    assert mark.decode() == expected
    assert seen.headers["x-mbx-apikey"] == CANARY_KEY


async def test_order_is_sent_with_exactly_the_listed_fields_in_order() -> None:
    """An order is one POST whose body is sorted, in plain decimals, with guardian's own id and a window of 5 s."""
    stamp = now_ms()
    async with served() as (server, exchange):
        report = await exchange.place_order(limit_order(), client_order_id=ID, timestamp_ms=stamp)
    (seen,) = server.seen
    assert (seen.method, seen.target) == ("POST", "/api/v3/order")
    assert seen.headers["content-type"] == "application/x-www-form-urlencoded"
    assert seen.body.decode().rpartition("&signature=")[0] == (
        f"newClientOrderId={ID}&newOrderRespType=FULL&price=60000&quantity=0.00001&recvWindow=5000&side=BUY"
        f"&symbol=BTCUSDT&timeInForce=GTC&timestamp={stamp}&type=LIMIT"
    )
    assert_signed(seen)
    assert report.order_id == 28
    assert report.fills[0].commission == Decimal("0.0000004")


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        ("1E-5", "0.00001"),
        ("0.00000001", "0.00000001"),
        ("1E+3", "1000"),
        ("12345678901234567890", "12345678901234567890"),
    ],
)
async def test_decimals_are_plain_on_the_wire(value: str, wire: str) -> None:
    """No exponent and no float ever reaches the exchange."""
    async with served() as (server, exchange):
        await exchange.place_order(limit_order(quantity=value), client_order_id=ID, timestamp_ms=now_ms())
    assert server.seen[0].parameters["quantity"] == wire


async def test_cancel_is_sent_in_a_signed_body() -> None:
    """A cancel is one DELETE with the order's id, signed over the bytes that are sent."""
    async with served() as (server, exchange):
        report = await exchange.cancel_order("BTCUSDT", client_order_id=ID, timestamp_ms=now_ms())
    (seen,) = server.seen
    assert (seen.method, seen.target) == ("DELETE", "/api/v3/order")
    assert seen.parameters["origClientOrderId"] == ID
    assert_signed(seen)
    assert report.client_order_id == ID
    assert report.status == "CANCELED"


async def test_signed_read_is_signed_over_the_bytes_of_the_query() -> None:
    """The signature of a GET is over the encoded query, and the key is sent with it."""
    async with served() as (server, exchange):
        await exchange.order("BTCUSDT", client_order_id=ID)
    (seen,) = server.seen
    assert seen.path == "/api/v3/order"
    assert_signed(seen)


async def test_public_read_carries_no_key() -> None:
    """A market request carries neither a key nor a signature."""
    async with served() as (server, exchange):
        await exchange.ticker_price("BTCUSDT")
    (seen,) = server.seen
    assert "x-mbx-apikey" not in seen.headers
    assert seen.target == "/api/v3/ticker/price?symbol=BTCUSDT"


async def test_values_cannot_add_parameters() -> None:
    """A value with `&`, `#`, `=` or a space is one value on the wire, under a signature that fits."""
    hostile = "x&orderId=1#y z=é"
    async with served(lambda seen: {**ORDER, "clientOrderId": hostile}) as (server, exchange):
        await exchange.order("BTCUSDT", client_order_id=hostile)
    (seen,) = server.seen
    assert seen.parameters["origClientOrderId"] == hostile
    assert "orderId" not in seen.parameters
    assert_signed(seen)


async def test_several_symbols_go_as_one_encoded_list() -> None:
    """Book tops of several symbols are one request."""
    async with served() as (server, exchange):
        tops = await exchange.book_tops(["BTCUSDT", "ETHUSDT", "BTCUSDT"])
    (seen,) = server.seen
    assert seen.target == "/api/v3/ticker/bookTicker?symbols=%5B%22BTCUSDT%22%2C%22ETHUSDT%22%5D"
    assert tops["BTCUSDT"].ask == Decimal("60000.01")


async def test_ed25519_signature_is_valid() -> None:
    """An Ed25519 key signs the same bytes, in base64, encoded."""
    seed = bytes(range(32))
    async with served(keys=ed25519_pair(seed)) as (server, exchange):
        await exchange.place_order(limit_order(), client_order_id=ID, timestamp_ms=now_ms())
    (seen,) = server.seen
    payload, _, mark = seen.body.rpartition(b"&signature=")
    assert re.fullmatch(rb"[A-Za-z0-9%]+", mark)
    signature = b64decode(seen.parameters["signature"])
    Ed25519PrivateKey.from_private_bytes(seed).public_key().verify(signature, payload)


async def test_key_that_cannot_sign_sends_nothing() -> None:
    """A stored key that is damaged is NotSent, and nothing is on the wire."""
    async with served(keys=ed25519_pair(b"short")) as (server, exchange):
        with pytest.raises(NotSent):
            await exchange.place_order(limit_order(), client_order_id=ID, timestamp_ms=now_ms())
    assert server.seen == []


@pytest.mark.parametrize("late_ms", [5_000, 60_000, -1_001])
async def test_order_with_an_old_timestamp_is_not_sent(late_ms: int) -> None:
    """An order whose time was fixed 5 s ago or more (a machine that slept), or lies ahead, never leaves."""
    now = 1_700_000_000_000
    async with served(now=lambda: now) as (server, exchange):
        with pytest.raises(NotSent):
            await exchange.place_order(limit_order(), client_order_id=ID, timestamp_ms=now - late_ms)
        with pytest.raises(NotSent):
            await exchange.cancel_order("BTCUSDT", order_id=28, timestamp_ms=now - late_ms)
    assert server.seen == []


async def test_unpriced_type_is_never_sent() -> None:
    """An order type without a worst price is refused, also here."""
    order = limit_order()
    unpriced = ResolvedOrder(spec=order.spec, wire_type=OrderType.MARKET, quantity=order.quantity, price=order.price)
    async with served() as (server, exchange):
        with pytest.raises(RequestRefused):
            await exchange.place_order(unpriced, client_order_id=ID, timestamp_ms=now_ms())
        with pytest.raises(RequestRefused):
            await exchange.place_order(order, client_order_id="a b", timestamp_ms=now_ms())
        with pytest.raises(RequestRefused):
            await exchange.cancel_order("BTCUSDT", timestamp_ms=now_ms())
        with pytest.raises(RequestRefused):
            await exchange.cancel_order("BTCUSDT", order_id=1, client_order_id=ID, timestamp_ms=now_ms())
    assert server.seen == []


async def test_answer_that_names_no_order_is_unknown() -> None:
    """A success that does not name an order proves nothing."""
    async with served(lambda seen: {**PLACED, "orderId": None}) as (_, exchange):
        with pytest.raises(OutcomeUnknown):
            await exchange.place_order(limit_order(), client_order_id=ID, timestamp_ms=now_ms())


async def test_cancel_answer_without_a_status_is_unknown() -> None:
    """The same for a cancel."""
    async with served(lambda seen: {**CANCELLED, "status": 5}) as (_, exchange):
        with pytest.raises(OutcomeUnknown):
            await exchange.cancel_order("BTCUSDT", client_order_id=ID, timestamp_ms=now_ms())


@pytest.mark.parametrize(("name", "value"), [("client_order_id", "x-HNA2TXFJ0"), ("symbol", "ETHUSDT")])
async def test_answer_about_another_order_is_given_as_it_is(name: str, value: str) -> None:
    """The gate holds it against the order that was sent, and halts: nothing is made to fit here."""
    field = {"client_order_id": "clientOrderId", "symbol": "symbol"}[name]
    async with served(lambda seen: {**PLACED, field: value}) as (_, exchange):
        report = await exchange.place_order(limit_order(), client_order_id=ID, timestamp_ms=now_ms())
    assert getattr(report, name) == value
    field = {"client_order_id": "origClientOrderId", "symbol": "symbol"}[name]
    async with served(lambda seen: {**CANCELLED, field: value}) as (_, exchange):
        report = await exchange.cancel_order("BTCUSDT", client_order_id=ID, timestamp_ms=now_ms())
    assert getattr(report, name) == value


async def test_connection_is_kept_between_calls() -> None:
    """Ten calls use one connection and exactly ten requests; none is a ping."""
    async with served() as (server, exchange):
        for _ in range(10):
            await exchange.ticker_price("BTCUSDT")
    assert server.connections == 1
    assert [seen.path for seen in server.seen] == ["/api/v3/ticker/price"] * 10


async def test_proxy_settings_of_the_machine_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY and netrc of the machine change nothing."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with served() as (server, exchange):
        await exchange.ticker_price("BTCUSDT")
    assert len(server.seen) == 1
