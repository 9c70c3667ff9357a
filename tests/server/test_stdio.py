"""The server as a process: raw lines in, protocol lines out, and nothing else anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from tests.support.present import present

PATIENCE_S = 20
SERVER = Path(__file__).parent / "support" / "stdio_server.py"
HANDSHAKE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
}


class Talk:
    """A server process that is spoken to in raw lines."""

    def __init__(self, home: Path, folder: Path) -> None:
        # FASTMCP_* in the environment and in a .env of the current folder would loosen everything, if they were read.
        settings = {
            "FASTMCP_MASK_ERROR_DETAILS": "false",
            "FASTMCP_STRICT_INPUT_VALIDATION": "false",
            "FASTMCP_LOG_LEVEL": "DEBUG",
            "FASTMCP_SHOW_SERVER_BANNER": "true",
            "FASTMCP_TRANSPORT": "http",
            "fastmcp_log_enabled": "true",
        }
        folder.joinpath(".env").write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
        names = ("PATH", "SYSTEMROOT", "LANG", "TEMP", "TMP")
        kept = {name: os.environ[name] for name in names if name in os.environ}
        environment = {**kept, **settings, "HOME": str(home), "USERPROFILE": str(home), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, str(SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=environment,
            text=True,
            encoding="utf-8",
        )
        self.count = 0
        self.lines: list[str] = []

    def line(self, text: str) -> dict[str, Any]:
        """Send one raw line and read the reply to it."""
        present(self.process.stdin).write(text + "\n")
        present(self.process.stdin).flush()
        watchdog = Timer(PATIENCE_S, self.process.kill)
        watchdog.start()
        try:
            while True:
                reply = present(self.process.stdout).readline()
                assert reply, f"no reply to {text[:200]}"
                self.lines.append(reply)
                message: dict[str, Any] = json.loads(reply)
                if "id" in message:
                    return message
        finally:
            watchdog.cancel()

    def start(self) -> None:
        self.line(json.dumps(HANDSHAKE))
        present(self.process.stdin).write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n')

    def call(self, tool: str, arguments: str) -> dict[str, Any]:
        """Call a tool with arguments given as raw JSON text; returns the envelope."""
        self.count += 1
        params = f'{{"name":"{tool}","arguments":{arguments}}}'
        message = self.line(f'{{"jsonrpc":"2.0","id":{self.count},"method":"tools/call","params":{params}}}')
        assert message["id"] == self.count
        result: dict[str, Any] = message["result"]
        assert result["isError"] is (result["structuredContent"]["outcome"] != "done")
        envelope: dict[str, Any] = result["structuredContent"]
        return envelope

    def end(self) -> str:
        """Close the server's input, and return what it wrote to stderr."""
        _, errors = self.process.communicate(timeout=20)
        return errors


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    home, folder = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    folder.mkdir()
    talk = Talk(home, folder)
    try:
        talk.start()
        yield talk
    finally:
        talk.process.kill()
        talk.process.communicate()


def order(quantity: str) -> str:
    return f'{{"symbol":"BTCUSDT","side":"BUY","order_type":"MARKET","quantity":{quantity}}}'


def test_hostile_raw_lines_reach_no_gate_and_leave_no_trace(talk: Talk, tmp_path: Path) -> None:
    """NaN, infinities, overflowing and over-long numbers, booleans, other scripts, injections: invalid on the wire."""
    quantities = [
        "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "true", "false", "null", "-0.0", "-0", "0",
        "-1", "[1]", "{}",
        "0.12345678901234567", "12345678901234567", "1" + "0" * 4000,
        '"NaN"', '"1e-5"', '"1_000"', '"\uff11\uff12"', '" 1"', '"1\\n"',
        '"-0.0"', '"0"', '""',
    ]  # fmt: skip
    for quantity in quantities:
        reply = talk.call("create_order", order(quantity))
        assert reply["outcome"] == "invalid", quantity
        assert reply["error"]["code"] == "ARGUMENTS_INVALID"
    others = [
        ("get_ticker", '{"symbol":"BTCU\u017fDT"}'),
        ("get_ticker", '{"symbol":"BTCUSDT","extra":1}'),
        ("get_ticker", '{"symbol":"BTCUSDT\\u0000"}'),
        ("get_deposit_address", '{"coin":"BTC&network=BSC"}'),
        ("no_such_tool", "{}"),
    ]
    for tool, arguments in others:
        assert talk.call(tool, arguments)["outcome"] == "invalid", (tool, arguments)
    crash = talk.call("get_ticker", '{"symbol":"CRASH"}')
    assert crash["outcome"] == "failed"
    assert talk.call("create_order", order("0.001"))["outcome"] == "done"
    assert talk.call("create_order", order('"0.001"'))["outcome"] == "done"

    errors = talk.end()
    asked = [line for line in errors.splitlines() if line.startswith("ASKED")]
    assert len(asked) == 3, asked
    assert talk.process.returncode == 0
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in talk.lines)
    for word in ("canary", "Traceback", "FastMCP", "Uvicorn", "http://"):
        assert word not in errors, errors
    assert not any("stray" in line or "canary" in line for line in talk.lines)
    assert list((tmp_path / "home").rglob("*")) == []


def test_malformed_messages_do_not_end_the_server(talk: Talk) -> None:
    """Lines that are not JSON, unreadable integers, arguments that are no object, unknown methods: survived."""
    present(talk.process.stdin).write("this is not json\n\n[]\n")
    # The SDK drops this line without a reply: Python reads no integer of more than 4300 digits.
    params = f'{{"name":"create_order","arguments":{order("1" * 5000)}}}'
    present(talk.process.stdin).write(f'{{"jsonrpc":"2.0","id":899,"method":"tools/call","params":{params}}}\n')
    bad = talk.line('{"jsonrpc":"2.0","id":900,"method":"tools/call","params":{"name":"get_ticker","arguments":[1]}}')
    assert bad["error"]["code"] == -32602
    unknown = talk.line('{"jsonrpc":"2.0","id":901,"method":"no/such/method","params":{}}')
    assert "error" in unknown
    assert talk.call("get_ticker", '{"symbol":"BTCUSDT"}')["outcome"] == "done"


def test_client_that_goes_away_leaves_no_open_record(talk: Talk) -> None:
    """A client that closes its end in the middle of a call: its record is closed, then the gate, and the exit is 0."""
    params = '{"name":"get_ticker","arguments":{"symbol":"SLOWW"}}'
    present(talk.process.stdin).write(f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}\n')
    present(talk.process.stdin).flush()
    assert "ASKED" in present(talk.process.stderr).readline()
    errors = talk.end()
    assert talk.process.returncode == 0
    told = [line for line in errors.splitlines() if line.startswith(("CLOSED", "ENDED"))]
    assert [line.split()[0] for line in told] == ["CLOSED", "ENDED"]
    assert told[0] == "CLOSED get_ticker True"


def test_tools_are_listed_over_stdio(talk: Talk) -> None:
    """A raw tools/list names the 17 tools."""
    listed = talk.line('{"jsonrpc":"2.0","id":1,"method":"tools/list"}')
    assert len(listed["result"]["tools"]) == 17
