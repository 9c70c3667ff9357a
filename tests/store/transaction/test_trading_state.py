"""The trading state and the last good policy."""

from __future__ import annotations

import itertools

import pytest

from guardian.domain.trading import TradingState
from tests.store.support.store_world import World
from tests.support.present import present


def test_new_store_is_active(world: World) -> None:
    """Nobody has halted it yet."""
    with world.store.transaction() as tx:
        status = tx.trading.status()
    assert (status.state, status.reason, status.since_ms, status.by) == (TradingState.ACTIVE, None, None, None)


def test_halt_is_kept_over_a_restart(world: World) -> None:
    """State, reason, time and person are as they were."""
    with world.store.transaction() as tx:
        tx.trading.set(TradingState.HALTED, reason="enough", by="owner")
    world.reopen()
    with world.store.transaction() as tx:
        status = tx.trading.status()
    assert (status.state, status.reason, status.by) == (TradingState.HALTED, "enough", "owner")
    assert status.since_ms == world.clock_ms


def test_second_halt_keeps_the_first_reason(world: World) -> None:
    """The reason that a person sees is that of the first halt."""
    for reason in ("first", "second"):
        with world.store.transaction() as tx:
            tx.trading.set(TradingState.HALTED, reason=reason, by="guardian")
    with world.store.transaction() as tx:
        assert tx.trading.status().reason == "first"
        tx.trading.set(TradingState.ACTIVE, reason="resumed", by="owner")
        assert tx.trading.status().state is TradingState.ACTIVE


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(TradingState, 2)))
def test_trading_goes_from_any_state_to_any_other(world: World, before: TradingState, after: TradingState) -> None:
    """Each change has its own reason, moment and person, whatever was before; so has what is read after a restart."""
    with world.store.transaction() as tx:
        tx.trading.set(before, reason="one", by="owner")
    world.clock_ms += 5000
    with world.store.transaction() as tx:
        tx.trading.set(after, reason="two", by="guardian")
        status = tx.trading.status()
    assert (status.state, status.reason, status.by, status.since_ms) == (after, "two", "guardian", world.clock_ms)
    world.reopen()
    with world.store.transaction() as tx:
        assert tx.trading.status() == status
        tx.trading.set(after, reason="three", by="owner")
        assert tx.trading.status() == status


def test_last_good_policy_is_the_one_remembered_last(world: World) -> None:
    """Also when it is one that was in force before."""
    with world.store.transaction() as tx:
        assert tx.policies.last() is None
    for digest in ("a", "b", "b", "a"):
        with world.store.transaction() as tx:
            tx.policies.remember(digest, f"text of {digest}")
    world.reopen()
    with world.store.transaction() as tx:
        found = tx.policies.last()
    assert (present(found).digest, present(found).text) == ("a", "text of a")
