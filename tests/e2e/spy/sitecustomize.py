"""Loaded by every Python that starts with this folder on its path: writes down connections and files written."""

from __future__ import annotations

import os
import sys
from pathlib import Path

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
SPIED = os.environ.get("SPIED")
"""Read at once: guardian removes every variable that it does not know."""
_busy: list[bool] = []
"""Not empty while the spy itself writes."""


def told(event: str, arguments: tuple[object, ...]) -> str | None:
    """What an event is about; None where it is of no interest."""
    match event, arguments:
        case "open", (str() | bytes() as path, _, int() as flags) if flags & WRITING:
            return os.fsdecode(path)
        case "os.rename", (_, str() | bytes() as path, *_):
            return os.fsdecode(path)
        case "socket.connect" | "socket.sendto", (_, address):
            return repr(address)
        case "socket.getaddrinfo", (host, port, *_):
            return repr((host, port))
    return None


def spy(event: str, arguments: tuple[object, ...]) -> None:
    if _busy or SPIED is None or (text := told(event, arguments)) is None:
        return
    _busy.append(True)
    try:
        with Path(SPIED).open("a", encoding="utf-8") as log:
            log.write(f"{event}\t{text}\n")
    finally:
        _busy.clear()


if SPIED is not None:
    sys.addaudithook(spy)
