"""Connections of an HTTP server whose number is limited, and which do not wait for a request for ever.

uvicorn alone waits without end for the first request of a connection, and answers 503 to everybody where there are many
connections, idle ones too: one program that opens a thousand would keep every other out.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, cast

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle


class BoundedConnection(H11Protocol):
    """A connection of a server that has `most` of them, and gives each `head_s` to send the head of a request.

    Where there is one more, the one that has waited longest for a request is closed; where every other one is being
    answered, the new one is. What uvicorn has for connections that are kept open between requests holds besides.
    """

    most: ClassVar[int] = 128
    head_s: ClassVar[float] = 10.0
    """Seconds from the opening, and from the first byte of each later request, to the end of its head."""

    _waits_since: float
    _head_timer: asyncio.TimerHandle | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether no request of this connection is being answered."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request, whatever uvicorn says
        return cycle is None or cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own narrowing
        """Take the connection, and close one if there are too many."""
        super().connection_made(transport)
        self._waits_since = self.loop.time()
        self._start_head_timer()
        self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what was sent; a request whose head is not whole yet has `head_s` from now on."""
        super().data_received(data)
        if not self.is_waiting:
            self._stop_head_timer()
        elif self._head_timer is None:
            self._start_head_timer()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._waits_since = self.loop.time()
        super().on_response_complete()

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_s, self._close_if_waiting)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close_if_waiting(self) -> None:
        self._head_timer = None
        if self.is_waiting:
            self.transport.abort()

    def _make_room(self) -> None:
        here = [
            one for one in self.connections if isinstance(one, BoundedConnection) and not one.transport.is_closing()
        ]
        if len(here) <= self.most:
            return
        waiting = [one for one in here if one is not self and one.is_waiting]
        min(waiting, key=lambda one: one._waits_since, default=self).transport.abort()  # noqa: SLF001 - its own class
