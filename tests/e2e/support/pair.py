"""One of two processes that start together: `python -m tests.e2e.support.pair`; a home folder a line, until input ends.

For each it opens guardian as `guardian serve` does, looks at a price, buys, reads its orders, closes, and prints one
line of JSON. Python's imports are paid for once, so that the two meet on the empty folder, not on the import lock.
"""

from __future__ import annotations

import asyncio
import json
import sys
from decimal import Decimal
from pathlib import Path

from guardian.bootstrap import open_guardian
from guardian.domain.orders import OrderSide, OrderSpec, OrderType
from guardian.domain.requests import CreateOrder, GetOrders, GetTickerPrice, Request
from guardian.domain.text.plain_data import to_plain
from guardian.paper.host.home import find


async def one_round(home: Path, quantity: str) -> dict[str, object]:
    guardian = open_guardian(home.with_suffix(".toml"), home=home)

    async def call(request: Request) -> object:
        info = await guardian.gate.open_call(request.tool, {}, client="pair")
        reply = await guardian.gate.handle(info, request)
        await guardian.gate.close_call(info, reply)
        return to_plain(reply)

    spec = OrderSpec(symbol="BTCUSDT", side=OrderSide.BUY, order_type=OrderType.MARKET, quantity=Decimal(quantity))
    async with guardian.running():
        price = await call(GetTickerPrice(symbol="BTCUSDT"))
        bought = await call(CreateOrder(order=spec))
        orders = await call(GetOrders(symbol="BTCUSDT"))
    found = find(home)
    return {
        "price": price,
        "bought": bought,
        "orders": orders,
        "exchange": None if found is None else found.url,
        "imported": guardian.imported,
    }


def main() -> None:
    quantity = sys.argv[1]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        told = asyncio.run(one_round(Path(line.strip()), quantity))
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
