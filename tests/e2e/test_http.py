"""`guardian serve --transport http` as a process: the token of the vault, a hostile environment, both eras, its end."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support.over_http import OverHttp, with_token
from tests.e2e.support.processes import PATIENCE_S, Machine, query
from tests.e2e.support.processes import Person as Owner
from tests.e2e.test_signals import ORDER, until
from tests.server.elicitation.clients import ELICIT, Person, answers, create
from tests.support.world import WIDE, World

HOSTILE = {
    "FASTMCP_HOST": "0.0.0.0",
    "FASTMCP_PORT": "1",
    "FASTMCP_TRANSPORT": "stdio",
    "FASTMCP_DEBUG": "true",
    "FASTMCP_LOG_LEVEL": "DEBUG",
    "FASTMCP_LOG_ENABLED": "true",
    "FASTMCP_MASK_ERROR_DETAILS": "false",
    "FASTMCP_STRICT_INPUT_VALIDATION": "false",
    "FASTMCP_STATELESS_HTTP": "true",
    "FASTMCP_JSON_RESPONSE": "true",
    "FASTMCP_HTTP_HOST_ORIGIN_PROTECTION": "false",
    "FASTMCP_HTTP_ALLOWED_HOSTS": '["*"]',
    "FASTMCP_HTTP_ALLOWED_ORIGINS": '["*"]',
    "FASTMCP_STREAMABLE_HTTP_PATH": "/elsewhere",
    "FASTMCP_SERVER_AUTH": "none",
    "UVICORN_HOST": "0.0.0.0",
    "UVICORN_PORT": "1",
    "WEB_CONCURRENCY": "4",
    "FORWARDED_ALLOW_IPS": "*",
}


@pytest.fixture
def serve(machine: Machine, world: World, tmp_path: Path) -> Iterator[Callable[..., OverHttp]]:
    """Starts servers on the world's home, whose vault has a token."""
    token, passphrase = with_token(machine, tmp_path / "credentials")
    started: list[OverHttp] = []

    def start(*arguments: str, **environment: str) -> OverHttp:
        started.append(OverHttp(machine, token, *arguments, **{**passphrase, **environment}))
        return started[-1]

    yield start
    for server in started:
        server.is_gone()


def listening_on(port: int) -> set[str]:
    """The addresses of this machine on which something listens on this port, as the kernel writes them."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text("ascii").splitlines()[1:]:
            fields = line.split()
            address, _, at = fields[1].partition(":")
            if int(at, 16) == port and fields[3] == "0A":
                found.add(address)
    return found


@pytest.mark.usefixtures("spawned")
def test_orders_are_approved_in_the_client_in_both_eras_whatever_the_environment_says(
    machine: Machine, world: World, serve: Callable[..., OverHttp]
) -> None:
    """`FASTMCP_*`, a `.env` and the like change neither address nor path nor checks; a question reaches the person."""
    world.policy(WIDE, ELICIT, {"confirmation": {"required_above": "0"}})
    (machine.work / ".env").write_text("\n".join(f"{name}={value}" for name, value in HOSTILE.items()), "utf-8")
    server = serve("--transport", "http", "--host", "127.0.0.1", "--port", "0", **HOSTILE)
    if sys.platform == "linux":
        assert listening_on(server.port) == {"0100007F"}

    async def orders() -> list[Any]:
        replies = []
        for mode, price in (("legacy", "60500"), ("auto", "60400")):
            person = Person("accept")
            async with server.client(mode, elicitation_handler=person) as client:
                replies.append(await create(client, price=price))
                wrong = await client.call_tool("get_ticker", {"symbol": 7}, raise_on_error=False)
                replies.append(wrong.structured_content)
            assert len(person.asked) == 1
        return replies

    first, wrong, second, wrong_too = asyncio.run(orders())
    assert [first["outcome"], second["outcome"]] == ["done", "done"], (first, second)
    assert [one["error"]["code"] for one in (wrong, wrong_too)] == ["ARGUMENTS_INVALID"] * 2
    assert answers(world) == ["accepted", "accepted"]
    assert len(world.sent()) == 2
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(PATIENCE_S) == 128 + signal.SIGTERM
    out, errors = server.is_gone()
    assert out == ""
    assert f"guardian: MCP over HTTP at {server.url}, for clients that send the token; Ctrl-C ends it\n" in errors
    assert all(line.startswith("guardian") for line in errors.splitlines()), errors
    assert server.token not in f"{machine.rows()}{errors}"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends a process no such signals")
@pytest.mark.parametrize(("name", "transport"), [("SIGTERM", "http"), ("SIGINT", "sse")])
def test_signal_in_mid_order_lets_it_finish_and_answers_it(
    machine: Machine, world: World, serve: Callable[..., OverHttp], name: str, transport: str
) -> None:
    """As over STDIO: the outcome is written and reported, and then the process ends with 128 + the number."""
    number = getattr(signal, name)
    server = serve("--transport", transport, "--port", "0")
    world.controls.fault("POST", "/api/v3/order", "delay", seconds=1.0)

    async def order() -> Any:
        async with server.client("legacy") as client:
            asking = asyncio.create_task(client.call_tool("create_order", ORDER, raise_on_error=False))
            await asyncio.to_thread(until, world.sent)
            server.process.send_signal(number)
            return (await asking).structured_content

    assert asyncio.run(order())["outcome"] == "done"
    assert server.process.wait(PATIENCE_S) == 128 + number
    assert query(world.home, "SELECT state FROM orders") == [{"state": "filled"}]
    assert len(world.sent()) == 1
    out, errors = server.is_gone()
    assert out == ""
    assert ("the SSE transport is deprecated" in errors) is (transport == "sse")


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of this kind is POSIX's")
def test_token_that_a_person_sees_at_the_terminal_opens_the_server(
    machine: Machine, world: World, serve: Callable[..., OverHttp], tmp_path: Path
) -> None:
    """It is on the screen alone; the one before opens nothing, from the next start on."""
    before = serve("--transport", "http", "--port", "0")
    opens_vault = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}
    owner = Owner({**machine.environment, **opens_vault}, "keys", "token", "create", all_tty=True)
    owner.waits_for("in place of any other? [y/N] ")
    owner.types("y\n")
    code, _ = owner.leaves()
    assert code == 0, owner.seen
    (token,) = re.findall(r"guardian_[A-Za-z0-9_-]{43}", owner.seen)

    async def outcomes(server: OverHttp, sent: str) -> Any:
        server.token = sent
        async with server.client("legacy") as client:
            result = await client.call_tool("get_ticker_price", {"symbol": "BTCUSDT"}, raise_on_error=False)
            return result.structured_content["outcome"]

    assert asyncio.run(outcomes(before, before.token)) == "done"
    after = serve("--transport", "http", "--port", "0")
    with pytest.raises(Exception, match="guardian keys token create"):
        asyncio.run(outcomes(after, after.token))
    assert asyncio.run(outcomes(after, token)) == "done"
    assert world.sent() == []
    assert token not in f"{machine.rows()}{before.is_gone()}{after.is_gone()}"
