"""What every request has to be before anything looks at it, and the headers of every response.

The checks are for a browser in which other pages are open: a page that is somewhere else can make a browser send a
request here, and a name that is somebody else's can be made to lead here. Neither sends these headers in these forms.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from guardian.loopback.request_headers import (
    JSON_TYPE,
    Headers,
    Refusal,
    announced_length,
    has_body,
    headers_of,
    is_json,
    is_only,
)

MAX_BODY_BYTES: Final = 65_536
MAX_PATH: Final = 200
_ORIGIN_FREE: Final = frozenset({"GET"})
_PAGE: Final = "/"

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "form-action 'none'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; "
        "trusted-types 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Permissions-Policy": (
        "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), microphone=(), "
        "geolocation=(), payment=(), usb=(), serial=(), hid=(), clipboard-read=()"
    ),
}


class RequestChecks:
    """The outermost layer of the application: refuses what is not a request of the page, and hardens each response."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._host = f"localhost:{port}"
        self._origin = f"http://{self._host}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            return

        async def send_hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                named = {name.lower().encode(): value.encode() for name, value in SECURITY_HEADERS.items()}
                others = [(name, value) for name, value in message["headers"] if name.lower() not in named]
                message = {**message, "headers": [*others, *named.items()]}
            await send(message)

        refusal = self.refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send_hardened)
            return
        body = json.dumps({"error": {"message": refusal.message, "hint": None}}).encode()
        headers = [(b"content-type", JSON_TYPE.encode()), (b"connection", b"close")]
        await send_hardened({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await send_hardened({"type": "http.response.body", "body": body})

    def refusal(self, scope: Scope) -> Refusal | None:
        """Returns why a request is refused; None for one that this page can have sent."""
        headers = headers_of(scope)
        if not is_only(headers, "host", {self._host}):
            return Refusal(403, f"this page is at {self._origin} and nowhere else")
        method, path = scope["method"], scope["path"]
        if method not in {"GET", "POST"}:
            return Refusal(405, "only GET and POST are answered")
        if len(scope.get("raw_path") or b"") > MAX_PATH or scope["query_string"]:
            return Refusal(404, "there is no such page")
        return self._cross_site(method, path, headers) or _body_refusal(method, headers)

    def _cross_site(self, method: str, path: str, headers: Headers) -> Refusal | None:
        """Returns why a request is one of another page; None for this page's own, and for a person's first one."""
        is_page = method == "GET" and path == _PAGE
        site = headers.get("sec-fetch-site", [])
        if site != ["same-origin"] and not (is_page and site == ["none"]):
            return Refusal(403, "another page sent this request, or a browser that does not say which page did")
        if is_page and headers.get("sec-fetch-dest") != ["document"]:
            return Refusal(403, "this page is shown in no other page")
        origin = headers.get("origin", [])
        if origin != [self._origin] and (method not in _ORIGIN_FREE or origin):
            return Refusal(403, "another page sent this request")
        return None


def _body_refusal(method: str, headers: Headers) -> Refusal | None:
    if method == "GET":
        return Refusal(400, "a GET has no body") if has_body(headers) else None
    if not is_json(headers):
        return Refusal(415, "the body is JSON")
    length = announced_length(headers)
    if length is None:
        return Refusal(411, "the body has its length")
    return Refusal(413, "the body is too large") if length > MAX_BODY_BYTES else None
