"""A small world for whole-way tests: a paper exchange with a pinned market, a home, a policy, and an assistant.

Everything is real but the market's prices: the gate, the store, the MCP server and client, the exchange door and HTTP.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from fastmcp import Client

from guardian.bootstrap import Guardian, open_guardian
from guardian.paper.host.standalone import PaperServer
from guardian.server.app import build_server
from guardian.store.opening import begin_log
from tests.support import prefork
from tests.support.loops import end_loop

T = TypeVar("T")
Envelope = dict[str, Any]

BASE: dict[str, Any] = {
    "schema": 1,
    "environment": "paper",
    "accounting": {"currency": "USDT", "conversions": {"BTC": "BTCUSDT", "ETH": "ETHUSDT", "BNB": "BNBUSDT"}},
    "limits": {
        "max_open_notional": "300",
        "rolling_notional": [{"window": "5m", "max": "200"}, {"window": "24h", "max": "500"}],
        "max_orders": [{"window": "1m", "max": 5}, {"window": "24h", "max": 50}],
        "max_open_orders": 5,
        "halt_after_orders": 20,
        "max_calls_per_minute": 120,
    },
    "prices": {"max_age": "5s"},
    "confirmation": {"required_above": "0", "channel": "chat"},
    "symbols": {
        "BTCUSDT": {
            "max_notional": "100",
            "max_quantity": "0.005",
            "max_position": "0.02",
            "order_types": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        },
        "ETHUSDT": {"max_notional": "100", "max_quantity": "0.1", "max_position": "0.5"},
    },
}
"""The defaults of the design with two symbols, on paper, confirmed in the chat."""

WIDE: dict[str, Any] = {
    "limits": {
        "max_open_notional": "1000000",
        "rolling_notional": [{"window": "24h", "max": "1000000"}],
        "max_orders": [{"window": "24h", "max": 100000}],
        "max_open_orders": 100000,
        "halt_after_orders": 100000,
        "max_calls_per_minute": 100000,
    },
    "confirmation": {"required_above": "1000000"},
}
"""Changes that leave only the limits that a test sets itself."""


def merged(base: Mapping[str, Any], *changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the changes laid over it, table by table; None takes a key out."""
    result = dict(base)
    for change in changes:
        for key, value in change.items():
            if value is None:
                result.pop(key, None)
            elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
                result[key] = merged(result[key], value)
            else:
                result[key] = value
    return result


