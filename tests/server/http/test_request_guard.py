"""What may pass to MCP over HTTP: under this server's name, of no page, with the token, a small body in time."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from guardian.server.http.body import MAX_BODY_BYTES
from guardian.server.http.http_server import MCP_PATH
from guardian.server.http.refusal_log import QUIET_S, RefusalLog
from guardian.server.http.request_guard import RequestGuard
from tests.server.http.served import KEPT, TOKEN

HOSTS = ("127.0.0.1:8737", "localhost:8737", "[::1]:8737")
GOOD = {"host": HOSTS[0], "authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
GONE: Message = {"type": "http.disconnect"}


class Inner:
    """The application behind the guard: remembers the bodies that reach it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        self.bodies.append(message["body"])
        assert await receive() == GONE
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"passed"})


class Guarded:
    """A guard and what its requests were answered."""

    def __init__(self, *, patience_s: float = 5, seconds: Callable[[], float] = lambda: 0.0) -> None:
        self.inner = Inner()
        self.guard = RequestGuard(
            self.inner,
            endpoints={MCP_PATH: ("POST", "GET", "DELETE")},
            hosts=HOSTS,
            token=KEPT,
            new_id=lambda: "0123456789abcdef",
            log=RefusalLog(seconds),
            patience_s=patience_s,
        )
        self.headers: dict[str, str] = {}
        self.body = b""
        self.read = 0
        """Bytes of the body that were asked for."""

    def ask(
        self,
        method: str = "POST",
        path: str = MCP_PATH,
        headers: Sequence[tuple[str, str]] = tuple(GOOD.items()),
        chunks: Sequence[bytes] = (b"{}",),
        *,
        query: bytes = b"",
        stalls: bool = False,
    ) -> int | None:
        """The status of the answer; None where there is none."""
        status: int | None = None
        parts = list(chunks)

        async def receive() -> Message:
            if not parts:
                if stalls:
                    await asyncio.sleep(3600)
                return GONE
            part = parts.pop(0)
            self.read += len(part)
            return {"type": "http.request", "body": part, "more_body": bool(parts) or stalls}

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                self.body += message["body"]

        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": raw}
        asyncio.run(self.guard(scope, receive, send))
        return status


def having(**changes: str | None) -> tuple[tuple[str, str], ...]:
    """Good headers with these changed; None takes one out."""
    merged = {**GOOD, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return tuple((name, value) for name, value in merged.items() if value is not None)


def test_request_with_the_token_passes_with_its_body() -> None:
    """The body is handed on whole, however it was cut, and the answer has an id and no type to be guessed."""
    for host in HOSTS:
        asked = Guarded()
        assert asked.ask(headers=having(host=host), chunks=(b'{"a"', b": 1", b"}")) == 200
        assert (asked.inner.bodies, asked.body) == ([b'{"a": 1}'], b"passed")
        assert asked.headers == {"x-request-id": "0123456789abcdef", "x-content-type-options": "nosniff"}
    assert Guarded().ask("GET", headers=having(content_type=None), chunks=(b"",)) == 200
    assert Guarded().ask("DELETE", headers=having(content_type=None, content_length="0"), chunks=(b"",)) == 200
    assert Guarded().ask(headers=having(origin="http://localhost:8737", authorization=f"bearer  {TOKEN} ")) == 200


FOREIGN_HOSTS = [
    "evil.example", "evil.example:8737", "localhost", "127.0.0.1", "localhost:1", "127.0.0.1:80", "localhost.:8737",
    "127.0.0.1.evil.example:8737", "localhost:8737.evil.example", "evil.example@localhost:8737", "0.0.0.0:8737", "::1",
    "[::1]", "127.1:8737", "2130706433:8737", "[::ffff:127.0.0.1]:8737", "", " ",
]  # fmt: skip


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_request_under_another_name_is_misdirected(host: str) -> None:
    """A name of somebody else's that was made to lead here (DNS rebinding) is not this server's; with the token too."""
    asked = Guarded()
    assert asked.ask(headers=having(host=host)) == 421
    assert (asked.inner.bodies, asked.read) == ([], 0)


def test_request_without_a_host_or_with_two_is_misdirected() -> None:
    """Which of two a proxy would look at is not known."""
    assert Guarded().ask(headers=having(host=None)) == 421
    assert Guarded().ask(headers=(*having(), ("host", HOSTS[0]))) == 421


FOREIGN_ORIGINS = [
    "null", "", "https://evil.example", "http://evil.example:8737", "http://localhost", "http://localhost:3000",
    "http://127.0.0.1", "http://127.0.0.1:8738", "https://localhost:8737", "file://", "http://localhost:8737/",
    "http://localhost:8737.evil.example", "HTTP://evil.example", "chrome-extension://abcdef", "http://[::1]:1",
]  # fmt: skip


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "OPTIONS"])
def test_request_of_another_page_is_forbidden(origin: str, method: str) -> None:
    """Also of a page on another port of this machine, and before its preflight learns anything."""
    asked = Guarded()
    assert asked.ask(method, headers=having(origin=origin)) == 403
    assert not any(name.startswith("access-control") for name in asked.headers)
    assert (asked.inner.bodies, asked.read) == ([], 0)


def test_two_origins_are_forbidden() -> None:
    """One of them is another page's."""
    good = ("origin", f"http://{HOSTS[0]}")
    assert Guarded().ask(headers=(*having(), good, ("origin", "https://evil.example"))) == 403
    assert Guarded().ask(headers=(*having(), good, good)) == 403


