"""`guardian keys vault`, by a person at a terminal: made, shown, given another passphrase, removed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support.processes import RUN, Machine, Person
from tests.support.terminals import people

PASSPHRASE = "CANARY words nobody knows"
OTHER = "quite another CANARY phrase"
API_KEY = "CANARYkey0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"[:64]
API_SECRET = "CANARYsecret6789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"[:64]
ASKED = "passphrase of the vault (not shown; empty to continue without it): "
NEW = "new passphrase, at least 12 characters (not shown): "


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "machine")
    assert made.run("init").returncode == 0
    yield made
    made.end()


@pytest.fixture
def sit_down(machine: Machine) -> Iterator[Callable[..., Person]]:
    """People at terminals of this machine."""

    def person(*arguments: str, **options: Any) -> Person:
        return Person(machine.environment, *arguments, **options)

    with people(person) as start:
        yield start


def make_vault(sit_down: Callable[..., Person], passphrase: str = PASSPHRASE) -> str:
    """Makes the vault of the machine; returns what was on the screen."""
    person = sit_down("keys", "vault", "create")
    person.waits_for(NEW)
    person.types(passphrase + "\n")
    person.waits_for("the same again: ")
    person.types(passphrase + "\n")
    code, _ = person.leaves()
    assert code == 0, person.seen
    return person.seen


def add_key(sit_down: Callable[..., Person], passphrase: str = PASSPHRASE) -> str:
    person = sit_down("keys", "add", "testnet", "--kind", "hmac")
    person.waits_for(ASKED)
    person.types(passphrase + "\n")
    person.waits_for("API key (not shown): ")
    person.types(API_KEY + "\n")
    person.waits_for("API secret (not shown): ")
    person.types(API_SECRET + "\n")
    code, _ = person.leaves()
    assert code == 0, person.seen
    return person.seen


def test_machine_without_a_keyring_names_the_command_and_has_no_vault_before(machine: Machine) -> None:
    """Nothing makes a vault by itself: the error says which command does, and the home has none afterwards."""
    done = machine.run("keys", "list")
    assert done.returncode == 3
    assert "no keyring that guardian trusts works here" in done.stderr
    assert "`guardian keys vault create`" in done.stderr
    assert "dbus-run-session" in done.stderr
    status = machine.run("keys", "vault", "status")
    assert (status.returncode, "there is no vault" in status.stderr) == (1, True)
    assert not (machine.home / "vault").exists()


def test_vault_is_made_filled_listed_and_removed_at_a_terminal(
    machine: Machine, sit_down: Callable[..., Person]
) -> None:
    """The whole life of a vault; `keys list` and `status` name it as the source, and nothing shows what is in it."""
    seen = make_vault(sit_down)
    assert f"made `{machine.home / 'vault'}`" in seen.replace("\r\n", "")
    assert (machine.home / "vault").stat().st_mode & 0o777 == 0o600
    seen += add_key(sit_down)
    assert "stored in `vault " in seen

    person = sit_down("keys", "list", "--json")
    person.waits_for(ASKED)
    person.types("wrong words, all of them\n")
    person.waits_for(f"the passphrase does not open the vault\r\n{ASKED}")
    person.types(PASSPHRASE + "\n")
    code, out = person.leaves()
    listed = json.loads(out)
    assert (code, listed["backend"]) == (0, f"vault {machine.home / 'vault'}")
    assert [key["environment"] for key in listed["keys"]] == ["testnet"]
    seen += person.seen

    shown = machine.run("keys", "vault", "status", "--json")
    assert shown.returncode == 0, shown.stderr
    key, root = json.loads(shown.stdout)["items"]
    assert key == "guardian/binance/testnet"
    assert re.fullmatch("guardian/home/[0-9a-f]{32}", root), root  # the log is sealed with the first key
    assert "locked" in json.loads(shown.stdout)["state"]

    person = sit_down("keys", "vault", "remove")
    person.waits_for("remove it? what is in it is lost [y/N] ")
    assert "in the vault: guardian/binance/testnet" in person.seen
    person.types("y\n")
    assert person.leaves()[0] == 0
    assert not (machine.home / "vault").exists()
    kinds = [kind for row in machine.rows() for kind in re.findall(rb'"kind":"((?:vault|key) [a-z]+)"', row["body"])]
    assert kinds == [b"vault created", b"key added", b"vault removed"]
    everything = seen + person.seen + out + shown.stdout
    assert not [word for word in (PASSPHRASE, API_KEY, API_SECRET) if word in everything]


def test_passphrase_is_changed_and_the_older_one_opens_nothing(
    machine: Machine, sit_down: Callable[..., Person]
) -> None:
    """After the change the new one opens the vault and all that is in it, and three tries with the old one do not."""
    make_vault(sit_down)
    add_key(sit_down)
    person = sit_down("keys", "vault", "change-passphrase")
    person.waits_for("passphrase of the vault (not shown): ")
    person.types(PASSPHRASE + "\n")
    person.waits_for(NEW)
    person.types("short\n")
    person.waits_for("or under 6 different ones\r\n" + NEW)
    person.types(OTHER + "\n")
    person.waits_for("the same again: ")
    person.types(OTHER + "\n")
    assert person.leaves()[0] == 0, person.seen

    person = sit_down("keys", "list")
    for number in range(3):
        person.waits_for("not open the vault\r\n" * bool(number) + ASKED)
        person.seen = ""
        person.types(PASSPHRASE + "\n")
    code, _ = person.leaves()
    assert (code, "the passphrase does not open the vault" in person.seen) == (3, True)

    person = sit_down("keys", "list", "--json")
    person.waits_for(ASKED)
    person.types(OTHER + "\n")
    code, out = person.leaves()
    assert [key["environment"] for key in json.loads(out)["keys"]] == ["testnet"]


@pytest.mark.parametrize("action", ["create", "change-passphrase", "remove"])
def test_changing_the_vault_needs_a_person(machine: Machine, sit_down: Callable[..., Person], action: str) -> None:
    """Without a terminal nothing is made, changed or removed, whatever is piped in."""
    if action != "create":
        make_vault(sit_down)
    before = (machine.home / "vault").read_bytes() if action != "create" else None
    done = machine.run("keys", "vault", action, stdin=None, input=f"{PASSPHRASE}\n{OTHER}\n{OTHER}\ny\n")
    assert (done.returncode, "no person is at a terminal" in done.stderr) == (1, True)
    assert ((machine.home / "vault").read_bytes() if before else None) == before
    assert (machine.home / "vault").exists() is (before is not None)


def test_second_vault_is_refused_and_two_different_answers_make_none(
    machine: Machine, sit_down: Callable[..., Person]
) -> None:
    """A slip between the two answers is asked about again; an existing vault is never overwritten."""
    person = sit_down("keys", "vault", "create")
    for again in ("other words, not the same", PASSPHRASE):
        person.waits_for(NEW)
        person.types(PASSPHRASE + "\n")
        person.waits_for("the same again: ")
        assert not (machine.home / "vault").exists()
        person.seen = ""
        person.types(again + "\n")
    assert person.leaves()[0] == 0
    made = (machine.home / "vault").read_bytes()
    person = sit_down("keys", "vault", "create")
    code, _ = person.leaves()
    assert (code, "there is a vault already" in person.seen) == (3, True)
    assert (machine.home / "vault").read_bytes() == made


def test_status_of_the_home_asks_once_and_works_without_an_answer(
    machine: Machine, sit_down: Callable[..., Person]
) -> None:
    """An empty answer leaves the keys out and nothing else; with no terminal nothing is asked, and status says why."""
    make_vault(sit_down)
    machine.write_policy(machine.policy.read_text())
    person = sit_down("status")
    person.waits_for(ASKED)
    person.types("\n")
    _, out = person.leaves()
    assert "the vault is locked: its passphrase was not given to this process" in out
    assert person.seen.count("passphrase of the vault") == 1
    done = machine.run("status", "--json")
    assert "the vault is locked" in json.loads(done.stdout)["keys"]


WITH_KEYRING = """
from guardian.credentials import backends
from tests.support.keyring import MemoryKeyring
backends.find_system_backend = MemoryKeyring
"""


def test_machine_with_a_keyring_is_asked_before_a_vault_takes_its_place(
    machine: Machine, sit_down: Callable[..., Person]
) -> None:
    """Where a keyring works, the command says that it will not be asked any more; no is no vault."""
    root = str(Path(__file__).parents[3])
    program = f"import sys; sys.path.insert(0, {root!r})\n{WITH_KEYRING}\n{RUN}"
    person = sit_down("keys", "vault", "create", program=program)
    person.waits_for("make a vault all the same? [y/N] ")
    assert "with a vault guardian does not ask it any more" in person.seen
    person.types("n\n")
    assert person.leaves()[0] == 1
    assert not (machine.home / "vault").exists()
    person = sit_down("keys", "vault", "create", program=program)
    person.waits_for("make a vault all the same? [y/N] ")
    person.types("y\n")
    person.waits_for(NEW)
