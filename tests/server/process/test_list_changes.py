"""Clients are notified when the policy allows other tools than before, and of nothing else."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client, FastMCP
from mcp.client.subscriptions import listen
from mcp.server.connection import Connection

from guardian.bootstrap import Guardian, open_guardian
from guardian.domain.requests import TOOLS
from guardian.errors import StoreError
from guardian.server.app import build_server
from guardian.server.process.announcements import announced
from guardian.server.process.list_changes import ToolListChanges
from guardian.store.opening import begin_log
from tests.server.http.served import ServedHttp
from tests.server.support.fake_gate import FakeGate, as_gate
from tests.server.support.notified import PATIENCE_S, Notified
from tests.support.present import present
from tests.support.world import BASE, merged, toml

pytestmark = pytest.mark.anyio

SOON_S = 0.02
FEWER = frozenset(TOOLS) - {"create_order"}


class Looks:
    """A server in front of a fake gate, whose looks are made by the test."""

    def __init__(self) -> None:
        self.gate = FakeGate()
        self.changes = ToolListChanges(lambda: self.gate.allowed_tools(), send_s=0.1)
        self.server = build_server(as_gate(self.gate), changes=self.changes)

    def client(self, notified: Notified, mode: str = "legacy") -> Client[Any]:
        return Client(self.server, mode=mode, message_handler=notified)

    async def allow(self, tools: frozenset[str]) -> None:
        self.gate.allowed = tools
        await self.changes.look()


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Guardian]:
    """A home with a policy of its own, opened as a server does."""
    begin_log(tmp_path)
    (tmp_path / "policy.toml").write_text(toml(BASE))
    guardian = open_guardian(home=tmp_path)
    yield guardian
    guardian.journal.close()


async def settled() -> None:
    """Whatever was sent has arrived in a client in this process."""
    for _ in range(50):
        await asyncio.sleep(0)


def served(opened: Guardian) -> FastMCP:
    """The server as the process makes it, but that it looks many times a second."""
    changes = ToolListChanges(opened.gate.allowed_tools)
    return build_server(
        opened.gate,
        changes=changes,
        lifespan=lambda: announced(opened, nullcontext(), changes=changes, period_s=SOON_S),
    )


async def tools_of(client: Client[Any]) -> set[str]:
    return {tool.name for tool in await client.list_tools()}


async def test_edit_that_takes_a_tool_away_or_gives_it_back_notifies_the_client(opened: Guardian) -> None:
    """The owner edits the file; the client is notified without having called anything, and lists what is allowed."""
    notified, file = Notified(), opened.policy_file.path
    async with Client(served(opened), mode="legacy", message_handler=notified) as client:
        assert await tools_of(client) == set(TOOLS)
        file.write_text(toml(merged(BASE, {"tools": {"deny": ["create_order"]}})))
        assert await notified.next() == "tools"
        assert await tools_of(client) == FEWER
        file.write_text(toml(BASE))
        assert await notified.next() == "tools"
        assert await tools_of(client) == set(TOOLS)
        file.write_text(toml(merged(BASE, {"limits": {"max_open_orders": 4}})))
        await asyncio.sleep(10 * SOON_S)
        assert notified.of.empty(), "an edit that changes no tool"


async def test_broken_policy_notifies_only_where_other_tools_are_listed(opened: Guardian) -> None:
    """Under the last good policy the list is the same one: nothing is sent, nor when the mistake is mended."""
    notified, file = Notified(), opened.policy_file.path
    changes = ToolListChanges(opened.gate.allowed_tools)
    async with Client(build_server(opened.gate, changes=changes), mode="legacy", message_handler=notified):
        for text in ("schema = ", toml(BASE)):
            file.write_text(text)
            await changes.look()
        await settled()
        assert notified.of.empty()
        file.write_text("schema = ")
        await changes.look()
        file.write_text(toml(merged(BASE, {"tools": {"deny": ["get_pnl"]}})))
        await changes.look()
        assert await notified.next() == "tools"


async def test_changes_of_the_tools_alone_are_declared(looks: Looks) -> None:
    """In both eras: the resources and the prompt never change, so that no change of theirs is promised."""
    for mode in ("legacy", "auto"):
        async with looks.client(Notified(), mode) as client:
            declared = present(client.server_capabilities)
        lists = (declared.tools, declared.prompts, declared.resources)
        assert [present(one).list_changed for one in lists] == [True, False, False]
        assert not present(declared.resources).subscribe


async def test_client_of_the_newer_protocol_is_notified_on_the_stream_it_asked_for(looks: Looks) -> None:
    """It gets nothing that it did not ask for, and of what it asked for it is promised the tools alone."""
    notified = Notified()
    async with looks.client(notified, "auto") as client:
        await looks.allow(FEWER)
        async with listen(client.session, tools_list_changed=True, prompts_list_changed=True) as stream:
            assert stream.honored.tools_list_changed
            assert not stream.honored.prompts_list_changed
            await looks.allow(FEWER)
            await looks.allow(frozenset(TOOLS))
            event = await asyncio.wait_for(anext(aiter(stream)), PATIENCE_S)
            assert type(event).__name__ == "ToolsListChanged"
            await looks.changes.look()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(aiter(stream)), 5 * SOON_S)


async def test_list_between_a_change_and_its_return_is_noticed(looks: Looks) -> None:
    """A policy is changed and changed back between two looks: a client that listed meanwhile has the wrong list."""
    lister, idle = Notified(), Notified()
    async with looks.client(lister) as client, looks.client(idle):
        looks.gate.allowed = FEWER
        assert await tools_of(client) == FEWER
        await looks.allow(frozenset(TOOLS))
        assert await lister.next() == "tools"
        await looks.changes.look()
        await settled()
    assert (lister.of.qsize(), idle.of.qsize()) == (0, 0)


async def test_session_that_is_gone_is_forgotten(looks: Looks) -> None:
    """It keeps no memory, and costs the look nothing; the other one is notified."""
    notified = Notified()
    async with looks.client(notified) as client:
        async with looks.client(Notified()):
            assert len(looks.changes._sessions) == 2
        gc.collect()
        assert len(looks.changes._sessions) == 1
        await looks.allow(FEWER)
        assert await notified.next() == "tools"
        assert await tools_of(client) == FEWER


class Stuck:
    """The channel to a client that does not read, until it does; or one that fails with what nobody expects."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.reads, self.fault = asyncio.Event(), fault
        self.sent: list[str] = []

    async def notify(self, method: str, *_: Any) -> None:
        if self.fault is not None:
            raise self.fault
        await self.reads.wait()
        self.sent.append(method)


