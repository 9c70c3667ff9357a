"""The first request is answered before the SDK is imported: as the SDK answers it, or not at all."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any, Final

import anyio
import pytest
from mcp.shared._context_streams import create_context_streams
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCResponse

from guardian.server.app import build_server
from guardian.server.process.list_changes import ToolListChanges
from guardian.server.stdio.early_answer import HANDSHAKE_VERSIONS, MAX_LINE, EarlyAnswer, early_answer
from guardian.server.stdio.first_line import FirstLine
from guardian.server.stdio.line_replay import Replayed, WithoutReply, messages
from tests.server.support.fake_gate import FakeGate, as_gate
from tests.support import prefork
from tests.support.present import present
from tests.support.said_lines import faults

PATIENCE_S: Final = 60
CLIENT: Final = {"name": "raw", "version": "1"}
PREFIX: Final = "io.modelcontextprotocol/"
CAPABILITIES: Final[list[dict[str, Any]]] = [
    {},
    {"roots": {"listChanged": True}, "sampling": {}, "elicitation": {}},
    {"roots": {}, "sampling": {"context": {}, "tools": {}}, "elicitation": {"form": {}, "url": {}}},
    {"experimental": {"x": {"y": [1, None, "z"]}}, "extensions": {f"{PREFIX}ui": {"mimeTypes": ["text/html"]}}},
]
CLIENTS: Final[list[dict[str, str]]] = [
    CLIENT,
    {"name": "", "version": "", "title": "Ein Kunde \u00fc \U0001f600", "description": "\u2028 of both"},
]
IDS: Final = [0, 1, 10**15 - 1, "a", '"\\/<>&', "x" * 200]


def initialize(
    version: str = "2025-11-25", capabilities: Any = None, client: Any = None, number: Any = 0
) -> dict[str, Any]:
    params = {"protocolVersion": version, "capabilities": capabilities or {}, "clientInfo": client or CLIENT}
    return {"jsonrpc": "2.0", "id": number, "method": "initialize", "params": params}


def discover(capabilities: Any = None, client: Any = None, number: Any = 0) -> dict[str, Any]:
    named = {"protocolVersion": "2026-07-28", "clientInfo": client or CLIENT, "clientCapabilities": capabilities or {}}
    meta = {f"{PREFIX}{name}": value for name, value in named.items()}
    return {"jsonrpc": "2.0", "id": number, "method": "server/discover", "params": {"_meta": meta}}


def as_line(message: Any) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode() + b"\n"


KNOWN: Final = [
    *(initialize(version) for version in HANDSHAKE_VERSIONS),
    *(make(capabilities=one) for make in (initialize, discover) for one in CAPABILITIES),
    *(make(client=one) for make in (initialize, discover) for one in CLIENTS),
    *(make(number=one) for make in (initialize, discover) for one in IDS),
]
UNKNOWN: Final[list[bytes]] = [
    b"", b"\n", b"{}\n", b"[]\n", b"null\n", b"not json\n", b"\xff\n", b"\xef\xbb\xbf" + as_line(initialize()),
    as_line(initialize())[:-1],
    as_line([initialize()]),
    as_line(initialize("2026-07-28")), as_line(initialize("1999-01-01")), as_line(initialize("2025-11-25 ")),
    as_line(initialize(number=None)), as_line(initialize(number=True)), as_line(initialize(number=1.0)),
    as_line(initialize(number=-1)), as_line(initialize(number=10**30)), as_line(initialize(number="")),
    as_line(initialize(number="\u00fc")), as_line(initialize(number="\x7f")), as_line(initialize(number="x" * 201)),
    as_line({**initialize(), "extra": 1}), as_line({**initialize(), "jsonrpc": "1.0"}),
    as_line({**initialize(), "method": "Initialize"}), as_line({**initialize(), "method": "tools/list"}),
    as_line({**initialize(), "params": None}), as_line({**initialize(), "params": []}),
    as_line({**initialize(), "params": {**initialize()["params"], "_meta": {"progressToken": 1}}}),
    as_line({**initialize(), "params": {"protocolVersion": "2025-11-25"}}),
    as_line(initialize(capabilities={"roots": {"listChanged": 1}})), as_line(initialize(capabilities={"roots": None})),
    as_line(initialize(capabilities={"sampling": {"tools": 1}})), as_line(initialize(capabilities={"other": {}})),
    as_line(initialize(capabilities={"experimental": {"x": 1}})),
    as_line(initialize(capabilities={"experimental": {"x": {"y": 1.5}}})),
    as_line(initialize(client={"name": "x"})), as_line(initialize(client={**CLIENT, "version": 1})),
    as_line(initialize(client={**CLIENT, "icons": []})), as_line(initialize(client="x")),
    as_line(initialize(capabilities={"experimental": {"x": {"y": [[[[[[[[]]]]]]]]}}})),
    as_line(initialize(client={**CLIENT, "title": "x" * MAX_LINE})),
    json.dumps(initialize(client={**CLIENT, "title": "\u00fc"})).encode() + b"\n",
    as_line(initialize()).replace(b'"id": 0', b'"id": 0, "id": 1'),
    as_line(initialize()).replace(b'"id": 0', b'"id": NaN'),
    as_line(initialize()).replace(b'"id": 0', b'"id":\r0'), as_line(initialize()).replace(b'"id": 0', b'"id": -0'),
    b"[" * 9000 + b"\n",
    as_line({**discover(), "params": {}}), as_line({"jsonrpc": "2.0", "id": 0, "method": "server/discover"}),
    as_line(discover()).replace(b"2026-07-28", b"2027-01-01"),
    as_line(discover()).replace(b"2026-07-28", b"2025-11-25"),
    as_line(discover()).replace(f"{PREFIX}clientInfo".encode(), b"progressToken"),
]  # fmt: skip


async def of_sdk(line: bytes) -> str:
    """What the server writes when this is all that a client sends, without the early answer."""
    server = build_server(as_gate(FakeGate()), changes=ToolListChanges(frozenset))._mcp_server
    put_in, incoming = create_context_streams[SessionMessage | Exception](1)
    outgoing, take_out = create_context_streams[SessionMessage](1)
    written = []
    async with anyio.create_task_group() as tasks, put_in, take_out:
        tasks.start_soon(server.run, incoming, outgoing, server.create_initialization_options())
        for message in messages(line):
            await put_in.send(message)
            with anyio.fail_after(PATIENCE_S):
                reply = await take_out.receive()
            written.append(reply.message.model_dump_json(by_alias=True, exclude_unset=True))
        tasks.cancel_scope.cancel()
    return "".join(written)


@pytest.mark.anyio
@pytest.mark.parametrize("message", KNOWN, ids=range(len(KNOWN)))
async def test_answer_is_that_of_the_sdk_byte_by_byte(message: dict[str, Any]) -> None:
    """For each version, id, client and capability that is answered early, and with a line's other end."""
    answer = early_answer(as_line(message))
    assert answer == EarlyAnswer(message["id"], await of_sdk(as_line(message)))
    assert early_answer(as_line(message)[:-1] + b"\r\n") == answer


