"""What a transaction costs does not grow with the log: each statement takes an index, and reads few rows.

Counted are steps of SQLite's virtual machine, which are the same on every machine.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Final

import pytest

from guardian.domain.order_states import OrderState
from guardian.domain.orders import Fees
from guardian.store.database import Transaction
from guardian.store.schema import sqlite_statements
from guardian.store.schema.compiled_statement import CompiledStatement
from guardian.store.schema.records import Entry, Phase, Record
from tests.store.support.store_world import MINUTE, World
from tests.support.present import present

STATEMENTS: Final = {
    name: value for name, value in vars(sqlite_statements).items() if isinstance(value, CompiledStatement)
}
GROWING: Final = frozenset({"audit", "orders", "flows", "proposals", "redemptions", "acts"})
"""Tables that get a row, or several, with each order; the others have few rows for good."""
ONE_ROW: Final = frozenset({"LAST_ROW", "LOG_TAIL", "NEWEST_ENVIRONMENT", "NEWEST_ACT"})
"""Statements that walk along a key, or an index, and stop at the first row."""
PARTIAL: Final = frozenset({"ix_orders_pending", "ix_orders_fees", "ix_orders_found", "ix_proposals_waiting"})
"""Indexes that have only rows with something left to do."""
PAGES: Final = frozenset({"NEWEST_ORDERS", "NEWEST_ORDERS_OF_SYMBOL"})
"""Statements that walk back from the newest row, and stop at the end of a page."""
_SCAN: Final = re.compile(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?")
_SEARCH: Final = re.compile(r"SEARCH (\w+) USING (?:COVERING )?INDEX (\w+) \((?:environment=\?)?(?: AND account=\?)?\)")
ENOUGH: Final = 40


def whole_walks(name: str, connection: sqlite3.Connection) -> list[str]:
    """The lines of a statement's plan that look at each row that a growing table ever had, in all or in one scope."""
    statement = STATEMENTS[name]
    plan = connection.execute(f"EXPLAIN QUERY PLAN {statement.sql}", dict.fromkeys(statement.parameters, 1)).fetchall()
    lines = [str(line[3]) for line in plan]
    walks = [(line, found) for line in lines if (found := _SCAN.match(line) or _SEARCH.match(line))]
    return [line for line, found in walks if found[1] in GROWING and found[2] not in PARTIAL]


@pytest.fixture(scope="module")
def new_file() -> Iterator[sqlite3.Connection]:
    """A file with the schema and no rows."""
    connection = sqlite3.connect(":memory:")
    for statement in sqlite_statements.SCHEMA:
        connection.execute(statement)
    yield connection
    connection.close()


@pytest.mark.parametrize("name", sorted(STATEMENTS.keys() - ONE_ROW - PAGES))
def test_statement_walks_no_whole_table(name: str, new_file: sqlite3.Connection) -> None:
    """SQLite, left to itself, takes the index with the wanted order, and looks at each order that ever was."""
    assert whole_walks(name, new_file) == []


def test_walks_are_found(new_file: sqlite3.Connection) -> None:
    """The statements that may walk do so, so that the test above can fail."""
    assert all(whole_walks(name, new_file) for name in ONE_ROW | PAGES)


@contextmanager
def counted_steps(world: World) -> Iterator[list[int]]:
    """Counts SQLite's steps on the connection of the store, in tens."""
    steps = [0]

    def step() -> int:
        steps[0] += 1
        return 0

    connection = present(world.store._file).connection
    connection.set_progress_handler(step, 10)
    try:
        yield steps
    finally:
        connection.set_progress_handler(None, 0)


def steps_of(world: World, work: Callable[[Transaction], object]) -> int:
    with counted_steps(world) as steps:
        world.attempt(work)
    return steps[0]


def call(world: World, tool: str) -> Callable[[Transaction], object]:
    world.calls += 1
    return lambda tx: tx.audit.open_call(Record(phase=Phase.CALL, call_id=f"call-{world.calls}", tool=tool))


def day_with_orders(world: World, count: int) -> None:
    """Orders that were called for, proposed, filled and ended, each with its rows, and then two days without any."""
    for _ in range(count):
        world.clock_ms += MINUTE
        world.attempt(call(world, "create_order"))
        world.propose()
        name = world.place()
        world.move(name, OrderState.FILLED, executed="0.002", quote="100", fee="0.00001")
        world.attempt(lambda tx: tx.acts.record(None, "resumed"))
    world.clock_ms += 2 * 24 * 60 * MINUTE


def costs(world: World) -> dict[str, int]:
    """The steps of each transaction of an order, and of a few others that every call or each second needs."""
    placed: list[Entry] = []

    def reserve(tx: Transaction) -> None:
        placed.append(world.intent(tx))
        tx.orders.reserve(world.new_order(tx, placed[0]))

    report = world.report(executed="0.002", quote="100")
    fees = Fees(quantity=Decimal("0.002"), by_asset={"BTC": Decimal("0.00001")})
    return {
        "call row": steps_of(world, call(world, "create_order")),
        "call row of a read": steps_of(world, call(world, "get_prices")),
        "usage": steps_of(world, lambda tx: world.usage_in(tx)),
        "reservation": steps_of(world, reserve),
        "outcome": steps_of(
            world,
            lambda tx: tx.orders.move(present(placed[0].client_order_id), OrderState.FILLED, report=report, fees=fees),
        ),
        "pending": steps_of(world, lambda tx: (tx.orders.pending(), tx.orders.has_pending("paper"))),
        "unknown fees": steps_of(world, lambda tx: tx.orders.with_unknown_fees(world.scope, of_any_age=True)),
        "symbols": steps_of(world, lambda tx: tx.orders.known_symbols(world.scope, tx.now_ms - MINUTE)),
        "by exchange id": steps_of(world, lambda tx: tx.orders.only_one_with_exchange_id("ETHUSDT", 7)),
        "flows": steps_of(world, lambda tx: tx.ledger.flows(world.scope, after=10, most=5)),
        "sent": steps_of(
            world,
            lambda tx: tx.orders.sent_within(
                world.scope, symbol=None, states=OrderState, start_ms=tx.now_ms - MINUTE, end_ms=None, limit=5
            ),
        ),
    }


def test_cost_is_flat(world: World) -> None:
    """With five times as many orders in the past each transaction takes as many steps, but for a few."""
    day_with_orders(world, ENOUGH)
    before = costs(world)
    day_with_orders(world, 4 * ENOUGH)
    after = costs(world)
    grown = {name: (before[name], after[name]) for name in before if after[name] > before[name] * 1.2 + 3}
    assert grown == {}
