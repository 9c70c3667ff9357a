"""What a start loads, and when: what a client waits for comes first, what it may never use comes with its first use."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import Any, Final

import pytest
from pydantic import BaseModel, TypeAdapter

from guardian.cli.app import main
from guardian.domain.trading import Environment
from guardian.paper.host.home import stop
from guardian.server.process import deferred_models
from guardian.server.process.background_start import BackgroundStart
from guardian.server.process.deferred_models import models_built_on_use
from tests.support.present import present

SERVER: Final = Path(__file__).parents[1] / "support" / "watched_server.py"
PATIENCE_S: Final = 60
NEVER: Final = 3600.0
LEGACY: Final = "2025-11-25"
MODERN: Final = "2026-07-28"
CLIENT: Final = {"name": "raw", "version": "1"}
PACKAGES_OF_THE_EXCHANGE: Final = {"binance", "aiohttp", "requests", "websockets", "dateparser", "Crypto"}
NEVER_USED: Final = {"beartype", "key_value", "griffe", "sqlalchemy", "sqlmodel"}
SIGNERS: Final = {"dateparser", "Crypto.PublicKey.RSA", "Crypto.PublicKey.ECC", "Crypto.Signature.eddsa"}


class Watched:
    """A server in a process of its own, spoken to in raw lines, and the socket over which it says what it loaded."""

    def __init__(self, *, idle_s: float = NEVER, listed_s: float = NEVER, switch: str = "on") -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        port = self._listening.getsockname()[1]
        self.process = subprocess.Popen(
            [sys.executable, str(SERVER), str(port), str(idle_s), str(listed_s), switch],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._watchdog = Timer(PATIENCE_S, self.process.kill)
        self._watchdog.start()
        self._listening.settimeout(PATIENCE_S)
        self._connection = self._listening.accept()[0]
        self._reports = self._connection.makefile("rw")
        self._count = 0

    def state(self) -> dict[str, Any]:
        self._reports.write("?\n")
        self._reports.flush()
        found: dict[str, Any] = json.loads(self._reports.readline())
        return found

    def packages(self) -> set[str]:
        """Those of which something is loaded."""
        return {name.partition(".")[0] for name in self.state()["loaded"]}

    def send(self, method: str, params: dict[str, Any]) -> int:
        self._count += 1
        message = {"jsonrpc": "2.0", "id": self._count, "method": method, "params": params}
        present(self.process.stdin).write(json.dumps(message) + "\n")
        present(self.process.stdin).flush()
        return self._count

    def reply(self, number: int) -> dict[str, Any]:
        while line := present(self.process.stdout).readline():
            message: dict[str, Any] = json.loads(line)
            if message.get("id") == number:
                result: dict[str, Any] = message["result"]
                return result
        raise AssertionError("the server ended")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        return self.reply(self.send(method, params))

    def initialize(self) -> dict[str, Any]:
        return self.ask("initialize", protocolVersion=LEGACY, capabilities={}, clientInfo=CLIENT)

    def ask_modern(self, method: str, **params: Any) -> dict[str, Any]:
        names = {"protocolVersion": MODERN, "clientInfo": CLIENT, "clientCapabilities": {}}
        meta = {f"io.modelcontextprotocol/{name}": value for name, value in names.items()}
        return self.ask(method, **params, _meta=meta)

    def close(self) -> int:
        with self.process:
            present(self.process.stdin).close()
            present(self.process.stdout).read()
        self._watchdog.cancel()
        self._reports.close()
        self._connection.close()
        self._listening.close()
        return self.process.returncode


@pytest.fixture
def watch(own_home: Path) -> Iterator[Callable[..., Watched]]:
    """Starts servers on a home on the paper exchange."""
    assert main(["init", "--from", "paper", "--yes"]) == 0
    started: list[Watched] = []

    def start(**options: Any) -> Watched:
        started.append(Watched(**options))
        return started[-1]

    yield start
    for one in started:
        one.close()
    stop(own_home / "guardian")


def price(envelope: dict[str, Any]) -> str:
    data = envelope["structuredContent"]
    assert data["outcome"] == "done", data
    return str(data["data"]["price"])


def test_client_that_lists_and_calls_finds_what_it_needs_loaded_then(watch: Callable[..., Watched]) -> None:
    """Nothing of the exchange's library is loaded before the list is answered, nor what python-binance never uses."""
    server = watch()
    assert server.initialize()["serverInfo"]["name"] == "guardian"
    assert not server.packages() & (PACKAGES_OF_THE_EXCHANGE | NEVER_USED)
    assert len(server.ask("tools/list")["tools"]) == 17
    assert not server.packages() & (PACKAGES_OF_THE_EXCHANGE | NEVER_USED)
    assert price(server.ask("tools/call", name="get_ticker_price", arguments={"symbol": "BTCUSDT"}))
    after = server.state()
    assert "binance" in after["loaded"]
    assert set(after["waiting"]) >= SIGNERS
    assert not server.packages() & NEVER_USED