@pytest.mark.parametrize("line", UNKNOWN, ids=range(len(UNKNOWN)))
def test_what_is_not_understood_in_full_is_left_to_the_sdk(line: bytes) -> None:
    """Other versions, shapes, types, ids and keys, duplicates, what parsers read differently, what is too long."""
    assert early_answer(line) is None


def first_line(source: bytes) -> tuple[FirstLine, bytes, bytes]:
    """What `FirstLine` makes of a pipe with this in it; also what it leaves there, and what it writes."""
    from_client, client = os.pipe()
    to_client, server = os.pipe()
    with os.fdopen(client, "wb") as writes:
        writes.write(source)
    made = FirstLine(from_client, server)
    made.begin(PATIENCE_S)
    os.close(server)
    with os.fdopen(from_client, "rb") as left, os.fdopen(to_client, "rb") as written:
        return made, left.read(), written.read()


def test_what_follows_the_first_line_stays_where_it_was() -> None:
    """Several messages in one write: one line is taken, and answered with the line's end of the system."""
    line = as_line(initialize(number=7))
    made, left, written = first_line(line + b"second\nthird")
    assert (made.line, left) == (line, b"second\nthird")
    assert made.answer is not None
    assert written == (made.answer.text + os.linesep).encode()
    assert json.loads(written)["id"] == 7


@pytest.mark.parametrize("line", [*UNKNOWN, b"x" * 60_000])
def test_line_that_is_not_answered_is_handed_on_in_full(line: bytes) -> None:
    """Also one without an end, and one that is longer than what is answered."""
    made, left, written = first_line(line)
    assert (made.line, left, written, made.answer) == (line, b"", b"", None)


