"""What a new user runs first: `tour`, `init`, `paper`; as processes, on a machine where everything else is watched."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.support.processes import Machine, Person, Served
from tests.support.said_lines import faults

pytestmark = pytest.mark.usefixtures("spawned")

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals and pseudo-terminals are POSIX")
LIMIT_S = 30
"""The tour is under half a minute."""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "machine")
    yield made
    made.end()


def settled(machine: Machine) -> list[str]:
    """The processes that are left once those that are just ending have ended."""
    deadline = time.monotonic() + 5
    while (left := machine.processes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def start(machine: Machine, *arguments: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "guardian", *arguments],
        env=machine.environment, cwd=machine.work, text=True, encoding="utf-8",
        stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
    )  # fmt: skip


# tour


def test_tour_tells_the_whole_story_and_leaves_nothing(machine: Machine) -> None:
    """No terminal, no keys, a fresh HOME: exit 0 within half a minute, each step explained, nothing left."""
    started = time.monotonic()
    tour = machine.run("tour", timeout=LIMIT_S)
    assert tour.returncode == 0, tour.stdout + tour.stderr
    assert time.monotonic() - started < LIMIT_S
    assert tour.stderr == ""
    steps = re.findall(r"^([1-8])\. (.+)$", tour.stdout, re.MULTILINE)
    assert [number for number, _ in steps] == [str(number) for number in range(1, 9)]
    for words in (
        "with 17 tools",
        "denied NOTIONAL_EXCEEDS_MAX",
        "confirmation_required: proposal",
        "`guardian approve ",
        "done: filled:",
        "BTC 0.5 -> 0.500",
        "nothing was sent now: this order was placed already at ",
        "open in the book",
        "denied TRADING_HALTED",
        "done: cancelled",
        "INTACT",
    ):
        assert words in tour.stdout, words
    shown = tour.stdout.encode()
    assert b"\x1b" not in shown
    assert settled(machine) == []
    assert machine.left_behind() == []
    assert not machine.home.exists()


@POSIX
def test_tour_with_a_broken_pipe_is_quiet(machine: Machine) -> None:
    """`guardian tour | head -3`: no traceback and no word, nothing left running, nothing left behind."""
    with start(machine, "tour") as tour:
        assert tour.stdout is not None
        assert tour.stderr is not None
        assert "guardian's tour" in tour.stdout.readline()
        tour.stdout.close()
        errors = tour.stderr.read()
        assert tour.wait(LIMIT_S) == 141
    assert errors == ""
    assert settled(machine) == []
    assert machine.left_behind() == []


@POSIX
def test_tour_that_is_stopped_leaves_nothing(machine: Machine) -> None:
    """Ctrl-C in the middle: the exit code says so, in one line, and neither the server nor the exchange stays."""
    with start(machine, "tour") as tour:
        assert tour.stdout is not None
        assert tour.stderr is not None
        for line in tour.stdout:
            if line.startswith("3. "):
                break
        tour.send_signal(signal.SIGINT)
        errors = tour.stderr.read()
        assert tour.wait(LIMIT_S) == 130
    assert errors.strip() == "guardian: stopped"
    assert settled(machine) == []
    assert machine.left_behind() == []


# init


def test_init_makes_a_home_once(machine: Machine) -> None:
    """A policy to edit and an entry to paste, with absolute paths and no secret; the second time nothing changes."""
    first = machine.run("init")
    assert first.returncode == 0, first.stderr
    policy = machine.policy.read_text("utf-8")
    assert tomllib.loads(policy)["environment"] == "testnet"
    (entry,) = json.loads(first.stdout)["mcpServers"].values()
    assert Path(entry["command"]).is_absolute()
    assert Path(entry["command"]).exists()
    assert entry["args"][-1] == "serve"
    assert entry["env"] == {"GUARDIAN_HOME": str(machine.home)}
    assert "guardian keys add testnet" in first.stderr
    if sys.platform != "win32":
        assert machine.home.stat().st_mode & 0o777 == 0o700
        assert machine.policy.stat().st_mode & 0o777 == 0o600
    machine.policy.write_text(policy + "# mine\n", "utf-8")
    second = machine.run("init", "--from", "paper")
    assert (second.returncode, second.stdout) == (1, "")
    assert "is there already" in second.stderr
    assert machine.policy.read_text("utf-8") == policy + "# mine\n"
    assert machine.left_behind() == []


@pytest.mark.parametrize("name", ["testnet", "paper", "read-only"])
def test_policy_of_init_is_in_force_as_it_is(machine: Machine, name: str) -> None:
    """Each ready-made policy passes its own check where `init` has put it, and the command of the entry starts."""
    made = machine.run("init", "--from", name)
    assert made.returncode == 0
    checked = machine.run("policy", "check")
    assert checked.returncode == 0, checked.stderr
    (entry,) = json.loads(made.stdout)["mcpServers"].values()
    served = subprocess.run(
        [entry["command"], *entry["args"]],
        env={**machine.environment, **entry["env"]}, cwd=machine.work, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert (served.returncode, served.stdout, faults(served.stderr)) == (0, "", [])


def test_entry_names_the_home_also_where_nobody_named_one(machine: Machine) -> None:
    """The server and a terminal then share a home whatever XDG variables either has. (Named only where it was set.)"""
    environment = {name: value for name, value in machine.environment.items() if name != "GUARDIAN_HOME"}
    made = machine.run("init", env=environment)
    assert made.returncode == 0, made.stderr
    (entry,) = json.loads(made.stdout)["mcpServers"].values()
    assert Path(entry["env"]["GUARDIAN_HOME"]).joinpath("policy.toml").is_file()
    assert not machine.home.exists()


@POSIX
def test_home_whose_log_is_gone_is_lost_until_its_owner_begins_a_new_one(machine: Machine) -> None:
    """`guardian.db` deleted beside a policy: before, every budget began again at zero, without a word.

    Every call is refused with a code and what to do, and a new log needs a person at a terminal.
    """
    assert machine.run("init", "--from", "paper").returncode == 0
    for path in machine.home.glob("guardian.db*"):
        path.unlink()
    (machine.home / "audit.checkpoint").unlink(missing_ok=True)

    served = Served(machine)
    price = served.call("get_ticker_price", symbol="BTCUSDT")
    cancelled = served.call("cancel_order", symbol="BTCUSDT", client_order_id="g1-" + "0" * 32)
    served.close()
    assert (price["outcome"], price["error"]["code"]) == ("unavailable", "LOG_LOST")
    assert "guardian init" in price["error"]["hint"]
    assert cancelled["outcome"] == "rejected"  # it was asked for: the exchange has no such order
    unattended = machine.run("init")
    assert unattended.returncode == 1
    assert "no person is at a terminal" in unattended.stderr
    for answer, code in (("n", 1), ("y", 0)):
        person = Person(machine.environment, "init", all_tty=True)
        person.waits_for("begin a new log? [y/N] ")
        assert "every budget unused" in person.seen
        person.types(f"{answer}\n")
        assert person.leaves()[0] == code
    assert machine.rows() is not None


def test_init_where_no_folder_can_be_is_told(machine: Machine) -> None:
    """A home that is a file, or lies below one, is no bug: exit 1, the reason, and what to do."""
    machine.home.write_text("in the way")
    below = {**machine.environment, "GUARDIAN_HOME": str(machine.home / "below")}
    for environment in (machine.environment, below):
        made = machine.run("init", env=environment)
        assert (made.returncode, made.stdout) == (1, "")
        assert "cannot be made" in made.stderr
        assert "hint: set GUARDIAN_HOME" in made.stderr


@POSIX
@pytest.mark.parametrize("named", ["~nobody-of-this-name/guardian", "/" + "x" * 300])
@pytest.mark.parametrize("command", ["halt", "status", "init", "serve"])
def test_home_that_no_folder_can_have_is_told(machine: Machine, named: str, command: str) -> None:
    """An unknown user's folder or too long a name is no bug. Before: `a bug in guardian`, RuntimeError and OSError."""
    done = machine.run(command, env={**machine.environment, "GUARDIAN_HOME": named})
    assert done.returncode == 1
    assert "guardian's home cannot be" in done.stderr
    assert "hint: set GUARDIAN_HOME" in done.stderr