def test_each_era_builds_the_models_that_it_uses(watch: Callable[..., Watched]) -> None:
    """A session of one era builds few of that era's models and none of the other's, and is answered in full."""
    legacy, modern = watch(), watch()
    legacy.initialize()
    assert modern.ask_modern("server/discover")["supportedVersions"]
    assert legacy.ask("tools/list")["tools"] == modern.ask_modern("tools/list")["tools"]
    call = {"name": "get_ticker_price", "arguments": {"symbol": "BTCUSDT"}}
    assert price(legacy.ask("tools/call", **call))
    assert price(modern.ask_modern("tools/call", **call))
    of_legacy, of_modern = legacy.state()["built"], modern.state()["built"]
    assert "CallToolRequest" in of_legacy[LEGACY]
    assert of_legacy[MODERN] == []
    assert of_modern[MODERN] != []
    assert of_modern[LEGACY] == []
    assert len(of_legacy[LEGACY]) < 20


def test_server_serves_the_same_with_nothing_deferred(watch: Callable[..., Watched]) -> None:
    """Where models are built and modules loaded at once, as without the means to wait, nothing else changes."""
    server, plain = watch(), watch(switch="off")
    assert server.initialize() == plain.initialize()
    assert server.ask("tools/list") == plain.ask("tools/list")
    assert server.ask("prompts/list") == plain.ask("prompts/list")
    assert price(plain.ask("tools/call", name="get_ticker_price", arguments={"symbol": "BTCUSDT"}))
    after = plain.state()
    assert set(after["loaded"]) >= SIGNERS
    assert len(after["built"][MODERN]) > 100


def test_client_that_sends_all_at_once_is_answered_in_full(watch: Callable[..., Watched]) -> None:
    """A client that waits for no reply, not even that to `initialize`, gets each of them."""
    server = watch(idle_s=0.2, listed_s=0.0)
    first = server.send("initialize", {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT})
    call = {"name": "get_ticker_price", "arguments": {"symbol": "BTCUSDT"}}
    numbers = [server.send("tools/call", call) for _ in range(5)]
    got: dict[int, dict[str, Any]] = {}
    while len(got) < 6:
        message = json.loads(present(server.process.stdout).readline())
        got[message["id"]] = message["result"]
    assert got[first]["serverInfo"]["name"] == "guardian"
    assert all(price(got[number]) for number in numbers)


def test_work_begins_where_no_client_ever_lists_or_calls(watch: Callable[..., Watched]) -> None:
    """A pending order waits for no client: the work in the background begins soon after the start all the same."""
    server = watch(idle_s=0.01)
    server.initialize()
    ends = time.monotonic() + PATIENCE_S
    while "binance" not in server.packages():
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.mark.anyio
async def test_each_sign_opens_the_background() -> None:
    """A call opens at once, a list in a moment, and neither after the time that it waits at most."""
    never_opened, called, listed = BackgroundStart(idle_s=NEVER), BackgroundStart(idle_s=NEVER), BackgroundStart()
    with suppress(TimeoutError):
        async with asyncio.timeout(0.01):
            await never_opened.wait()
            raise AssertionError("it opened by itself")
    called.called()
    await called.wait()
    listed.listed()
    await listed.wait()
    await BackgroundStart(idle_s=0.001).wait()


def test_models_are_built_on_use_within_and_at_once_after() -> None:
    """Only models that are made within wait, they validate as every other, and the default is back afterwards."""
    with models_built_on_use():

        class Waiting(BaseModel):
            number: int

        numbers = TypeAdapter(list[Waiting])

    class Plain(BaseModel):
        number: int

    assert not numbers.pydantic_complete
    assert not vars(Waiting)["__pydantic_complete__"]
    assert TypeAdapter(list[int]).pydantic_complete
    assert numbers.validate_python([{"number": 3}]) == [Waiting(number=3)]
    assert vars(Plain)["__pydantic_complete__"]
    assert Waiting.model_validate({"number": "3"}).number == 3
    with pytest.raises(ValueError, match="number"):
        Waiting.model_validate({"number": "x"})


def test_pydantic_without_that_default_builds_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pydantic keeps its defaults elsewhere, models are built as ever."""
    monkeypatch.setattr(deferred_models, "_OPTION", "no_such_option")
    monkeypatch.setattr(deferred_models, "_OF_ADAPTERS", "no_such_property")
    with models_built_on_use():

        class Plain(BaseModel):
            environment: Environment

        assert TypeAdapter(list[int]).pydantic_complete
    assert vars(Plain)["__pydantic_complete__"]
