"""The first passkey or PIN needs a terminal; each change after it what is there, or a day in which it is shown."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import pytest

from guardian.domain.owner.proof import Passkey, Proof, ProofGiven
from guardian.domain.secrets import Secret
from guardian.errors import CredentialsError, KeyringUnavailable, ProofRefused, StoreConflict
from guardian.gate.base.order_views import iso
from guardian.gate.owner.agreement import Agreement
from guardian.gate.owner.change_views import change_lines
from guardian.gate.owner.changes import MOST_PASSKEYS, OwnerChanges, change_statement, waiting_changes
from guardian.store.owner.owner_records import ChangeKind
from tests.gate.support.fakes import Room
from tests.support.authenticator import ORIGIN, Authenticator

DAY_S = 24 * 3600
ADD, REMOVE, SET, UNSET = (
    ChangeKind.PASSKEY_ADD, ChangeKind.PASSKEY_REMOVE, ChangeKind.PIN_SET, ChangeKind.PIN_REMOVE,
)  # fmt: skip


@dataclass
class FakeKeyring:
    """The owner's items: who guards the keys, and hashes by the log's name."""

    guard: str | None = None
    hashes: dict[str, Secret] = field(default_factory=dict)
    failure: Exception | None = None

    def claim(self, log: str) -> None:
        if self.failure is not None:
            raise self.failure
        if self.guard not in {None, log}:
            raise CredentialsError("guarded by another home")
        self.guard = log

    def release(self, log: str) -> None:
        self.guard = None if self.guard == log else self.guard

    def set_pin_hash(self, name: str, hashed: Secret) -> None:
        self.hashes[name] = hashed

    def remove_pin_hash(self, name: str) -> None:
        if self.failure is not None:
            raise self.failure
        del self.hashes[name]


@dataclass
class Owner:
    """One home's owner, with what they use."""

    room: Room
    keyring: FakeKeyring
    changes: OwnerChanges

    def proof(self, authenticator: Authenticator, kind: ChangeKind, name: str = "") -> ProofGiven:
        """The owner's signature over a change."""
        takes = Agreement(self.room.journal, random_bytes=os.urandom)
        question = takes.question(change_statement(kind, name))
        return takes.by_passkey(question, authenticator.get(takes.options(question)), origin=ORIGIN)

    def add(self, authenticator: Authenticator, name: str, proof: ProofGiven | None = None) -> Passkey:
        """Registers a passkey."""
        registration = self.changes.registration(name)
        answer = authenticator.create(registration.options)
        return self.changes.register(registration, answer, origin=ORIGIN, proof=proof)

    def names(self) -> list[str]:
        with self.room.journal.transaction() as tx:
            return [one.name for one in tx.approvers.passkeys()]

    def floor(self) -> Proof:
        with self.room.journal.transaction() as tx:
            return tx.approvers.status().floor


@pytest.fixture
def owner(room: Room) -> Owner:
    keyring = FakeKeyring()
    return Owner(room, keyring, OwnerChanges(room.journal, random_bytes=os.urandom, keyring=lambda: keyring))


def other(number: int) -> Authenticator:
    return Authenticator(name=f"credential-of-the-owner-0000{number:04d}".encode())


def test_first_passkey_needs_no_proof_and_guards_the_keys(owner: Owner) -> None:
    """From then on no other home gets the keys of the keyring."""
    assert owner.changes.needed(ADD, "laptop") is None
    made = owner.add(Authenticator(), "laptop")
    assert owner.names() == ["laptop"]
    with owner.room.journal.transaction() as tx:
        assert owner.keyring.guard == tx.audit.log_name()
    assert made.public_key in owner.room.log_text()
    assert owner.changes.needed(ADD, "phone") is Proof.PASSKEY


