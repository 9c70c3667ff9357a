"""Checks every request before it is signed: exactly this one must be on the environment's list."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from yarl import URL

from guardian.errors import RequestRefused
from guardian.exchange.environments import Endpoint, EnvironmentSpec

_METHODS: Final = frozenset({"GET", "POST", "DELETE", "get", "post", "delete"})
_VISIBLE_ASCII: Final = re.compile(r"[!-~]{1,200}")
_NAME: Final = re.compile(r"[A-Za-z]{1,40}")
_RESERVED: Final = frozenset(
    {
        # python-binance takes these out of the parameters and changes the request by them.
        "headers", "requests_params", "version", "force_params", "batchOrders", "orderidlist", "origclientorderidlist",
        # Set by the guarded client alone.
        "signature", "recvWindow", "timestamp", "apiKey",
    }
)  # fmt: skip


def permitted(spec: EnvironmentSpec, method: str, address: str) -> Endpoint:
    """Returns the listed request that this is.

    The address must be on the list letter by letter, so that no second way to write one (capitals, a trailing dot, a
    user, an encoded slash, `..`, a default port) is the same; and yarl, which aiohttp connects by, must read it as the
    listed host and path.

    Raises:
        RequestRefused: it is not on the list, or is written in another way.
    """
    if method not in _METHODS or _VISIBLE_ASCII.fullmatch(address) is None:
        raise _refused()
    endpoint = spec.permitted.get((method.upper(), address))
    if endpoint is None:
        raise _refused()
    url, base = URL(address, encoded=True), URL(spec.base_url(endpoint.family) or "", encoded=True)
    is_read_so = (url.scheme, url.raw_host, url.port) == (base.scheme, base.raw_host, base.port)
    is_bare = url.raw_user is None and url.raw_password is None and not url.raw_query_string and not url.raw_fragment
    if not (is_read_so and is_bare and url.raw_path == endpoint.path):
        raise _refused()
    return endpoint


def _refused() -> RequestRefused:
    # The request is not repeated in the message: it may have come from outside.
    return RequestRefused("the request is not on this environment's list; it was not signed and not sent")


def check_parameters(parameters: Mapping[str, object]) -> None:
    """Raises RequestRefused where a name is reserved or malformed, or a value is neither text nor a whole number."""
    for name, value in parameters.items():
        if _NAME.fullmatch(name) is None or name in _RESERVED:
            raise RequestRefused("the request has a parameter that guardian does not send")
        if value is not None and (isinstance(value, bool) or not isinstance(value, str | int)):
            raise RequestRefused("a parameter is neither text nor a whole number")


def encoded(parameters: Mapping[str, object]) -> str:
    """Returns the parameters as they are signed and sent: sorted by name, percent-encoded, without those that are None.

    Every byte of a value but letters, digits and `-._~` is encoded, so that no value can add or cut off a parameter.
    Raises RequestRefused for text that has no UTF-8.
    """
    try:
        return "&".join(
            f"{name}={quote(str(value), safe='')}" for name, value in sorted(parameters.items()) if value is not None
        )
    except UnicodeEncodeError:
        raise RequestRefused("a parameter is not valid text") from None
