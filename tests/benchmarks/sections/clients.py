"""Many clients at once over HTTP on one server: throughput, and whether the caps hold exactly."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import aiohttp

from tests.benchmarks.sections.bench import Bench
from tests.benchmarks.subjects.guardian import Guardian, is_done
from tests.benchmarks.subjects.processes import end, memory_mb
from tests.benchmarks.subjects.stdio import INITIALIZE, VERSION, Failed
from tests.benchmarks.subjects.subject import SYMBOL, structured
from tests.benchmarks.table.rows import Row

NAME = "clients"
CAP: Final = Decimal(600)
PRICE: Final = 60_000
ORDERS_OF_A_CLIENT: Final = 2
CAPPED: Final[Mapping[str, Any]] = {
    "limits": {"rolling_notional": [{"window": "24h", "max": str(CAP)}], "duplicate_window": "1ms"},
    "confirmation": {"required_above": "1000000", "channel": "chat"},
}
_URL: Final = re.compile(rb"http://127\.0\.0\.1:\d+/mcp")


class HttpClient:
    """One MCP client over HTTP, with a session of its own."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str) -> None:
        self._session = session
        self._url = url
        self._next = 0
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": VERSION,
        }

    async def open(self) -> None:
        """Opens the session, and makes a first call."""
        await self._request("initialize", INITIALIZE)
        await self._post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        # The first call of a server connects it to its exchange.
        await self.call("get_ticker_price", {"symbol": SYMBOL})

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Calls a tool. Raises Failed for an error of the protocol."""
        return await self._request("tools/call", {"name": tool, "arguments": dict(arguments)})

    async def _request(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        self._next += 1
        text = await self._post({"jsonrpc": "2.0", "id": self._next, "method": method, "params": dict(params)})
        lines = [line[5:] for line in text.splitlines() if line.startswith("data:")] or [text]
        for message in (json.loads(line) for line in lines if line.strip()):
            if message.get("id") == self._next and "result" in message:
                result: dict[str, Any] = message["result"]
                return result
        raise Failed(f"{method}: {text[:400]}")

    async def _post(self, message: Mapping[str, Any]) -> str:
        async with self._session.post(self._url, json=message, headers=self._headers) as reply:
            text = await reply.text()
            if reply.status >= 400:
                raise Failed(f"HTTP {reply.status}: {text[:400]}")
            if "mcp-session-id" in reply.headers:
                self._headers["Mcp-Session-Id"] = reply.headers["mcp-session-id"]
            return text


def measure(bench: Bench) -> None:
    """Measures each checkout, one after the other: two servers at once would share the cores."""
    for guardian in bench.guardians:
        bench.progress(f"{NAME}: {bench.sizes.clients} on {guardian.label}")
        _Crowd(bench, guardian).run()


class _Crowd:
    """The clients of one server."""

    def __init__(self, bench: Bench, guardian: Guardian) -> None:
        self._bench = bench
        self._guardian = guardian
        self._endpoint = bench.venue.account()
        self._errors = 0
        self._accepted = 0

    def run(self) -> None:
        """Starts the server, measures, and ends it."""
        credentials = self._bench.scratch / f"{self._guardian.label.replace(' ', '-')}.credentials"
        home = self._guardian.home(self._endpoint, CAPPED, credentials=credentials)
        token = (home.parent / f"{home.name}.token").read_text("utf-8").strip()
        process, url = self._serve(home, credentials)
        try:
            before = memory_mb(process.pid)
            times, took_s = asyncio.run(self._all(url, token))
            self._add(times, took_s, before, memory_mb(process.pid))
        finally:
            end(process)

    def _serve(self, home: Path, credentials: Path) -> tuple[subprocess.Popen[bytes], str]:
        command = self._guardian.serve(home, "--transport", "http", "--host", "127.0.0.1", "--port", "0")
        env = {**command.env, "CREDENTIALS_DIRECTORY": str(credentials)}
        process = self._bench.processes.start(
            command.argv, env=env, cwd=command.cwd, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stderr is not None
        said = b""
        while line := process.stderr.readline():
            said += line
            if found := _URL.search(line):
                return process, found[0].decode()
        raise Failed(f"{self._guardian.label}: no server over HTTP: {said[-600:]!r}")

    async def _all(self, url: str, token: str) -> tuple[list[float], float]:
        """Returns the time of each read in ms, and how long all of them took together; then places the orders."""
        sizes = self._bench.sizes
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(120)) as session:
            clients = [HttpClient(session, url, token) for _ in range(sizes.clients)]
            await asyncio.gather(*(one.open() for one in clients))
            times: list[float] = []
            start = perf_counter()
            await asyncio.gather(*(self._reads(one, sizes.calls_of_a_client, times) for one in clients))
            took_s = perf_counter() - start
            await asyncio.gather(*(self._orders(one, number) for number, one in enumerate(clients)))
        return times, took_s

    async def _reads(self, client: HttpClient, calls: int, times: list[float]) -> None:
        for _ in range(calls):
            start = perf_counter()
            result = await self._counted(partial(client.call, "get_ticker_price", {"symbol": SYMBOL}))
            times.append((perf_counter() - start) * 1000)
            self._errors += not is_done(result)

    async def _orders(self, client: HttpClient, number: int) -> None:
        for _ in range(ORDERS_OF_A_CLIENT):
            fields = {"side": "BUY", "order_type": "LIMIT", "quantity": f"0.00{20 + number:03}", "price": str(PRICE)}
            result = await self._counted(partial(client.call, "create_order", {"symbol": SYMBOL, **fields}))
            outcome = structured(result).get("outcome")
            self._accepted += outcome == "done"
            self._errors += outcome not in {"done", "denied"}

    async def _counted(self, call: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """Returns the result of a call; an error of the protocol or the connection is counted by the caller."""
        try:
            return await call()
        except (Failed, aiohttp.ClientError, TimeoutError) as error:
            self._bench.progress(f"{NAME}: {error}")
            return {}

    def _add(self, times: list[float], took_s: float, before: float | None, after: float | None) -> None:
        conditions = f"{self._bench.sizes.clients} clients at once over HTTP"
        row: dict[str, Any] = {"section": NAME, "subject": self._guardian.label, "conditions": conditions}
        orders = self._bench.venue.orders(self._endpoint)
        sent = sum((Decimal(one["price"]) * Decimal(one["origQty"]) for one in orders), Decimal(0))
        held = "held" if sent <= CAP and len(orders) == self._accepted else "NOT HELD"
        add = self._bench.report.add
        add(Row(what="reads a second", unit="a second", value=len(times) / took_s, samples=len(times), **row))
        add(Row.of(times, what="read a price", unit="ms", **row))
        add(
            Row(
                what="errors",
                unit="calls",
                value=self._errors,
                note="of the protocol, or other than done and denied",
                **row,
            )
        )
        asked = self._bench.sizes.clients * ORDERS_OF_A_CLIENT
        note = f"cap {CAP} {held}: {len(orders)} of {asked} orders were let through"
        add(Row(what="worth of all orders sent", unit="USDT", value=float(sent), note=note, **row))
        for what, value in (("memory before", before), ("memory after", after)):
            if value is not None:
                add(Row(what=what, unit="MB", value=value, **row))
