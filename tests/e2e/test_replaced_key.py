"""What was ordered with a key is still there after the key was replaced by another one of the same account."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from guardian.connector import NO_ACCOUNT, Connection, ExchangeConnector
from guardian.domain.order_states import OrderState
from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind, Secret
from guardian.domain.trading import Environment
from guardian.errors import ExchangeUnavailable
from guardian.gate.base import key_account
from guardian.gate.base.journal import Journal
from guardian.gate.reads.status_views import StatusView
from guardian.paper.host.standalone import PaperServer
from guardian.paper.keys import HmacVerifier
from guardian.policy.model import PaperSettings
from guardian.store.schema.records import OrderRow
from guardian.system.clock import SYSTEM_CLOCK
from tests.support.clock import ClockOf
from tests.support.present import present
from tests.support.world import WIDE, Assistant, World, codes

SECOND = {"api_key": "2" * 64, "api_secret": "t" * 64}
LIMIT = {"order_type": "LIMIT", "quantity": "0.001", "price": "59000"}
ACCOUNT = ("GET", "/api/v3/account")
ALWAYS = 1_000_000


@pytest.fixture
def paper() -> Iterator[PaperServer]:
    """An exchange whose one account has two keys."""
    second = HmacVerifier(Secret(SECOND["api_secret"]))
    with PaperServer(other_keys={SECOND["api_key"]: second}) as served:
        yield served


@pytest.fixture
def world(paper: PaperServer, tmp_path: Path) -> Iterator[World]:
    made = World(paper, tmp_path)
    made.policy(WIDE)
    yield made
    made.close()


def account_of(assistant: Assistant) -> str:
    connector = assistant.guardian.connector
    return assistant.run(connector.connect(needs_keys=True)).account


def status_of(assistant: Assistant) -> StatusView:
    return assistant.run(assistant.guardian.gate.status())


def entered(assistant: Assistant) -> Decimal:
    (budget,) = (one for one in status_of(assistant).budgets if one.limit == "rolling_notional")
    return present(budget.used)


def row_of(assistant: Assistant, name: str) -> OrderRow:
    with assistant.guardian.journal.transaction() as tx:
        found = tx.orders.get(name)
    assert found is not None
    return found


def again(world: World, *changes: dict[str, Any]) -> Assistant:
    """After a restart, with these changes to the policy."""
    world.close()
    world.policy(WIDE, *changes)
    return world.assistant()


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "not within the time"
        time.sleep(0.05)


def without_uid(world: World) -> None:
    """From now on the exchange does not tell whose account it is, as a simulator may."""
    body = '{"canTrade": true, "balances": [{"asset": "USDT", "free": "10000", "locked": "0"}]}'
    world.controls.fault(*ACCOUNT, "status", times=ALWAYS, status=200, body=body)


def lose_an_order(world: World) -> str:
    """An order that reached the exchange, whose reply was lost and which cannot be queried; its name."""
    assistant = world.assistant()
    # The orders are compared and the open ones listed while the exchange still answers.
    assert "FILTER_NOTIONAL" in codes(assistant.order(**{**LIMIT, "quantity": "0.00001"}))
    world.controls.fault("POST", "/api/v3/order", "reply_lost")
    for path in ("/api/v3/order", "/api/v3/openOrders", "/api/v3/allOrders"):
        world.controls.fault("GET", path, "status", times=ALWAYS, status=503, body="{}")
    reply = assistant.order(**LIMIT)
    assert reply["outcome"] == "unknown", reply
    return str(reply["error"]["client_order_id"])


def test_unknown_order_is_counted_blocks_and_is_resolved_after_its_key_was_replaced(world: World) -> None:
    """With another key of the account the order counts in full, blocks its symbol, is queried and found."""
    name = lose_an_order(world)
    second = again(world, {"paper": SECOND})
    assert account_of(second) == f"uid-{world.paper.venue.uid}" == row_of(second, name).account
    assert entered(second) == Decimal(59)
    assert [order.client_order_id for order in status_of(second).unresolved] == [name]
    blocked = second.order(**{**LIMIT, "price": "59100"})
    assert "ORDER_UNRESOLVED" in codes(blocked), blocked
    asked = len(world.controls.requests("GET", "/api/v3/order"))
    until(lambda: len(world.controls.requests("GET", "/api/v3/order")) > asked)
    assert row_of(second, name).state is OrderState.UNKNOWN

    world.controls.clear_faults()
    until(lambda: row_of(second, name).state is OrderState.OPEN)
    with second.guardian.journal.transaction() as tx:
        assert tx.orders.has_pending("paper")
    cancelled = second.call("cancel_order", symbol="BTCUSDT", client_order_id=name)
    assert cancelled["data"]["order"]["state"] == "cancelled"
    with second.guardian.journal.transaction() as tx:
        assert not tx.orders.has_pending("paper")
    assert entered(second) == Decimal(59)
    assert len(world.sent()) == 1


def test_key_of_another_account_starts_from_nought(world: World) -> None:
    """Nothing of the first account is counted under the second, and what may exist in the first is still shown."""
    name = lose_an_order(world)
    with PaperServer() as other:
        keys = {"api_key": other.api_key.reveal(), "api_secret": other.api_secret.reveal()}
        other.controls.set_book("BTCUSDT", "60000", "60001")
        second = again(world, {"paper": {"endpoint": other.url, **keys}})
        assert account_of(second) == f"uid-{other.venue.uid}" != f"uid-{world.paper.venue.uid}"
        assert entered(second) == 0
        assert [order.client_order_id for order in status_of(second).unresolved] == [name]
        assert second.order(**LIMIT)["outcome"] == "done"
        assert entered(second) == Decimal(59)
        assert row_of(second, name).state is OrderState.UNKNOWN
        second.close()
        world._assistants.clear()
    world.controls.clear_faults()
    third = again(world)
    assert entered(third) == Decimal(59)
    until(lambda: row_of(third, name).state is OrderState.OPEN)


def test_restart_without_the_exchange_knows_the_account(world: World) -> None:
    """A key that was used before needs no exchange: the status has its orders and budgets."""
    name = lose_an_order(world)
    world.controls.fault(*ACCOUNT, "reset_before", times=ALWAYS)
    before = len(world.controls.requests(*ACCOUNT))
    second = again(world)
    assert account_of(second) == row_of(second, name).account
    assert entered(second) == Decimal(59)
    assert len(world.controls.requests(*ACCOUNT)) == before


def test_new_key_is_of_no_account_while_the_exchange_cannot_be_asked(world: World) -> None:
    """What belongs to an account is unavailable, prices go on, and once the exchange answers all is well again."""
    world.controls.fault(*ACCOUNT, "status", times=ALWAYS, status=503, body="{}")
    assistant = world.assistant()
    assert assistant.call("get_ticker_price", symbol="BTCUSDT")["outcome"] == "done"
    for tool, arguments in (
        ("get_orders", {"symbol": "BTCUSDT"}),
        ("create_order", {"symbol": "BTCUSDT", "side": "BUY", **LIMIT}),
    ):
        reply = assistant.call(tool, **arguments)
        assert (reply["outcome"], codes(reply)) == ("unavailable", {"EXCHANGE_UNREACHABLE"}), reply
    assert status_of(assistant).account is None
    assert world.sent() == []
    world.controls.clear_faults()
    assert assistant.order(**LIMIT)["outcome"] == "done"
    assert account_of(assistant) == f"uid-{world.paper.venue.uid}"


def test_exchange_that_tells_no_account_has_one_for_each_key(world: World) -> None:
    """Where the answer has no uid the key's fingerprint is used instead, and is remembered too."""
    without_uid(world)
    first = world.assistant()
    account = account_of(first)
    assert len(account) == 16
    assert not account.startswith("uid-")
    assert first.call("get_balance")["outcome"] == "done"
    asked = len(world.controls.requests(*ACCOUNT))
    assert account_of(again(world)) == account
    assert len(world.controls.requests(*ACCOUNT)) == asked
    # What was remembered stands, also where the exchange learns to tell later.
    world.controls.clear_faults()
    later = again(world)
    assert later.call("get_balance")["outcome"] == "done"
    assert account_of(later) == account


