"""What a call costs: transactions of the store, changes of the rate limits, reads of the policy file, and requests."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client

from guardian.bootstrap import open_guardian
from guardian.exchange.limits.limits_file import SharedRows
from guardian.gate.base import outcomes, policy_file
from guardian.server.app import build_server
from guardian.store.database import Store, Transaction
from tests.server.support.fake_gate import ARGUMENTS
from tests.support.world import WIDE, World, a_world

pytestmark = pytest.mark.anyio


@dataclass
class Costs:
    """What was counted since `begin`."""

    world: World
    transactions: int = 0
    changes: int = 0
    files: int = 0
    _before: int = 0

    def begin(self) -> None:
        self.transactions = self.changes = self.files = 0
        self._before = len(self.world.controls.journal)

    @property
    def requests(self) -> list[str]:
        return sorted(f"{one.method} {one.path}" for one in list(self.world.controls.journal)[self._before :])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        made.policy(WIDE, {"confirmation": {"required_above": "0"}})
        yield made


@pytest.fixture
def costs(world: World, monkeypatch: pytest.MonkeyPatch) -> Costs:
    found = Costs(world)
    begin, change, read = Store.transaction, SharedRows.change, policy_file.read_policy_text

    @contextmanager
    def transaction(store: Store, **waits: Any) -> Iterator[Transaction]:
        found.transactions += 1
        with begin(store, **waits) as tx:
            yield tx

    def changed(*arguments: Any) -> Any:
        found.changes += 1
        return change(*arguments)

    def reads(*arguments: Any, **options: Any) -> str:
        found.files += 1
        return read(*arguments, **options)

    monkeypatch.setattr(Store, "transaction", transaction)
    monkeypatch.setattr(SharedRows, "change", changed)
    monkeypatch.setattr(policy_file, "read_policy_text", reads)
    # So that what is due is taken along by the next call, however slow this machine is.
    monkeypatch.setattr(outcomes, "WRITE_AFTER_S", 3600)
    monkeypatch.setattr("guardian.exchange.limits.rate_limits.SETTLE_AFTER_S", 3600)
    return found


async def call(client: Client[Any], tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments, raise_on_error=False)
    envelope = result.structured_content
    assert isinstance(envelope, dict)
    return envelope


@asynccontextmanager
async def a_client(world: World) -> AsyncIterator[Client[Any]]:
    """A client of a server that does nothing in the background, so that what is counted is the call's own."""
    guardian = open_guardian(world.policy_path, home=world.home)
    async with Client(build_server(guardian.gate)) as client:
        yield client
    await guardian.close()


SPOT, FUTURES, WALLET = "GET /api/v3/", "GET /fapi/", "GET /sapi/v1/"
WARM: dict[str, tuple[int, int, tuple[str, ...]]] = {
    "get_ticker_price": (1, 1, (f"{SPOT}ticker/price",)),
    "get_ticker": (1, 1, (f"{SPOT}ticker/24hr",)),
    "get_order_book": (1, 1, (f"{SPOT}depth",)),
    "get_available_assets": (1, 0, ()),
    "get_balance": (3, 1, (f"{SPOT}account",)),
    "get_account_snapshot": (1, 1, (f"{WALLET}accountSnapshot",)),
    "get_position_info": (1, 1, (f"{FUTURES}v3/positionRisk",)),
    "get_orders": (3, 1, (f"{SPOT}openOrders",)),
    "get_deposit_history": (1, 1, (f"{WALLET}capital/deposit/hisrec",)),
    "get_deposit_address": (1, 1, (f"{WALLET}capital/deposit/address",)),
    "get_withdraw_history": (1, 1, (f"{WALLET}capital/withdraw/history",)),
    "get_fee_info": (1, 1, (f"{SPOT}account/commission",)),
    "get_liquidation_history": (1, 1, (f"{FUTURES}v1/forceOrders",)),
    "get_universal_transfer_history": (1, 1, (f"{WALLET}asset/transfer",)),
}
"""Of each read, when the one before it was the same: transactions, changes of the rate limits, requests."""
MORE_WHEN_COLD = {"get_available_assets": (f"{SPOT}exchangeInfo",)}
FACTS = [f"{SPOT}account", f"{SPOT}avgPrice", f"{SPOT}ticker/bookTicker"]
"""What an order is judged on, asked for at once. The rules of the symbol are kept."""
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "order_type": "MARKET"}


@pytest.mark.parametrize("tool", WARM)
async def test_read_costs_one_commit_one_change_of_the_limits_and_its_requests(
    world: World, costs: Costs, tool: str
) -> None:
    """A warm read: its call row goes with the outcome row before it, and the policy file is read once."""
    transactions, changes, requests = WARM[tool]
    async with a_client(world) as client:
        await call(client, "get_ticker_price", symbol="ETHUSDT")  # which also asks whose the keys are
        costs.begin()
        await call(client, tool, **ARGUMENTS[tool])
        assert costs.requests == sorted((*requests, *MORE_WHEN_COLD.get(tool, ())))
        for _ in range(2):
            costs.begin()
            reply = await call(client, tool, **ARGUMENTS[tool])
            assert reply["outcome"] in {"done", "rejected"}
            assert (costs.transactions, costs.changes, costs.files) == (transactions, changes, 1)
            assert costs.requests == list(requests)


async def test_every_reading_tool_with_one_kind_of_request_is_listed() -> None:
    """What a new tool costs is written down. The profit of two parts has tests of its own."""
    assert WARM.keys() | {"get_pnl"} == outcomes.READING_TOOLS


async def test_order_costs_three_transactions_two_changes_of_the_limits_and_two_trips(
    world: World, costs: Costs
) -> None:
    """A warm order: its call with the token and what its facts depend on, the reservation, and the outcome.

    Its facts take their slots in the rate limits together; what they used is counted when the order takes its own.
    """
    async with a_client(world) as client:
        for number in range(3):
            costs.begin()
            proposed = await call(client, "create_order", **MARKET, quantity=f"0.001{number}")
            assert proposed["outcome"] == "confirmation_required"
            if number:
                assert (costs.transactions, costs.changes, costs.files, costs.requests) == (4, 3, 1, FACTS)
            costs.begin()
            sent = await call(client, "create_order", confirmation_token=proposed["data"]["confirmation_token"])
            assert sent["data"]["order"]["state"] == "filled"
            # The account of the first order is not known when its call begins; that of the proposal counts for it.
            assert (costs.transactions, costs.changes, costs.files) == (3, 2, 1)
            assert costs.requests == [*FACTS, "POST /api/v3/order"]


async def test_call_after_an_order_settles_what_it_used(world: World, costs: Costs) -> None:
    """What the exchange reported of an order is counted with the next request, and before the server ends."""
    shared = world.home / "limits.db"
    async with a_client(world) as client:
        proposed = await call(client, "create_order", **MARKET, quantity="0.001")
        await call(client, "create_order", confirmation_token=proposed["data"]["confirmation_token"])
        assert in_flight(shared) == {"weight": 1, "orders in 10 s": 1, "orders in a day": 1}
    assert in_flight(shared) == dict.fromkeys(("weight", "orders in 10 s", "orders in a day"), 0)


def in_flight(path: Path) -> dict[str, int]:
    """What was taken and not settled yet, by the budget's name."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, state FROM rows").fetchall()
    found = {name.split(" ", 1)[1].partition(" of ")[0]: json.loads(state)[2] for name, state in rows if " " in name}
    return {name: found[name] for name in ("weight", "orders in 10 s", "orders in a day")}
