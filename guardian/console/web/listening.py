"""The sockets that the page is served on, and the HTTP server: on loopback alone, and silent."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from guardian.errors import GuardianError

_V4, _V6 = "127.0.0.1", "::1"
_NOT_HERE: Final = frozenset(
    {
        errno.EADDRNOTAVAIL,
        errno.EAFNOSUPPORT,
        errno.EPROTONOSUPPORT,
        errno.EINVAL,
        getattr(errno, "WSAEADDRNOTAVAIL", 0),
    }
)
"""What a system without IPv6 on loopback answers."""
_TRIES: Final = 20
_BACKLOG: Final = 64


def listen(port: int) -> tuple[socket.socket, ...]:
    """Returns listening sockets on 127.0.0.1 and, where the system has it, ::1, both on one port; 0 takes a free one.

    A port that is free on one of the two and taken on the other is not used: a browser would try both for `localhost`.

    Raises:
        GuardianError: the port is taken.
    """
    for _ in range(_TRIES):
        first = _bound(socket.AF_INET, _V4, port)
        if first is None:
            break
        chosen = first.getsockname()[1]
        try:
            second = _bound(socket.AF_INET6, _V6, chosen)
        except OSError as error:
            if error.errno in _NOT_HERE:
                return (first,)
            first.close()
            raise
        if second is not None:
            return first, second
        first.close()
        if port:
            break
    raise GuardianError(f"port {port} of this machine is taken", hint="use another with `--port`, or leave it out")


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket | None:
    """Returns a listening socket; None where the port is taken. Raises OSError."""
    if family is socket.AF_INET6 and not socket.has_ipv6:
        raise OSError(errno.EAFNOSUPPORT, "there is no IPv6 here")
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # On Windows SO_REUSEADDR would let another process take over the port; SO_EXCLUSIVEADDRUSE forbids that.
        if os.name == "posix":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            made.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR), 1)
        if family is socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((host, port))
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        if error.errno in {errno.EADDRINUSE, errno.EACCES}:
            return None
        raise
    made.set_inheritable(False)
    return made


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs it: uvicorn would take them over, and raise them again at its end."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Changes nothing."""
        yield


def quiet_server(app: ASGIApp) -> uvicorn.Server:
    """Returns an HTTP server for the application that names itself nowhere and logs nothing, requests above all."""
    for name in ("uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).propagate = False
    return _Server(
        uvicorn.Config(
            app,
            http="h11",
            loop="asyncio",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=64,
            h11_max_incomplete_event_size=16_384,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=3,
        )
    )
