"""Adding or replacing a key says what only a key of the same account can go on with."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardian.cli.app import main
from guardian.credentials.store import CredentialStore
from guardian.domain.order_states import OrderState
from guardian.domain.secrets import Secret
from guardian.home.folder import home_folder
from guardian.store.schema.records import Scope
from tests.cli.keys.support.answers import answer_with
from tests.cli.keys.test_keys_log import MemoryBackend
from tests.store.support.store_world import World


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """A person who stores keys and says yes; what was on the screen when they were asked whether to replace one."""
    made = CredentialStore(MemoryBackend())
    seen: list[str] = []

    def ask_yes(question: str) -> bool:
        seen.append(capsys.readouterr().err)
        return True

    answers = iter(Secret(letter * 64) for letter in "abcdefgh")
    answer_with(monkeypatch, made, ask_yes, lambda prompt: next(answers))
    return seen


def add(environment: str, *options: str) -> None:
    assert main(["keys", "add", environment, "--kind", "hmac", *options]) == 0


@pytest.fixture
def log(own_home: Path) -> World:
    """A log with three orders on the testnet: one is open, one is not resolved, one is over."""
    world = World(home_folder())
    world.scope = Scope(environment="testnet", account="uid-1")
    states = (OrderState.OPEN, OrderState.UNKNOWN, OrderState.REJECTED)
    for state in states:
        name = world.place(spec=world.spec())
        assert world.move(name, state)
    world.store.close()
    return world


def test_replacing_a_key_names_the_orders_that_depend_on_its_account(
    log: World, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the person agrees they read how many orders are open or not resolved, also where no key was stored."""
    add("testnet")
    warning = "2 orders of guardian's are open or not resolved in `testnet`"
    assert warning in capsys.readouterr().err
    add("testnet")
    assert warning in said[-1]
    assert "same account" in said[-1]


def test_keys_that_no_order_depends_on_are_added_without_a_word(
    log: World, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Another environment's key, and the one for futures, have nothing to do with these orders."""
    add("demo")
    add("testnet", "--family", "futures")
    assert "not resolved" not in capsys.readouterr().err


def test_first_key_on_a_new_machine_makes_no_log_to_look_into(
    said: list[str], own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a log there is nothing to warn of."""
    add("testnet")
    assert "warning" not in capsys.readouterr().err


def test_log_that_cannot_be_read_keeps_no_key_from_being_stored(
    log: World, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The key is what gets somebody out of trouble; the damage is said by the commands that need the log."""
    (home_folder() / "guardian.db").write_bytes(b"no log at all " * 400)
    add("testnet")
    assert "stored in" in capsys.readouterr().err
