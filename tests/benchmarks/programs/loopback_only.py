"""Refuses every connection of this process that leaves the machine, before any name is looked up."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any


class NotLoopback(OSError):
    """A connection to elsewhere, which was not made."""


def is_loopback(host: object) -> bool:
    """Whether this is an address of loopback; a name is none, but for `localhost`."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if not isinstance(host, str):
        return False
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_all_else() -> None:
    """Puts guards in the place of what connects and of what looks names up, for the rest of this process."""

    def guarded(usual: Any) -> Any:
        def connect(self: socket.socket, address: Any) -> Any:
            if self.family in {socket.AF_INET, socket.AF_INET6} and not is_loopback(address[0]):
                raise NotLoopback(f"refused: {address[0]} is not this machine")
            return usual(self, address)

        return connect

    def looking_up(usual: Any) -> Any:
        def look_up(host: Any, *arguments: Any, **options: Any) -> Any:
            if host is not None and not is_loopback(host):
                raise NotLoopback(f"refused: {host} is not this machine")
            return usual(host, *arguments, **options)

        return look_up

    def sendto(self: socket.socket, data: Any, *rest: Any) -> Any:
        if self.family in {socket.AF_INET, socket.AF_INET6} and not is_loopback(rest[-1][0]):
            raise NotLoopback(f"refused: {rest[-1][0]} is not this machine")
        return usual_sendto(self, data, *rest)

    usual_sendto = socket.socket.sendto
    # Assigned by name: a type checker rightly minds that methods are replaced.
    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        setattr(socket, name, looking_up(getattr(socket, name)))
    setattr(socket.socket, "sendto", sendto)  # noqa: B010 - as above