@pytest.mark.parametrize("given", [None, ProofGiven(kind=Proof.TERMINAL), ProofGiven(kind=Proof.PIN)])
def test_second_passkey_without_the_first_is_refused_with_a_row(owner: Owner, given: ProofGiven | None) -> None:
    """Nor is the first removed, nor a PIN set."""
    owner.add(Authenticator(), "laptop")
    with pytest.raises(ProofRefused, match="needs your passkey, or a wait of 24 hours"):
        owner.add(other(2), "phone", given)
    with pytest.raises(ProofRefused):
        owner.changes.remove_passkey("laptop", given)
    with pytest.raises(ProofRefused):
        owner.changes.set_pin(Secret("hash"), given)
    assert owner.names() == ["laptop"]
    assert owner.keyring.hashes == {}
    assert owner.room.log_text().count('"proof_refused"') == 3


def test_passkey_signs_the_change_that_it_permits(owner: Owner) -> None:
    """A signature over one change permits no other."""
    first = Authenticator()
    owner.add(first, "laptop")
    proof = owner.proof(first, ADD, "phone")
    with pytest.raises(ProofRefused, match="does not prove this change"):
        owner.changes.remove_passkey("laptop", proof)
    with pytest.raises(ProofRefused, match="does not prove this change"):
        owner.add(other(2), "tablet", proof)
    owner.add(other(3), "phone", proof)
    assert owner.names() == ["laptop", "phone"]


def test_change_without_a_proof_waits_a_day_in_which_it_is_shown(owner: Owner) -> None:
    """Not a moment sooner, for a day, and once."""
    owner.add(Authenticator(), "laptop")
    change = owner.changes.request(ADD, "phone")
    assert owner.changes.request(ADD, "phone") == change
    with owner.room.journal.transaction() as tx:
        (line,) = change_lines(waiting_changes(tx), tx.now_ms, iso)
    assert line == (
        f"a passkey `phone` can be added without a proof from {iso(change.effective_ms)} on; if that is not you: "
        f"`guardian passkey cancel {change.id}`"
    )
    owner.room.clock.forward(DAY_S - 1)
    with pytest.raises(ProofRefused):
        owner.add(other(2), "phone")
    owner.room.clock.forward(1)
    assert owner.changes.needed(ADD, "phone") is None
    assert owner.changes.needed(ADD, "tablet") is Proof.PASSKEY
    with owner.room.journal.transaction() as tx:
        assert "without a proof now" in change_lines(waiting_changes(tx), tx.now_ms, iso)[0]
    owner.add(other(3), "phone")
    with pytest.raises(ProofRefused):
        owner.changes.remove_passkey("phone", None)
    assert owner.changes.needed(ADD, "phone") is Proof.PASSKEY


def test_change_that_nobody_makes_lapses(owner: Owner) -> None:
    """A day after it could have been made."""
    owner.add(Authenticator(), "laptop")
    owner.changes.request(REMOVE, "laptop")
    owner.room.clock.forward(2 * DAY_S)
    with pytest.raises(ProofRefused):
        owner.changes.remove_passkey("laptop", None)
    with owner.room.journal.transaction() as tx:
        assert waiting_changes(tx) == ()


def test_clock_that_is_set_back_does_not_end_the_wait_sooner(owner: Owner) -> None:
    """The wait is in window time."""
    owner.add(Authenticator(), "laptop")
    owner.changes.request(REMOVE, "laptop")
    owner.room.clock.wall -= 10 * DAY_S * 1000
    with pytest.raises(ProofRefused):
        owner.changes.remove_passkey("laptop", None)


def test_change_that_waits_is_cancelled_without_a_question(owner: Owner) -> None:
    """Cancelling tightens. A second time there is nothing to cancel."""
    owner.add(Authenticator(), "laptop")
    change = owner.changes.request(REMOVE, "laptop")
    owner.changes.cancel(change.id)
    owner.room.clock.forward(DAY_S)
    with pytest.raises(ProofRefused):
        owner.changes.remove_passkey("laptop", None)
    with pytest.raises(StoreConflict):
        owner.changes.cancel(change.id)


def test_last_passkey_lowers_the_floor_and_guards_no_longer(owner: Owner) -> None:
    """To the PIN, if there is one; and the keys are free once nothing is left."""
    first = Authenticator()
    owner.add(first, "laptop")
    with owner.room.journal.transaction() as tx:
        tx.approvers.raise_floor(Proof.PASSKEY)
    owner.changes.set_pin(Secret("hash"), owner.proof(first, SET))
    owner.changes.remove_passkey("laptop", owner.proof(first, REMOVE, "laptop"))
    assert owner.floor() is Proof.PIN
    assert owner.keyring.guard is not None
    owner.changes.remove_pin(ProofGiven(kind=Proof.PIN))
    assert owner.floor() is Proof.TERMINAL
    assert owner.keyring == FakeKeyring()


