"""The client goes away in the middle of an order: it is finished or found out about, and never sent twice."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from tests.e2e.support.processes import CALLER, INITIALIZE, Machine, RawServed, Served, query
from tests.support import prefork
from tests.support.said_lines import faults
from tests.support.world import World, codes

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "order_type": "MARKET", "quote_quantity": "50"}


def sent_once(world: World, seconds: float = 10) -> None:
    """Wait until the order has reached the exchange."""
    deadline = time.monotonic() + seconds
    while not world.sent():
        assert time.monotonic() < deadline, "the order never came"
        time.sleep(0.01)


def outcome(world: World) -> tuple[str, str]:
    """The outcome row of the one order, and the state of the order."""
    (row,) = query(world.home, "SELECT outcome FROM audit WHERE phase = 'outcome' AND tool = 'create_order'")
    (order,) = query(world.home, "SELECT state FROM orders")
    return row["outcome"], order["state"]


def test_order_is_finished_when_the_client_closes_its_end(
    machine: Machine, world: World, serve_raw: Callable[..., RawServed]
) -> None:
    """The server's input closes while the exchange is slow: the order's outcome is written before the process ends."""
    talk = serve_raw(machine)
    talk.start()
    assert talk.call("get_ticker_price", symbol="BTCUSDT")["outcome"] == "done"
    world.controls.fault("POST", "/api/v3/order", "delay", seconds=1.0)
    talk.send_call("create_order", **ORDER)
    sent_once(world)
    code, _, errors = talk.leave()
    assert (code, faults(errors)) == (0, [])
    assert outcome(world) == ("done", "filled")
    assert len(world.sent()) == 1
    assert machine.run("audit", "verify").returncode == 3


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end differently there")
def test_order_is_finished_when_nobody_reads_the_replies_any_more(
    machine: Machine, world: World, serve_raw: Callable[..., RawServed]
) -> None:
    """A reply breaks on a closed pipe while an order is on its way: it is finished and logged, and no word is said.

    Before: `a bug in guardian: ExceptionGroup`, exit code 3.
    """
    talk = serve_raw(machine)
    talk.start()
    assert talk.call("get_ticker_price", symbol="BTCUSDT")["outcome"] == "done"
    world.controls.fault("POST", "/api/v3/order", "delay", seconds=1.0)
    talk.send_call("create_order", **ORDER)
    sent_once(world)
    assert talk.process.stdout is not None
    talk.process.stdout.close()
    talk.send_call("get_ticker_price", symbol="BTCUSDT")
    assert talk.process.wait(timeout=20) == 0
    assert talk.process.stderr is not None
    assert faults(talk.process.stderr.read()) == []
    assert outcome(world) == ("done", "filled")
    assert len(world.sent()) == 1
    assert machine.run("audit", "verify").returncode == 3


@pytest.mark.skipif(sys.platform == "win32", reason="the shell is another one there")
@pytest.mark.parametrize(
    "way",
    [
        "{serve} <&-",
        "{serve} <&- >&-",
        "{serve} </dev/null",
        "printf '%s' '{half}' | {serve}",
        "printf '\\xff\\xfe\\n' | {serve}",
        "(printf '%s\\n' '{half}'; printf '%s\\n' '{hello}'; sleep 1) | {serve} >&-",
    ],
)
def test_client_that_is_not_there_is_no_bug(machine: Machine, world: World, way: str) -> None:
    """No input, an input that ends in the middle of a line, or no output: exit code 0, and not a word.

    Before: `guardian serve <&-` reported a bug (`AttributeError`) and ended with 3.
    """
    hello = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE})
    serve = f"{shlex.quote(sys.executable)} -m guardian serve"
    line = way.format(serve=serve, half='{"jsonrpc": "2.0", "id"', hello=hello)
    done = subprocess.run(
        ["bash", "-c", line], env=machine.environment, cwd=machine.work, capture_output=True, timeout=30, check=False
    )
    assert (done.returncode, faults(done.stderr)) == (0, [])


@pytest.mark.skipif(sys.platform == "win32", reason="the shell is another one there")
def test_client_that_breaks_off_its_sockets_is_no_bug(machine: Machine, world: World) -> None:
    """Some clients give sockets instead of pipes: one that is gone with something unread is no error either."""
    ours, its = socket.socketpair()
    with prefork.popen(
        [sys.executable, "-m", "guardian", "serve"],
        env=machine.environment, cwd=machine.work, stdin=its.fileno(), stdout=its.fileno(), stderr=subprocess.PIPE,
    ) as server:  # fmt: skip
        its.close()
        hello = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE})
        ours.sendall(hello.encode() + b"\n")
        ours.recv(1)
        ours.sendall(hello.encode() + b"\n")
        ours.close()
        assert server.stderr is not None
        assert faults(server.stderr.read()) == []
    assert server.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="terminals are other things there")
def test_terminal_that_is_closed_is_no_bug(machine: Machine, world: World) -> None:
    """A client that talks through a terminal of its own and closes it is one that goes away. Before: exit code 120."""
    ours, its = os.openpty()
    with prefork.popen(
        [sys.executable, "-m", "guardian", "serve"],
        env=machine.environment, cwd=machine.work, stdin=its, stdout=its, stderr=subprocess.PIPE,
    ) as server:  # fmt: skip
        os.close(its)
        assert server.stderr is not None
        assert b"waiting for an MCP client" in server.stderr.readline()
        os.close(ours)
        assert faults(server.stderr.read()) == []
    assert server.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="a client is killed by a signal")
def test_order_is_finished_when_the_client_is_killed(machine: Machine, world: World) -> None:
    """The client's whole process is gone at once: the server ends by itself, and the outcome of the order is there."""
    world.controls.fault("POST", "/api/v3/order", "delay", seconds=1.0)
    program = [sys.executable, "-c", CALLER, json.dumps(ORDER)]
    with subprocess.Popen(program, env=machine.environment, cwd=machine.work, stderr=subprocess.DEVNULL) as client:
        sent_once(world, seconds=20)
        client.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while (left := machine.processes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
    assert outcome(world) == ("done", "filled")
    assert len(world.sent()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="clients that lose patience send a signal")
@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_order_whose_server_was_ended_is_found_by_the_next_one(
    machine: Machine, world: World, serve_raw: Callable[..., RawServed], serve: Callable[..., Served], how: str
) -> None:
    """A client that loses patience ends the server by force: the next server finds the order out, and sends nothing."""
    world.controls.fault("POST", "/api/v3/order", "delay", seconds=1.0)
    first = serve_raw(machine)
    first.start()
    first.send_call("create_order", **ORDER)
    sent_once(world)
    first.process.send_signal(getattr(signal, how))
    first.process.wait(20)
    status = json.loads(machine.run("status", "--json").stdout)
    assert [order["state"] for order in status["unresolved"]] in ([], ["reserved"], ["unknown"])
    time.sleep(1.0)
    second = serve(machine)
    again = second.call("create_order", **ORDER)
    assert codes(again) == {"DUPLICATE_ORDER"}, again
    # The dead server's lease of asking lapses after ten seconds.
    deadline = time.monotonic() + 30
    while query(world.home, "SELECT state FROM orders")[0]["state"] != "filled" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert query(world.home, "SELECT state FROM orders") == [{"state": "filled"}]
    assert len(world.sent()) == 1
    assert machine.run("status").returncode == 0
    calls = {row["call_id"] for row in machine.rows() if row["phase"] == "intent"}
    told = [row["phase"] for row in machine.rows() if row["call_id"] in calls]
    assert told[:2] == ["call", "intent"]
    assert told[2:] in (["event"], ["outcome"], ["outcome", "event"], ["event", "outcome"]), told
    assert machine.run("audit", "verify").returncode == 3


def test_server_that_ends_in_good_order_leaves_no_lease_behind(
    machine: Machine, world: World, serve_raw: Callable[..., RawServed]
) -> None:
    """The next server of the home asks for open orders at once: nobody waits for one that has gone."""
    talk = serve_raw(machine)
    talk.start()
    order = {"symbol": "BTCUSDT", "side": "BUY", "order_type": "LIMIT_MAKER", "quantity": "0.001", "price": "59000"}
    assert talk.call("create_order", **order)["outcome"] == "done"
    deadline = time.monotonic() + 20
    while not query(world.home, "SELECT holder FROM leases"):
        assert time.monotonic() < deadline, "nobody asks for the open order"
        time.sleep(0.05)
    code, _, errors = talk.leave()
    assert (code, faults(errors)) == (0, [])
    assert query(world.home, "SELECT holder FROM leases") == []


def test_read_that_is_left_alone_has_its_outcome(
    machine: Machine, world: World, serve_raw: Callable[..., RawServed]
) -> None:
    """A read whose client has gone leaves a call row and an outcome row, and the process ends with 0."""
    talk = serve_raw(machine)
    talk.start()
    assert talk.call("get_ticker_price", symbol="BTCUSDT")["outcome"] == "done"
    world.controls.fault("GET", "/api/v3/ticker/24hr", "delay", seconds=1.0)
    talk.send_call("get_ticker", symbol="BTCUSDT")
    time.sleep(0.3)
    code, _, errors = talk.leave()
    assert (code, faults(errors)) == (0, [])
    rows = [row for row in machine.rows() if row["tool"] == "get_ticker"]
    assert [row["phase"] for row in rows] == ["call", "outcome"]
