"""A loopback proxy that makes an exchange far away, and records each request that passes.

Bytes are held for half a round trip in each direction, in their order. A new connection is held for its set-up first,
as TCP's own handshake would take a round trip before the first byte of a request is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Final

LOOPBACK: Final = "127.0.0.1"
_CHUNK: Final = 65_536


@dataclass(slots=True, kw_only=True)
class Trip:
    """One request and its reply. Times are `time.perf_counter()`, which all processes of a machine share."""

    head: bytes
    """The request as far as it was read in one go: its first line, headers, and the body of a short one."""
    is_first: bool
    """Whether it is the first of its connection."""
    arrived: float
    """When the client had sent it."""
    sent: float = 0.0
    """When the exchange was sent the last of it."""
    answered: float = 0.0
    """When the exchange had answered."""
    delivered: float = 0.0
    """When the client was sent the last of the reply."""


class DelayProxy:
    """Listens on a free port of loopback and hands on to another port there."""

    def __init__(self, port: int, *, round_trip_s: float, setup_trips: float) -> None:
        """`setup_trips` is how many round trips a connection takes before its first request is sent."""
        self._upstream = port
        self.round_trip_s: Final = round_trip_s
        self.setup_s: Final = round_trip_s * setup_trips
        self.trips: list[Trip] = []
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Starts to listen, and returns its URL."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0)
        return f"http://{LOOPBACK}:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Ends all connections."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def take(self) -> list[Trip]:
        """Returns the trips recorded since the last time, those under way left out."""
        done = [trip for trip in self.trips if trip.delivered]
        self.trips = [trip for trip in self.trips if not trip.delivered]
        return done

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        with suppress(OSError, asyncio.CancelledError):
            await _Connection(self, perf_counter()).run(reader, writer, self._upstream)
        writer.close()


class _Connection:
    """One connection, on which requests follow one another; HTTP/1.1 clients do not pipeline."""

    def __init__(self, proxy: DelayProxy, opened: float) -> None:
        self._proxy = proxy
        self._ready = opened + proxy.setup_s
        self._trip: Trip | None = None
        self._is_first = True

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        up_reader, up_writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            outward = asyncio.create_task(_carry(reader, up_writer, self._request, self._sent))
            back = asyncio.create_task(_carry(up_reader, writer, self._reply, self._delivered))
            try:
                await asyncio.wait({outward, back}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (outward, back):
                    task.cancel()
                await asyncio.gather(outward, back, return_exceptions=True)
        finally:
            up_writer.close()

    def _request(self, chunk: bytes, now: float) -> float:
        trip = self._trip
        if trip is None or trip.answered:
            trip = self._trip = Trip(head=chunk, is_first=self._is_first, arrived=now)
            self._is_first = False
            self._proxy.trips.append(trip)
        elif len(trip.head) < _CHUNK:
            trip.head += chunk
        return max(now, self._ready) + self._proxy.round_trip_s / 2

    def _sent(self, now: float) -> None:
        if self._trip is not None:
            self._trip.sent = now

    def _reply(self, _chunk: bytes, now: float) -> float:
        trip = self._trip
        if trip is None:
            return now
        trip.answered, trip.delivered = now, 0.0
        # A timer is late by up to a millisecond on the way there; the way back makes up for it.
        there = trip.sent - max(trip.arrived, self._ready)
        return now + max(0.0, self._proxy.round_trip_s - max(there, 0.0))

    def _delivered(self, now: float) -> None:
        if self._trip is not None:
            self._trip.delivered = now


async def _carry(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    due: Callable[[bytes, float], float],
    passed: Callable[[float], None],
) -> None:
    """Hands on what is read at the time that `due` says, until the end of it."""
    line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def write() -> None:
        while True:
            when, chunk = await line.get()
            if not chunk:
                return
            pause = when - perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
            writer.write(chunk)
            passed(perf_counter())
            await writer.drain()

    writing = asyncio.create_task(write())
    try:
        while chunk := await reader.read(_CHUNK):
            now = perf_counter()
            line.put_nowait((due(chunk, now), chunk))
        line.put_nowait((0.0, b""))
        await writing
    finally:
        writing.cancel()