def test_pin_that_replaces_another_leaves_no_hash_behind(owner: Owner) -> None:
    """Unless the keyring does not remove it: it proves nothing any more."""
    owner.changes.set_pin(Secret("one"), None)
    owner.changes.set_pin(Secret("one"), ProofGiven(kind=Proof.PIN))
    owner.changes.set_pin(Secret("two"), ProofGiven(kind=Proof.PIN))
    assert list(owner.keyring.hashes.values()) == [Secret("two")]
    owner.keyring.failure = KeyringUnavailable("locked")
    owner.changes.set_pin(Secret("three"), ProofGiven(kind=Proof.PIN))
    assert list(owner.keyring.hashes.values()) == [Secret("two"), Secret("three")]


def test_home_whose_keys_another_guards_registers_nothing(owner: Owner) -> None:
    """Else any program could make a home, register its own passkey there, and use the keys."""
    owner.keyring.guard = "another log"
    with pytest.raises(CredentialsError, match="another home"):
        owner.add(Authenticator(), "laptop")
    with pytest.raises(CredentialsError, match="another home"):
        owner.changes.set_pin(Secret("hash"), None)
    assert owner.names() == []


def test_machine_without_a_keyring_registers_a_passkey(owner: Owner) -> None:
    """It has no keys to guard."""
    owner.keyring.failure = KeyringUnavailable("no keyring works here")
    owner.add(Authenticator(), "laptop")
    assert owner.names() == ["laptop"]


def test_answer_to_another_registration_registers_nothing(owner: Owner) -> None:
    """With a row of the attempt."""
    answer = Authenticator().create(owner.changes.registration("laptop").options)
    with pytest.raises(ProofRefused, match="not for what was shown"):
        owner.changes.register(owner.changes.registration("laptop"), answer, origin=ORIGIN, proof=None)
    assert owner.names() == []
    assert '"proof_refused"' in owner.room.log_text()


def test_passkeys_have_names_of_their_own_and_are_bounded(owner: Owner) -> None:
    """Two of one name could not be told apart; neither can the same one be there twice."""
    first = Authenticator()
    owner.add(first, "laptop")
    with pytest.raises(StoreConflict, match="this name"):
        owner.add(other(2), "laptop", owner.proof(first, ADD, "laptop"))
    with pytest.raises(StoreConflict, match="registered before"):
        owner.add(first, "again", owner.proof(first, ADD, "again"))
    with pytest.raises(ProofRefused, match="no passkey `none`"):
        owner.changes.remove_passkey("none", owner.proof(first, REMOVE, "none"))
    for number in range(11, 10 + MOST_PASSKEYS):
        owner.add(other(number), f"n{number}", owner.proof(first, ADD, f"n{number}"))
    with pytest.raises(ProofRefused, match=f"{MOST_PASSKEYS} passkeys already"):
        owner.changes.registration("one more")


def test_removed_passkey_proves_nothing(owner: Owner) -> None:
    """Nor can it come back under its old credential."""
    first, second = Authenticator(), other(2)
    owner.add(first, "laptop")
    owner.add(second, "phone", owner.proof(first, ADD, "phone"))
    owner.changes.remove_passkey("laptop", owner.proof(second, REMOVE, "laptop"))
    with pytest.raises(ProofRefused, match="not registered"):
        owner.proof(first, REMOVE, "phone")


@pytest.mark.parametrize("kind", ChangeKind)
def test_each_change_that_waits_has_words(owner: Owner, kind: ChangeKind) -> None:
    """What the status and every approval show."""
    owner.changes.request(kind, "laptop")
    with owner.room.journal.transaction() as tx:
        (line,) = change_lines(waiting_changes(tx), tx.now_ms, iso)
    assert "without a proof from" in line
