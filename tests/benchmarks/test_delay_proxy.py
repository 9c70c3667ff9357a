"""The proxy that makes an exchange far away: it holds requests for no shorter than it should, and changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter

from tests.benchmarks.venue.delay_proxy import LOOPBACK, DelayProxy
from tests.benchmarks.venue.process import described

ROUND_TRIP_S = 0.04
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def through(
    work: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], *, setup_trips: float = 1.0
) -> DelayProxy:
    """Does this work on a connection through a proxy to a server that answers each request at once."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            writer.write(REPLY)
        writer.close()

    async def run() -> DelayProxy:
        server = await asyncio.start_server(answer, LOOPBACK, 0)
        port = server.sockets[0].getsockname()[1]
        proxy = DelayProxy(port, round_trip_s=ROUND_TRIP_S, setup_trips=setup_trips)
        url = await proxy.start()
        reader, writer = await asyncio.open_connection(LOOPBACK, int(url.rpartition(":")[2]))
        try:
            await work(reader, writer)
        finally:
            writer.close()
            await proxy.close()
            server.close()
        return proxy

    return asyncio.run(run())


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> float:
    """Sends a request, checks the reply, and returns how long it took in seconds."""
    start = perf_counter()
    writer.write(request)
    assert await reader.readexactly(len(REPLY)) == REPLY
    return perf_counter() - start


def test_each_request_takes_the_round_trip_and_the_first_the_set_up_too() -> None:
    """A new connection costs one round trip more, as TCP's handshake would."""
    times, ends, began = list[float](), list[float](), perf_counter()

    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            times.append(await ask(reader, writer, b"GET /one HTTP/1.1\r\n\r\n"))
            ends.append(perf_counter())

    through(work)
    # Counted from before the connection was made, as a client counts.
    assert ends[0] - began >= 2 * ROUND_TRIP_S
    assert min(times[1:]) >= ROUND_TRIP_S


def test_set_up_can_be_free() -> None:
    """Then the first request is held like all others."""

    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await ask(reader, writer, b"GET /one HTTP/1.1\r\n\r\n") >= ROUND_TRIP_S

    (trip,) = through(work, setup_trips=0).take()
    assert trip.sent - trip.arrived >= ROUND_TRIP_S / 2


def test_requests_are_recorded_with_their_times_and_weights() -> None:
    """Each request has its line, its parameters in the address and in the body, its weight, and its times in order."""

    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ask(reader, writer, b"GET /api/v3/openOrders?symbol=BTCUSDT HTTP/1.1\r\nHost: x\r\n\r\n")
        await ask(reader, writer, b"POST /api/v3/order HTTP/1.1\r\nHost: x\r\n\r\nsymbol=BTCUSDT&side=BUY")

    proxy = through(work)
    first, second = (described(trip) for trip in proxy.take())
    assert (first["method"], first["path"], first["params"], first["weight"]) == (
        "GET", "/api/v3/openOrders", ["symbol"], 6,
    )  # fmt: skip
    assert (second["method"], second["params"]) == ("POST", ["side", "symbol"])
    assert (first["is_first"], second["is_first"]) == (True, False)
    for one in (first, second):
        assert one["arrived"] <= one["sent"] <= one["answered"] <= one["delivered"]
        assert one["delivered"] - one["arrived"] >= ROUND_TRIP_S
    assert proxy.take() == []
