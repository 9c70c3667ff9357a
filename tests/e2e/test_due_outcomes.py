"""A server that ends between the reply of a read and its outcome row: killed there, or left in good order."""

from __future__ import annotations

import json
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guardian.store.log.checkpoint import read_checkpoint
from tests.e2e.support.processes import Machine, RawServed, Served, phases, query
from tests.support.said_lines import faults
from tests.support.world import World

LATE = """
import sys
from guardian.gate.base import outcomes
outcomes.WRITE_AFTER_S = 3600
from guardian.cli.app import main
sys.exit(main(sys.argv[1:]))
"""
"""A `guardian` that writes an outcome row of a read only where another call, or leaving, makes it."""

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows sends a process no such signals")


@pytest.fixture
def talk(machine: Machine, world: World) -> Iterator[RawServed]:
    """Such a server, which has answered one call."""
    assert world.home == machine.home
    made = RawServed(machine, entry=("-c", LATE))
    made.start()
    yield made
    made.is_gone()


def answered(talk: RawServed) -> str:
    """The id of a read that has been answered, and whose row is due."""
    reply = talk.call("get_ticker_price", symbol="BTCUSDT")
    assert reply["outcome"] == "done"
    call: str = reply["meta"]["call_id"]
    return call


@posix
def test_read_whose_row_was_lost_is_shown_as_it_is(
    machine: Machine, talk: RawServed, serve: Callable[..., Served]
) -> None:
    """After kill -9 between reply and row the call has no outcome, which is no error anywhere; the log is intact."""
    first, call = answered(talk), answered(talk)
    talk.process.send_signal(signal.SIGKILL)
    assert talk.process.wait(20) == -signal.SIGKILL
    assert phases(machine.rows(), first) == ["call", "outcome"]
    assert phases(machine.rows(), call) == ["call"]
    verified = machine.run("audit", "verify")
    assert (verified.returncode, "INTACT IN ITSELF" in verified.stdout) == (3, True), verified
    shown = machine.run("audit", "show", call)
    assert (shown.returncode, faults(shown.stderr)) == (0, []), shown
    listed = json.loads(machine.run("audit", "list", "--json").stdout)
    # The row of the policy that judged the first call is no call's.
    calls = {line["call_id"]: line["outcome"] for line in listed if line["call_id"] is not None}
    assert calls == {first: "done", call: "pending"}
    pending = json.loads(machine.run("audit", "list", "--outcome", "pending", "--json").stdout)
    assert [line["call_id"] for line in pending] == [call]
    assert machine.run("status").returncode == 0
    served = serve(machine)
    recent = {one["call_id"]: one["outcome"] for one in json.loads(served.resource("guardian://audit/recent"))}
    assert (recent[first], recent[call]) == ("done", "pending")
    assert machine.run("audit", "verify").returncode == 3


def test_next_call_of_a_session_finds_the_outcome_of_the_one_before(machine: Machine, talk: RawServed) -> None:
    """What a session asks about its own calls counts each that was answered, however soon it asks."""
    call = answered(talk)
    recent = talk.ask("resources/read", {"uri": "guardian://audit/recent"})["result"]["contents"][0]["text"]
    assert [one["outcome"] for one in json.loads(recent) if one["call_id"] == call] == ["done"]
    before = answered(talk)
    answered(talk)
    assert phases(machine.rows(), before) == ["call", "outcome"]


def test_closed_input_waits_for_the_row(machine: Machine, talk: RawServed) -> None:
    """A client that leaves right after a reply leaves a whole trail behind."""
    call = answered(talk)
    code, _, errors = talk.leave()
    assert (code, faults(errors)) == (0, [])
    assert phases(machine.rows(), call) == ["call", "outcome"]
    assert machine.run("audit", "verify").returncode == 3


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_signal_waits_for_the_row(machine: Machine, talk: RawServed, name: str) -> None:
    """A signal right after a reply: the row is on the disk before the process ends."""
    call, number = answered(talk), getattr(signal, name)
    talk.process.send_signal(number)
    assert talk.process.wait(20) == 128 + number
    assert phases(machine.rows(), call) == ["call", "outcome"]


@posix
def test_signal_waits_for_a_row_that_another_process_holds_up(machine: Machine, talk: RawServed, world: World) -> None:
    """The log is held by another process when the signal comes: the row is written once it is free."""
    call = answered(talk)
    other = sqlite3.connect(world.home / "guardian.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    talk.process.send_signal(signal.SIGTERM)
    time.sleep(2.5)  # longer than the time for closing
    assert talk.process.poll() is None
    other.execute("ROLLBACK")
    other.close()
    assert talk.process.wait(20) == 128 + signal.SIGTERM
    assert phases(machine.rows(), call) == ["call", "outcome"]


@posix
def test_checkpoint_of_an_order_is_written_before_a_signal_ends_the_server(
    machine: Machine, talk: RawServed, world: World, tmp_path: Path
) -> None:
    """The checkpoint outside the database has the order's outcome when the process is gone."""
    order = {"symbol": "BTCUSDT", "side": "BUY", "order_type": "MARKET", "quote_quantity": "50"}
    assert talk.call("create_order", **order)["outcome"] == "done"
    talk.process.send_signal(signal.SIGTERM)
    assert talk.process.wait(20) == 128 + signal.SIGTERM
    (row,) = query(world.home, "SELECT MAX(seq) AS seq FROM audit WHERE phase = 'outcome'")
    found = read_checkpoint(world.home)
    assert found is not None
    assert found.seq >= row["seq"]
