"""Questions in the client that meet something else: another answer, a stop, a client that goes, a replay."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from mcp import MCPError
from mcp.types import ElicitResult, InputRequiredResult

from guardian.bootstrap import Guardian, open_guardian
from guardian.domain.requests import CreateOrder
from guardian.gate.client_questions import ClientAnswer
from guardian.server.app import build_server
from guardian.server.process.shutdown import Shutdown
from tests.e2e.support.processes import query
from tests.gate.support.room import limit
from tests.server.elicitation.clients import ELICIT, ORDER, Person, answers, create, events, timed
from tests.support.person import approve_at_terminal
from tests.support.world import Envelope, World, a_world_at_home

WAIT_S = 3.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A paper exchange with a pinned market; the policy is the home's own and says `elicit`."""
    with a_world_at_home(tmp_path, ELICIT) as made:
        yield made


@asynccontextmanager
async def serving(
    world: World, mode: str, person: Any, shutdown: Shutdown | None = None
) -> AsyncIterator[tuple[Guardian, Client[Any]]]:
    """A server in this process, and its client."""
    opened = open_guardian(world.policy_path, home=world.home)
    server = build_server(opened.gate, lifespan=opened.running, shutdown=shutdown, wait_s=WAIT_S)
    async with Client(server, mode=mode, elicitation_handler=person) as client:
        yield opened, client


