"""`guardian approve` at a real terminal: which policy it judges by, what it says before the question, and Ctrl-C."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.test_owner_commands import TERMINAL, on_screen, proposed, states
from tests.e2e.support.processes import Person, query
from tests.support.world import World, a_world_at_home

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal module there")

PATIENCE_S = 20.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A paper exchange with a pinned market; the policy is the home's own and says `terminal`."""
    with a_world_at_home(tmp_path, TERMINAL) as made:
        yield made


def phases(world: World, tool: str = "create_order") -> list[tuple[str, str | None]]:
    """The rows of the calls that `--submit` made, in order, with their outcomes."""
    rows = query(world.home, "SELECT call_id, phase, outcome, body FROM audit WHERE phase <> 'state' ORDER BY seq")
    ours = [row["call_id"] for row in rows if row["phase"] == "call" and b"approve --submit" in bytes(row["body"])]
    return [(row["phase"], row["outcome"]) for row in rows if row["call_id"] in ours and row["phase"] != "event"]


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("submit", [(), ("--submit",)], ids=["token", "submit"])
def test_order_of_another_policy_file_is_judged_by_that_file(
    world: World, sit_down: Callable[..., Person], submit: tuple[str, ...]
) -> None:
    """A server that runs with `--policy other.toml` has its proposals approved by a plain `guardian approve ID`."""
    own, other = world.policy_path, world.home.parent / "other.toml"
    world.policy_path = other
    world.policy(TERMINAL, {"confirmation": {"token_ttl": "4m"}})
    assert own.read_text() != other.read_text()
    assistant = world.assistant()
    name = proposed(assistant)
    person = sit_down("approve", name, *submit)
    person.waits_for("[y/N] ")
    person.answers("y\n")
    code, out = person.leaves()
    assert code == 0, person.seen
    if not submit:
        ((ttl,),) = [
            (row["token_expires_ms"] - row["approved_ms"],)
            for row in query(world.home, "SELECT token_expires_ms, approved_ms FROM proposals")
        ]
        assert ttl == 4 * 60_000
        assert assistant.call("create_order", confirmation_token=out.strip())["outcome"] == "done"
    assert len(world.sent()) == 1


@pytest.mark.parametrize(
    ("trouble", "submit", "words"),
    [
        ("edited", (), "was edited since this order was proposed"),
        ("broken", ("--submit",), "cannot be used"),
        ("another file", (), "leave `--policy` out"),
        ("halted", (), "TRADING_HALTED: trading is halted"),
        ("moved", ("--submit",), "CONFIRMATION_PRICE_DRIFT"),
    ],
)
def test_what_is_sure_to_be_denied_is_said_before_the_question(
    world: World, sit_down: Callable[..., Person], trouble: str, submit: tuple[str, ...], words: str
) -> None:
    """With and without `--submit` no question is asked, nothing is burnt or written, and the order still waits."""
    name = proposed(world.assistant())
    arguments = ["approve", name, *submit]
    if trouble == "edited":
        world.policy(TERMINAL, {"limits": {"max_open_orders": 4}})
    elif trouble == "broken":
        world.write("schema = 1\nenvironment = 'papr'\n")
    elif trouble == "another file":
        other = world.home.parent / "other.toml"
        other.write_text(world.policy_path.read_text().replace("max_open_orders = 5", "max_open_orders = 4"))
        other.chmod(0o600)
        arguments += ["--policy", str(other)]
    elif trouble == "halted":
        assert world.command("halt").returncode == 0
    else:
        world.market("60400", "60401")
    rows = len(query(world.home, "SELECT seq FROM audit"))
    person = sit_down(*arguments)
    assert person.leaves() == (1, "")
    assert words in person.seen, person.seen
    assert "nothing was approved" in person.seen
    assert "[y/N]" not in person.seen
    assert states(world) == {name: "waiting"}
    assert len(query(world.home, "SELECT seq FROM audit")) == rows
    assert world.sent() == []


def test_market_now_and_a_limit_that_crosses_it_are_shown(world: World, sit_down: Callable[..., Person]) -> None:
    """What the person sees is fetched at that moment: a LIMIT that rested at the proposal crosses the book now."""
    name = proposed(world.assistant(), order_type="LIMIT", quantity="0.001", price="59500")
    world.market("59300", "59301")
    person = sit_down("approve", name, columns=60)
    person.waits_for("[y/N] ")
    lines = on_screen(person)
    assert lines[1] == "costs at most 59.5 USDT before fees"
    assert re.fullmatch(r"asked \d+s ago at 60000/60001; 14m left, until \d\d:\d\d:\d\d", lines[2])
    assert re.fullmatch(r"fills at once, like a market order: 59300/59301 at \d\d:\d\d:\d\d", lines[3])
    assert (len(lines), max(map(len, lines)) <= 60) == (5, True)
    assert re.search(r"requested by \S+; approve this order\? ", person.seen)  # for nothing but what the first line has
    (listed,) = json.loads(world.command("approve", "--json").stdout)
    assert (listed["order"]["costs_at_most"], listed["order"]["brings_at_least"]) == ("59.5", None)
    assert listed["left_s"] > 0
    (shown,) = json.loads(world.command("status", "--json").stdout)["proposals"]
    assert shown["order"] == listed["order"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda s: s.name)