WRONG_TOKENS = [
    None, "", "Bearer", "Bearer ", "Bearer wrong", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN,
    f"Bearer {TOKEN.lower()}", f"Bearer {TOKEN} {TOKEN}", "Bearer \xff\xfe", f"Bearer {'x' * 100_000}",
]  # fmt: skip


@pytest.mark.parametrize("sent", WRONG_TOKENS)
def test_missing_and_wrong_token_have_one_answer_and_nothing_is_read(sent: str | None) -> None:
    """401 with `WWW-Authenticate: Bearer`, byte for byte the same; the body is not even asked for."""
    missing, wrong = Guarded(), Guarded()
    assert missing.ask(headers=having(authorization=None)) == 401
    assert wrong.ask(headers=having(authorization=sent)) == 401
    assert (wrong.body, wrong.headers) == (missing.body, missing.headers)
    assert wrong.headers["www-authenticate"] == 'Bearer realm="guardian"'
    assert "guardian keys token create" in json.loads(wrong.body)["error"]["message"]
    assert (wrong.read, wrong.inner.bodies) == (0, [])


def test_token_in_the_address_or_twice_is_no_token() -> None:
    """Addresses end up in logs and histories; of two headers neither counts."""
    assert Guarded().ask(headers=having(authorization=None), query=f"access_token={TOKEN}".encode()) == 401
    assert Guarded().ask(headers=(*having(), ("authorization", f"Bearer {TOKEN}"))) == 401
    assert Guarded().ask(headers=having(authorization=None, cookie=f"token={TOKEN}")) == 401


@pytest.mark.parametrize(
    "path", ["/", "/mcp/", "/sse", "/mcp/../mcp", "//mcp", "/.well-known/oauth-protected-resource"]
)
def test_other_addresses_are_not_there(path: str) -> None:
    """There is one, with the token or without."""
    assert Guarded().ask(path=path) == 404
    assert Guarded().ask(path=path, headers=having(authorization=None)) == 404


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "PUT", "PATCH", "TRACE", "CONNECT", "NONSENSE"])
def test_other_methods_are_refused_with_those_that_are_taken(method: str) -> None:
    """A preflight too: no page has any business here."""
    asked = Guarded()
    assert asked.ask(method) == 405
    assert asked.headers["allow"] == "POST, GET, DELETE"
    assert asked.inner.bodies == []


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
def test_body_of_another_type_is_refused(kind: str | None) -> None:
    """A page can send these without asking first."""
    asked = Guarded()
    assert asked.ask(headers=having(content_type=kind)) == 415
    assert asked.inner.bodies == []


def test_get_with_a_body_is_refused() -> None:
    """Two readers could see the end of the request in two places."""
    assert Guarded().ask("GET", headers=having(content_length="2")) == 400
    assert Guarded().ask("GET", headers=having(transfer_encoding="chunked")) == 400


@pytest.mark.parametrize("length", ["10000000", str(MAX_BODY_BYTES + 1), "9" * 40, "0" * 20 + "5"])
def test_body_that_is_announced_too_large_is_refused(length: str) -> None:
    """Before MCP sees anything; what still comes is thrown away, so that the client reads why."""
    asked = Guarded()
    assert asked.ask(headers=having(content_length=length), chunks=(b"x" * 65_536,) * 3) == 413
    assert (asked.inner.bodies, asked.read) == ([], 3 * 65_536)
    assert asked.headers["connection"] == "close"


def test_body_that_grows_too_large_is_refused() -> None:
    """10 MB in pieces, of no announced length: at most a little over the limit is kept."""
    asked = Guarded()
    assert asked.ask(chunks=(b"x" * 100_000,) * 100) == 413
    assert asked.inner.bodies == []
    whole = Guarded()
    assert whole.ask(chunks=(b"x" * (MAX_BODY_BYTES // 2),) * 2) == 200


def test_body_that_does_not_come_is_given_up() -> None:
    """A client that sends slowly holds no place for long."""
    asked = Guarded(patience_s=0.05)
    assert asked.ask(chunks=(b'{"a":',), stalls=True) == 408
    assert asked.inner.bodies == []


def test_client_that_goes_in_mid_body_gets_no_answer() -> None:
    """There is nobody to read one, and half a body is none."""
    asked = Guarded()
    assert asked.ask(chunks=()) is None
    assert asked.inner.bodies == []


def test_websocket_is_not_answered() -> None:
    """Nothing but HTTP is served."""
    guarded = Guarded()

    async def never(*_: Any) -> Any:
        raise AssertionError("used")

    asyncio.run(guarded.guard({"type": "websocket"}, never, never))


def test_refusals_are_logged_without_what_was_sent_and_without_end(caplog: pytest.LogCaptureFixture) -> None:
    """One line a minute for each status, with the id of the request; a flood is counted."""
    now = [0.0]
    asked = Guarded(seconds=lambda: now[0])
    secret = f"Bearer {TOKEN}CANARY"
    with caplog.at_level(logging.WARNING, "guardian.http"):
        for _ in range(500):
            asked.ask(headers=having(authorization=secret))
        asked.ask(headers=having(host="CANARY.example"))
        now[0] = QUIET_S
        asked.ask(headers=having(authorization=secret))
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(": ")[0] for line in lines] == [f"a request was refused with {n}" for n in (401, 421, 401)]
    assert "(request 0123456789abcdef)" in lines[0]
    assert lines[2].endswith("499 more since the last line about this")
    assert "CANARY" not in "".join(lines)
