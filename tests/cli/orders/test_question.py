"""`guardian approve` while its question is on the screen: what is shown when, and what is not taken as an answer."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.test_owner_commands import TERMINAL, proposed, states
from tests.e2e.support.processes import Person
from tests.support.world import World, a_world_at_home

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal module there")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A paper exchange with a pinned market; the policy is the home's own and says `terminal`."""
    with a_world_at_home(tmp_path, TERMINAL) as made:
        yield made


def test_answer_within_a_second_of_the_question_is_not_taken(world: World, sit_down: Callable[..., Person]) -> None:
    """Nobody reads that fast: it is said, the question is put again, and the next answer counts."""
    name = proposed(world.assistant())
    person = sit_down("approve", name)
    person.waits_for("[y/N] ")
    person.types("y\n")
    person.waits_for("within a second of the question is not taken")
    assert states(world) == {name: "waiting"}
    person.answers("y\n")
    code, out = person.leaves()
    assert (code, len(out.strip())) == (0, 24)
    assert person.seen.count("[y/N]") == 2


def test_question_is_there_before_the_market_and_nothing_is_taken_until_it_is(
    world: World, sit_down: Callable[..., Person]
) -> None:
    """While the exchange does not answer, the order is on the screen; what is typed then answers nothing."""
    name = proposed(world.assistant())
    world.controls.fault("GET", "/api/v3/avgPrice", "delay", seconds=3)
    person = sit_down("approve", name)
    person.waits_for("approve this order? (the market is asked first) ")
    assert "costs at most 49.6928282 USDT before fees" in person.seen
    assert "60000/60001 at" not in person.seen
    person.types("y\n")
    person.waits_for("nothing is taken as an answer before the market is on the screen")
    person.waits_for("[y/N] ")
    assert re.search(r"fills at once, like a market order: 60000/60001 at", person.seen)
    assert states(world) == {name: "waiting"}
    person.answers("n\n")
    assert person.leaves() == (1, "")
    assert states(world) == {name: "waiting"}


@pytest.mark.parametrize(
    ("how", "state", "words"),
    [
        ("withdrawn", "withdrawn", "was withdrawn by the assistant"),
        ("rejected", "rejected", "was turned down by a person"),
        ("expired", "waiting", "is expired"),
        ("approved elsewhere", "approved", "was approved elsewhere while you were asked"),
    ],
)
def test_order_that_ends_while_its_question_is_on_the_screen_is_not_approved(
    world: World, sit_down: Callable[..., Person], how: str, state: str, words: str
) -> None:
    """Without a key being pressed it is said what became of it, and the command ends with 1."""
    ttl = "4s" if how == "expired" else "15m"
    world.policy(TERMINAL, {"confirmation": {"proposal_ttl": ttl}})
    assistant = world.assistant()
    name = proposed(assistant)
    person = sit_down("approve", name)
    person.waits_for("[y/N] ")
    if how == "withdrawn":
        assistant.call("cancel_order", proposal_id=name)
    elif how == "rejected":
        assert world.command("reject", name).returncode == 0
    elif how == "approved elsewhere":
        other = sit_down("approve", name)
        other.waits_for("[y/N] ")
        other.answers("y\n")
        assert other.leaves()[0] == 0
    code, out = person.leaves()
    assert (code, out) == (1, ""), person.seen
    assert words in person.seen
    assert "nothing was approved here" in person.seen
    assert states(world) == {name: state}


@pytest.mark.parametrize("arguments", [(), ("--watch",)], ids=["one", "watch"])
def test_ctrl_c_before_the_market_is_there_ends_at_once(
    world: World, sit_down: Callable[..., Person], arguments: tuple[str, ...]
) -> None:
    """Neither the imports nor an exchange that does not answer is waited for long; what was not done is said."""
    name = proposed(world.assistant())
    world.controls.fault("GET", "/api/v3/avgPrice", "delay", seconds=15)
    person = sit_down("approve", *(arguments or (name,)))
    person.waits_for("(the market is asked first) ")
    began = time.monotonic()
    person.types("\x03")
    assert person.leaves() == (130, "")
    assert time.monotonic() - began < 8
    words = f"not approved: {name}" if arguments else "nothing was approved, and nothing was sent"
    assert words in person.seen
    assert "Traceback" not in person.seen
    assert states(world) == {name: "waiting"}


# --watch


def test_watch_asks_about_each_order_as_it_comes_and_ctrl_c_says_what_was_done(
    world: World, sit_down: Callable[..., Person]
) -> None:
    """Several in turn: one approved, one not, one that ends by itself, one at Ctrl-C; each is asked about once."""
    assistant = world.assistant()
    first = proposed(assistant)
    person = sit_down("approve", "--watch")
    person.waits_for(f"proposal {first}:")
    person.waits_for("[y/N] ")
    person.answers("y\n")
    person.waits_for("approved: hand this token")
    second = proposed(assistant, quote_quantity="40")
    person.waits_for(f"proposal {second}:")
    waits_for_question(person, 2)
    person.answers("n\n")
    third = proposed(assistant, quote_quantity="30")
    waits_for_question(person, 3)
    assistant.call("cancel_order", proposal_id=third)
    person.waits_for(f"proposal {third} was withdrawn by the assistant")
    fourth = proposed(assistant, quote_quantity="20")
    waits_for_question(person, 4)
    person.types("\x03")
    code, out = person.leaves()
    assert code == 130
    assert f"approved: {first}\r\nnot approved: {second}, {third}, {fourth}" in person.seen, person.seen
    assert states(world) == {first: "approved", second: "waiting", third: "withdrawn", fourth: "waiting"}
    assert assistant.call("create_order", confirmation_token=out.strip())["outcome"] == "done"


def test_watch_with_submit_places_what_was_agreed_to(world: World, sit_down: Callable[..., Person]) -> None:
    """The order goes out right there, and the watch goes on until Ctrl-C."""
    assistant = world.assistant()
    person = sit_down("approve", "--watch", "--submit")
    person.waits_for("watching: ")
    name = proposed(assistant)
    person.waits_for("place this order now? [y/N] ")
    person.answers("y\n")
    person.waits_for("placed: filled")
    person.types("\x03")
    code, out = person.leaves()
    (sent,) = world.sent()
    assert (code, out.strip()) == (130, sent["newClientOrderId"])
    assert f"placed: {name}" in person.seen
    assert states(world) == {name: "sent"}


def waits_for_question(person: Person, number: int) -> None:
    """The number-th question can be answered."""
    while person.seen.count("[y/N] ") < number:
        before = person.seen
        person.seen = ""
        person.waits_for("[y/N] ")
        person.seen = before + person.seen
