"""Changes of what proves that the owner agrees: passkeys and the PIN.

The first one needs a terminal alone. After that each change needs the proof that is there, or a wait of 24 hours in
which `guardian status` and every `guardian approve` show it in red, so that nobody makes one behind the owner's back.
A change that has waited can be made within the next 24 hours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from guardian.domain.milliseconds import DAY_MS
from guardian.domain.owner.proof import Passkey, Proof, ProofGiven
from guardian.domain.owner.statement import NONCE_BYTES, Statement, StatementKind
from guardian.domain.secrets import Secret
from guardian.errors import CredentialsError, KeyringUnavailable, ProofRefused
from guardian.gate.base.journal import Journal
from guardian.gate.owner.agreement import hash_digest, pin_item
from guardian.gate.owner.order_approval import why_not_proven
from guardian.store.database import Transaction
from guardian.store.owner.owner_records import ChangeKind, OwnerChange
from guardian.store.schema.records import Record

WAIT_MS: Final = DAY_MS
MOST_PASSKEYS: Final = 8
OWNER_CHANGE: Final = "owner_change"


class GuardedKeyring(Protocol):
    """The owner's items in the keyring. Every method raises KeyringUnavailable and CredentialsError."""

    def claim(self, log: str) -> None:
        """Has this home guard the keys; refused where another does."""
        ...

    def release(self, log: str) -> None:
        """Ends that."""
        ...

    def set_pin_hash(self, name: str, hashed: Secret) -> None:
        """Stores the hash of the PIN."""
        ...

    def remove_pin_hash(self, name: str) -> None:
        """Removes the hash of the PIN."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A passkey that is about to be made: what is agreed to, and what the browser is given."""

    name: str
    challenge: bytes
    options: Mapping[str, Any]
    """The argument of `navigator.credentials.create`, as JSON data."""


def change_statement(kind: ChangeKind, name: str = "") -> Statement:
    """Returns what the owner agrees to when they change what proves that they agree; `name` is the passkey's."""
    return Statement(kind=StatementKind.OWNER, fields={"decision": kind.value, "name": name})


def proof_of_change(tx: Transaction) -> Proof | None:
    """Returns the proof that a change needs: the strongest that is set up; None for the first one."""
    if tx.approvers.passkeys():
        return Proof.PASSKEY
    return Proof.PIN if tx.approvers.status().pin_since_ms is not None else None


def waiting_changes(tx: Transaction) -> tuple[OwnerChange, ...]:
    """Returns the changes that nobody proved and that wait, or can be made now."""
    return tuple(change for change in tx.approvers.changes() if change.is_waiting(tx.now_ms))


