"""How a person proves that they agree: the kinds of proof, and what one consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Proof(StrEnum):
    """What is demanded of the owner. Each kind withstands more than the one before it."""

    TERMINAL = "terminal"
    """An answer typed at a real terminal. It stops accidents, not a program that has a shell."""
    PIN = "pin"
    """The owner's PIN. It stops a program that does not know it; one that watches the keyboard learns it."""
    PASSKEY = "passkey"
    """A WebAuthn assertion with user verification over exactly what is agreed to."""

    @property
    def strength(self) -> int:
        """Its place in the order of strength, from 0."""
        return _STRENGTH[self]

    def meets(self, demanded: Proof) -> bool:
        """Whether this kind is at least as strong as the one demanded."""
        return self.strength >= demanded.strength


_STRENGTH: Final = {Proof.TERMINAL: 0, Proof.PIN: 1, Proof.PASSKEY: 2}


def stronger(one: Proof, other: Proof) -> Proof:
    """Returns the stronger of two kinds."""
    return one if one.meets(other) else other


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A registered credential. `credential_id` and `public_key` (COSE, CBOR) are base64url without padding."""

    credential_id: str
    public_key: str
    name: str
    sign_count: int
    """The counter of its newest assertion; 0 where the authenticator keeps none."""
    created_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """What an authenticator answered to one challenge. Every field but `origin` is base64url without padding."""

    credential_id: str
    nonce: str
    origin: str
    """The page that put the question, as `http://localhost:PORT`."""
    client_data: str
    authenticator_data: str
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofGiven:
    """What a person gave for one statement. A passkey's has the assertion and the public key it verifies with."""

    kind: Proof
    assertion: Assertion | None = None
    public_key: str | None = None
    passkey_name: str | None = None

    def as_record(self) -> dict[str, object]:
        """Returns the proof as JSON data for the log."""
        record: dict[str, object] = {"kind": self.kind.value}
        if self.assertion is not None:
            record |= {
                "passkey": self.passkey_name,
                "public_key": self.public_key,
                "assertion": {name: getattr(self.assertion, name) for name in Assertion.__dataclass_fields__},
            }
        return record


def proof_from(record: object) -> ProofGiven:
    """Returns the proof of JSON data as `ProofGiven.as_record` gives it. Raises ValueError for anything else."""
    if not isinstance(record, Mapping):
        raise ValueError("a proof is an object")  # noqa: TRY004 - the one error of what is read
    kind = Proof(str(record.get("kind")))
    if kind is not Proof.PASSKEY:
        if set(record) != {"kind"}:
            raise ValueError("this kind of proof has no assertion")
        return ProofGiven(kind=kind)
    found, names = record.get("assertion"), set(Assertion.__dataclass_fields__)
    if set(record) != {"kind", "passkey", "public_key", "assertion"} or not isinstance(found, Mapping):
        raise ValueError("a passkey's proof has an assertion")
    if set(found) != names or not all(isinstance(value, str) for value in found.values()):
        raise ValueError("an assertion's fields are text")
    return ProofGiven(
        kind=kind,
        assertion=Assertion(**{str(name): str(value) for name, value in found.items()}),
        public_key=str(record["public_key"]),
        passkey_name=str(record["passkey"]),
    )
