"""Takes a person's yes to one statement, and refuses what proves nothing. Each refusal is a row of the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Protocol

from guardian.domain.owner.proof import Proof, ProofGiven
from guardian.domain.owner.statement import NONCE_BYTES, Statement
from guardian.domain.secrets import Secret
from guardian.errors import ProofRefused
from guardian.gate.base.journal import Journal
from guardian.gate.owner.demand import demanded_proof, how_to_set_up
from guardian.store.database import Transaction
from guardian.store.schema.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

REFUSED: Final = "proof_refused"
PIN_LOCKED_REASON: Final = "the PIN was entered wrongly too many times"
_PIN_LOCKED: Final = "the PIN is locked: it was entered wrongly too many times"
_PIN_HINT: Final = (
    "`guardian pin set` sets a new one: with your passkey at once, else after 24 hours; then `guardian resume`"
)


class PinHashes(Protocol):
    """Where the hash of each home's PIN is kept."""

    def pin_hash(self, name: str) -> Secret | None:
        """Returns the hash of a name that `pin_item` gives; None where it is missing. Raises KeyringUnavailable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question to the owner's passkey: its statement, and the nonce that makes it new."""

    statement: Statement
    nonce: bytes

    @property
    def challenge(self) -> bytes:
        """What the passkey signs."""
        return self.statement.challenge(self.nonce)


def hash_digest(hashed: Secret) -> str:
    """Returns the digest by which the log knows the hash of the PIN."""
    return sha256(b"guardian/pin\0" + hashed.reveal().encode()).hexdigest()


def pin_item(tx: Transaction) -> str:
    """Returns the name under which the keyring has the hash of this home's PIN."""
    return f"{tx.audit.log_name() or ''}/{(tx.approvers.status().pin_digest or '')[:16]}"


class Agreement:
    """Takes the owner's yes. `pins` opens where the PIN's hash is, which takes a while; the rest is the home's log."""

    def __init__(
        self, journal: Journal, *, random_bytes: Callable[[int], bytes], pins: Callable[[], PinHashes] | None = None
    ) -> None:
        self._journal = journal
        self._random_bytes = random_bytes
        self._pins = pins

    def demanded(self, policy_proof: Proof) -> Proof:
        """Returns what the owner is to give now: what is demanded, or a passkey where a PIN is and none is set.

        Raises ProofRefused where the owner has not set it up, and StoreError.
        """
        with self._journal.transaction() as tx:
            demanded = demanded_proof(tx, policy_proof)
            hint = how_to_set_up(tx, demanded)
            if demanded is Proof.PIN and tx.approvers.status().pin_since_ms is None:
                demanded = Proof.PASSKEY if hint is None else demanded
        if hint is not None:
            raise ProofRefused(f"a {_NAMES[demanded]} is demanded, and you have not set one up", hint=hint)
        return demanded

    # A passkey

    def question(self, statement: Statement) -> Question:
        """Returns a new question about a statement. Whoever asks it keeps it, and takes one answer to it at most."""
        return Question(statement=statement, nonce=self._random_bytes(NONCE_BYTES))

    def options(self, question: Question) -> Mapping[str, Any]:
        """Returns the argument of `navigator.credentials.get` for a question, as JSON data. Raises StoreError."""
        from guardian.proofs.passkeys import assertion_options

        with self._journal.transaction() as tx:
            passkeys = tx.approvers.passkeys()
        return assertion_options(question.challenge, passkeys)

    def by_passkey(self, question: Question, response: object, *, origin: str) -> ProofGiven:
        """Returns the proof in a browser's answer to a question.

        Raises:
            ProofRefused: it proves nothing; the log has a row.
            StoreError: nothing was recorded.
        """
        from guardian.proofs.passkeys import NotProven, verify_assertion

        with self._journal.transaction() as tx:
            passkeys = tx.approvers.passkeys()
            try:
                proof, counter = verify_assertion(
                    response, statement=question.statement, nonce=question.nonce, origin=origin, passkeys=passkeys
                )
            except NotProven as error:
                why = error.why
            else:
                assert proof.assertion is not None
                tx.approvers.count_assertion(proof.assertion.credential_id, counter)
                return proof
            _note_refusal(tx, question.statement, Proof.PASSKEY, why)
        raise ProofRefused(f"the passkey's answer was refused: {why}", hint="nothing was approved; try again")

    # The PIN

    def by_pin(self, statement: Statement, pin: Secret) -> ProofGiven:
        """Returns the proof that a right PIN is. Each try is counted before it is looked at.

        Raises:
            ProofRefused: it is wrong, or locked after too many tries; trading is halted with the last of them.
            CredentialsError: the keyring did not answer; the try is counted all the same.
            StoreError: nothing was recorded.
        """
        from guardian.proofs.pin_hash import MAX_TRIES, is_pin

        if self._pins is None:
            raise ProofRefused("no PIN can be taken here")
        with self._journal.transaction() as tx:
            name, digest = pin_item(tx), tx.approvers.status().pin_digest
            tries = tx.approvers.count_try() if tx.approvers.status().pin_tries < MAX_TRIES else MAX_TRIES + 1
            if tries > MAX_TRIES:
                _note_refusal(tx, statement, Proof.PIN, "the PIN is locked")
        if tries > MAX_TRIES:
            raise ProofRefused(_PIN_LOCKED, hint=_PIN_HINT)
        stored = self._pins().pin_hash(name)
        # A hash that another program put into the keyring is not the one that the owner set.
        if stored is not None and digest == hash_digest(stored) and is_pin(pin, stored):
            with self._journal.transaction() as tx:
                tx.approvers.reset_tries()
            return ProofGiven(kind=Proof.PIN)
        left = MAX_TRIES - tries
        with self._journal.transaction() as tx:
            _note_refusal(tx, statement, Proof.PIN, "the PIN is wrong", tries_left=left)
            if left == 0:
                tx.trading.halt(PIN_LOCKED_REASON, by="guardian")
        if left == 0:
            raise ProofRefused(f"{_PIN_LOCKED}; trading is halted", hint=_PIN_HINT)
        raise ProofRefused("the PIN is wrong", hint=f"{left} of {MAX_TRIES} tries are left; then trading is halted")


_NAMES: Final = {Proof.TERMINAL: "terminal", Proof.PIN: "PIN", Proof.PASSKEY: "passkey"}


def _note_refusal(
    tx: Transaction, statement: Statement, kind: Proof, why: str, *, tries_left: int | None = None
) -> None:
    body: dict[str, object] = {
        "kind": REFUSED,
        "proof": kind.value,
        "reason": why,
        "statement": statement.as_dict(),
        "digest": statement.digest().hex(),
    }
    if tries_left is not None:
        body["tries_left"] = str(tries_left)
    tx.audit.append(Record.event(None, body))