@pytest.mark.parametrize("after", [b"second\n", b"second\nthird\nfourth", b"second", b""])
def test_long_line_is_read_in_blocks_and_only_whole_lines_are_taken(after: bytes, tmp_path: Path) -> None:
    """Nothing is lost or read twice where a block has the beginning of what follows."""
    source = b"x" * 1_000_000 + b"\n" + after
    path = tmp_path / "source"
    path.write_bytes(source)
    with path.open("rb", buffering=0) as file:
        made = FirstLine(file.fileno(), file.fileno())
        made.begin(PATIENCE_S)
        left = file.read()
    assert made.line + left == source
    assert made.line.endswith(b"\n") or not left
    assert made.answer is None


def test_line_that_cannot_be_written_is_not_answered() -> None:
    """A client that has closed its end: the transport meets it as ever."""
    source, client = os.pipe()
    gone, target = os.pipe()
    os.close(gone)
    with os.fdopen(client, "wb") as writes:
        writes.write(as_line(initialize()))
    made = FirstLine(source, target)
    made.begin(PATIENCE_S)
    os.close(source)
    os.close(target)
    assert (made.line, made.answer) == (as_line(initialize()), None)


@pytest.mark.anyio
async def test_reply_is_left_out_once_and_another_one_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Only the first reply with that id; where the SDK would have answered otherwise, that is a fault."""
    outgoing, take_out = create_context_streams[SessionMessage](9)
    for text, logged in (('{"jsonrpc":"2.0","id":"1","result":{}}', 0), ("other", 1)):
        stream = WithoutReply(outgoing, EarlyAnswer("1", text))
        sent: list[int | str] = [1, "1", "1", "2"]
        with caplog.at_level(logging.ERROR):
            caplog.clear()
            for number in sent:
                await stream.send(SessionMessage(JSONRPCResponse(jsonrpc="2.0", id=number, result={})))
        got = [(await take_out.receive()).message.model_dump()["id"] for _ in range(3)]
        assert got == [1, "1", "2"]
        assert len(caplog.records) == logged
    await outgoing.aclose()
    await take_out.aclose()


@pytest.mark.anyio
async def test_first_line_comes_before_what_the_transport_reads() -> None:
    """In order, and then the end of the transport's stream is its end."""
    put_in, incoming = create_context_streams[SessionMessage | Exception](9)
    await put_in.send(ValueError("third"))
    await put_in.aclose()
    async with Replayed(incoming, messages(b"first\rsecond\n")) as stream:
        kinds = [isinstance(item, Exception) async for item in stream]
    assert kinds == [True] * 3


class Process:
    """`guardian serve` on an empty home, spoken to in bytes."""

    def __init__(self, home: Path, program: str, **variables: str) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG", "TEMP") if name in os.environ}
        own = {"HOME": str(home), "USERPROFILE": str(home), "GUARDIAN_HOME": str(home / "guardian")}
        # A fork has imported everything, which matters to the early answer and not to the server without it.
        popen = prefork.popen if program == WITHOUT else subprocess.Popen
        self.process = popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**kept, **own, **variables},
        )  # fmt: skip
        self._watchdog = Timer(PATIENCE_S, self.process.kill)
        self._watchdog.start()

    def write(self, data: bytes) -> None:
        present(self.process.stdin).write(data)
        present(self.process.stdin).flush()

    def line(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(present(self.process.stdout).readline())
        return found

    def end(self) -> tuple[int, list[bytes], str]:
        out, errors = self.process.communicate()
        self._watchdog.cancel()
        return self.process.returncode, out.splitlines(), errors.decode()


SERVE: Final = "import sys; from guardian.cli.app import main; sys.exit(main(['serve']))"
LATE: Final = "from guardian.server.stdio import first_line as f; f.begin_first_line = lambda: None; "
WITHOUT: Final = LATE + SERVE
HELD: Final = f"""
import gc, sys, time
def held():
    assert not {{"fastmcp", "mcp", "pydantic", "sqlite3"}} & sys.modules.keys()
    print("held", file=sys.stderr, flush=True)
    time.sleep(60)
gc.disable = held
{SERVE}
"""
"""The server, held where it would begin to import FastMCP."""
FAILING: Final = f"""
import guardian.errors, gc
def failing():
    raise guardian.errors.StoreError("the store is damaged")
gc.disable = failing
{SERVE}
"""
"""The server, which fails where it would begin to open the home."""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    started: list[Process] = []

    def make(program: str = SERVE, **variables: str) -> Process:
        started.append(Process(tmp_path, program, **variables))
        return started[-1]

    yield make
    for one in started:
        one.process.kill()
        one.end()


TOOLS: Final = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}\n'
INITIALIZED: Final = b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n'
MODERN_TOOLS: Final = as_line({**discover(number=1), "method": "tools/list"})


