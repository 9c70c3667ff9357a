"""A server that waits for a person's answer over STDIO, and its client or its process ends."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from tests.e2e.support.processes import INITIALIZE, RawServed, query
from tests.server.elicitation.clients import ELICIT, ORDER, READ_S
from tests.support.said_lines import faults
from tests.support.world import World, a_world_at_home

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it sends signals")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A paper exchange with a pinned market; the policy is the home's own and says `elicit`."""
    with a_world_at_home(tmp_path, ELICIT) as made:
        yield made


AN_EIGHTH: Final = """
from guardian.__main__ import main
from guardian.server.app import build_server
assert build_server.__kwdefaults__["wait_s"] == 40.0
build_server.__kwdefaults__["wait_s"] /= 8
main()
"""
"""The program of a server that waits an eighth of the 40 s that each waits, so that the test does too."""


@pytest.fixture
def served(world: World) -> Iterator[RawServed]:
    """A server in front of a client that declared elicitation."""
    yield from served_for(world)


def served_for(world: World, entry: tuple[str, ...] = ("-m", "guardian")) -> Iterator[RawServed]:
    machine: Any = SimpleNamespace(environment={**os.environ, "GUARDIAN_HOME": str(world.home)}, work=world.home.parent)
    made = RawServed(machine, entry=entry)
    made.ask("initialize", {**INITIALIZE, "capabilities": {"elicitation": {}}})
    made._write({"jsonrpc": "2.0", "method": "notifications/initialized"})
    yield made
    made.is_gone()


def until_asked(served: RawServed) -> dict[str, Any]:
    """The server's question, which came within the call."""
    served.send_call("create_order", **ORDER)
    assert served.process.stdout is not None
    while True:
        message: dict[str, Any] = json.loads(served.process.stdout.readline())
        if message.get("method") == "elicitation/create":
            return message


def outcomes(world: World) -> list[str]:
    return [row["outcome"] for row in query(world.home, "SELECT outcome FROM audit WHERE phase = 'outcome'")]


def test_server_that_is_stopped_answers_the_call_and_ends(world: World, served: RawServed) -> None:
    """SIGTERM while the person reads: not the 20 seconds that a call may take, and nothing was sent."""
    asked = until_asked(served)
    assert asked["params"]["message"].startswith("Place this order?\nPAPER  BUY 0.001 BTCUSDT")
    began = time.monotonic()
    served.process.send_signal(signal.SIGTERM)
    assert served.process.stdout is not None
    lines = served.process.stdout.readlines()  # its input stays open: it is the process that ends
    assert time.monotonic() - began < 10
    (reply,) = [json.loads(line) for line in lines if '"structuredContent"' in line]
    assert reply["result"]["structuredContent"]["data"]["client_answer"] == "timed_out"
    assert outcomes(world) == ["confirmation_required"]
    assert world.sent() == []


def test_client_that_goes_while_the_person_reads_leaves_the_order_waiting(world: World, served: RawServed) -> None:
    """Its end is closed: the server ends, the call has its outcome row, and nothing was sent."""
    until_asked(served)
    began = time.monotonic()
    code, _, errors = served.leave()
    assert time.monotonic() - began < 10
    assert (code, faults(errors)) == (0, [])
    assert outcomes(world) == ["confirmation_required"]
    assert [row["state"] for row in query(world.home, "SELECT state FROM proposals")] == ["waiting"]
    assert world.sent() == []


@pytest.mark.parametrize(
    "answer",
    [
        {"action": "accept"},
        {"action": "accept", "content": {}},
        {"action": "accept", "content": {"approve": "true"}},
        {"action": "accept", "content": {"approve": 1}},
        {"action": "accept", "content": {"approve": None}},
        {"action": "maybe", "content": {"approve": True}},
        {},
    ],
    ids=json.dumps,
)
def test_answer_that_is_no_written_yes_approves_nothing(world: World, served: RawServed, answer: object) -> None:
    """Whatever a client sends instead of what the form asks for, the order waits and the server goes on."""
    asked = until_asked(served)
    time.sleep(READ_S)
    served._write({"jsonrpc": "2.0", "id": asked["id"], "result": answer})
    assert served.call("get_ticker_price", symbol="BTCUSDT")["outcome"] == "done"
    deadline = time.monotonic() + 10
    while "confirmation_required" not in outcomes(world):  # the other call ends when it will
        assert time.monotonic() < deadline, outcomes(world)
        time.sleep(0.02)
    assert world.sent() == []


def test_person_who_does_not_answer_is_waited_for_no_longer_than_clients_wait(world: World) -> None:
    """The reply comes after 40 s, an eighth of them here; the client is told to take the question off the screen."""
    with contextmanager(served_for)(world, ("-c", AN_EIGHTH)) as served:
        asked = until_asked(served)
        began = time.monotonic()
        assert served.process.stdout is not None
        lines: list[dict[str, Any]] = []
        while not any("structuredContent" in line.get("result", {}) for line in lines):
            lines.append(json.loads(served.process.stdout.readline()))
        assert 4.5 < time.monotonic() - began < 11
    (cancelled,) = [line["params"] for line in lines if line.get("method") == "notifications/cancelled"]
    assert cancelled["requestId"] == asked["id"]
    assert lines[-1]["result"]["structuredContent"]["data"]["client_answer"] == "timed_out"
    assert world.sent() == []
