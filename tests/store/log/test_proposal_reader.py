"""Proposals that are read with plain sqlite3 are those that the store wrote."""

from __future__ import annotations

import sqlite3

import pytest

from guardian.errors import StoreUnavailable
from guardian.store.definitions.tables import PROPOSALS
from guardian.store.log.statements import PROPOSAL_COLUMNS
from guardian.store.waiting_proposals import WaitingProposals
from tests.store.support.store_world import MINUTE, World
from tests.support.clock import ClockOf


def reader(world: World) -> WaitingProposals:
    return WaitingProposals(world.home, ClockOf(lambda: world.clock_ms, lambda: world.monotonic_s))


def test_both_readers_read_the_same_proposals(world: World) -> None:
    """Waiting, approved, and of another scope; ended and expired ones are no longer listed."""
    for key, more in (("a", {}), ("b", {"token": "t" * 64}), ("c", {"ttl": 1}), ("d", {})):
        world.propose(key=key, **more)
    with world.store.transaction() as tx:
        tx.proposals.withdraw(tx.proposals.waiting()[-1].id)
    world.clock_ms += 1_000
    with world.store.transaction() as tx:
        known = tx.proposals.waiting()
    found = reader(world).all()
    assert found.proposals == known
    assert [one.order_key for one in known] == ["a", "b"]


def test_one_that_has_ended_is_found_by_its_id(world: World) -> None:
    """Whoever looks whether an order on the screen still waits has to see that it does not."""
    made = world.propose()
    with world.store.transaction() as tx:
        tx.proposals.reject(made.id, "no")
        known = tx.proposals.get(made.id)
    assert reader(world).one(made.id)[0] == known
    assert reader(world).one("NOPE")[0] is None


def test_time_of_a_reader_never_lies_behind_the_log(world: World) -> None:
    """A clock that was set back makes no proposal wait that has expired in window time."""
    world.propose(ttl=2 * MINUTE)
    world.clock_ms += 3 * MINUTE
    with world.store.transaction() as tx:
        tx.trading.keep_window()
    world.clock_ms -= 60 * MINUTE
    assert reader(world).all().proposals == ()


def test_reader_and_table_know_the_same_columns() -> None:
    """A column that is added to the table is read here as well."""
    assert {*PROPOSAL_COLUMNS, "ordinal"} == {column.name for column in PROPOSALS.columns}


def test_file_that_lacks_the_table_is_an_error_of_the_store(world: World) -> None:
    """Nothing of sqlite3's own comes out."""
    world.store.close()
    with sqlite3.connect(world.home / "guardian.db") as raw:
        raw.execute("DROP TABLE proposals")
    with pytest.raises(StoreUnavailable):
        reader(world).all()