CONVERSATIONS: Final = [
    (as_line(initialize()) + INITIALIZED + TOOLS, 2),
    (as_line(discover()) + MODERN_TOOLS, 2),
    (as_line(initialize())[:-1] + b"\r\n" + INITIALIZED + TOOLS, 2),
    (as_line(initialize("1999-01-01")) + INITIALIZED + TOOLS, 2),
    (as_line(initialize(client={**CLIENT, "title": "x" * 60_000})) + INITIALIZED + TOOLS, 2),
    (b"not json\n\n[]\n" + as_line(initialize()) + INITIALIZED + TOOLS, 2),
    (as_line({**initialize(), "params": {}}), 1),
    (as_line(discover()).replace(b"2026-07-28", b"2027-01-01"), 1),
    (b"", 0),
]


@pytest.mark.parametrize(("data", "replies"), CONVERSATIONS, ids=range(len(CONVERSATIONS)))
def test_client_gets_the_same_as_without_the_early_answer(start: Any, data: bytes, replies: int) -> None:
    """All at once, in both eras, understood or not: the same lines, the same end, and no fault."""
    ends = []
    for program in (SERVE, WITHOUT):
        one = start(program)
        one.write(data)
        lines = [one.line() for _ in range(replies)]
        code, more, errors = one.end()
        assert (code, more) == (0, [])
        assert faults(errors) == []
        ends.append(lines)
    assert ends[0] == ends[1]


@pytest.mark.parametrize("line", [as_line(initialize()), as_line(discover())])
def test_first_request_is_answered_before_anything_else_is_imported(start: Any, line: bytes, tmp_path: Path) -> None:
    """Written in parts, it is answered when it is whole; neither FastMCP nor the home has been touched by then."""
    one = start(HELD)
    for part in (line[:1], line[1:50], line[50:]):
        one.write(part)
    assert one.line()["id"] == 0
    assert present(one.process.stderr).readline() == b"held\n"
    assert list(tmp_path.iterdir()) == []
    if sys.platform != "win32":
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(PATIENCE_S) == -signal.SIGTERM


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends a process no such signal")
def test_ctrl_c_between_the_answer_and_the_start_ends_the_server_without_a_traceback(start: Any) -> None:
    """As at any other moment of a command."""
    one = start(HELD)
    one.write(as_line(initialize()))
    assert one.line()["id"] == 0
    assert present(one.process.stderr).readline() == b"held\n"
    one.process.send_signal(signal.SIGINT)
    assert one.process.wait(PATIENCE_S) == 130
    assert b"Traceback" not in present(one.process.stderr).read()


def test_server_that_cannot_start_says_so_after_the_answer(start: Any) -> None:
    """Its client sees the end of the output; the words and the exit code are those without the early answer."""
    one, without = start(FAILING), start(f"{LATE}{FAILING}")
    one.write(as_line(initialize()))
    assert one.line()["id"] == 0
    assert one.end() == without.end() == (3, [], "guardian: error: the store is damaged\n")


def test_secret_in_a_variable_is_refused_before_anything_is_answered(start: Any, tmp_path: Path) -> None:
    """The refusal comes first, as without the early answer."""
    one = start(BINANCE_API_SECRET="x" * 64)
    code, lines, errors = one.end()
    assert (code != 0, lines) == (True, [])
    assert "BINANCE_API_SECRET" in errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", [as_line(initialize()), as_line(discover())])
def test_input_that_is_closed_after_the_first_line_ends_the_server(start: Any, line: bytes) -> None:
    """One reply, the exit code 0, and no call in the log."""
    one = start()
    out, errors = one.process.communicate(line, PATIENCE_S)
    assert [json.loads(reply)["id"] for reply in out.splitlines()] == [0]
    assert one.process.returncode == 0
    assert faults(errors.decode()) == []
