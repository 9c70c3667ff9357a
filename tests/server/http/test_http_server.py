"""MCP over HTTP on real sockets: both eras of the protocol, several clients, and connections that misbehave."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any

import httpx2
import pytest
from fastmcp import FastMCP
from mcp.types import Implementation

from guardian.loopback.connections import BoundedConnection
from guardian.server.app import build_server
from tests.server.http.served import ACCEPT, LEGACY, MODERN, TOKEN, ServedHttp, answer_of, initialize
from tests.server.support.fake_gate import ARGUMENTS, FakeGate, as_gate

BEARER = f"Bearer {TOKEN}"
HEAD = f"Host: 127.0.0.1:{{port}}\r\nAuthorization: {BEARER}\r\nContent-Type: application/json\r\nAccept: {ACCEPT}\r\n"
FEW = 16
IDLE = 1000
if sys.platform == "win32":
    FILES = 2 * IDLE
else:
    import resource

    FILES, _ = resource.getrlimit(resource.RLIMIT_NOFILE)


class Impatient(BoundedConnection):
    """A connection as the product's, with less of everything."""

    most = FEW
    head_s = 0.4


def made(gate: FakeGate) -> FastMCP:
    return build_server(as_gate(gate), now_ms=lambda: 1_763_806_512_345)


@pytest.fixture(scope="module")
def gate() -> FakeGate:
    return FakeGate()


@pytest.fixture(scope="module")
def served(gate: FakeGate) -> Iterator[ServedHttp]:
    """The server as it is, but that bodies and heads have less time, and there are fewer connections."""
    http = ServedHttp(made(gate), connection=Impatient, patience_s=0.4)
    yield http
    http.close()


@pytest.fixture(scope="module")
def sse(gate: FakeGate) -> Iterator[ServedHttp]:
    http = ServedHttp(made(gate), transport="sse")
    yield http
    http.close()


async def use(http: ServedHttp, mode: str, name: str = "one") -> tuple[int, str, str | None]:
    """Lists and calls; the number of tools, the outcome, and the version of the protocol."""
    async with http.client(mode, client_info=Implementation(name=name, version="2")) as client:
        tools = await client.list_tools()
        result = await client.call_tool("get_ticker", ARGUMENTS["get_ticker"])
        return len(tools), result.structured_content["outcome"], client.protocol_version


@pytest.mark.parametrize(("mode", "version"), [("legacy", LEGACY), ("auto", MODERN)])
def test_client_of_each_era_lists_and_calls(served: ServedHttp, gate: FakeGate, mode: str, version: str) -> None:
    """As over STDIO; the log's column of the client has the name that this client gives itself."""
    assert asyncio.run(use(served, mode, f"over http, {mode}")) == (17, "done", version)
    tool, arguments, client = gate.opened[-1]
    assert (tool, arguments) == ("get_ticker", ARGUMENTS["get_ticker"])
    assert client == f"over http, {mode}/2"


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_old_transport_serves_both_eras(sse: ServedHttp, mode: str) -> None:
    """A client that knows SSE alone does what all others do."""
    assert asyncio.run(use(sse, mode))[:2] == (17, "done")


def test_old_transport_is_guarded_too(sse: ServedHttp) -> None:
    """Its two addresses need the token, the name and no other page; those of the new one are not there."""
    good = {"authorization": BEARER, "accept": "text/event-stream"}
    assert sse.send("GET", "/sse", {"accept": "text/event-stream"})[0].status == 401
    assert sse.send("POST", "/messages/?session_id=0", {"content-type": "application/json"}, b"{}")[0].status == 401
    assert sse.send("GET", "/sse", {**good, "host": "evil.example"})[0].status == 421
    assert sse.send("GET", "/sse", {**good, "origin": "null"})[0].status == 403
    assert sse.send("POST", "/sse", {**good, "content-type": "application/json"}, b"{}")[0].status == 405
    assert sse.send("GET", "/mcp", good)[0].status == 404
    json_too = {**good, "content-type": "application/json"}
    assert sse.send("POST", f"/messages/?session_id={'0' * 32}", json_too, b"{}")[0].status == 404


