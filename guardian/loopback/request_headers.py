"""Why a request is refused before anything looks at it, and the checks that all servers of guardian share.

The checks are for a machine on which browsers run: a page of somewhere else can make a browser send a request here, and
a name that is somebody else's can be made to lead here (DNS rebinding). Neither sends these headers in these forms.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.types import Scope

JSON_TYPE: Final = "application/json"
_LENGTH_DIGITS: Final = 9
"""Of a Content-Length that is looked at."""

Headers = Mapping[str, list[str]]
"""The headers of a request: each name in lower case, with every value that it was sent with."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused, with the HTTP status."""

    status: int
    message: str


def headers_of(scope: Scope) -> Headers:
    """Returns the headers of a request."""
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return headers


def is_only(headers: Headers, name: str, allowed: Collection[str]) -> bool:
    """Whether the header was sent once, with one of these values."""
    values = headers.get(name, [])
    return len(values) == 1 and values[0] in allowed


def has_body(headers: Headers) -> bool:
    """Whether the request announces a body."""
    return headers.get("content-length", []) not in ([], ["0"]) or "transfer-encoding" in headers


def is_json(headers: Headers) -> bool:
    """Whether the body is JSON by its header, which no page of somewhere else can send without asking first."""
    return [one.split(";")[0].strip().lower() for one in headers.get("content-type", [])] == [JSON_TYPE]


def announced_length(headers: Headers) -> int | None:
    """Returns the length of the body in bytes, None where it is not announced or is no number.

    A number with more digits than any body has, leading zeros counted, is a gigabyte.
    """
    length = headers.get("content-length", [])
    if len(length) != 1 or not (length[0].isascii() and length[0].isdigit()):
        return None
    return int(length[0]) if len(length[0]) <= _LENGTH_DIGITS else 10**_LENGTH_DIGITS