def test_stop_before_the_order_is_sent_says_that_nothing_was_sent(
    world: World, sit_down: Callable[..., Person], number: signal.Signals
) -> None:
    """Stopped while the facts are fetched: nothing is sent, it says so, and the call has its outcome row."""
    name = proposed(world.assistant())
    person = sit_down("approve", name, "--submit")
    person.waits_for("[y/N] ")
    world.controls.fault("GET", "/api/v3/avgPrice", "delay", seconds=8)
    person.answers("y\n")
    until(lambda: phases(world) == [("call", None)])
    person.receives(number)
    code, out = person.leaves()
    assert (code, out) == (130, "")
    assert f"nothing was sent; proposal `{name}` still waits" in person.seen, person.seen
    assert "Traceback" not in person.seen
    assert phases(world) == [("call", None), ("outcome", "unavailable")]
    assert world.sent() == []
    again = sit_down("approve", name, "--submit")
    again.waits_for("[y/N] ")
    again.answers("y\n")
    assert again.leaves()[0] == 0
    assert len(world.sent()) == 1


@pytest.mark.parametrize("times", [1, 3], ids=["once", "impatiently"])
def test_stop_while_the_order_is_on_its_way_waits_for_it_and_says_its_outcome(
    world: World, sit_down: Callable[..., Person], times: int
) -> None:
    """Ctrl-C, however often, after the order has left: its outcome is waited for, said and written down."""
    name = proposed(world.assistant())
    person = sit_down("approve", name, "--submit")
    person.waits_for("[y/N] ")
    world.controls.fault("POST", "/api/v3/order", "delay", seconds=2)
    person.answers("y\n")
    until(lambda: len(world.sent()) == 1)
    for _ in range(times):
        person.receives(signal.SIGINT)
        time.sleep(0.1)
    code, out = person.leaves()
    (sent,) = world.sent()
    assert (code, out.strip()) == (0, sent["newClientOrderId"])
    assert "placed: filled: 0.00082 at 60001 on average" in person.seen
    assert phases(world) == [("call", None), ("intent", None), ("outcome", "done")]
    assert states(world) == {name: "sent"}


def test_terminal_that_is_closed_while_the_order_is_on_its_way_loses_nothing(
    world: World, sit_down: Callable[..., Person]
) -> None:
    """The window is closed after the order has left: the outcome is in the log all the same."""
    name = proposed(world.assistant())
    person = sit_down("approve", name, "--submit")
    person.waits_for("[y/N] ")
    world.controls.fault("POST", "/api/v3/order", "delay", seconds=1)
    person.answers("y\n")
    until(lambda: len(world.sent()) == 1)
    person.hangs_up()
    person.leaves()
    assert phases(world) == [("call", None), ("intent", None), ("outcome", "done")]
    assert states(world) == {name: "sent"}


def test_ctrl_c_at_the_question_says_that_nothing_was_approved(world: World, sit_down: Callable[..., Person]) -> None:
    """Before the yes it is clear as well what was not done."""
    name = proposed(world.assistant())
    person = sit_down("approve", name, "--submit")
    person.waits_for("[y/N] ")
    person.types("\x03")
    assert person.leaves() == (130, "")
    assert "nothing was approved, and nothing was sent" in person.seen
    assert states(world) == {name: "waiting"}


def test_sent_order_is_named_where_it_can_no_longer_be_approved_or_rejected(
    world: World, sit_down: Callable[..., Person]
) -> None:
    """No message about an order that was placed invites a second one."""
    name = proposed(world.assistant())
    person = sit_down("approve", name, "--submit")
    person.waits_for("[y/N] ")
    person.answers("y\n")
    assert person.leaves()[0] == 0
    (sent,) = world.sent()
    person = sit_down("approve", name)
    assert person.leaves() == (1, "")
    rejected = world.command("reject", name)
    assert rejected.returncode == 1
    for words in (person.seen, rejected.stderr):
        assert f"was sent as order {sent['newClientOrderId']}; filled: 0.00082 at 60001 on average" in words
        assert "again" not in words


def test_withdrawn_proposal_can_no_longer_be_approved(world: World, sit_down: Callable[..., Person]) -> None:
    """What the assistant took back, through the real server, is named as such; also between look and yes."""
    assistant = world.assistant()
    name = proposed(assistant)
    person = sit_down("approve", name)
    person.waits_for("[y/N] ")
    assert assistant.call("cancel_order", proposal_id=name)["data"]["state"] == "withdrawn"
    person.answers("y\n")
    assert person.leaves() == (1, "")
    assert f"proposal {name} was withdrawn by the assistant; nothing was sent" in person.seen
    assert world.command("approve", "--json").stdout == "[]\n"


def test_rejecting_and_listing_need_no_policy(world: World) -> None:
    """Turning down only tightens: it works where the policy is broken, and so does the list of what waits."""
    name = proposed(world.assistant())
    world.write("schema = 1\nenvironment = 'papr'\n")
    assert name in world.command("approve").stdout
    assert world.command("reject", name).returncode == 0
    assert states(world) == {name: "rejected"}