@pytest.mark.parametrize("fault", [None, RuntimeError("gone")])
async def test_slow_session_keeps_no_other_waiting_and_is_tried_again(looks: Looks, fault: Exception | None) -> None:
    """The look ends within the time of one session, and the slow one is notified once it reads."""
    notified, channel = Notified(), Stuck(fault)
    slow = [Connection(channel, protocol_version="2025-11-25") for _ in range(5)]  # type: ignore[arg-type]  # notify alone
    for one in slow:
        one.initialized.set()
        looks.changes._sessions[one] = frozenset(TOOLS)
    async with looks.client(notified):
        started = time.monotonic()
        await looks.allow(FEWER)
        assert time.monotonic() - started < 0.4, "the sessions are waited for together"
        assert await notified.next() == "tools"
        channel.fault = None
        channel.reads.set()
        await looks.changes.look()
        await looks.changes.look()
    assert channel.sent == ["notifications/tools/list_changed"] * len(slow)
    assert notified.of.empty()


async def test_session_whose_client_is_not_ready_is_notified_later(looks: Looks) -> None:
    """Before `notifications/initialized` nothing may be sent."""
    channel = Stuck()
    channel.reads.set()
    early = Connection(channel, protocol_version="2025-11-25")  # type: ignore[arg-type]  # notify alone
    looks.changes._sessions[early] = frozenset(TOOLS)
    await looks.allow(FEWER)
    assert channel.sent == []
    early.initialized.set()
    await looks.changes.look()
    assert channel.sent == ["notifications/tools/list_changed"]


async def test_fault_of_the_look_costs_no_request(looks: Looks) -> None:
    """Where the allowed tools cannot be determined a client is served all the same."""
    looks.gate.fail_allowed = StoreError("no")
    notified = Notified()
    async with looks.client(notified) as client:
        assert await tools_of(client) == {"cancel_order"}


@asynccontextmanager
async def looking(changes: ToolListChanges) -> AsyncIterator[None]:
    """Looks many times a second, in the server's loop."""

    async def look() -> None:
        while True:
            await asyncio.sleep(SOON_S)
            await changes.look()

    task = asyncio.create_task(look())
    yield
    task.cancel()


@asynccontextmanager
async def over_http(**options: Any) -> AsyncIterator[tuple[FakeGate, ServedHttp]]:
    """The server in another thread."""
    gate = FakeGate()
    changes = ToolListChanges(gate.allowed_tools)
    server = build_server(as_gate(gate), changes=changes, lifespan=lambda: looking(changes))
    http = await asyncio.to_thread(lambda: ServedHttp(server, **options))
    try:
        yield gate, http
    finally:
        await asyncio.to_thread(http.close)


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_every_session_over_http_is_notified(transport: str) -> None:
    """Each of two clients, on the stream of its own session; one of the newer protocol, on the one it asked for."""
    first, second = Notified(), Notified()
    async with over_http(transport=transport) as (gate, http):
        async with http.client("legacy", message_handler=first), http.client("legacy", message_handler=second):
            await asyncio.sleep(0.2)  # a client opens its stream a moment after the handshake
            gate.allowed = FEWER
            assert [await first.next(), await second.next()] == ["tools", "tools"]
        if transport == "http":
            async with (
                http.client() as client,
                listen(client.session, tools_list_changed=True) as stream,
            ):
                gate.allowed = frozenset(TOOLS)
                event = await asyncio.wait_for(anext(aiter(stream)), PATIENCE_S)
                assert type(event).__name__ == "ToolsListChanged"


async def test_without_a_session_nothing_is_declared() -> None:
    """With `--stateless` a client of the older protocol has no stream; one of the newer has, for as long as it asks."""
    async with over_http(stateless=True) as (_, http):
        declared = {}
        for mode in ("legacy", "auto"):
            async with http.client(mode) as client:
                declared[mode] = present(present(client.server_capabilities).tools).list_changed
    assert declared == {"legacy": False, "auto": True}
