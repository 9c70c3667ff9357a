"""Leases: one holder at a time, and a dead one is got rid of."""

from __future__ import annotations

import pytest

from guardian.store.schema.records import Lease
from tests.store.support.store_world import World


def take(world: World, holder: str, dead: Lease | None = None) -> bool:
    return world.attempt(lambda tx: tx.leases.take("asking", holder, 30_000, dead=dead))


def test_lease_has_one_holder_until_it_runs_out(world: World) -> None:
    """Others get it not before the end of the last renewal, and then at once."""
    assert world.attempt(lambda tx: tx.leases.get("asking")) is None
    assert take(world, "first")
    assert not take(world, "second")
    world.clock_ms += 20_000
    assert take(world, "first")
    world.clock_ms += 29_999
    assert not take(world, "second")
    world.clock_ms += 1
    assert take(world, "second")
    assert not take(world, "first")
    expected = Lease(name="asking", holder="second", expires_ms=world.clock_ms + 30_000, renewals=3)
    assert world.attempt(lambda tx: tx.leases.get("asking")) == expected


def test_lease_that_is_given_back_is_free_at_once(world: World) -> None:
    """Only its holder gives it back."""
    take(world, "first")
    world.attempt(lambda tx: tx.leases.give_back("asking", "second"))
    assert not take(world, "second")
    world.attempt(lambda tx: tx.leases.give_back("asking", "first"))
    assert take(world, "second")


def test_leases_do_not_know_one_another(world: World) -> None:
    """Each name is a lease of its own."""
    take(world, "first")
    assert world.attempt(lambda tx: tx.leases.take("another", "second", 30_000))


@pytest.mark.parametrize("renewed", [False, True])
def test_lease_of_a_dead_holder_is_taken_where_window_time_stands_still(world: World, renewed: bool) -> None:
    """After a jump of the clock no lease runs out for long; one that was not renewed since it was seen is taken."""
    world.clock_ms += 86_400_000
    take(world, "first")
    world.clock_ms -= 86_400_000
    seen = world.attempt(lambda tx: tx.leases.get("asking"))
    if renewed:
        assert take(world, "first")
    assert take(world, "second", dead=seen) is not renewed