def test_two_clients_at_once_get_their_own_answers(served: ServedHttp, gate: FakeGate) -> None:
    """Each call's row has the client that made it, though both are on the way together."""
    both = 2

    async def run() -> None:
        arrived = 0

        async def meet() -> None:
            nonlocal arrived
            arrived += 1
            while arrived < both:
                await asyncio.sleep(0.005)

        gate.before_answer = meet
        async with (
            served.client("legacy", client_info=Implementation(name="first", version="2")) as first,
            served.client("auto", client_info=Implementation(name="second", version="2")) as second,
        ):
            results = await asyncio.gather(
                first.call_tool("get_ticker", {"symbol": "BTCUSDT"}),
                second.call_tool("get_ticker", {"symbol": "ETHUSDT"}),
            )
        assert len({result.structured_content["meta"]["call_id"] for result in results}) == both

    try:
        asyncio.run(run())
    finally:
        gate.before_answer = None
    made_by = {client: arguments["symbol"] for _, arguments, client in gate.opened[-both:]}
    assert made_by == {"first/2": "BTCUSDT", "second/2": "ETHUSDT"}


def test_session_of_the_older_era_is_needed_and_ends(served: ServedHttp) -> None:
    """An id that nobody was given is unknown, and so is one after its DELETE."""
    response, body = served.post(initialize())
    assert response.status == 200, body
    session = response.headers["mcp-session-id"]
    listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}
    assert served.post(listing, mcp_session_id=session)[0].status == 200
    assert served.post(listing, mcp_session_id="0" * 32)[0].status == 404
    assert served.send("DELETE", "/mcp", {"mcp-session-id": session})[0].status == 401
    assert served.post(listing, mcp_session_id=session)[0].status == 200
    assert served.send("DELETE", "/mcp", {"mcp-session-id": session, "authorization": BEARER})[0].status == 200
    assert served.post(listing, mcp_session_id=session)[0].status == 404


def test_sessions_are_limited_and_one_that_ends_makes_place(gate: FakeGate) -> None:
    """A client that opens one for each request does not fill the memory; those that are open continue."""
    http = ServedHttp(made(gate), most_sessions=2)
    try:
        sessions = [http.post(initialize())[0].headers["mcp-session-id"] for _ in range(2)]
        assert http.post(initialize())[0].status == 503
        listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}
        assert http.post(listing, mcp_session_id=sessions[0])[0].status == 200
        ended = {"mcp-session-id": sessions[1], "authorization": BEARER}
        assert http.send("DELETE", "/mcp", ended)[0].status == 200
        assert http.post(initialize())[0].status == 200
    finally:
        http.close()


def test_stateless_server_needs_no_session_and_has_no_stream(gate: FakeGate) -> None:
    """Each request stands alone: any process of the same home could answer it."""
    http = ServedHttp(made(gate), stateless=True)
    try:
        response, body = http.post({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}})
        assert (response.status, len(answer_of(body)["result"]["tools"])) == (200, 17)
        assert "mcp-session-id" not in response.headers
        stream, _ = http.send("GET", "/mcp", {"authorization": BEARER, "accept": "text/event-stream"})
        assert (stream.status, stream.headers["allow"]) == (405, "POST")
        assert asyncio.run(use(http, "legacy"))[:2] == (17, "done")
    finally:
        http.close()


def test_answer_names_no_server_and_allows_no_page(served: ServedHttp) -> None:
    """No `Server` header, nothing for CORS, an id of its own for each request."""
    responses = [served.post(initialize())[0], served.post(initialize(), authorization="")[0]]
    for response in responses:
        assert not [name for name in response.headers if name.lower() == "server" or "access-control" in name.lower()]
        assert re.fullmatch("[0-9a-f]{16}", response.headers["x-request-id"])
    assert len({response.headers["x-request-id"] for response in responses}) == 2


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"authorization": ""}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"host": "evil.example"}, 421),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"content_type": "text/plain"}, 415),
        ({"accept": ""}, 406),
        ({"accept": "text/html"}, 406),
        ({"mcp_protocol_version": "1999-01-01"}, 400),
    ],
)
def test_each_refusal_reaches_the_client(served: ServedHttp, changes: dict[str, str], status: int) -> None:
    """Through the whole of the HTTP server, as a client sees it; the next request is answered."""
    assert served.post(initialize(), **changes)[0].status == status
    assert served.post(initialize())[0].status == 200


def test_body_of_10_mb_is_refused_and_its_sender_reads_why(served: ServedHttp) -> None:
    """Announced or in pieces; an ordinary client gets the 413 and no reset."""
    headers = {"authorization": BEARER, "content-type": "application/json", "accept": ACCEPT}
    large = b" " * 10_000_000
    with httpx2.Client(trust_env=False) as client:
        assert client.post(served.url, headers=headers, content=large).status_code == 413
        pieces = (large[start : start + 65_536] for start in range(0, len(large), 65_536))
        assert client.post(served.url, headers=headers, content=pieces).status_code == 413
        assert client.post(served.url, headers=headers, json=initialize()).status_code == 200


