"""`guardian audit -f`: what every process writes, once, as it is written, and until Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from guardian.cli.audit.listing.following import PATIENCE_S, LogFollower
from guardian.store.database import Store
from guardian.store.history.call_filter import CallFilter
from guardian.store.history.history import open_history
from guardian.store.schema.records import Phase, Record
from tests.support.clock import ClockOf

START_MS = 1_800_000_000_000


@dataclass(slots=True)
class Watched:
    """A home that is followed, and what was printed: the first row and the outcome of each line."""

    home: Path
    now_s: float = 0.0
    printed: list[tuple[int, str | None]] = field(default_factory=list)
    wanted: CallFilter = field(default_factory=lambda: CallFilter(limit=None))
    follower: LogFollower = field(init=False)

    def __post_init__(self) -> None:
        self.follower = LogFollower(
            lambda line: self.printed.append((line.row.seq, line.outcome)), monotonic=lambda: self.now_s
        )

    def write(self, *records: Record) -> None:
        store = Store.open(self.home, ClockOf(lambda: START_MS))
        with store.transaction() as tx:
            for record in records:
                tx.audit.append(record)
        store.close()

    def look(self, after_s: float = 0.3) -> list[tuple[int, str | None]]:
        """What one more look prints."""
        self.now_s += after_s
        self.printed.clear()
        with open_history(self.home) as log:
            self.follower.look(log, self.wanted)
        return list(self.printed)


def call(name: str, tool: str = "get_balance") -> Record:
    return Record(phase=Phase.CALL, call_id=name, tool=tool)


def ended(name: str, outcome: str = "done", tool: str = "get_balance") -> Record:
    return Record(phase=Phase.OUTCOME, call_id=name, tool=tool, outcome=outcome)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    made = Watched(tmp_path / "home")
    made.write()
    return made


def test_each_call_is_printed_once_with_its_outcome(watched: Watched) -> None:
    """Whichever process wrote its rows, and however they fall between two looks; events come at once."""
    watched.write(call("a"), ended("a"), call("b"), Record.event(None, {"kind": "halted"}))
    assert watched.look() == [(1, "done"), (4, None)]
    watched.write(call("c"), ended("b", "denied"))
    assert watched.look() == [(3, "denied")]
    assert watched.look() == []
    watched.write(ended("c"))
    assert watched.look() == [(5, "done")]
    assert watched.look(100) == []


def test_call_without_an_answer_is_printed_after_a_while_and_again_with_it(watched: Watched) -> None:
    """Nobody waits in front of an empty screen for a call that hangs."""
    watched.write(call("a"))
    assert watched.look() == []
    assert watched.look(PATIENCE_S + 0.1) == [(1, "pending")]
    assert watched.look(100) == []
    watched.write(ended("a"))
    assert watched.look() == [(1, "done")]


def test_filters_hold_while_following(watched: Watched) -> None:
    """Only what is wanted is printed."""
    watched.wanted = CallFilter(tool="create_order", limit=None)
    watched.write(call("a"), ended("a"), call("b", "create_order"), ended("b", "denied", "create_order"))
    watched.write(Record.event(None, {"kind": "halted"}))
    assert watched.look() == [(3, "denied")]


def test_log_that_became_shorter_is_said_and_followed(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    """A home that was put back from a copy: what comes then is printed."""
    watched.follower.seq = 50
    watched.write(call("a"), ended("a"))
    assert watched.look() == []
    assert "shorter than it was" in capsys.readouterr().err
    watched.write(call("b"), ended("b"))
    assert watched.look() == [(3, "done")]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send there")
def test_follow_prints_json_lines_until_ctrl_c(watched: Watched) -> None:
    """One document a line, those of another process too; Ctrl-C ends it with 130."""
    watched.write(call("a"), ended("a"))
    with subprocess.Popen(
        [sys.executable, "-m", "guardian", "audit", "-f", "--json"],
        env={**os.environ, "GUARDIAN_HOME": str(watched.home)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as follower:  # fmt: skip
        assert follower.stdout is not None
        assert json.loads(follower.stdout.readline())["seq"] == 1
        watched.write(call("b"), ended("b", "denied"))
        line = json.loads(follower.stdout.readline())
        assert (line["seq"], line["outcome"]) == (3, "denied")
        time.sleep(0.05)
        follower.send_signal(signal.SIGINT)
        assert follower.wait(timeout=30) == 130
