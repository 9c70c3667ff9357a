"""Keys with canaries in them, clocks that are set by hand, and an exchange on loopback."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind, Secret
from guardian.domain.trading import Environment
from guardian.exchange.environments import EnvironmentSpec
from guardian.exchange.exchange import Exchange
from tests.exchange.support.exchange_samples import answer
from tests.exchange.support.loopback_exchange import LoopbackExchange, Seen
from tests.support.clock import ClockOf

CANARY_KEY = "canaryKEYcanaryKEYcanaryKEYcanaryKEY0123456789"
CANARY_SECRET = "canarySECRETcanarySECRETcanarySECRET0123456789"


def pair(environment: str = "paper", family: KeyFamily = KeyFamily.SPOT, *, mark: str = "") -> ApiKeyPair:
    return ApiKeyPair(
        environment=environment,
        family=family,
        kind=KeyKind.HMAC,
        api_key=Secret(CANARY_KEY + mark),
        signing_key=Secret(CANARY_SECRET + mark),
    )


def ed25519_pair(seed: bytes) -> ApiKeyPair:
    return ApiKeyPair(
        environment="paper",
        family=KeyFamily.SPOT,
        kind=KeyKind.ED25519,
        api_key=Secret(CANARY_KEY),
        signing_key=Secret(b64encode(seed).decode()),
    )


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def at_once(_: float) -> None:
    """A pause that takes no time."""
    await asyncio.sleep(0)


async def _known() -> bool:
    return True


@asynccontextmanager
async def exchange_at(
    url: str,
    *,
    keys: ApiKeyPair | None = None,
    now: Callable[[], int] = now_ms,
    monotonic: Callable[[], float] = time.monotonic,
    pause: Callable[[float], Awaitable[None]] = at_once,
    timeout_s: float | None = None,
    measures: bool = False,
    **options: Any,
) -> AsyncIterator[Exchange]:
    """An Exchange under `paper` that talks to `url`; it does not pause unless `pause` is given.

    With `measures` it measures the clock before a cancel where it does not know it, as it does by itself.
    """
    spec = EnvironmentSpec(environment=Environment.PAPER, paper_endpoint=url)
    exchange = Exchange(spec, spot=keys or pair(), futures=None, clock=ClockOf(now, monotonic, pause), **options)
    if not measures:
        exchange._session._spot_clock.measure_if_unknown = _known
    if timeout_s is not None:
        exchange._client().READ_TIMEOUT_S = exchange._client().WRITE_TIMEOUT_S = timeout_s
    try:
        yield exchange
    finally:
        await exchange.close()


@asynccontextmanager
async def served(
    reply: Callable[[Seen], object] = lambda seen: answer(seen.method, seen.path), **options: Any
) -> AsyncIterator[tuple[LoopbackExchange, Exchange]]:
    """The loopback exchange and an Exchange that talks to it."""
    async with LoopbackExchange(reply) as server, exchange_at(server.url, **options) as exchange:
        yield server, exchange
