"""An MCP server over HTTP in a thread, in front of any server, and raw requests to it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from http.client import HTTPConnection, HTTPResponse
from typing import Any, Final

import uvicorn
from fastmcp import Client, FastMCP
from fastmcp.client.transports import SSETransport, StreamableHttpTransport

from guardian.credentials.http_token import TokenDigest
from guardian.loopback.connections import BoundedConnection
from guardian.loopback.listening import listen
from guardian.server.http.http_server import MOST_SESSIONS, HttpServer, Transport

TOKEN: Final = "guardian_CANARYtoken0123456789abcdefghijklmnopqrstuv"
KEPT: Final = TokenDigest(digest=sha256(TOKEN.encode()).digest(), created=datetime(2026, 11, 30, tzinfo=UTC))
PATIENCE_S: Final = 20
ACCEPT: Final = "application/json, text/event-stream"
LEGACY: Final = "2025-11-25"
MODERN: Final = "2026-07-28"


class ServedHttp:
    """`mcp` over HTTP on a free port of loopback, until it is closed."""

    def __init__(
        self,
        mcp: FastMCP,
        *,
        transport: Transport = "http",
        stateless: bool = False,
        connection: type[BoundedConnection] = BoundedConnection,
        patience_s: float = 10.0,
        most_sessions: int = MOST_SESSIONS,
    ) -> None:
        sockets = listen(0)
        self.http = HttpServer(
            mcp=mcp,
            sockets=sockets,
            token=KEPT,
            transport=transport,
            stateless=stateless,
            connection=connection,
            patience_s=patience_s,
            most_sessions=most_sessions,
        )
        self.port, self.url = self.http.port, self.http.url
        self._started = threading.Event()
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self.http.serve(self._on_start)), daemon=True)
        self._thread.start()
        assert self._started.wait(PATIENCE_S)

    def _on_start(self, server: uvicorn.Server) -> None:
        self._server = server
        self._started.set()

    def client(self, mode: str = "auto", **options: Any) -> Client[Any]:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        kind = SSETransport if self.http.transport == "sse" else StreamableHttpTransport
        return Client(kind(self.url, headers=headers), mode=mode, **options)

    def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> tuple[HTTPResponse, bytes]:
        """One request on a connection of its own. A header that is empty is left out."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, {name: value for name, value in headers.items() if value})
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def post(self, message: Mapping[str, Any], **changes: str) -> tuple[HTTPResponse, bytes]:
        """One message, with the headers that a client of the older protocol sends."""
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json", "accept": ACCEPT}
        changed = {name.replace("_", "-"): value for name, value in changes.items()}
        return self.send("POST", "/mcp", {**headers, **changed}, json.dumps(message).encode())

    def connections(self) -> list[object]:
        """Those that the server holds."""
        assert self._server is not None
        return list(self._server.server_state.connections)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)

    def close(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        for one in self.http.sockets:
            one.close()


def initialize(**more: Any) -> dict[str, Any]:
    """The first message of a client of the older protocol."""
    client = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
    return {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {**client, **more}}


def answer_of(body: bytes) -> Any:
    """The message of an answer, whether it came as JSON or as an event."""
    text = body.decode()
    if text.startswith(("event:", "data:", "id:")):
        (data,) = [line for line in text.splitlines() if line.startswith("data: {")]
        text = data.removeprefix("data: ")
    return json.loads(text)