def test_key_that_answers_for_another_account_creates_nothing(world: World) -> None:
    """A known key whose answer names another account is an error that says so; buying and selling are over."""
    assistant = world.assistant()
    placed = assistant.order(**LIMIT)
    assert placed["outcome"] == "done"
    world.paper.venue.uid += 1
    bought = assistant.order(**{**LIMIT, "price": "59100"})
    sold = assistant.order(**{**LIMIT, "side": "SELL", "price": "61000"})
    for reply in (bought, sold):
        assert reply["outcome"] == "unavailable", reply
        assert "another account" in reply["error"]["message"]
    balance = assistant.call("get_balance")
    assert balance["outcome"] == "unavailable"
    assert "guardian keys add paper" in str(balance["error"])
    assert str(world.paper.venue.uid) not in str([bought, sold, balance])
    assert len(world.sent()) == 1
    name = placed["data"]["order"]["client_order_id"]
    assert assistant.call("cancel_order", symbol="BTCUSDT", client_order_id=name)["outcome"] == "done"


def test_assistant_is_not_told_whose_account_it_is(world: World) -> None:
    """The exchange's number for the person is in `guardian status --json`; no answer to the assistant has it."""
    lose_an_order(world)
    assistant = world._assistants[0]
    uid = str(world.paper.venue.uid)
    said = [assistant.resource(f"guardian://{name}") for name in ("status", "policy", "audit/recent")]
    assert json.loads(said[0])["unresolved"]
    world.controls.clear_faults()
    for tool, arguments in (("get_balance", {}), ("get_account_snapshot", {}), ("get_orders", {"symbol": "BTCUSDT"})):
        assistant.call(tool, **arguments)
    said += [json.dumps(reply) for reply in assistant.replies]
    assert not [text for text in said if uid in text]
    assert uid in world.command("status", "--json", "--policy", str(world.policy_path)).stdout


