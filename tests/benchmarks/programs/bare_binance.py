"""python-binance alone, without MCP: takes `tools/call` lines and makes the one request that the tool needs."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from binance import AsyncClient


async def _call(client: Any, name: str, given: dict[str, Any]) -> Any:
    if name == "get_ticker_price":
        return await client.get_symbol_ticker(**given)
    if name == "get_balance":
        return await client.get_account(omitZeroBalances="true")
    if name == "create_order":
        return await client.create_order(newOrderRespType="FULL", **given)
    raise ValueError(f"no such call: {name}")


async def main() -> None:
    """Answers until standard input ends. Arguments: the exchange's URL, the API key and its secret."""
    sys.path.insert(0, str(Path(__file__).parent))
    importlib.import_module("loopback_only").refuse_all_else()
    url, key, secret = sys.argv[1:4]
    client = AsyncClient(key, secret)
    client.API_URL = f"{url}/api"
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            message = json.loads(line)
            given = message["params"]
            answer = await _call(client, given["name"], given["arguments"])
            sys.stdout.write(json.dumps({"id": message["id"], "result": {"structuredContent": answer}}) + "\n")
            sys.stdout.flush()
    finally:
        await client.close_connection()


if __name__ == "__main__":
    asyncio.run(main())
