"""The Inspector of the protocol's makers: its lint of every schema, its load, and its daemon that holds connections."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.interop.conftest import Target
from tests.support.peer_packages import INSPECTOR
from tests.support.peers import installed

pytestmark = pytest.mark.interop

REQUESTS, AT_ONCE = 200, 8
PATIENT = ("--connect-timeout", "60000")
Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def socket_folder() -> Iterator[str]:
    """A folder with a short name: a socket's path has at most a hundred bytes, and a test's own folder may be long."""
    with tempfile.TemporaryDirectory(prefix="mcpdo-", dir="/tmp") as folder:
        yield folder


@pytest.fixture
def inspector(target: Target, cache: Path, node: str, run: Run, socket_folder: str) -> Run:
    """Runs one of the Inspector's two programs."""
    package = installed(INSPECTOR, cache) / "node_modules" / "@modelcontextprotocol" / "inspector"
    programs = json.loads((package / "package.json").read_text("utf-8"))["bin"]

    def run_inspector(program: str, *arguments: str) -> CompletedProcess[str]:
        own = {"MCP_INSPECTOR_SECRET_STORE": "memory", "MCP_INSPECTOR_DAEMON_DIR": socket_folder}
        environment = {**target.environment, **own}
        return run(node, str(package / programs[program]), *arguments, env=environment)

    return run_inspector


def where(target: Target, over: str) -> list[str]:
    """How the Inspector's command line is shown the server."""
    if over == "http":
        header = f"Authorization: {target.headers['Authorization']}"
        return ["--cli", target.http.url, "--transport", "http", "--header", header]
    named = [f"{name}={value}" for name, value in target.environment.items()]
    return ["--cli", *(part for one in named for part in ("-e", one)), "--", target.command, "serve"]


@pytest.mark.parametrize(("over", "era"), [("stdio", "legacy"), ("http", "legacy"), ("http", "modern")])
def test_every_schema_passes_the_strict_lint(target: Target, inspector: Run, over: str, era: str) -> None:
    """No client has to guess what a tool takes or returns: the lint finds neither error nor warning."""
    asked = ("--method", "tools/list", "--strict", "--format", "json", "--protocol-era", era, *PATIENT)
    before, dashes, command = "\0".join(where(target, over)).partition("\0--\0")
    done = inspector("mcp-inspector", *before.split("\0"), *asked, *(["--", *command.split("\0")] if dashes else []))
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(json.loads(done.stdout)["result"]["tools"]) == 17
    assert not re.search(r"Error:|Warning:", done.stderr), done.stderr[-2000:]


def test_load_is_answered_without_an_error(target: Target, inspector: Run) -> None:
    """Some requests at once for a while: every one is answered."""
    load = ("--load", "--load-requests", str(REQUESTS), "--load-concurrency", str(AT_ONCE))
    asked = (
        *PATIENT,
        "--method",
        "tools/call",
        "--tool-name",
        "get_ticker_price",
        "--tool-args-json",
        '{"symbol":"BTCUSDT"}',
    )
    done = inspector("mcp-inspector", *where(target, "http"), *asked, *load, "--format", "json")
    assert done.returncode == 0, done.stderr[-2000:]
    measured: dict[str, Any] = json.loads(done.stdout)["result"]
    assert (measured["requests"], measured["ok"], measured["errors"]) == (REQUESTS, REQUESTS, 0)
    assert measured["latencyMs"]["p99"] < 10_000


@pytest.fixture
def mcpdo(inspector: Run) -> Iterator[Run]:
    """The daemon's command line; the daemon ends with the test."""
    yield lambda *arguments: inspector("mcpdo", "--format", "json", *arguments)
    inspector("mcpdo", "daemon", "stop")


def test_daemon_lists_and_calls_over_both_transports(target: Target, mcpdo: Run) -> None:
    """One connection over STDIO in the older era, one over HTTP in the newer."""
    named = [part for name, value in target.environment.items() for part in ("-e", f"{name}={value}")]
    header = f"Authorization: {target.headers['Authorization']}"
    ways = {
        "over-stdio": ("--era", "legacy", *PATIENT, *named, "@over-stdio", "--", target.command, "serve"),
        "over-http": ("--era", "modern", *PATIENT, "@over-http", "--server-url", target.http.url, "--header", header),
    }
    for name, way in ways.items():
        connected = mcpdo("connect", *way)
        assert connected.returncode == 0, connected.stdout + connected.stderr
        listed = mcpdo("--connection", name, "tools/list")
        assert len(json.loads(listed.stdout)["tools"]) == 17, listed.stderr
        called = mcpdo("--connection", name, "tools/call", "get_ticker_price", 'symbol:="BTCUSDT"')
        assert json.loads(called.stdout)["structuredContent"]["outcome"] == "done", called.stdout + called.stderr
