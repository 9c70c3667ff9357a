"""The PIN: each try is counted before it is looked at, and after five wrong ones nothing but a new PIN helps."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field

import pytest

from guardian.domain.owner.proof import Proof
from guardian.domain.owner.statement import Statement, StatementKind
from guardian.domain.secrets import Secret
from guardian.domain.trading import TradingState
from guardian.errors import KeyringUnavailable, ProofRefused
from guardian.gate.owner.agreement import Agreement, hash_digest
from guardian.proofs.pin_hash import pin_hash
from tests.gate.support.fakes import Room

RESUME = Statement(kind=StatementKind.RESUME, fields={"decision": "active"})
RIGHT, WRONG = Secret("739214"), Secret("739215")
HASH = pin_hash(RIGHT, os.urandom)


@dataclass
class FakeKeyring:
    """One hash for whichever home asks."""

    hashed: Secret | None = HASH
    failure: Exception | None = None
    asked: list[str] = field(default_factory=list)

    def pin_hash(self, name: str) -> Secret | None:
        self.asked.append(name)
        if self.failure is not None:
            raise self.failure
        return self.hashed


@pytest.fixture
def keyring() -> FakeKeyring:
    """It has the owner's PIN."""
    return FakeKeyring()


@pytest.fixture
def takes(room: Room, keyring: FakeKeyring) -> Agreement:
    """What takes the owner's yes, in a home with a PIN."""
    with room.journal.transaction() as tx:
        tx.approvers.note_pin(is_set=True, digest=hash_digest(HASH))
    return Agreement(room.journal, random_bytes=os.urandom, pins=lambda: keyring)


def tries(room: Room) -> int:
    with room.journal.transaction() as tx:
        return tx.approvers.status().pin_tries


def trading(room: Room) -> TradingState:
    with room.journal.transaction() as tx:
        return tx.trading.status().state


def test_right_pin_is_a_proof_and_forgets_the_wrong_ones(room: Room, takes: Agreement) -> None:
    """Four wrong ones, then the right one: all five tries are there again."""
    for left in (4, 3, 2, 1):
        with pytest.raises(ProofRefused, match="the PIN is wrong") as refused:
            takes.by_pin(RESUME, WRONG)
        assert f"{left} of 5 tries are left" in (refused.value.hint or "")
    assert takes.by_pin(RESUME, RIGHT).kind is Proof.PIN
    assert tries(room) == 0


def test_fifth_wrong_pin_halts_and_locks_it(room: Room, takes: Agreement) -> None:
    """The right one does not open it any more, and each try is a row."""
    for _ in range(4):
        with pytest.raises(ProofRefused):
            takes.by_pin(RESUME, WRONG)
    assert trading(room) is TradingState.ACTIVE
    with pytest.raises(ProofRefused, match=r"locked.*trading is halted"):
        takes.by_pin(RESUME, WRONG)
    assert trading(room) is TradingState.HALTED
    for pin in (RIGHT, WRONG):
        with pytest.raises(ProofRefused, match="locked"):
            takes.by_pin(RESUME, pin)
    assert room.log_text().count('"proof_refused"') == 7
    assert "739214" not in room.log_text()
    assert "739215" not in room.log_text()


def test_try_is_counted_although_the_keyring_fails(room: Room, takes: Agreement, keyring: FakeKeyring) -> None:
    """Whoever can make the keyring fail gets no more tries by it."""
    keyring.failure = KeyringUnavailable("the keyring is locked")
    with pytest.raises(KeyringUnavailable):
        takes.by_pin(RESUME, RIGHT)
    assert tries(room) == 1


def test_pin_that_the_keyring_lost_is_wrong(room: Room, takes: Agreement, keyring: FakeKeyring) -> None:
    """Nothing is no PIN that is right."""
    keyring.hashed = None
    with pytest.raises(ProofRefused, match="wrong"):
        takes.by_pin(RESUME, Secret(""))
    with pytest.raises(ProofRefused, match="no PIN can be taken here"):
        Agreement(room.journal, random_bytes=os.urandom).by_pin(RESUME, RIGHT)


def test_many_at_once_have_five_tries_together(room: Room, takes: Agreement, keyring: FakeKeyring) -> None:
    """Twenty threads guess; no more than five guesses reach the hash."""

    def guess() -> None:
        with pytest.raises(ProofRefused):
            takes.by_pin(RESUME, WRONG)

    threads = [threading.Thread(target=guess) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keyring.asked) == 5
    assert trading(room) is TradingState.HALTED


def test_pin_is_of_this_home(room: Room, takes: Agreement, keyring: FakeKeyring) -> None:
    """Its hash is looked for under the name of this home's log: another home has another."""
    room.ask()
    takes.by_pin(RESUME, RIGHT)
    with room.journal.transaction() as tx:
        assert keyring.asked == [f"{tx.audit.log_name()}/{hash_digest(HASH)[:16]}"]


def test_hash_that_another_program_put_into_the_keyring_is_not_the_pins(
    room: Room, takes: Agreement, keyring: FakeKeyring
) -> None:
    """The log knows the digest of the one that the owner set."""
    keyring.hashed = pin_hash(WRONG, os.urandom)
    with pytest.raises(ProofRefused, match="the PIN is wrong"):
        takes.by_pin(RESUME, WRONG)
