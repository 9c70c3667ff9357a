"""`guardian approve` where a PIN or a passkey is demanded, at a real terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from guardian.domain.secrets import Secret
from guardian.gate.owner.agreement import hash_digest
from guardian.proofs.pin_hash import pin_hash
from guardian.store.database import Store
from guardian.system.clock import SYSTEM_CLOCK
from tests.cli.test_owner_commands import TERMINAL, proposed, states, trading
from tests.e2e.support.processes import Person, query
from tests.support.equipped import PROGRAM
from tests.support.security_key import SecurityKey, registered
from tests.support.terminals import people
from tests.support.world import World, a_world_at_home

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal module there")

PIN = "correct horse"
HASH = pin_hash(Secret(PIN), os.urandom)
Sit = Callable[..., Person]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A paper exchange with a pinned market; the policy is the home's own and says `terminal`."""
    with a_world_at_home(tmp_path, TERMINAL) as made:
        yield made


@pytest.fixture
def sit_down_with(world: World) -> Iterator[Sit]:
    """Starts people who have a PIN or a security key, at terminals of this home."""

    def person(has: dict[str, Any], *arguments: str) -> Person:
        environment = {**os.environ, "GUARDIAN_HOME": str(world.home)}
        return Person(environment, json.dumps(has), *arguments, program=PROGRAM)

    with people(person) as start:
        yield start


def approvals(world: World) -> list[dict[str, Any]]:
    rows = query(world.home, "SELECT body FROM audit WHERE phase = 'event' ORDER BY seq")
    return [data for data in (json.loads(row["body"])["data"] for row in rows) if data["kind"] == "approved"]


def demand(world: World, proof: str, work: Callable[[Any], None]) -> str:
    """Set the owner up, demand that proof, and propose an order; returns its id."""
    store = Store.open(world.home, SYSTEM_CLOCK)
    with store.transaction() as tx:
        work(tx)
    store.close()
    world.policy({"confirmation": {"channel": "terminal", "proof": proof}})
    return proposed(world.assistant())


def test_pin_is_asked_for_and_not_shown_and_places_the_order(world: World, sit_down_with: Sit) -> None:
    """Nothing typed is a no, a wrong one is counted, and the right one approves; it is in no log and on no screen."""
    name = demand(world, "pin", lambda tx: tx.approvers.note_pin(is_set=True, digest=hash_digest(HASH)))
    has = {"pin": HASH.reveal()}
    for typed, code, words in (
        ("\n", 1, "nothing was approved"),
        ("wrong pin\n", 1, "4 of 5 tries are left"),
        (f"{PIN}\n", 0, "placed: filled"),
    ):
        person = sit_down_with(has, "approve", name, "--submit")
        person.waits_for("place this order now? type your PIN, or nothing for no: ")
        assert "60000/60001 at" in person.seen
        person.types(typed)
        assert person.leaves()[0] == code, person.seen
        assert words in person.seen
        assert "[y/N]" not in person.seen
        assert PIN not in person.seen
    assert [approval["proof"] for approval in approvals(world)] == [{"kind": "pin"}]
    assert PIN not in str(query(world.home, "SELECT body FROM audit"))
    assert (states(world), len(world.sent())) == ({name: "sent"}, 1)


def test_pin_that_is_wrong_five_times_halts_trading(world: World, sit_down_with: Sit) -> None:
    """A program that guesses has five tries."""
    name = demand(world, "pin", lambda tx: tx.approvers.note_pin(is_set=True, digest=hash_digest(HASH)))
    has = {"pin": HASH.reveal()}
    for _ in range(5):
        person = sit_down_with(has, "approve", name)
        person.waits_for("nothing for no: ")
        person.types("wrong pin\n")
        assert person.leaves()[0] == 1
    assert trading(world) == "halted"
    assert states(world) == {name: "waiting"}


def test_order_that_ends_while_the_pin_is_asked_for_is_not_approved(world: World, sit_down_with: Sit) -> None:
    """Without a key being pressed it is said, and the terminal shows again what is typed."""
    name = demand(world, "pin", lambda tx: tx.approvers.note_pin(is_set=True, digest=hash_digest(HASH)))
    person = sit_down_with({"pin": HASH.reveal()}, "approve", name)
    person.waits_for("nothing for no: ")
    assert world.command("reject", name).returncode == 0
    assert person.leaves() == (1, "")
    assert "was turned down by a person" in person.seen


def test_usb_key_signs_exactly_the_order_and_its_token_works(world: World, sit_down_with: Sit) -> None:
    """Without a browser; the gate verifies the signature again when the token is used."""
    key = SecurityKey()
    passkey = registered(key)
    name = demand(world, "passkey", lambda tx: tx.approvers.add_passkey(passkey))
    person = sit_down_with({"key": key.saved(), "count": key.count}, "approve", name, "--submit", "--usb-key")
    person.waits_for("place this order now? your security key answers; Ctrl-C for no")
    code, out = person.leaves()
    (sent,) = world.sent()
    assert (code, out.strip()) == (0, sent["newClientOrderId"]), person.seen
    (approval,) = approvals(world)
    assert (approval["proof"]["kind"], approval["proof"]["passkey"]) == ("passkey", "usb")
    assert approval["statement"]["fields"]["proposal"] == name


def test_usb_key_that_is_not_registered_approves_nothing(world: World, sit_down_with: Sit) -> None:
    """Another key than the owner's."""
    name = demand(world, "passkey", lambda tx: tx.approvers.add_passkey(registered(SecurityKey())))
    other = SecurityKey()
    registered(other)
    person = sit_down_with({"key": other.saved(), "count": other.count}, "approve", name, "--usb-key")
    assert person.leaves() == (1, "")
    assert "none of your passkeys is on it" in person.seen
    assert states(world) == {name: "waiting"}


def test_usb_key_without_any_passkey_says_how_to_register_one(world: World, sit_down_with: Sit) -> None:
    """Where the terminal alone is demanded, the flag asks for more and is not dropped silently."""
    name = proposed(world.assistant())
    person = sit_down_with({"key": {}, "count": 0}, "approve", name, "--usb-key")
    assert person.leaves() == (1, "")
    assert "guardian passkey add NAME" in person.seen
    assert states(world) == {name: "waiting"}


def test_passkey_is_asked_for_on_a_page_that_goes_when_the_order_does(world: World, sit_down_with: Sit) -> None:
    """The link is in the terminal; a rejection elsewhere ends the question."""
    name = demand(world, "passkey", lambda tx: tx.approvers.add_passkey(registered(SecurityKey())))
    person = sit_down_with({}, "approve", name)
    person.waits_for("http://localhost:")
    assert world.command("reject", name).returncode == 0
    assert person.leaves() == (1, "")
    assert "was turned down by a person" in person.seen
