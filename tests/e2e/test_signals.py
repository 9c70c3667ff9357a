"""A signal to end in the middle of an order: the order is finished, and a second signal loses nothing."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.support.processes import Machine, RawServed, query
from tests.support.said_lines import faults
from tests.support.world import World

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "order_type": "MARKET", "quote_quantity": "50"}
SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows sends a process no such signals")


def until(what: Callable[[], object], seconds: float = 15) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)


def told(talk: RawServed) -> list[dict[str, Any]]:
    """Every reply that was left on the server's output."""
    assert talk.process.stdout is not None
    return [json.loads(line) for line in talk.process.stdout.read().splitlines()]


def in_mid_order(machine: Machine, world: World, serve_raw: Callable[..., RawServed], seconds: float) -> RawServed:
    """A server whose order has reached the exchange, which holds its reply back."""
    talk = serve_raw(machine)
    talk.start()
    assert talk.call("get_ticker_price", symbol="BTCUSDT")["outcome"] == "done"
    world.controls.fault("POST", "/api/v3/order", "delay", seconds=seconds)
    talk.send_call("create_order", **ORDER)
    until(world.sent)
    return talk


@pytest.mark.parametrize("name", SIGNALS)
def test_order_is_finished_before_a_signal_ends_the_server(
    machine: Machine, world: World, serve_raw: Callable[..., RawServed], name: str
) -> None:
    """A signal in mid-order: its outcome is written and reported, then the process exits with 128 + the number."""
    number = getattr(signal, name)
    talk = in_mid_order(machine, world, serve_raw, 1.0)
    talk.process.send_signal(number)
    assert talk.process.wait(20) == 128 + number
    (reply,) = [line for line in told(talk) if "result" in line]
    assert reply["result"]["structuredContent"]["outcome"] == "done"
    (row,) = query(world.home, "SELECT outcome FROM audit WHERE phase = 'outcome' AND tool = 'create_order'")
    assert row["outcome"] == "done"
    assert query(world.home, "SELECT state FROM orders") == [{"state": "filled"}]
    assert len(world.sent()) == 1
    assert machine.run("audit", "verify").returncode == 3


@pytest.mark.parametrize("name", SIGNALS)
def test_signal_ends_a_server_that_does_nothing_while_its_input_is_open(
    machine: Machine, world: World, serve_raw: Callable[..., RawServed], name: str
) -> None:
    """A server that serves no call ends within moments, although nobody has closed its input, without a fault."""
    number = getattr(signal, name)
    talk = serve_raw(machine)
    talk.start()
    assert talk.call("get_ticker_price", symbol="BTCUSDT")["outcome"] == "done"
    started = time.monotonic()
    talk.process.send_signal(number)
    assert talk.process.wait(20) == 128 + number
    assert time.monotonic() - started < 5
    assert talk.process.stderr is not None
    assert faults(talk.process.stderr.read()) == []


def test_call_after_the_signal_is_refused_and_leaves_nothing(
    machine: Machine, world: World, serve_raw: Callable[..., RawServed]
) -> None:
    """While an order is being finished no other call is taken: it is answered, and neither logged nor sent."""
    talk = in_mid_order(machine, world, serve_raw, 2.0)
    talk.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    talk.send_call("create_order", **{**ORDER, "quote_quantity": "40"})
    assert talk.process.wait(20) == 128 + signal.SIGTERM
    found = [line["result"]["structuredContent"] for line in told(talk) if "result" in line]
    assert sorted(reply["outcome"] for reply in found) == ["done", "unavailable"]
    assert [r["error"]["code"] for r in found if r["outcome"] == "unavailable"] == ["SERVER_STOPPING"]
    assert len(world.sent()) == 1
    assert len(query(world.home, "SELECT 1 FROM audit WHERE phase = 'call' AND tool = 'create_order'")) == 1


@pytest.mark.parametrize("second", SIGNALS)
def test_second_signal_ends_at_once_and_the_order_is_on_disk(
    machine: Machine, world: World, serve_raw: Callable[..., RawServed], second: str
) -> None:
    """A second signal does not wait for the exchange; the intent and the reservation are there to be queried."""
    number = getattr(signal, second)
    talk = in_mid_order(machine, world, serve_raw, 8.0)
    talk.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert talk.process.poll() is None
    started = time.monotonic()
    talk.process.send_signal(number)
    assert talk.process.wait(20) == 128 + number
    assert time.monotonic() - started < 3
    assert query(world.home, "SELECT state FROM orders") == [{"state": "reserved"}]
    assert [row["phase"] for row in machine.rows() if row["tool"] == "create_order"] == ["call", "intent"]
    status = json.loads(machine.run("status", "--json").stdout)
    assert [order["state"] for order in status["unresolved"]] == ["reserved"]
    assert machine.run("audit", "verify").returncode == 3


def test_signal_after_the_input_was_closed_lets_the_order_finish(
    machine: Machine, world: World, serve_raw: Callable[..., RawServed]
) -> None:
    """What clients do: close the input, lose patience, send SIGTERM. The order is finished all the same."""
    talk = in_mid_order(machine, world, serve_raw, 2.0)
    assert talk.process.stdin is not None
    talk.process.stdin.close()
    talk.process.stdin = None  # so that nobody flushes it any more
    time.sleep(0.5)
    talk.process.send_signal(signal.SIGTERM)
    assert talk.process.wait(20) in {0, 128 + signal.SIGTERM}
    (row,) = query(world.home, "SELECT outcome FROM audit WHERE phase = 'outcome' AND tool = 'create_order'")
    assert row["outcome"] == "done"
    assert query(world.home, "SELECT state FROM orders") == [{"state": "filled"}]
