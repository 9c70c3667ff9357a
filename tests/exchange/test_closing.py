"""An exchange that is closed stays closed: nothing is opened or sent afterwards, whatever was in flight."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from guardian.errors import ExchangeUnavailable, NotSent, OutcomeUnknown
from guardian.exchange.environments import ApiFamily
from tests.exchange.http.test_error_mapping import cancel, place, read
from tests.exchange.support.exchange_setup import served
from tests.exchange.support.loopback_exchange import LoopbackExchange, Told
from tests.support.present import present

pytestmark = pytest.mark.anyio


async def in_flight(server: LoopbackExchange, act: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """The task of a request that the server has received and does not answer."""
    task = asyncio.create_task(act)
    while not server.seen:
        await asyncio.sleep(0.001)
    return task


async def test_read_in_flight_at_the_close_is_not_sent_again() -> None:
    """The read fails where the exchange is closed under it, and its retry opens no new session."""
    async with served(lambda _: Told(hang=True)) as (server, exchange):
        client = exchange._client()
        task = await in_flight(server, read(exchange))
        await exchange.close()
        with pytest.raises(ExchangeUnavailable):
            await asyncio.wait_for(task, 5)
        assert present(client.session).closed
    assert (len(server.seen), server.connections) == (1, 1)


async def test_write_in_flight_at_the_close_is_unknown() -> None:
    """An order that was sent and not answered may have happened."""
    async with served(lambda _: Told(hang=True)) as (server, exchange):
        task = await in_flight(server, place(exchange))
        await exchange.close()
        with pytest.raises(OutcomeUnknown):
            await asyncio.wait_for(task, 5)
    assert len(server.seen) == 1


@pytest.mark.parametrize("was_used", [True, False])
async def test_closed_exchange_sends_nothing(was_used: bool) -> None:
    """After the close a read is unavailable and a write was not sent, whether there was a request before or not."""
    async with served(measures=True) as (server, exchange):
        if was_used:
            await read(exchange)
        seen = len(server.seen)
        await exchange.close()
        for act in (place, cancel):
            with pytest.raises(NotSent, match="closed"):
                await act(exchange)
        for act in (read, lambda e: e.clock_skew_ms(ApiFamily.FUTURES)):
            with pytest.raises(ExchangeUnavailable, match="closed"):
                await act(exchange)
        assert len(server.seen) == seen
        await exchange.close()


async def test_slot_given_back_after_the_close_leaves_the_limits_file_closed(tmp_path: Path) -> None:
    """What is counted after the close is counted by this process alone; the shared file is not opened again."""
    async with served(limits_path=tmp_path / "limits.db") as (_, exchange):
        async with exchange.order_slot():
            await exchange.close()
        assert present(exchange._session.rate_limits._counts._file)._connection is None
        with pytest.raises(NotSent):
            await place(exchange)
        assert present(exchange._session.rate_limits._counts._file)._connection is None


async def test_closing_again_is_harmless() -> None:
    """A second close, and one of an exchange that was never used, does nothing."""
    async with served() as (server, exchange):
        started = time.monotonic()
        await exchange.close()
        await exchange.close()
        assert time.monotonic() - started < 1
    assert server.seen == []