async def until(reached: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not reached():
            await asyncio.sleep(0.02)


def waiting_id(world: World) -> str:
    ((name),) = [row["id"] for row in query(world.home, "SELECT id FROM proposals")]
    return str(name)


def test_question_that_nobody_answers_ends_by_itself(world: World) -> None:
    """The call ends in time, the question is taken off the screen, and the order waits for the terminal."""
    person = Person("accept", after_s=60)

    async def go() -> Envelope:
        async with serving(world, "legacy", person) as (_, client):
            reply = await create(client)
            await until(lambda: person.dismissed)
            return reply

    with timed() as took:
        reply = asyncio.run(go())
    assert (reply["data"]["client_answer"], reply["data"]["state"]) == ("timed_out", "waiting")
    assert "nobody answered the question in the client in time; nothing was sent" in reply["data"]["next_step"]
    assert answers(world) == ["timed_out"]
    assert took[0] < WAIT_S + 10
    assert world.sent() == []


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_same_order_asked_about_twice_is_sent_once(world: World, mode: str) -> None:
    """Two calls at once, two answers that accept: one order, and both replies know it."""
    person = Person("accept")

    async def go() -> list[Envelope]:
        async with serving(world, mode, person) as (_, client):
            return list(await asyncio.gather(create(client), create(client)))

    replies = asyncio.run(go())
    assert len(world.sent()) == 1
    outcomes = sorted(reply["outcome"] for reply in replies)
    if mode == "legacy":
        # The second call shows no second question while the first is on the screen.
        assert (outcomes, len(person.asked)) == (["confirmation_required", "done"], 1)
    else:
        # The other finds the order approved by the first, or placed already.
        assert outcomes in (["done", "done"], ["confirmation_required", "done"])


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("does", ["accept", "decline"])
def test_order_that_was_placed_meanwhile_is_not_placed_again(world: World, mode: str, does: str) -> None:
    """Approved at the terminal and redeemed while the question was on the screen: the answer changes nothing."""
    person = Person(does, after_s=2)

    async def go() -> Envelope:
        async with serving(world, mode, person) as (opened, client):
            asking = asyncio.ensure_future(create(client))
            await until(lambda: person.asked)
            token = await asyncio.to_thread(approve_at_terminal, opened, waiting_id(world))
            other = await client.call_tool("create_order", {"confirmation_token": token})
            assert other.structured_content is not None
            assert other.structured_content["outcome"] == "done"
            return await asking

    reply = asyncio.run(go())
    assert (reply["outcome"], reply["data"]["already_placed"]) == ("done", True), reply
    assert len(world.sent()) == 1


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("change", ["channel", "proof", "broken"])
def test_policy_that_changes_while_the_question_is_on_the_screen_decides(world: World, mode: str, change: str) -> None:
    """An accept is worth what the policy in force at that moment says."""
    person = Person("accept", after_s=2)

    async def go() -> Envelope:
        async with serving(world, mode, person) as (_, client):
            asking = asyncio.ensure_future(create(client))
            await until(lambda: person.asked)
            if change == "broken":
                world.write("schema = 1\nenvironment = 'papr'\n")
            else:
                more = {"channel": "terminal"} | ({"proof": "pin"} if change == "proof" else {})
                world.policy({"confirmation": more})
            return await asking

    reply = asyncio.run(go())
    assert reply["outcome"] in {"confirmation_required", "denied"}, reply
    assert world.sent() == []


def test_server_that_is_stopped_while_it_waits_does_not_wait(world: World) -> None:
    """The question is withdrawn at once, the call is answered and recorded, and the process ends."""
    person = Person("accept", after_s=60)
    ended: list[int] = []

    async def go() -> Envelope:
        shutdown = Shutdown(end=ended.append)
        async with serving(world, "legacy", person, shutdown) as (_, client):
            asking = asyncio.ensure_future(create(client))
            await until(lambda: person.asked)
            shutdown.on_signal(15)
            reply = await asking
            await until(lambda: ended)
            return reply

    with timed() as took:
        reply = asyncio.run(go())
    assert (reply["data"]["client_answer"], ended) == ("timed_out", [143])
    assert took[0] < WAIT_S + 1
    assert world.sent() == []


def test_client_that_takes_its_call_back_while_the_person_reads_leaves_the_order_waiting(world: World) -> None:
    """Nothing hangs, nothing is sent, and the call has its outcome row."""
    person = Person("accept", after_s=60)

    async def go() -> None:
        async with serving(world, "legacy", person) as (_, client):
            asking = asyncio.ensure_future(create(client))
            await until(lambda: person.asked)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            outcome = "SELECT outcome FROM audit WHERE phase = 'outcome'"
            await until(lambda: query(world.home, outcome))

    asyncio.run(go())
    rows = query(world.home, "SELECT outcome FROM audit WHERE phase = 'outcome'")
    assert [row["outcome"] for row in rows] == ["confirmation_required"]
    assert world.sent() == []


# The stateless era: what the client carries is not trusted


def raw(client: Client[Any], arguments: dict[str, Any], **more: Any) -> Any:
    return client.session.call_tool("create_order", arguments, allow_input_required=True, **more)


def accept() -> dict[str, Any]:
    return {"approve_order": ElicitResult(action="accept", content={"approve": True})}


def test_answer_that_is_replayed_asks_again_and_sends_nothing_more(world: World) -> None:
    """The same state with the same answer, again and for another order."""

    async def go() -> None:
        async with serving(world, "auto", Person("accept")) as (_, client):
            asked = await raw(client, ORDER)
            assert isinstance(asked, InputRequiredResult)
            await asyncio.sleep(1.1)
            given = {"input_responses": accept(), "request_state": asked.request_state}
            done = await raw(client, ORDER, **given)
            assert json.loads(done.content[0].text)["outcome"] == "done"
            assert len(world.sent()) == 1
            again = await raw(client, ORDER, **given)
            assert json.loads(again.content[0].text)["data"]["already_placed"]
            with pytest.raises(MCPError):
                await raw(client, {**ORDER, "quantity": "0.0011"}, **given)

    asyncio.run(go())
    assert len(world.sent()) == 1
    assert answers(world) == ["accepted"]


@pytest.mark.parametrize("state", ["made up", "00" * 16])
def test_state_that_the_client_made_up_is_refused(world: World, state: str) -> None:
    """Nothing is approved by it."""

    async def go() -> None:
        async with serving(world, "auto", Person("accept")) as (_, client):
            assert isinstance(await raw(client, ORDER), InputRequiredResult)
            with pytest.raises(MCPError):
                await raw(client, ORDER, input_responses=accept(), request_state=state)

    asyncio.run(go())
    assert world.sent() == []
    assert [event["kind"] for event in events(world)] == ["client_asked"]


def test_question_of_another_order_approves_neither(world: World) -> None:
    """Even inside the process: the name of a question is bound to its proposal."""

    async def go() -> None:
        async with serving(world, "auto", Person("accept")) as (opened, client):
            gate = opened.gate
            first = await raw(client, ORDER)
            second = await raw(client, {**ORDER, "price": "60400"})
            assert isinstance(first, InputRequiredResult)
            assert isinstance(second, InputRequiredResult)
            await asyncio.sleep(1.1)
            names = [event["question"] for event in events(world)]
            call = await gate.open_call("create_order", {})
            other = CreateOrder(order=limit(price="60400"))
            assert await gate.answer_of_client(call, other, names[0], ClientAnswer.ACCEPTED) is None

    asyncio.run(go())
    assert world.sent() == []
