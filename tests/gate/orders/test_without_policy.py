"""A home that never had a good policy, and orders in another environment than the policy's."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastmcp import Client

from guardian.bootstrap import open_guardian
from guardian.cli.app import main
from guardian.cli.orders.settlement import Unsettled, find_unsettled
from guardian.cli.trading.open_orders import foreign_orders
from guardian.domain.codes import Code, Outcome
from guardian.domain.requests import TOOLS, GetOrders, GetTickerPrice
from guardian.domain.trading import Environment, TradingState
from guardian.errors import ExchangeUnavailable, OutcomeUnknown, StoreUnavailable
from guardian.gate.pipeline import Gate
from guardian.gate.reads.overview import stops
from guardian.policy.loading.load import named_environment
from guardian.server.app import build_server
from guardian.store.transaction.timestamps import TimestampsPart
from tests.gate.cancels.test_cancel import Nothing
from tests.gate.support.fakes import FakeConnector, FakeExchange, Room
from tests.support.present import present

BROKEN = "schema = 1\nenvironment = 'papr'\n[limits]\nmax_open_ordres = 5\n"


class Far:
    """A room whose gate reaches two environments: `paper`, where the room's orders are, and `testnet`."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.testnet = FakeConnector(FakeExchange(room.clock), environment=Environment.TESTNET)
        self.reached: list[Environment] = []

    def connector_to(self, environment: Environment) -> FakeConnector:
        self.reached.append(environment)
        return self.room.connector if environment is Environment.PAPER else self.testnet

    def use(self, environment: Environment, *, is_chosen: bool) -> None:
        """Make the gate again, as a process that starts now has it."""
        room = self.room
        connector = room.connector if environment is Environment.PAPER else self.testnet
        room.context = replace(
            room.context,
            environment=environment,
            connector=connector,
            is_chosen=is_chosen,
            connector_to=self.connector_to,
        )
        room.gate = Gate(room.context)


@pytest.fixture
def far(room: Room) -> Far:
    return Far(room)


def without_policy(room: Room) -> None:
    """No good policy is there or was ever remembered."""
    room.write(BROKEN)
    room.policy_file._policy = room.policy_file._text = None
    room.policy_file._memory = Nothing()


def an_order(room: Room) -> str:
    assert room.ask().outcome is Outcome.DONE
    return room.last().client_order_id


def test_cancel_goes_where_the_order_is_whatever_the_policy_names(far: Far) -> None:
    """An order of guardian's is cancelled in its own environment. (The policy's exchange said that there is none.)"""
    room = far.room
    name = an_order(room)
    far.use(Environment.TESTNET, is_chosen=True)
    assert room.cancel(client_order_id=name).outcome is Outcome.DONE
    assert room.exchange.reports[name].status == "CANCELED"
    assert far.testnet.exchange.asked == []
    assert room.row(name).state.value == "cancelled"


@pytest.mark.parametrize("by", ["client_order_id", "order_id"])
def test_cancel_needs_no_policy_to_find_the_order(far: Far, by: str) -> None:
    """Without any good policy the store knows where an order is."""
    room = far.room
    name = an_order(room)
    number = room.exchange.reports[name].order_id
    without_policy(room)
    far.use(Environment.TESTNET, is_chosen=False)
    ids = {"client_order_id": name} if by == "client_order_id" else {"order_id": number}
    assert room.cancel(**ids).outcome is Outcome.DONE
    assert room.exchange.reports[name].status == "CANCELED"


def test_cancel_of_an_order_that_the_store_does_not_know_says_what_is_wrong(far: Far) -> None:
    """Where neither the store nor a policy names the environment, nothing is sent anywhere."""
    room = far.room
    without_policy(room)
    far.use(Environment.TESTNET, is_chosen=False)
    for ids in ({"client_order_id": "g1-" + "0" * 32}, {"order_id": 7}):
        reply = room.cancel(**ids)
        assert reply.error is not None
        assert reply.error.code is Code.POLICY_INVALID
    assert far.reached == []


@pytest.mark.parametrize("named", ["testnet", "paper"])
def test_cancel_goes_where_a_broken_policy_says_when_the_log_is_lost(far: Far, named: str) -> None:
    """The environment can be read, so a cancel by guardian's own id passes. Before, it answered POLICY_INVALID."""
    room = far.room
    without_policy(room)
    room.write(BROKEN.replace("papr", named))
    far.use(Environment.TESTNET, is_chosen=False)
    shutil.rmtree(room.home)
    room.home.write_text("no folder", "utf-8")
    room.journal.close()
    reply = room.cancel(client_order_id="g1-" + "0" * 32)
    assert reply.error is not None
    assert reply.error.code is Code.EXCHANGE_REJECTED  # it was asked, and has no such order
    there = room.exchange if named == "paper" else far.testnet.exchange
    assert "cancel_order" in there.names()
    assert far.reached == [Environment(named)]


