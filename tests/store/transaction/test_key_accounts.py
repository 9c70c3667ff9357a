"""Which account each key is of: remembered once, and for good."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from guardian.errors import StoreError
from guardian.store.database import Store, Transaction
from guardian.store.schema.compiled_statement import CompiledStatement
from tests.store.support.store_world import World
from tests.support.clock import ClockOf

KEY, OTHER = "0123456789abcdef", "fedcba9876543210"


def remember(key: str, tx: Transaction) -> str:
    return tx.accounts.remember("testnet", key, "uid-1")


def known(key: str, tx: Transaction) -> str | None:
    return tx.accounts.get("testnet", key)


def test_key_is_not_known_before_it_was_used(world: World) -> None:
    """Nothing is guessed for a key that the exchange was never asked about."""
    assert world.attempt(lambda tx: tx.accounts.get("testnet", KEY)) is None


def test_two_keys_of_one_account_are_both_remembered_over_a_restart(world: World) -> None:
    """A key that replaces another leads to the same account, also after the store was opened again."""
    for key in (KEY, OTHER):
        assert world.attempt(partial(remember, key)) == "uid-1"
    world.reopen()
    for key in (KEY, OTHER):
        assert world.attempt(partial(known, key)) == "uid-1"


def test_key_of_one_environment_says_nothing_in_another(world: World) -> None:
    """Accounts are kept apart by environment, as the keys are."""
    world.attempt(lambda tx: tx.accounts.remember("testnet", KEY, "uid-1"))
    assert world.attempt(lambda tx: tx.accounts.get("live", KEY)) is None
    assert world.attempt(lambda tx: tx.accounts.remember("live", KEY, "uid-2")) == "uid-2"
    assert world.attempt(lambda tx: tx.accounts.get("testnet", KEY)) == "uid-1"


def test_what_was_remembered_of_a_key_stands(world: World) -> None:
    """Whoever comes second, with whatever answer, gets what was remembered first."""
    world.attempt(lambda tx: tx.accounts.remember("testnet", KEY, "uid-1"))
    assert world.attempt(lambda tx: tx.accounts.remember("testnet", KEY, "uid-2")) == "uid-1"
    assert world.attempt(lambda tx: tx.accounts.get("testnet", KEY)) == "uid-1"


@pytest.mark.parametrize("statement", ["UPDATE accounts SET account = 'uid-2'", "DELETE FROM accounts"])
def test_remembered_account_is_neither_changed_nor_removed_in_the_file(world: World, statement: str) -> None:
    """The database itself holds it: keys stay with their account."""
    world.attempt(lambda tx: tx.accounts.remember("testnet", KEY, "uid-1"))
    with pytest.raises(StoreError), world.store.transaction() as tx:
        tx.unit.write(CompiledStatement(statement))
    assert world.attempt(lambda tx: tx.accounts.get("testnet", KEY)) == "uid-1"


def test_processes_that_ask_at_once_write_one_row(world: World) -> None:
    """Each of several stores of one home remembers the same key; all of them get one answer."""
    stores = [Store.open(world.home, ClockOf(lambda: world.clock_ms)) for _ in range(4)]
    begin = threading.Barrier(len(stores))
    found = []

    def remember(number: int, store: Store) -> None:
        begin.wait()
        with store.transaction() as tx:
            found.append(tx.accounts.remember("testnet", KEY, f"uid-{number}"))

    threads = [threading.Thread(target=remember, args=each) for each in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store.close()
    assert len(found) == len(stores)
    assert len(set(found)) == 1
    assert world.attempt(lambda tx: tx.accounts.get("testnet", KEY)) == found[0]