# paper


@POSIX
def test_paper_exchange_serves_until_ctrl_c(machine: Machine) -> None:
    """It says where it is, answers a ping, and ends on Ctrl-C without a word of trouble."""
    person = Person(machine.environment, "paper", "--port", "0", all_tty=True)
    try:
        person.waits_for("Ctrl-C ends it")
        (url,) = re.findall(r"url\s+(http://127\.0\.0\.1:\d+)", person.seen)
        with urllib.request.urlopen(f"{url}/api/v3/ping", timeout=5) as reply:
            assert json.load(reply) == {}
        person.types("\x03")
        code, _ = person.leaves()
        assert "Traceback" not in person.seen
        assert code in {0, 130}
        with pytest.raises(OSError):
            urllib.request.urlopen(f"{url}/api/v3/ping", timeout=2)
    finally:
        person.is_gone()
    assert machine.left_behind() == []


def test_paper_exchange_is_loopback_only(machine: Machine) -> None:
    """Another address than loopback, and a port that is taken, are refused in one line with a hint."""
    wide = machine.run("paper", "--host", "0.0.0.0", "--port", "0")
    assert wide.returncode != 0
    assert "this machine only" in wide.stderr
    assert "guardian: hint:" in wide.stderr
    with start(machine, "paper", "--port", "0") as first:
        assert first.stdout is not None
        port = first.stdout.readline().rsplit(":", 1)[1].strip()
        taken = machine.run("paper", "--port", port)
        first.kill()
    assert taken.returncode != 0
    assert f"port {port} on 127.0.0.1 is unavailable" in taken.stderr
