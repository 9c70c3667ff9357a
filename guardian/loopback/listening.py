"""Sockets on loopback, and the HTTP server on them, which is silent."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, ip_address
from typing import Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from guardian.errors import GuardianError

_V4, _V6 = "127.0.0.1", "::1"
LOOPBACK: Final = (_V4, _V6)
_NAME: Final = "localhost"
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


def loopback_addresses(host: str) -> tuple[str, ...]:
    """Returns the addresses of a host that is this machine's loopback: `localhost`, which is both, or one address.

    No name is looked up: where it leads could change. Raises GuardianError for everything else, an empty host too.
    """
    if host.lower() == _NAME:
        return LOOPBACK
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    if host == _V6 or (isinstance(address, IPv4Address) and address.is_loopback):
        return (host,)
    raise GuardianError(
        f"guardian serves on loopback alone, and `{host}` is not that",
        hint="use `127.0.0.1`, `::1` or `localhost`; from another machine forward the port, for instance with SSH",
    )


def listen(port: int, addresses: Sequence[str] = LOOPBACK) -> tuple[socket.socket, ...]:
    """Returns listening sockets on these loopback addresses, all on one port; 0 takes a free one.

    A port that is free on one of them and taken on another is not used: a browser would try both for `localhost`. An
    address that the system does not have is left out, unless it is the first.

    Raises:
        GuardianError: the port is taken, may not be used, or the system has no such address.
    """
    for _ in range(_TRIES):
        made = _all_bound(addresses, port)
        if made is not None:
            return made
        if port:
            break
    raise GuardianError(
        f"port {port} of this machine is taken, or may not be used", hint="use another with `--port`, or leave it out"
    )


def _all_bound(addresses: Sequence[str], port: int) -> tuple[socket.socket, ...] | None:
    """Returns a socket for each address, None where the port is taken on one of them."""
    made: list[socket.socket] = []
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            one = _bound(family, address, made[0].getsockname()[1] if made else port)
        except OSError as error:
            if made and error.errno in _NOT_HERE:
                continue
            _close(made)
            if error.errno in _NOT_HERE:
                raise GuardianError(f"this system has no `{address}`", hint="use `127.0.0.1`") from error
            raise
        if one is None:
            _close(made)
            return None
        made.append(one)
    return tuple(made)


def _close(sockets: Sequence[socket.socket]) -> None:
    for one in sockets:
        one.close()


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


def quiet_server(
    app: ASGIApp,
    *,
    connection: type[H11Protocol] = H11Protocol,
    most_requests: int | None = 64,
    keep_alive_s: int = 60,
) -> uvicorn.Server:
    """Returns an HTTP server for the application that names itself nowhere and logs nothing, requests above all.

    Over `most_requests` connections or requests are answered with 503; None leaves that to the `connection`.
    """
    for name in ("uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).propagate = False
    return _Server(
        uvicorn.Config(
            app,
            http=connection,
            loop="asyncio",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=most_requests,
            h11_max_incomplete_event_size=16_384,
            timeout_keep_alive=keep_alive_s,
            timeout_graceful_shutdown=3,
        )
    )
