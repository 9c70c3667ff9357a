"""A guardian process for tests of crashes and races: `python -m tests.gate.support.driver POLICY HOME MODE [ARG...]`.

Modes:
    burst FIRST COUNT   COUNT limit orders at once, at prices FIRST, FIRST - 1, ...; prints their outcomes
    crash POINT         one order; the process kills itself at POINT: `before_send` or `after_send`
    stop                one order; the process stops itself between the intent and the send, until it is continued
    start               starts, prints what it finds, and resolves orders once
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from guardian.bootstrap import Guardian, open_guardian
from guardian.domain.orders import OrderSide, OrderSpec, OrderType, TimeInForce
from guardian.domain.requests import CreateOrder
from guardian.domain.text.plain_data import to_plain
from guardian.exchange.exchange import Exchange
from guardian.gate.base.replies import Reply
from guardian.gate.reads.overview import Overview
from guardian.gate.recovery.resolve import Resolver


def spec(price: str, quantity: str = "0.001") -> OrderSpec:
    return OrderSpec(
        symbol="BTCUSDT",
        side=OrderSide.BUY,
        order_type=OrderType.LIMIT,
        quantity=Decimal(quantity),
        price=Decimal(price),
        time_in_force=TimeInForce.GTC,
    )


async def place(guardian: Guardian, order: OrderSpec) -> Reply:
    request = CreateOrder(order=order)
    call = await guardian.gate.open_call(request.tool, dict(order.as_dict()), client="driver")
    reply = await guardian.gate.handle(call, request)
    await guardian.gate.close_call(call, reply)
    return reply


def trap(point: str) -> None:
    """Make the process end, or stop, around the one place where an order is sent."""
    real = Exchange.place_order

    async def place_order(self: Exchange, *arguments: Any, **fields: Any) -> Any:
        if point == "stop":
            print("stopping", flush=True)
            os.kill(os.getpid(), signal.SIGSTOP)
        if point == "before_send":
            os.kill(os.getpid(), signal.SIGKILL)
        report = await real(self, *arguments, **fields)
        if point == "after_send":
            os.kill(os.getpid(), signal.SIGKILL)
        return report

    Exchange.place_order = place_order


async def main() -> None:
    policy, home, mode, *rest = sys.argv[1:]
    guardian = open_guardian(Path(policy), home=Path(home))
    print("ready", flush=True)
    try:
        if mode == "burst":
            sys.stdin.readline()
            first, count = int(rest[0]), int(rest[1])
            replies = await asyncio.gather(*(place(guardian, spec(str(first - n), "0.002")) for n in range(count)))
            print(json.dumps([reply.outcome.value for reply in replies]), flush=True)
        elif mode == "start":
            before = await Overview(guardian.gate.context).status()
            found = await Resolver(context=guardian.gate.context).run_once()
            after = await Overview(guardian.gate.context).status()
            told = {"before": to_plain(before), "found": to_plain(found), "after": to_plain(after)}
            print(json.dumps(told), flush=True)
        else:
            trap(rest[0] if mode == "crash" else "stop")
            reply = await place(guardian, spec("60000"))
            error = reply.error
            print(json.dumps({"outcome": reply.outcome.value, "code": error and error.code.name}), flush=True)
    finally:
        await guardian.close()


if __name__ == "__main__":
    asyncio.run(main())