def toml(tables: Mapping[str, Any]) -> str:
    """The tables as TOML."""
    lines = [f"{key} = {_value(value)}" for key, value in tables.items() if not isinstance(value, Mapping)]
    for key, value in tables.items():
        if key == "symbols":
            for symbol, limits in value.items():
                lines += ["", f"[symbols.{symbol}]", *(f"{k} = {_value(v)}" for k, v in limits.items())]
        elif isinstance(value, Mapping):
            lines += ["", f"[{key}]", *(f"{k} = {_value(v)}" for k, v in value.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{k} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return json.dumps(value)


class Assistant:
    """An MCP client in front of the real server of one home; calls are synchronous, its loop runs in a thread."""

    def __init__(self, policy_path: Path, home: Path, mode: str = "auto") -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.guardian: Guardian = self.run(self._open(policy_path, home))
        self._stop: asyncio.Event
        self._client: Client[Any]
        ready: threading.Event = threading.Event()
        self._session = asyncio.run_coroutine_threadsafe(self._serve(mode, ready), self._loop)
        ready.wait(30)
        if self._session.done():
            self._session.result()
        self.replies: list[Envelope] = []

    async def _open(self, policy_path: Path, home: Path) -> Guardian:
        return open_guardian(policy_path, home=home)

    async def _serve(self, mode: str, ready: threading.Event) -> None:
        try:
            self._stop = asyncio.Event()
            server = build_server(self.guardian.gate, lifespan=self.guardian.running)
            async with Client(server, mode=mode) as self._client:
                ready.set()
                await self._stop.wait()
        finally:
            ready.set()

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float = 60) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    async def acall(self, tool: str, **arguments: Any) -> Envelope:
        result = await self._client.call_tool(tool, arguments, raise_on_error=False)
        await self.guardian.gate.settle()  # tests read the log behind the server's back
        envelope = result.structured_content
        assert isinstance(envelope, dict), result
        assert result.is_error is (envelope["outcome"] not in {"done", "confirmation_required"})
        self.replies.append(envelope)
        return envelope

    def call(self, tool: str, **arguments: Any) -> Envelope:
        return self.run(self.acall(tool, **arguments))

    def together(self, *calls: tuple[str, dict[str, Any]]) -> list[Envelope]:
        """All these calls at once."""

        async def work() -> list[Envelope]:
            return list(await asyncio.gather(*(self.acall(tool, **arguments) for tool, arguments in calls)))

        return self.run(work())

    def order(self, side: str = "BUY", order_type: str = "MARKET", symbol: str = "BTCUSDT", **fields: Any) -> Envelope:
        return self.call("create_order", symbol=symbol, side=side, order_type=order_type, **fields)

    def confirmed(self, **fields: Any) -> Envelope:
        """Ask for an order and, where it needs a person and the policy says `chat`, play that person."""
        reply = self.order(**fields)
        if reply["outcome"] != "confirmation_required":
            return reply
        return self.call("create_order", confirmation_token=reply["data"]["confirmation_token"])

    def resource(self, uri: str) -> str:
        """The text of a resource."""

        async def work() -> str:
            return "".join(str(getattr(part, "text", "")) for part in await self._client.read_resource(uri))

        return self.run(work())

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._session.result(30)
        end_loop(self._loop, self._thread)


class World:
    """One paper exchange, one home, one policy file."""

    def __init__(self, paper: PaperServer, folder: Path) -> None:
        self.paper = paper
        self.controls = paper.controls
        self.home = folder / "home"
        self.policy_path = folder / "policy.toml"
        self._assistants: list[Assistant] = []
        self.market("60000", "60001")
        self.controls.set_book("ETHUSDT", "3000", "3000.10")
        self.controls.set_book("ETHBTC", "0.05000", "0.05001")
        self.controls.set_book("BNBUSDT", "600", "600.10")

    def market(self, bid: str, ask: str, symbol: str = "BTCUSDT") -> None:
        self.controls.set_book(symbol, bid, ask)

    def policy(self, *changes: Mapping[str, Any], base: Mapping[str, Any] = BASE) -> None:
        paper = {
            "endpoint": self.paper.url,
            "api_key": self.paper.api_key.reveal(),
            "api_secret": self.paper.api_secret.reveal(),
        }
        self.write(toml(merged(base, {"paper": paper}, *changes)))

    def write(self, text: str) -> None:
        """Replace the policy file at once, as an editor does; a home's first one comes with a log, as `init` has it."""
        if self.policy_path.parent == self.home and not self.policy_path.exists():
            begin_log(self.home)
        new = self.policy_path.with_suffix(".new")
        new.write_text(text, "utf-8")
        new.chmod(0o600)
        os.replace(new, self.policy_path)

    def assistant(self, mode: str = "auto") -> Assistant:
        if not self.policy_path.exists():
            self.policy()
        made = Assistant(self.policy_path, self.home, mode)
        self._assistants.append(made)
        return made

    def sent(self) -> list[dict[str, str]]:
        """The orders that reached the exchange."""
        return self.controls.orders_received()

    def command(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """A command of guardian's on this home, without a terminal."""
        environment = {**os.environ, "GUARDIAN_HOME": str(self.home)}
        return prefork.run(
            [sys.executable, "-m", "guardian", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )

    def close(self) -> None:
        while self._assistants:
            self._assistants.pop().close()


@contextmanager
def a_world(folder: Path) -> Iterator[World]:
    with PaperServer() as paper:
        world = World(paper, folder)
        try:
            yield world
        finally:
            world.close()


@contextmanager
def a_world_at_home(folder: Path, *changes: Mapping[str, Any]) -> Iterator[World]:
    """A world whose policy is the home's own, as the command line wants it, with these changes."""
    with a_world(folder) as made:
        made.home.mkdir(mode=0o700)
        made.policy_path = made.home / "policy.toml"
        made.policy(*changes)
        yield made


def codes(envelope: Envelope) -> set[str]:
    """All codes of a denial."""
    error = envelope["error"] or {}
    return {denial["code"] for denial in error.get("denials", ())} | ({error["code"]} if error else set())
