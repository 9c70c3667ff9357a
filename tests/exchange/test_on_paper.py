"""The door and the embedded exchange, which checks signatures, times and filters by itself, fit one another."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from decimal import Decimal

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guardian.cli.keys.reading.signing_keys import signing_key_of
from guardian.domain.order_states import OrderState
from guardian.domain.orders import TimeInForce
from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind, Secret
from guardian.errors import ExchangeRateLimited, ExchangeRejected, OutcomeUnknown
from guardian.exchange.exchange import Exchange
from guardian.paper.host.standalone import PaperServer
from guardian.paper.keys import verifier_of
from tests.exchange.http.test_wire import limit_order
from tests.exchange.support.exchange_setup import ed25519_pair, exchange_at, now_ms
from tests.exchange.test_environments import READS, WALLET_READS
from tests.support.present import present
from tests.support.private_keys import KEYS, public_half

pytestmark = pytest.mark.anyio

SEED = bytes(range(32))
ED25519_PAIR = dataclasses.replace(ed25519_pair(SEED), api_key=Secret("k" * 64))


def client_order_id(number: int) -> str:
    return f"g1-{number:032x}"


@pytest.fixture
def paper() -> Iterator[PaperServer]:
    public = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
    with PaperServer(balances={"USDT": "1000"}, ed25519_keys={"k" * 64: public}) as server:
        server.controls.set_book("BTCUSDT", "60000.00", "60000.01")
        server.controls.set_average("BTCUSDT", "60000.00")
        yield server
        assert server.troubles == []


def exchange_of(server: PaperServer) -> AbstractAsyncContextManager[Exchange]:
    keys = ApiKeyPair(
        environment="paper",
        family=KeyFamily.SPOT,
        kind=KeyKind.HMAC,
        api_key=server.api_key,
        signing_key=server.api_secret,
    )
    return exchange_at(server.url, keys=keys)


@pytest.mark.parametrize("tool", [name for name in [*READS, *WALLET_READS] if name != "get_orders one"])
async def test_every_read_is_answered_by_the_embedded_exchange(paper: PaperServer, tool: str) -> None:
    """All reads are understood on both sides."""
    async with exchange_of(paper) as exchange:
        assert await {**READS, **WALLET_READS}[tool](exchange) is not None


async def test_order_lives_and_ends(paper: PaperServer) -> None:
    """An order is placed, found by both its ids, listed and cancelled; another one fills at once."""
    async with exchange_of(paper) as exchange:
        resting = limit_order("0.001", "59000")
        placed = await exchange.place_order(resting, client_order_id=client_order_id(1), timestamp_ms=now_ms())
        assert (placed.state, placed.price) == (OrderState.OPEN, Decimal(59000))
        for found in (
            await exchange.order("BTCUSDT", order_id=placed.order_id),
            await exchange.order("BTCUSDT", client_order_id=client_order_id(1)),
            *await exchange.open_orders("BTCUSDT"),
        ):
            assert present(found).order_id == placed.order_id
        gone = await exchange.cancel_order("BTCUSDT", client_order_id=client_order_id(1), timestamp_ms=now_ms())
        assert (gone.state, gone.client_order_id) == (OrderState.CANCELLED, client_order_id(1))
        taking = dataclasses.replace(limit_order("0.001", "60100"), time_in_force=TimeInForce.IOC)
        filled = await exchange.place_order(taking, client_order_id=client_order_id(2), timestamp_ms=now_ms())
        assert (filled.state, filled.executed_quantity) == (OrderState.FILLED, Decimal("0.001"))
        assert filled.fills[0].price == Decimal("60000.01")
        assert [one.state for one in await exchange.all_orders("BTCUSDT")] == [OrderState.CANCELLED, OrderState.FILLED]
        assert await exchange.order("BTCUSDT", client_order_id=client_order_id(3)) is None


async def test_ed25519_key_is_taken_by_another_implementation(paper: PaperServer) -> None:
    """A signature made here is verified by the exchange there."""
    async with exchange_at(paper.url, keys=ED25519_PAIR) as exchange:
        assert (await exchange.balances()).balances[0].asset == "USDT"


@pytest.mark.parametrize("kind", KeyKind)
async def test_order_signed_by_a_key_of_each_kind_is_placed_and_cancelled(kind: KeyKind) -> None:
    """HMAC, Ed25519 and RSA: the exchange verifies what the opaque signer signs, of reads and of both writes."""
    key = KEYS[kind]() if kind in KEYS else None
    others = {"r" * 64: verifier_of(public_half(key))} if key is not None else {}
    with PaperServer(balances={"USDT": "1000"}, other_keys=others) as server:
        server.controls.set_book("BTCUSDT", "60000.00", "60000.01")
        keys = ApiKeyPair(
            environment="paper",
            family=KeyFamily.SPOT,
            kind=kind,
            api_key=server.api_key if key is None else Secret("r" * 64),
            signing_key=server.api_secret if key is None else signing_key_of(key).value,
        )
        async with exchange_at(server.url, keys=keys) as exchange:
            assert await exchange.account_name() == f"uid-{server.venue.uid}"
            resting = limit_order("0.001", "59000")
            placed = await exchange.place_order(resting, client_order_id=client_order_id(1), timestamp_ms=now_ms())
            assert placed.state is OrderState.OPEN
            gone = await exchange.cancel_order("BTCUSDT", order_id=placed.order_id, timestamp_ms=now_ms())
            assert gone.state is OrderState.CANCELLED
        assert server.troubles == []


async def test_wrong_secret_is_a_rejection_with_a_hint(paper: PaperServer) -> None:
    """A key that does not sign rightly gets an answer that says so."""
    keys = ApiKeyPair(
        environment="paper",
        family=KeyFamily.SPOT,
        kind=KeyKind.HMAC,
        api_key=paper.api_key,
        signing_key=Secret("x" * 64),
    )
    async with exchange_at(paper.url, keys=keys) as exchange:
        with pytest.raises(ExchangeRejected) as caught:
            await exchange.balances()
    assert caught.value.code == -1022
    assert caught.value.hint


@pytest.mark.parametrize("fault", ["reply_lost", "reset_before", "html_502", "empty_200", "bad_json", "status"])
async def test_order_under_a_fault_is_unknown_and_sent_once(paper: PaperServer, fault: str) -> None:
    """Whether or not the order was taken, it is unknown, was sent once, and asking shows."""
    async with exchange_of(paper) as exchange:
        await exchange.balances()
        paper.controls.fault("POST", "/api/v3/order", fault)
        order = limit_order("0.001", "59000")
        with pytest.raises(OutcomeUnknown):
            await exchange.place_order(order, client_order_id=client_order_id(7), timestamp_ms=now_ms())
        assert len(paper.controls.orders_received()) == 1
        report = await exchange.order("BTCUSDT", client_order_id=client_order_id(7))
        assert (report is not None) == (len(paper.controls.orders()) == 1)


@pytest.mark.parametrize(("fault", "banned"), [("retry_after_429", False), ("ban_418", True)])
async def test_rate_limit_of_an_order_is_certain(paper: PaperServer, fault: str, banned: bool) -> None:
    """A 429 or 418 on an order means that it was not taken."""
    async with exchange_of(paper) as exchange:
        paper.controls.fault("POST", "/api/v3/order", fault, seconds=9)
        with pytest.raises(ExchangeRateLimited) as caught:
            await exchange.place_order(
                limit_order("0.001", "59000"), client_order_id=client_order_id(8), timestamp_ms=now_ms()
            )
    assert (caught.value.retry_after_s, caught.value.banned) == (9, banned)
    assert paper.controls.orders() == []


async def test_skew_of_the_exchanges_clock_is_seen(paper: PaperServer) -> None:
    """An exchange that is 3 s ahead is seen as such."""
    paper.controls.clock_skew_ms = 3_000
    async with exchange_of(paper) as exchange:
        assert abs(await exchange.clock_skew_ms() + 3_000) < 250
        assert (await exchange.balances()).can_trade is True