class OwnerChanges:
    """Makes changes, or has them wait. `keyring` opens the owner's items, which takes a while."""

    def __init__(
        self,
        journal: Journal,
        *,
        random_bytes: Callable[[int], bytes],
        keyring: Callable[[], GuardedKeyring],
    ) -> None:
        self._journal = journal
        self._random_bytes = random_bytes
        self._keyring = keyring

    def needed(self, kind: ChangeKind, name: str = "") -> Proof | None:
        """Returns the proof that a change needs now; None for the first one, and for one that has waited."""
        with self._journal.transaction() as tx:
            return None if _ripe(tx, kind, name) is not None else proof_of_change(tx)

    # Passkeys

    def registration(self, name: str) -> Registration:
        """Returns what a browser needs to make a passkey. Raises StoreError, and ProofRefused for too many."""
        from guardian.proofs.passkeys import registration_options

        with self._journal.transaction() as tx:
            existing = tx.approvers.passkeys()
        if len(existing) >= MOST_PASSKEYS:
            raise ProofRefused(
                f"there are {MOST_PASSKEYS} passkeys already",
                hint="`guardian passkey list` shows them; remove one that is not used",
            )
        challenge = change_statement(ChangeKind.PASSKEY_ADD, name).challenge(self._random_bytes(NONCE_BYTES))
        return Registration(name=name, challenge=challenge, options=registration_options(challenge, existing))

    def register(
        self, registration: Registration, response: object, *, origin: str, proof: ProofGiven | None
    ) -> Passkey:
        """Registers the passkey that a browser made, and returns it.

        Raises:
            ProofRefused: the answer is not one to this registration, or the proof that is needed was not given.
            StoreConflict: the passkey was registered before, or another has its name.
            CredentialsError: another home guards the keys.
        """
        from guardian.proofs.passkeys import NotProven, fingerprint, verify_registration

        with self._journal.transaction() as tx:
            now_ms = tx.now_ms
        try:
            made = verify_registration(
                response, challenge=registration.challenge, origin=origin, name=registration.name, now_ms=now_ms
            )
        except NotProven as error:
            with self._journal.transaction() as tx:
                _note_refused(tx, change_statement(ChangeKind.PASSKEY_ADD, registration.name), error.why)
            raise ProofRefused(f"the passkey was not registered: {error.why}") from None

        def add(tx: Transaction) -> Mapping[str, object]:
            tx.approvers.add_passkey(made)
            return {
                "credential": made.credential_id,
                "public_key": made.public_key,
                "fingerprint": fingerprint(made.public_key),
            }

        self._guard_keys()
        self._make(ChangeKind.PASSKEY_ADD, registration.name, proof, add)
        return made

    def remove_passkey(self, name: str, proof: ProofGiven | None) -> None:
        """Removes a passkey. Raises ProofRefused: no passkey has this name, or the proof was not given."""

        def remove(tx: Transaction) -> Mapping[str, object]:
            found = next((one for one in tx.approvers.passkeys() if one.name == name), None)
            if found is None:
                raise ProofRefused(f"there is no passkey `{name}`", hint="`guardian passkey list`")
            tx.approvers.remove_passkey(found.credential_id)
            return {"credential": found.credential_id}

        self._make(ChangeKind.PASSKEY_REMOVE, name, proof, remove)
        self._release_keys()

    # The PIN

    def set_pin(self, hashed: Secret, proof: ProofGiven | None) -> None:
        """Sets the PIN, whose hash goes into the keyring beside the one before. Its tries begin at zero.

        After a crash in the middle the one before still counts. Raises ProofRefused, CredentialsError and StoreError.
        """
        before: list[str] = []

        def keep(tx: Transaction) -> Mapping[str, object]:
            if tx.approvers.status().pin_digest not in {None, hash_digest(hashed)}:
                before.append(pin_item(tx))
            tx.approvers.note_pin(is_set=True, digest=hash_digest(hashed))
            self._keyring().set_pin_hash(pin_item(tx), hashed)
            return {}

        self._guard_keys()
        self._make(ChangeKind.PIN_SET, "", proof, keep)
        with suppress(CredentialsError):  # it proves nothing any more
            for name in before:
                self._keyring().remove_pin_hash(name)

    def remove_pin(self, proof: ProofGiven | None) -> None:
        """Removes the PIN and its hash. Raises ProofRefused, CredentialsError and StoreError."""

        def remove(tx: Transaction) -> Mapping[str, object]:
            name = pin_item(tx)
            tx.approvers.note_pin(is_set=False)
            self._keyring().remove_pin_hash(name)
            return {}

        self._make(ChangeKind.PIN_REMOVE, "", proof, remove)
        self._release_keys()

    # Changes that wait

    def request(self, kind: ChangeKind, name: str = "") -> OwnerChange:
        """Has a change wait, and returns it; the same one again where it waits already."""
        with self._journal.transaction() as tx:
            same = next((c for c in waiting_changes(tx) if (c.kind, c.detail.get("name")) == (kind, name)), None)
            if same is not None:
                return same
            tx.approvers.request_change(kind, {"name": name}, effective_ms=tx.now_ms + WAIT_MS)
            _note(tx, kind, change_statement(kind, name), None, {"state": "waits"})
            return tx.approvers.changes()[-1]

    def cancel(self, change_id: int) -> None:
        """Ends a change that waits; whoever does this tightens. Raises StoreConflict: it does not wait."""
        with self._journal.transaction() as tx:
            tx.approvers.end_change(change_id, "cancelled")
            tx.audit.append(Record.event(None, {"kind": "owner_change_cancelled", "change": str(change_id)}))

    def _make(
        self,
        kind: ChangeKind,
        name: str,
        proof: ProofGiven | None,
        act: Callable[[Transaction], Mapping[str, object]],
    ) -> None:
        """Makes a change in one transaction, if it may be made; else the log has a row of the attempt."""
        statement = change_statement(kind, name)
        with self._journal.transaction() as tx:
            why = _why_not(tx, kind, name, proof, statement)
            if why is None:
                _note(tx, kind, statement, proof, act(tx))
            else:
                _note_refused(tx, statement, why)
        if why is not None:
            raise ProofRefused(why, hint="with `--wait` it is requested, and can be made after 24 hours")

    def _guard_keys(self) -> None:
        """Has this home guard the keys. Where no keyring works here, no key of it can be used here either."""
        with self._journal.transaction() as tx:
            if tx.audit.log_name() is None:
                tx.audit.append(Record.event(None, {"kind": "log_begun"}))
            log = tx.audit.log_name() or ""
        with suppress(KeyringUnavailable):
            self._keyring().claim(log)

    def _release_keys(self) -> None:
        """Guards the keys no longer once nothing is left to guard them with."""
        with self._journal.transaction() as tx:
            log, is_left = tx.audit.log_name() or "", proof_of_change(tx) is not None
        if not is_left:
            with suppress(KeyringUnavailable):
                self._keyring().release(log)


def _ripe(tx: Transaction, kind: ChangeKind, name: str) -> OwnerChange | None:
    """The change, if it has waited long enough and is not too old."""
    return next(
        (
            change
            for change in waiting_changes(tx)
            if (change.kind, change.detail.get("name")) == (kind, name) and tx.now_ms >= change.effective_ms
        ),
        None,
    )


def _why_not(
    tx: Transaction, kind: ChangeKind, name: str, proof: ProofGiven | None, statement: Statement
) -> str | None:
    """Why a change may not be made now; None where it may. One that has waited is used up by this."""
    needed = proof_of_change(tx)
    if needed is None:
        return None
    why = f"this needs your {needed.value}, or a wait of 24 hours"
    if proof is not None and proof.kind.meets(needed):
        unproven = why_not_proven(proof, statement)
        if unproven is None:
            return None
        why = f"what was given does not prove this change: {unproven}"
    ripe = _ripe(tx, kind, name)
    if ripe is None:
        return why
    tx.approvers.end_change(ripe.id, "done")
    return None


def _note(
    tx: Transaction, kind: ChangeKind, statement: Statement, proof: ProofGiven | None, more: Mapping[str, object]
) -> None:
    body = {
        "kind": OWNER_CHANGE,
        "change": kind.value,
        "statement": statement.as_dict(),
        "proof": None if proof is None else proof.as_record(),
        **more,
    }
    tx.audit.append(Record.event(None, body))


def _note_refused(tx: Transaction, statement: Statement, why: str) -> None:
    tx.audit.append(Record.event(None, {"kind": "proof_refused", "reason": why, "statement": statement.as_dict()}))
