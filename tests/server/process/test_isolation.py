"""What surrounds the server: settings it must not read, logs it must not write, transports it does not have."""

from __future__ import annotations

import inspect
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from fastmcp import Client

from guardian.cli.app import main
from guardian.domain.trading import Environment
from guardian.server.app import build_server
from guardian.server.process.isolation import isolate_fastmcp
from guardian.server.process.stderr_log import PlainFormatter
from tests.server.support.fake_gate import FakeGate, as_gate

CANARY = "canary-77aa"


def test_settings_of_fastmcp_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every FASTMCP_* variable goes, in whatever case; no .env file is read, and nothing is asked of the network."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    os.environ.update({"FASTMCP_HOST": "0.0.0.0", "FASTMCP_MASK_ERROR_DETAILS": "false", "FASTMCP_LOG_LEVEL": "DEBUG"})
    isolate_fastmcp()
    left = {name: value for name, value in os.environ.items() if name.upper().startswith("FASTMCP")}
    assert left["FASTMCP_ENV_FILE"] == os.devnull
    assert left["FASTMCP_CHECK_FOR_UPDATES"] == "off"
    assert left["FASTMCP_SHOW_SERVER_BANNER"] == "false"
    assert not {"FASTMCP_HOST", "FASTMCP_MASK_ERROR_DETAILS", "FASTMCP_LOG_LEVEL"} & set(left)


def test_security_options_are_set_and_not_by_default() -> None:
    """The server masks errors, checks arguments strictly and refuses two tools of one name, whatever is set outside."""
    server = build_server(as_gate(FakeGate()))
    assert server.strict_input_validation is True
    assert server._mask_error_details is True
    assert server._on_duplicate == "error"


def test_importing_the_server_fixes_settings_before_fastmcp_reads_them(tmp_path: Path) -> None:
    """A hostile environment and a hostile .env change nothing in FastMCP once any module of the server is imported."""
    (tmp_path / ".env").write_text("FASTMCP_MASK_ERROR_DETAILS=false\nFASTMCP_HOST=0.0.0.0\nFASTMCP_LOG_LEVEL=DEBUG\n")
    code = (
        "import guardian.server.app, fastmcp; s = fastmcp.settings;"
        "print(s.host, s.log_level, s.log_enabled, s.show_server_banner, s.check_for_updates);"
        "print(s.telemetry_mode, s.transport)"
    )
    environment = {**os.environ, "FASTMCP_HOST": "0.0.0.0", "fastmcp_log_level": "DEBUG", "FASTMCP_TRANSPORT": "sse"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["127.0.0.1", "INFO", "False", "False", "off", "off", "stdio"]


@pytest.mark.parametrize(
    "name", ["open_call", "handle", "close_call", "allowed_tools", "meta", "status", "policy_view", "environment"]
)
def test_fake_gate_has_the_shape_of_the_gate(name: str) -> None:
    """The gate of these tests takes what the real one takes, so that what passes here passes there."""
    from guardian.gate.pipeline import Gate

    real, fake = getattr(Gate, name), getattr(FakeGate, name)
    if name == "environment":
        assert fake in Environment
        return
    assert list(inspect.signature(fake).parameters) == list(inspect.signature(real).parameters)
    assert inspect.iscoroutinefunction(fake) is inspect.iscoroutinefunction(real)


@pytest.mark.anyio
async def test_lifespan_goes_around_every_call(gate: FakeGate) -> None:
    """What belongs to the gate is started before the first call and closed after the last, though it takes a moment."""
    events = []

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        events.append("started")
        yield
        await anyio.sleep(0.01)
        events.append("closed")

    async def called() -> None:
        events.append("called")

    gate.before_answer = called
    async with Client(build_server(as_gate(gate), lifespan=lifespan)) as client:
        await client.call_tool("get_ticker", {"symbol": "BTCUSDT"})
    assert events == ["started", "called", "closed"]


def record_of(name: str, message: str, *arguments: object, fault: BaseException | None = None) -> logging.LogRecord:
    exc_info = None if fault is None else (type(fault), fault, None)
    return logging.LogRecord(name, logging.ERROR, __file__, 1, message, arguments, exc_info)


@pytest.mark.parametrize("name", ["fastmcp.server.server", "mcp.server", "asyncio", "aiohttp.client", "guardianish"])
def test_foreign_log_records_show_the_place_and_no_text(name: str) -> None:
    """Of another package's record only the place and the kind of exception are shown, on one line."""
    shown = PlainFormatter().format(record_of(name, f"failed on %s {CANARY}", CANARY, fault=ValueError(CANARY)))
    assert CANARY not in shown
    assert "\n" not in shown
    assert name in shown
    assert "ValueError" in shown


def test_own_log_records_show_their_text_without_the_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guardian's own records show their sentence; an exception only by its kind."""
    shown = PlainFormatter().format(record_of("guardian.server", "a request failed", fault=ValueError(CANARY)))
    assert shown == "guardian: error: a request failed (ValueError)"


@pytest.mark.parametrize("transport", ["streamable-http", "websocket", "HTTP", ""])
def test_other_transports_are_refused(transport: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown transport is wrong usage, said on stderr; nothing is opened and stdout stays empty."""
    assert main(["serve", "--transport", transport]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "'stdio', 'http', 'sse'" in told.err
    assert not Path(os.environ["GUARDIAN_HOME"]).exists()


def test_help_of_serve_imports_nothing_heavy() -> None:
    """`guardian serve --help` answers without loading FastMCP."""
    code = (
        "import sys; from guardian.cli.app import main; main(['serve', '--help']); sys.exit('fastmcp' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    assert "--policy" in done.stdout
