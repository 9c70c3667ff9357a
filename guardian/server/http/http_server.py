"""Serves MCP over HTTP on sockets that listen already, as long as the process lasts."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from fastmcp.server.http import StreamableHTTPASGIApp

from guardian.credentials.http_token import TokenDigest
from guardian.loopback.connections import BoundedConnection
from guardian.loopback.listening import quiet_server
from guardian.server.http.body import BODY_S
from guardian.server.http.refusal_log import RefusalLog
from guardian.server.http.request_guard import RequestGuard

if TYPE_CHECKING:
    import uvicorn
    from fastmcp import FastMCP

Transport = Literal["http", "sse"]

MCP_PATH: Final = "/mcp"
SSE_PATH: Final = "/sse"
SSE_MESSAGES: Final = "/messages/"
SESSION_IDLE_S: Final = 1800.0
"""A session of a client of the older protocol ends so long after its last request; the newer one has none."""
MOST_SESSIONS: Final = 2000
"""Each takes some 43 kB. One more is refused with 503 until another ends."""
KEEP_ALIVE_S: Final = 60
"""A connection may wait so long for its next request."""
_ID_BYTES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpServer:
    """The MCP server `mcp` on `sockets`, for whoever has the token.

    `stateless` gives clients of the older protocol no session: they cannot be asked anything then. The others follow
    from the kind of connection that tests choose.
    """

    mcp: FastMCP
    sockets: Sequence[socket.socket]
    token: TokenDigest
    transport: Transport = "http"
    stateless: bool = False
    connection: type[BoundedConnection] = BoundedConnection
    patience_s: float = BODY_S
    most_sessions: int = MOST_SESSIONS

    @property
    def port(self) -> int:
        """The one port of all sockets."""
        port: int = self.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://{_host(self.sockets[0])}{MCP_PATH if self.transport == 'http' else SSE_PATH}"

    @property
    def endpoints(self) -> Mapping[str, Collection[str]]:
        """The paths that are answered, with their methods."""
        if self.transport == "sse":
            return {SSE_PATH: ("GET",), SSE_MESSAGES: ("POST",)}
        return {MCP_PATH: ("POST",) if self.stateless else ("POST", "GET", "DELETE")}

    async def serve(self, started: Callable[[uvicorn.Server], None]) -> None:
        """Serve until the server that `started` is given, before the first request, is made to exit."""
        # Every option is set here, none is left to a default or a setting.
        app = self.mcp.http_app(
            path=MCP_PATH if self.transport == "http" else SSE_PATH,
            middleware=[],
            json_response=False,
            stateless_http=self.stateless,
            transport=self.transport,
            event_store=None,
            host_origin_protection=True,
            allowed_hosts=[],
            allowed_origins=[],
            session_idle_timeout=SESSION_IDLE_S,
        )
        guard = RequestGuard(
            app,
            endpoints=self.endpoints,
            hosts={f"localhost:{self.port}", *map(_host, self.sockets)},
            token=self.token,
            new_id=lambda: secrets.token_hex(_ID_BYTES),
            log=RefusalLog(time.monotonic),
            patience_s=self.patience_s,
        )
        http = quiet_server(guard, connection=self.connection, most_requests=None, keep_alive_s=KEEP_ALIVE_S)
        async with app.lifespan(app):
            for route in app.routes:
                # FastMCP has no option for it.
                endpoint = getattr(route, "endpoint", None)
                if isinstance(endpoint, StreamableHTTPASGIApp) and endpoint.session_manager is not None:
                    endpoint.session_manager.max_sessions = self.most_sessions
            started(http)
            await http.serve(sockets=list(self.sockets))


def _host(one: socket.socket) -> str:
    address, port = one.getsockname()[:2]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
