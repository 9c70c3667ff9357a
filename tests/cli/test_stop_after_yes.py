"""Ctrl-C after the yes: what the owner agreed to is finished and its result is said, or nothing is changed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.support.processes import Person, query
from tests.support import prefork
from tests.support.world import WIDE, World, a_world

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows sends a process no such signals")

LIMIT = {"order_type": "LIMIT", "quantity": "0.0005", "price": "59500"}
AGREED = """
import os, signal, sys, time
from guardian.cli import app, position
from guardian.cli.orders import settle, settlement
from guardian.cli.trading import resume, resuming
from guardian.domain.owner.proof import Proof, ProofGiven
from guardian.gate.reads.positions import Positions

def interrupted(owner, name, times):
    act = getattr(owner, name)
    def wrapped(*arguments):
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
        return act(*arguments)
    setattr(owner, name, wrapped)

for command in (resume, settle, position):
    command.require_owner = lambda action: None
    command.agree = lambda statement, question, policy_path=None: ProofGiven(kind=Proof.TERMINAL)
times = int(sys.argv.pop(1))
interrupted(resuming, "resume", times)
interrupted(settlement, "settle", times)
interrupted(Positions, "correct", times)
sys.exit(app.main())
"""
"""A command whose owner says yes, and presses Ctrl-C while the act is being written."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A paper exchange with a pinned market; the policy is the home's own and asks nobody."""
    with a_world(tmp_path) as made:
        made.home.mkdir(mode=0o700)
        made.policy_path = made.home / "policy.toml"
        made.policy(WIDE)
        yield made


def agreed(world: World, times: int, *arguments: str) -> tuple[int, str]:
    """The exit code and the words of a command that is interrupted N times after the yes."""
    done = prefork.run(
        [sys.executable, "-c", AGREED, str(times), *arguments],
        env={**os.environ, "GUARDIAN_HOME": str(world.home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


def corrections(world: World) -> int:
    """How many times the owner has set a position."""
    rows = query(world.home, "SELECT body FROM audit WHERE phase = 'event'")
    return sum(json.loads(row["body"])["data"]["kind"] == "position_set" for row in rows)


@pytest.mark.parametrize("times", [1, 3], ids=["once", "impatiently"])
class TestCtrlCWhileTheActIsWritten:
    """The transaction commits, so the command says its result and exits with 0; it said "stopped" and no more."""

    def test_resume(self, world: World, times: int) -> None:
        """The trading state is set, and said."""
        assert world.command("halt").returncode == 0
        code, said = agreed(world, times, "resume")
        assert json.loads(world.command("status", "--json").stdout)["trading"] == "active"
        assert said.splitlines()[-1] == "trading is active"
        assert code == 0

    def test_settle(self, world: World, times: int) -> None:
        """The order is settled, and its new state is said."""
        world.controls.fault("POST", "/api/v3/order", "reset_before")
        name = world.assistant().order(**LIMIT)["error"]["client_order_id"]
        code, said = agreed(world, times, "settle", name)
        assert query(world.home, "SELECT state FROM orders") == [{"state": "not_placed"}]
        assert said.splitlines()[-1] == f"settled: {name} is not_placed"
        assert code == 0

    def test_position_set(self, world: World, times: int) -> None:
        """The position is set once, and said."""
        assert world.assistant().order(order_type="MARKET", quantity="0.0005")["outcome"] == "done"
        code, said = agreed(world, times, "position", "set", "BTC", "0")
        assert corrections(world) == 1
        assert said.splitlines()[-1] == "guardian's position is 0 BTC"
        assert code == 0


def test_ctrl_c_while_orders_are_queried_changes_nothing(world: World, sit_down: Callable[..., Person]) -> None:
    """`position set` queries open orders before it writes: Ctrl-C ends that at once, and the command says so."""
    assistant = world.assistant()
    assert assistant.order(order_type="MARKET", quantity="0.0005")["outcome"] == "done"
    assert assistant.order(**LIMIT)["data"]["order"]["state"] == "open"
    person = sit_down("position", "set", "BTC", "0")
    person.waits_for("[y/N] ")
    world.controls.fault("GET", "/api/v3/order", "delay", seconds=20, times=5)
    queried = len(world.controls.requests("GET", "/api/v3/order"))
    person.types("y\n")
    deadline = time.monotonic() + 20
    while len(world.controls.requests("GET", "/api/v3/order")) == queried:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    started = time.monotonic()
    person.receives(signal.SIGINT)
    assert person.leaves()[0] == 130
    assert time.monotonic() - started < 10
    assert "nothing was changed" in person.seen
    assert corrections(world) == 0
