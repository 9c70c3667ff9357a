"""`channel = "elicit"` over STDIO, in both eras of the protocol, with the paper exchange."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import MCPError

from tests.e2e.support.processes import query
from tests.server.elicitation.clients import ELICIT, Person, answers, create_once, events
from tests.support.world import World, a_world_at_home

MODES = ("legacy", "auto")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A paper exchange with a pinned market; the policy is the home's own and says `elicit`."""
    with a_world_at_home(tmp_path, ELICIT) as made:
        yield made


def states(world: World) -> list[str]:
    return [row["state"] for row in query(world.home, "SELECT state FROM proposals")]


@pytest.mark.parametrize("mode", MODES)
def test_order_that_the_person_accepts_is_placed_in_the_same_call(world: World, mode: str) -> None:
    """They see the five lines of the terminal; the order is judged again and sent once, and the log says who agreed."""
    person = Person("accept")
    reply = create_once(world, mode, person)
    assert (reply["outcome"], reply["data"]["order"]["state"]) == ("done", "filled"), reply
    assert len(world.sent()) == 1
    (message,) = person.asked
    question, *lines = message.splitlines()
    assert question == "Place this order?"
    assert lines[0] == "PAPER  BUY 0.001 BTCUSDT LIMIT at 60500"
    assert "costs at most 60.5 USDT before fees" in lines
    assert len(lines) <= 5
    assert answers(world) == ["accepted"]
    (approved,) = [event for event in events(world) if event["kind"] == "approved"]
    assert (approved["channel"], approved["proof"]) == ("elicit", {"kind": "terminal"})
    assert approved["statement"]["fields"]["market"]["bid"] == "60000"
    (order,) = query(world.home, "SELECT confirmed FROM orders")
    assert order["confirmed"] == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("does", "answer", "state", "words"),
    [
        ("decline", "declined", "rejected", "a person turned this order down"),
        ("cancel", "cancelled", "waiting", "without a yes or a no; nothing was sent. The person runs `guardian"),
        ("accept without a yes", "cancelled", "waiting", "without a yes or a no"),
    ],
)
def test_anything_but_a_yes_sends_nothing_and_is_told_apart(
    world: World, mode: str, does: str, answer: str, state: str, words: str
) -> None:
    """In the log and in the reply; a no ends the order, whatever else leaves it to the terminal."""
    reply = create_once(world, mode, Person(does))
    assert reply["outcome"] == "confirmation_required"
    assert (reply["data"]["client_answer"], reply["data"]["state"]) == (answer, state)
    assert words in reply["data"]["next_step"]
    assert answers(world) == [answer]
    assert states(world) == [state]
    assert world.sent() == []
    if does == "decline":
        assert reply["data"]["rejected_because"] == "declined in the client"


def test_client_that_cannot_put_the_question_leaves_the_terminal(world: World) -> None:
    """It declared that it can, and answers with an error: the reply says the terminal way."""
    reply = create_once(world, "legacy", Person("fail"))
    assert (reply["data"]["client_answer"], reply["data"]["state"]) == ("failed", "waiting")
    assert "could not put the question to the person; nothing was sent. The person runs" in reply["data"]["next_step"]
    assert answers(world) == ["failed"]


def test_stateless_client_that_never_brings_an_answer_leaves_the_order_waiting(world: World) -> None:
    """The call ended with the question; nothing is sent, and nobody waits for anything."""
    with pytest.raises(MCPError, match="cannot show forms"):
        create_once(world, "auto", Person("fail"))
    assert states(world) == ["waiting"]
    assert [event["kind"] for event in events(world)] == ["client_asked"]
    assert world.sent() == []


@pytest.mark.parametrize("mode", MODES)
def test_accept_within_a_second_of_the_question_is_not_taken(world: World, mode: str) -> None:
    """A client that answers by itself approves nothing; it is logged and said, and the order waits."""
    reply = create_once(world, mode, Person("accept", after_s=0))
    assert (reply["data"]["client_answer"], reply["data"]["state"]) == ("too_soon", "waiting")
    assert "within a second" in reply["data"]["next_step"]
    assert answers(world) == ["too_soon"]
    assert world.sent() == []


@pytest.mark.parametrize("mode", MODES)
def test_client_that_declares_no_elicitation_is_not_asked(world: World, mode: str) -> None:
    """The reply says the terminal way, as ever."""
    reply = create_once(world, mode, None)
    assert reply["outcome"] == "confirmation_required"
    assert "client_answer" not in reply["data"]
    assert "guardian approve" in reply["data"]["next_step"]
    assert events(world) == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("channel", ["terminal", "chat"])
def test_no_client_is_asked_where_the_policy_names_another_channel(world: World, mode: str, channel: str) -> None:
    """What a client can do opens nothing that the policy does not."""
    world.policy({"confirmation": {"channel": channel}})
    person = Person("accept")
    assert create_once(world, mode, person)["outcome"] == "confirmation_required"
    assert (person.asked, world.sent()) == ([], [])
