"""Running the HTTP face with uvicorn: silent, on a socket of ours, in the foreground or in a thread."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from guardian.domain.trading import PAPER_HOST
from guardian.errors import ExchangeUnavailable
from guardian.paper.rest.app import HttpApi


class _Protocol(H11Protocol):
    """Puts each connection's transport within reach of its requests, so that a fault can cut the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own narrowing
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


def listen(host: str = PAPER_HOST, port: int = 0) -> socket.socket:
    """Returns a listening socket on a loopback address; port 0 takes a free one.

    Raises:
        ExchangeUnavailable: the port is taken, or the host is not a loopback address.
    """
    if host not in {PAPER_HOST, "localhost", "::1"}:
        raise ExchangeUnavailable("the paper exchange serves this machine only", hint="use 127.0.0.1 or ::1")
    family = socket.AF_INET6 if host == "::1" else socket.AF_INET
    # With the protocol named asyncio sets TCP_NODELAY; without it each reply on a kept connection waits for 40 ms.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # On Windows SO_REUSEADDR would let two processes share the port; elsewhere it only skips the wait after an end.
    if os.name == "posix":
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((PAPER_HOST if host == "localhost" else host, port))
        made.listen(128)
    except OSError as error:
        made.close()
        raise ExchangeUnavailable(f"port {port} on {host} is unavailable", hint="use another port") from error
    made.set_inheritable(False)
    return made


class _Server(uvicorn.Server):
    """Looks more often than uvicorn's ten times a second whether it is to end, so that tests start and stop fast."""

    tick_s = 0.1

    async def main_loop(self) -> None:
        """As uvicorn's own, but for the time between two looks."""
        counter = 0
        while not await self.on_tick(counter):
            counter += 1
            await asyncio.sleep(self.tick_s)


def server(front: HttpApi, *, tick_s: float = 0.1) -> uvicorn.Server:
    """Returns a uvicorn server that logs nothing anywhere and sees every `tick_s` seconds whether it is to end."""
    made = quiet(front.app)
    made.tick_s = tick_s
    return made


def quiet(app: Starlette) -> _Server:
    """Returns a uvicorn server for an application that logs nothing anywhere."""
    logging.getLogger("uvicorn.error").propagate = False
    options: dict[str, Any] = {
        "http": _Protocol,
        "loop": "asyncio",
        "ws": "none",
        "lifespan": "off",
        "interface": "asgi3",
        "log_config": None,
        "log_level": "critical",
        "access_log": False,
        "server_header": False,
        "timeout_keep_alive": 60,
        "timeout_graceful_shutdown": 3,
    }
    return _Server(uvicorn.Config(app, **options))
