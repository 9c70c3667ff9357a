"""FastMCP's own client in front of `guardian serve` as a process, with a person who answers its questions."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult

from tests.e2e.support.processes import query
from tests.support.forked_stdio import ForkedStdio
from tests.support.world import Envelope, World

Handler = Callable[[str, Any, Any, Any], Awaitable[Any]]
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "order_type": "LIMIT", "quantity": "0.001", "price": "60500"}
ELICIT = {"confirmation": {"channel": "elicit"}}
READ_S = 1.2


class Person:
    """Someone in front of the client, who does the same with each question after having read it."""

    def __init__(self, does: str, after_s: float = READ_S) -> None:
        self.does = does
        self.after_s = after_s
        self.asked: list[str] = []
        self.dismissed = 0

    async def __call__(self, message: str, response_type: Any, _params: Any, _context: Any) -> Any:
        self.asked.append(message)
        try:
            await asyncio.sleep(self.after_s)
        except asyncio.CancelledError:
            self.dismissed += 1
            raise
        match self.does:
            case "accept":
                return response_type(approve=True)
            case "accept without a yes":
                return response_type(approve=False)
            case "decline":
                return ElicitResult(action="decline")
            case "cancel":
                return ElicitResult(action="cancel")
        raise RuntimeError("this client cannot show forms")


async def served(world: World, mode: str, person: Handler | None, work: Callable[[Client[Any]], Awaitable[Any]]) -> Any:
    """What `work` returns, done with a client of a server of its own."""
    transport = ForkedStdio(
        [sys.executable, "-m", "guardian", "serve"],
        env={**os.environ, "GUARDIAN_HOME": str(world.home)},
        log_file=world.home.parent / f"stderr-{time.monotonic_ns()}.log",
    )
    async with Client(transport, mode=mode, elicitation_handler=person) as client:
        return await work(client)


async def create(client: Client[Any], **more: Any) -> Envelope:
    result = await client.call_tool("create_order", {**ORDER, **more}, raise_on_error=False)
    envelope = result.structured_content
    assert isinstance(envelope, dict), result
    return envelope


def create_once(world: World, mode: str, person: Handler | None) -> Envelope:
    """The reply to one `create_order`."""
    reply = asyncio.run(served(world, mode, person, create))
    assert isinstance(reply, dict)
    return reply


def answers(world: World) -> list[str]:
    """The answers of clients that are in the log."""
    return [data["answer"] for data in events(world) if data["kind"] == "client_answered"]


def events(world: World) -> list[dict[str, Any]]:
    """What the events of the log say, but for the row that names the policy when it first judges a call."""
    rows = query(world.home, "SELECT body FROM audit WHERE phase = 'event' ORDER BY seq")
    told = [json.loads(row["body"])["data"] for row in rows]
    return [data for data in told if data["kind"] != "policy_in_force"]


@contextmanager
def timed() -> Iterator[list[float]]:
    began, took = time.monotonic(), [0.0]
    yield took
    took[0] = time.monotonic() - began