def connector(world: World, **keys: str) -> ExchangeConnector:
    """As another process of this home has it."""
    given = keys or {"api_key": world.paper.api_key.reveal(), "api_secret": world.paper.api_secret.reveal()}
    settings = PaperSettings(
        endpoint=world.paper.url, api_key=Secret(given["api_key"]), api_secret=Secret(given["api_secret"])
    )
    journal = Journal(world.home, SYSTEM_CLOCK)
    return ExchangeConnector(
        Environment.PAPER,
        world.home,
        settings,
        partial(key_account.account_of, journal),
        SYSTEM_CLOCK,
        partial(key_account.log_name, journal),
        known_account=partial(key_account.known_account, journal),
    )


async def close(made: ExchangeConnector) -> None:
    """Its connections, and the journal that it finds accounts with."""
    await made.close()
    made._account_of.args[0].close()  # type: ignore[attr-defined]  # it is a partial


def test_processes_with_a_new_key_agree_on_its_account(world: World) -> None:
    """Two that ask at once have one account, and one of them has remembered it for both."""

    async def both() -> tuple[Connection, ...]:
        made = [connector(world) for _ in range(2)]
        found = await asyncio.gather(*(one.connect(needs_keys=True) for one in made))
        for one in made:
            await close(one)
        return tuple(found)

    world.home.mkdir(mode=0o700)
    Journal(world.home, ClockOf(lambda: 0)).store().close()
    accounts = {connection.account for connection in asyncio.run(both())}
    assert accounts == {f"uid-{world.paper.venue.uid}"}
    with closing(sqlite3.connect(world.home / "guardian.db")) as database:
        assert database.execute("SELECT environment, account FROM accounts").fetchall() == [("paper", *accounts)]


def test_calls_at_once_ask_once_for_a_new_key(world: World) -> None:
    """However many calls come first at the same time, the exchange is asked for the account once."""

    async def many() -> None:
        one = connector(world)
        await asyncio.gather(*(one.connect(needs_keys=bool(n % 2)) for n in range(8)))
        await close(one)

    world.home.mkdir(mode=0o700)
    asyncio.run(many())
    assert len(world.controls.requests(*ACCOUNT)) == 1


def test_connection_without_an_account_is_made_whole_when_keys_are_needed(world: World) -> None:
    """A connection for prices alone, made while the exchange was silent, gets its account from a later call."""
    world.controls.fault(*ACCOUNT, "status", times=ALWAYS, status=503, body="{}")

    async def steps() -> None:
        one = connector(world)
        try:
            early = await one.connect(needs_keys=False)
            assert (early.account, early.has_keys) == (NO_ACCOUNT, False)
            with pytest.raises(ExchangeUnavailable):
                await one.connect(needs_keys=True)
            assert await one.connect(needs_keys=False) is early
            world.controls.clear_faults()
            whole = await one.connect(needs_keys=True)
            assert (whole.account, whole.has_keys) == (f"uid-{world.paper.venue.uid}", True)
            assert whole.exchange is early.exchange
            assert await one.connect(needs_keys=False) is whole
        finally:
            await close(one)

    world.home.mkdir(mode=0o700)
    asyncio.run(steps())


def test_store_that_cannot_be_read_keeps_nobody_from_cancelling(world: World) -> None:
    """The exchange is asked whose the key is where the store does not answer, so that cancelling continues."""
    assistant = world.assistant()
    name = assistant.order(**LIMIT)["data"]["order"]["client_order_id"]
    world.close()
    (world.home / "guardian.db").write_bytes(b"not a store at all " * 300)
    second = world.assistant()
    reply = second.call("cancel_order", symbol="BTCUSDT", client_order_id=name)
    assert reply["data"]["order"]["state"] == "cancelled", reply


def test_fingerprint_of_a_key_is_not_what_is_kept_apart_by(world: World) -> None:
    """The store has the fingerprint only to know the key again."""
    assistant = world.assistant()
    assert assistant.order(**LIMIT)["outcome"] == "done"
    pair = ApiKeyPair(
        environment="paper",
        family=KeyFamily.SPOT,
        kind=KeyKind.HMAC,
        api_key=world.paper.api_key,
        signing_key=world.paper.api_secret,
    )
    with assistant.guardian.journal.transaction() as tx:
        assert tx.accounts.get("paper", pair.fingerprint) == f"uid-{world.paper.venue.uid}"