@pytest.mark.parametrize(
    "text",
    [BROKEN, "environment = 7\n", "environment = [", "schema = 1\n", "environment = 'paper'\n[paper]\nendpoint = 3\n"],
)
def test_environment_that_cannot_be_read_is_guessed_by_nobody(text: str) -> None:
    """No environment, none that is known, no TOML, or a paper exchange of the owner's that is not named in full."""
    assert named_environment(text) is None


def test_cancel_of_an_order_of_another_account_is_not_sent(far: Far) -> None:
    """With a key of another account the exchange knows no such order, which is no reason to take it for gone."""
    room = far.room
    name = an_order(room)
    room.connector.account = "account-2"
    reply = room.cancel(client_order_id=name)
    assert reply.error is not None
    assert reply.error.code is Code.REQUEST_REFUSED
    assert "cancel_order" not in room.exchange.names()


def test_order_of_guardians_is_not_taken_for_foreign_where_no_policy_names_the_environment(far: Far) -> None:
    """`halt --cancel-open --all` compares with the log of the environment that it asked. (It compared with `testnet`
    and offered guardian's own order as "not placed by guardian".)"""
    room = far.room
    an_order(room)
    without_policy(room)
    far.use(Environment.TESTNET, is_chosen=False)
    guardian: Any = SimpleNamespace(context=room.context, journal=room.journal, policy_file=room.policy_file)
    assert room.run(foreign_orders(guardian)) == ((), True)
    assert "open_orders" in room.exchange.names()


def test_another_accounts_key_is_not_asked_for_an_order_to_settle(room: Room) -> None:
    """That another account does not know the order proves nothing, and is not said of it. (It was.)"""
    room.exchange.script = [OutcomeUnknown("no reply")]
    name = present(room.ask().error).client_order_id
    room.connector.account = "account-2"
    asked = len(room.exchange.asked)
    guardian: Any = SimpleNamespace(
        context=room.context, journal=room.journal, policy_file=room.policy_file, connector=room.connector
    )
    found = room.run(find_unsettled(guardian, present(name)))
    assert isinstance(found, Unsettled)
    assert "it is of another account than the stored key, so the exchange was not asked" in found.lines[0]
    assert len(room.exchange.asked) == asked


def test_every_call_says_what_is_wrong_with_the_policy_until_it_is_mended(far: Far) -> None:
    """The first good policy fixes the environment, at the next call. (The server did not start.)"""
    room = far.room
    good = room.policy_path.read_text("utf-8")
    without_policy(room)
    room.policy_file.remembers = False
    far.use(Environment.TESTNET, is_chosen=False)
    assert room.gate.allowed_tools() == frozenset(TOOLS)
    for request in (GetTickerPrice(symbol="BTCUSDT"), GetOrders(symbol="BTCUSDT")):
        reply = room.call(request)
        assert reply.error is not None
        assert reply.error.code is Code.POLICY_INVALID
        assert "max_open_ordres" in reply.error.message
    assert room.gate.meta(room.open()).environment is None
    assert not room.gate.chosen.is_set()
    room.write(good)
    assert room.ask().outcome is Outcome.DONE
    assert room.gate.meta(room.open()).environment == "paper"
    assert room.gate.chosen.is_set()
    room.write(good.replace('environment = "paper"', 'environment = "testnet"'))
    reply = room.call(GetTickerPrice(symbol="BTCUSDT"))
    assert room.gate.environment is Environment.PAPER


def test_status_and_policy_view_without_a_policy_say_what_is_wrong(far: Far) -> None:
    """Both are answered, with the mistakes, and say first that orders are stopped. (They failed.)"""
    room = far.room
    an_order(room)
    without_policy(room)
    far.use(Environment.TESTNET, is_chosen=False)
    status = room.run(room.gate.status())
    assert status.orders.startswith("stopped, because there is no usable policy: ")
    assert "max_open_ordres" in status.orders
    assert (status.environment, status.policy_digest, status.budgets, status.account) == (None, None, (), None)
    view = room.run(room.gate.policy_view())
    assert (view.environment, view.digest, view.tools) == (None, None, ("cancel_order",))
    assert any("max_open_ordres" in problem for problem in view.problems)


