"""What differs from guardian's own schema is found by name, and halts trading where it weakens the interlocks."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from guardian.domain.trading import TradingState
from guardian.errors import StoreCorrupt
from guardian.store.log.verify import verify
from guardian.store.log_findings import FindingKind
from guardian.store.schema.parts import known_parts, normal
from tests.store.support.store_world import World

NO_OP = "BEFORE UPDATE ON orders WHEN 0 BEGIN SELECT RAISE(ABORT, 'never'); END"
COUNT_NOTHING = (
    "CREATE TRIGGER tidy AFTER INSERT ON orders "
    "BEGIN UPDATE orders SET absent_ms = 1 WHERE client_order_id = NEW.client_order_id; END"
)
INTERLOCKS = (
    "orders_fixed", "orders_moves", "proposals_ended", "redemptions_no_delete", "mandates_ended", "flows_no_update",
)  # fmt: skip


def run(home: Path, *statements: str) -> None:
    """Do what somebody with `sqlite3` does, with nothing taken away before or put back afterwards."""
    with closing(sqlite3.connect(home / "guardian.db", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def schema_messages(world: World) -> list[str]:
    found = verify(world.home).findings
    assert {finding.kind for finding in found} <= {FindingKind.SCHEMA}
    return [finding.message for finding in found]


def halted_for(world: World) -> str | None:
    """Why trading is halted, after the store was opened again; None while it is active."""
    world.reopen()
    status = world.attempt(lambda tx: tx.trading.status())
    return status.reason if status.state is TradingState.HALTED else None


@pytest.fixture
def closed(world: World) -> World:
    """A closed store with one order."""
    world.place()
    world.store.close()
    return world


def test_foreign_trigger_is_found_and_halts(closed: World) -> None:
    """One that makes each new order count as nothing would do so unseen by every other check."""
    run(closed.home, COUNT_NOTHING)
    assert schema_messages(closed) == ["the trigger `tidy` is not guardian's"]
    assert "the trigger `tidy` is not guardian's" in str(halted_for(closed))


@pytest.mark.parametrize("name", ["orders_fixed", "orders_moves"])
def test_trigger_replaced_by_a_no_op_of_the_same_name_is_found_and_halts(closed: World, name: str) -> None:
    """The name alone says nothing."""
    run(closed.home, f"DROP TRIGGER {name}", f"CREATE TRIGGER {name} {NO_OP}")
    assert schema_messages(closed) == [f"the trigger `{name}` is not as guardian makes it"]
    assert f"the trigger `{name}` is not as guardian makes it" in str(halted_for(closed))


def test_six_dropped_interlocks_are_found_each_and_the_store_is_not_opened(closed: World) -> None:
    """Each by its name; a store without them promises nothing."""
    run(closed.home, *(f"DROP TRIGGER {name}" for name in INTERLOCKS))
    assert schema_messages(closed) == [f"the trigger `{name}` was removed" for name in sorted(INTERLOCKS)]
    with pytest.raises(StoreCorrupt, match="lacks parts"):
        closed.open()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("CREATE TABLE notes (text)", "the table `notes` is not guardian's"),
        ("CREATE VIEW spent AS SELECT notional FROM orders", "the view `spent` is not guardian's"),
        ("CREATE INDEX mine ON orders (symbol)", "the index `mine` is not guardian's"),
    ],
)
def test_foreign_table_view_or_index_is_found_and_does_not_halt(closed: World, statement: str, message: str) -> None:
    """They change nothing that guardian reads or writes."""
    run(closed.home, statement)
    assert schema_messages(closed) == [message]
    assert halted_for(closed) is None


def test_table_without_a_key_is_found_and_halts(closed: World) -> None:
    """That a token is used once is in the keys of a table."""
    known = known_parts()["table", "redemptions"]
    loose = known.replace(", UNIQUE (token_digest)", "")
    assert loose != known
    triggers = [sql for (kind, name), sql in known_parts().items() if kind == "trigger" and "redemptions" in name]
    run(closed.home, "DROP TABLE redemptions", loose, *triggers)
    assert schema_messages(closed) == ["the table `redemptions` is not as guardian makes it"]
    assert "the table `redemptions`" in str(halted_for(closed))


def test_store_without_one_of_its_tables_is_not_opened(closed: World) -> None:
    """Nothing could be read from it."""
    run(closed.home, "DROP TABLE marks")
    assert schema_messages(closed) == ["the table `marks` was removed"]
    with pytest.raises(StoreCorrupt, match="lacks parts"):
        closed.open()


def test_owner_who_resumed_is_halted_again_at_the_next_start(closed: World) -> None:
    """A foreign trigger stays there: a yes once given does not make it harmless."""
    run(closed.home, COUNT_NOTHING)
    assert halted_for(closed) is not None
    closed.attempt(lambda tx: tx.trading.set(TradingState.ACTIVE, reason="known", by="owner"))
    assert closed.attempt(lambda tx: tx.trading.status()).state is TradingState.ACTIVE
    assert "the trigger `tidy` is not guardian's" in str(halted_for(closed))


def test_halted_store_is_not_reported_again_for_the_same_part(closed: World) -> None:
    """The log has one row of it, however often the store is opened."""
    run(closed.home, COUNT_NOTHING)
    assert halted_for(closed) is not None
    before = closed.attempt(lambda tx: tx.head)
    assert halted_for(closed) is not None
    assert closed.attempt(lambda tx: tx.head) == before


def test_blanks_and_statistics_are_no_difference(closed: World) -> None:
    """An older guardian wrote its statements with line breaks, and ANALYZE makes tables of its own."""
    sql = known_parts()["index", "ix_orders_window"]
    run(closed.home, "DROP INDEX ix_orders_window", sql.replace("(", "(\n  ").replace(",", " ,\n"), "ANALYZE")
    assert normal(sql) == normal(sql.replace(" ", "\n"))
    assert schema_messages(closed) == []
    assert halted_for(closed) is None