def replied(one: socket.socket) -> bytes:
    """All that the server sends until it closes the connection."""
    seen = b""
    with suppress(ConnectionResetError):
        while part := one.recv(65_536):
            seen += part
    return seen


def test_slow_body_and_slow_head_are_given_up(served: ServedHttp) -> None:
    """Neither a client that stops in mid-body nor one that never ends its headers keeps its connection."""
    head = HEAD.format(port=served.port)
    began = time.monotonic()
    with served.connect() as slow_body, served.connect() as slow_head, served.connect() as silent:
        slow_body.sendall(f"POST /mcp HTTP/1.1\r\n{head}Content-Length: 100\r\n\r\n{{".encode())
        slow_head.sendall(b"POST /mcp HTTP/1.1\r\nHost: ")
        assert b" 408 " in replied(slow_body)
        assert replied(slow_head) == b""
        assert replied(silent) == b""
    assert time.monotonic() - began < 5


def test_second_request_has_its_time_too(served: ServedHttp) -> None:
    """After an answer the connection stays for the next request; one that is begun and not ended is given up."""
    with served.connect() as one:
        body = json.dumps(initialize()).encode()
        request = f"POST /mcp HTTP/1.1\r\n{HEAD.format(port=served.port)}Content-Length: {len(body)}\r\n\r\n".encode()
        one.sendall(request + body)
        seen = b""
        while not seen.endswith(b"\r\n0\r\n\r\n"):
            seen += one.recv(65_536)
        time.sleep(Impatient.head_s + 0.1)  # idle: it may stay
        one.sendall(request[:20])
        assert replied(one) == b""


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
        b"GET /mcp HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" * 3,
        b"POST /mcp HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET http://evil.example/mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGARBAGE\x00\xff\r\n\r\n",
        b"GET /mcp HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nHost: x\r\n\r\n",
        b"A" * 100_000,
        b"GET /mcp HTTP/1.1\r\n" + b"X: y\r\n" * 20_000,
    ],
)
def test_garbage_ends_its_connection_alone(served: ServedHttp, gate: FakeGate, garbage: bytes) -> None:
    """TLS, two lengths, smuggled requests, endless headers: an error, nothing called, and the server continues."""
    before = len(gate.opened)
    with served.connect() as one, suppress(ConnectionResetError, BrokenPipeError):
        one.sendall(garbage)
        seen = replied(one)
        assert not seen or re.match(rb"HTTP/1\.1 (400|403|404|421) ", seen)
        assert b" 200 " not in seen
    assert served.post(initialize())[0].status == 200
    assert len(gate.opened) == before


@pytest.mark.skipif(FILES < IDLE + 200, reason="a process may not have that many connections here")
def test_thousand_idle_connections_keep_nobody_out(gate: FakeGate) -> None:
    """The one that waits longest makes place for the next, and a client works meanwhile."""

    class Few(BoundedConnection):
        most = FEW

    http = ServedHttp(made(gate), connection=Few)
    try:
        with ExitStack() as held:
            for _ in range(IDLE):
                held.enter_context(http.connect())
            assert asyncio.run(use(http, "legacy"))[:2] == (17, "done")
            assert asyncio.run(use(http, "auto"))[:2] == (17, "done")
            assert len(http.connections()) <= FEW
    finally:
        http.close()


def test_connection_that_is_answered_makes_no_place(gate: FakeGate) -> None:
    """Where every connection is being answered the new one is closed, and the answers arrive."""

    class Two(BoundedConnection):
        most = 2

    async def slow() -> None:
        while not enough.is_set():
            await asyncio.sleep(0.01)

    enough = threading.Event()
    gate.before_answer = slow
    http = ServedHttp(made(gate), stateless=True, connection=Two)
    call: dict[str, Any] = {"name": "get_ticker", "arguments": ARGUMENTS["get_ticker"]}
    message = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call}
    opened = len(gate.opened)
    try:
        with ThreadPoolExecutor(2) as pool:
            answers = [pool.submit(http.post, message) for _ in range(2)]
            while len(gate.opened) < opened + 2:
                time.sleep(0.01)
            with http.connect() as third:
                assert replied(third) == b""
            enough.set()
            assert [answer_of(one.result()[1])["result"]["isError"] for one in answers] == [False, False]
    finally:
        enough.set()
        gate.before_answer = None
        http.close()