def test_status_says_everything_that_stops_orders(room: Room) -> None:
    """Trading, the policy, the environment and the keys are named; `not stopped` is said where none of them stops."""
    assert room.run(room.gate.status()).orders == "not stopped"
    with room.journal.transaction() as tx:
        tx.trading.halt("a person said so", by="owner")
    room.policy({"tools": {"deny": ["create_order"]}, "environment": "testnet"})
    room.connector.failure = None
    said = room.run(room.gate.status()).orders
    for part in ("trading is halted: a person said so", "the policy names `testnet`", "does not allow `create_order`"):
        assert part in said
    room.policy({"symbols": {"BTCUSDT": None, "ETHUSDT": None}})
    assert "the policy lists no symbol" in room.run(room.gate.status()).orders


@pytest.mark.parametrize("named", [None, "gone.toml"], ids=["broken", "missing"])
def test_server_starts_without_a_good_policy(tmp_path: Path, named: str | None) -> None:
    """`initialize` and `tools/list` are answered, and each call and resource says what is wrong. (It ended at once.)"""
    home = Path(os.environ["GUARDIAN_HOME"])
    assert main(["init"]) == 0
    (home / "policy.toml").write_text(BROKEN)
    guardian = open_guardian(None if named is None else tmp_path / named)

    async def talk() -> tuple[int, Any, str]:
        async with Client(build_server(guardian.gate, lifespan=guardian.running)) as client:
            tools = await client.list_tools()
            told = await client.call_tool("get_ticker_price", {"symbol": "BTCUSDT"}, raise_on_error=False)
            status = await client.read_resource("guardian://status")
            await client.read_resource("guardian://policy")
            return len(tools), told.structured_content, status[0].text

    count, told, status = asyncio.run(talk())
    assert count == len(TOOLS)
    assert told["error"]["code"] == "POLICY_INVALID"
    assert told["meta"]["environment"] is None
    assert json.loads(status)["orders"].startswith("stopped, because there is no usable policy")


@pytest.mark.parametrize("arguments", [["status"], ["status", "--json"], ["policy", "show"], ["approve"], ["halt"]])
def test_commands_without_a_good_policy_never_show_a_traceback(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """Each says what is wrong in words, and `status` says it first."""
    home = Path(os.environ["GUARDIAN_HOME"])
    assert main(["init"]) == 0
    (home / "policy.toml").write_text(BROKEN)
    capsys.readouterr()
    code = main(arguments)
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    assert "internal error" not in said.err.lower()
    if arguments == ["status"]:
        assert code == 1
        assert said.out.startswith("orders  ")
        assert "stopped, because there is no usable policy" in said.out.splitlines()[0]


def test_status_says_that_the_clock_or_the_log_stops_orders(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order would be denied for each of them. Before, the status said `not stopped`."""
    room.exchange.is_right = True
    room.clock.wall += 4_000
    assert room.run(room.gate.status()).orders == "stopped, because this machine's clock is 4000 ms from the exchange's"
    room.exchange.fails["clock_skew_ms"] = ExchangeUnavailable("no answer")
    assert "clock could not be asked: no answer" in room.run(room.gate.status()).orders
    room.exchange.fails = {}
    room.exchange.is_right = False

    def is_full(_part: TimestampsPart, _name: str) -> int:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(TimestampsPart, "set", is_full)
    said = room.run(room.gate.status()).orders
    assert said == "stopped, because the log cannot be written: the disk is full"


def test_status_names_the_symbols_that_unknown_orders_stop(room: Room) -> None:
    """They take no new orders until the fate is known. Before, the status said `not stopped`."""
    room.exchange.script = [OutcomeUnknown("lost")]
    assert room.ask().outcome is Outcome.UNKNOWN
    name = room.last().client_order_id
    stopped = f"stopped on BTCUSDT, because the fate of the order {name} is not known"
    assert room.run(room.gate.status()).orders == stopped
    with room.journal.transaction() as tx:
        tx.trading.halt("a person said so", by="owner")
    assert room.run(room.gate.status()).orders == f"stopped, because trading is halted: a person said so; {stopped}"


def test_status_of_missing_keys(room: Room) -> None:
    """Why there are no keys stops orders too."""
    policy = room.policy_file.current().policy
    said = stops(TradingState.ACTIVE, None, (), policy, "no key is stored for `live`")
    assert said == ("no key is stored for `live`",)
