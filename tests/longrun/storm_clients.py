"""Many clients of one guardian process: `python -m tests.longrun.storm_clients POLICY HOME CLIENTS CALLS SEED`.

Each client is an MCP client of its own in front of the real server, and asks as fast as it is answered; where it is
told to wait, it waits, but not for long. Prints one line of JSON: every call with its answer and its time, and the
memory.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from fastmcp import Client

from guardian.bootstrap import open_guardian
from guardian.server.app import build_server

IMPATIENCE_S = 3.0
SAMPLES = 20


def memory_mb() -> float | None:
    """What this process holds in memory now, where the system shows it."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Storm:
    def __init__(self, calls: int, seed: int) -> None:
        self._calls = self._left = calls
        self._dice = random.Random(seed)
        self._placed: list[str] = []
        self.calls: list[tuple[str, str, float]] = []
        self.memory: list[float] = []

    async def client(self, server: Any, number: int) -> None:
        async with Client(server) as client:
            while self._left > 0:
                self._left -= 1
                if self._left % max(1, self._calls // SAMPLES) == 0 and (now := memory_mb()) is not None:
                    self.memory.append(now)
                await self._call(client)

    async def _call(self, client: Client[Any]) -> None:
        tool, arguments = self._pick()
        began = time.monotonic()
        result = await client.call_tool(tool, arguments, raise_on_error=False)
        took = time.monotonic() - began
        envelope = result.structured_content
        assert isinstance(envelope, dict), result
        error = envelope["error"] or {}
        self.calls.append((tool, f"{envelope['outcome']} {error.get('code') or ''}".strip(), took))
        if tool == "create_order" and envelope["outcome"] == "done":
            order = envelope["data"]["order"]
            if order["state"] == "open":
                self._placed.append(order["client_order_id"])
        if envelope["outcome"] == "rate_limited":
            await asyncio.sleep(min(error.get("retry_after_s") or 1, IMPATIENCE_S) * self._dice.uniform(0.5, 1))

    def _pick(self) -> tuple[str, dict[str, Any]]:
        dice, symbol = self._dice, {"symbol": "BTCUSDT"}
        if self._placed and (len(self._placed) > 40 or dice.random() < 0.1):
            return "cancel_order", {**symbol, "client_order_id": self._placed.pop(0)}
        roll = dice.random()
        if roll < 0.1:
            price = f"{dice.randrange(5_850_000, 5_990_000) / 100:.2f}"
            order = {"side": "BUY", "order_type": "LIMIT", "quantity": "0.001", "price": price, "time_in_force": "GTC"}
            return "create_order", {**symbol, **order}
        if roll < 0.15:
            quantity = f"0.00{dice.randrange(100, 999)}"
            return "create_order", {**symbol, "side": "BUY", "order_type": "MARKET", "quantity": quantity}
        reads: list[tuple[str, dict[str, Any]]] = [
            ("get_ticker_price", symbol),
            ("get_ticker_price", symbol),
            ("get_ticker", symbol),
            ("get_order_book", symbol),
            ("get_orders", symbol),
            ("get_balance", {}),
            ("get_fee_info", symbol),
            ("get_available_assets", {"base_asset": "BTC"}),
        ]
        return dice.choice(reads)


async def main() -> None:
    policy, home, clients, calls, seed = sys.argv[1:]
    guardian = open_guardian(Path(policy), home=Path(home))
    storm = Storm(int(calls), int(seed))
    async with guardian.running():
        server = build_server(guardian.gate)
        await asyncio.gather(*(storm.client(server, number) for number in range(int(clients))))
    sys.stdout.write(json.dumps({"calls": storm.calls, "memory": storm.memory}) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
