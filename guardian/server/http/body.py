"""The body of a request: read whole before anything looks at it, within a size and a time."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.types import Message, Receive

from guardian.loopback.request_headers import Headers, Refusal, announced_length

MAX_BODY_BYTES: Final = 1_000_000
"""The largest request of an honest client has a few kilobytes."""
BODY_S: Final = 10.0
"""How long a body may take to arrive."""
_DISCARDED_BYTES: Final = 32_000_000
_DISCARD_S: Final = 2.0

TOO_LARGE: Final = Refusal(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
TOO_SLOW: Final = Refusal(408, f"the body did not arrive within {BODY_S:.0f} s")


class ClientGone(Exception):
    """The client went away before its request was whole."""


async def read_body(headers: Headers, receive: Receive, *, patience_s: float = BODY_S) -> bytes | Refusal:
    """Returns the body, or why it is refused: announced too large, grown too large, or too slow. Raises ClientGone."""
    if (announced_length(headers) or 0) > MAX_BODY_BYTES:
        return TOO_LARGE
    body = bytearray()
    try:
        async with asyncio.timeout(patience_s):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > MAX_BODY_BYTES:
                    return TOO_LARGE
    except TimeoutError:
        return TOO_SLOW
    return bytes(body)


async def discard_body(receive: Receive) -> None:
    """Take what a client still sends, up to a size and a time, so that it reads the answer instead of a reset."""
    left = _DISCARDED_BYTES
    try:
        async with asyncio.timeout(_DISCARD_S):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def receive_again(body: bytes, receive: Receive) -> Receive:
    """Returns what gives the application a body that was read already, and then what `receive` gives."""
    is_given = False

    async def again() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
