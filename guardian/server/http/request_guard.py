"""What every request over HTTP has to be before MCP sees it. The outermost layer of the application.

In this order: the Host is this server's (else 421, DNS rebinding), the Origin is absent or this server's (403, another
page), there is such an address (404) with such a method (405), the bearer token is right (401), the body is JSON (415),
small (413) and soon there (408). Nothing of a request without the token is read but its head.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Final

from mcp.types import INVALID_REQUEST
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from guardian.credentials.http_token import TokenDigest
from guardian.loopback.request_headers import JSON_TYPE, Headers, Refusal, has_body, headers_of, is_json, is_only
from guardian.server.http.body import BODY_S, TOO_LARGE, ClientGone, discard_body, read_body, receive_again
from guardian.server.http.refusal_log import RefusalLog

NO_TOKEN: Final = Refusal(
    401, "the header `Authorization: Bearer` with the token is needed; `guardian keys token create` makes a token"
)
"""The same for a missing token and a wrong one."""
REQUEST_ID: Final = b"x-request-id"


class RequestGuard:
    """An ASGI application that hands on to `app` what may pass.

    `endpoints` are its paths with their methods, `hosts` the values of the header `Host` that name this server.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        endpoints: Mapping[str, Collection[str]],
        hosts: Collection[str],
        token: TokenDigest,
        new_id: Callable[[], str],
        log: RefusalLog,
        patience_s: float = BODY_S,
    ) -> None:
        self._app = app
        self._endpoints = endpoints
        self._hosts = frozenset(hosts)
        self._origins = frozenset(f"http://{host}" for host in hosts)
        self._token = token
        self._new_id = new_id
        self._log = log
        self._patience_s = patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            return
        request_id, headers = self._new_id(), headers_of(scope)

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                marks = [(REQUEST_ID, request_id.encode()), (b"x-content-type-options", b"nosniff")]
                message = {**message, "headers": [*message.get("headers", ()), *marks]}
            await send(message)

        refusal = self.refusal(scope, headers)
        if refusal is None and scope["method"] == "POST":
            try:
                body = await read_body(headers, receive, patience_s=self._patience_s)
            except ClientGone:
                return
            if isinstance(body, Refusal):
                refusal = body
            else:
                receive = receive_again(body, receive)
        if refusal is None:
            await self._app(scope, receive, send_marked)
            return
        self._log.note(refusal, request_id)
        await self._refuse(refusal, scope, receive, send_marked)

    def refusal(self, scope: Scope, headers: Headers) -> Refusal | None:
        """Returns why a request is refused by its head, None for one that may pass."""
        if len(hosts := headers.get("host", [])) != 1 or hosts[0].lower() not in self._hosts:
            return Refusal(421, "this server has another name")
        if "origin" in headers and not is_only(headers, "origin", self._origins):
            return Refusal(403, "a page of somewhere else sent this request")
        methods = self._endpoints.get(scope["path"])
        if methods is None:
            return Refusal(404, f"MCP is at {' and '.join(self._endpoints)}")
        if scope["method"] not in methods:
            return Refusal(405, f"the method is {' or '.join(methods)}")
        if not self._has_token(headers):
            return NO_TOKEN
        if scope["method"] == "POST":
            return None if is_json(headers) else Refusal(415, f"the body is {JSON_TYPE}")
        return Refusal(400, f"a {scope['method']} has no body") if has_body(headers) else None

    def _has_token(self, headers: Headers) -> bool:
        sent = headers.get("authorization", [])
        scheme, _, token = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
        # Compared in any case, so that the time says no more than the answer.
        return self._token.matches(token.strip()) and scheme.lower() == "bearer"

    async def _refuse(self, refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        error = {"code": INVALID_REQUEST, "message": refusal.message}
        body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
        headers = {"content-type": JSON_TYPE, "content-length": str(len(body)), "cache-control": "no-store"}
        headers["connection"] = "close"
        if refusal.status == 401:
            headers["www-authenticate"] = 'Bearer realm="guardian"'
        if refusal.status == 405:
            headers["allow"] = ", ".join(self._endpoints[scope["path"]])
        start = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": refusal.status, "headers": start})
        is_sending = refusal is TOO_LARGE
        await send({"type": "http.response.body", "body": body, "more_body": is_sending})
        if is_sending:
            await discard_body(receive)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
