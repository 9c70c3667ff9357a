"""What is wrong with the seal of a log: its public key, the checkpoints that are signed with it, and their age."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from guardian.store.schema.files import CHECKPOINT_NAME
from guardian.store.seal.evidence import SealEvidence
from guardian.store.seal.note import Note, VerifierKey
from guardian.store.seal.seal_keys import SealKeys
from guardian.store.seal.seal_rows import NEVER, SealRows

OWN: Final = CHECKPOINT_NAME
"""The source of the checkpoint in the home."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCheckpoint:
    """A checkpoint as it was found: where, and what it says; `note` is None where it is not signed at all."""

    source: str
    seq: int
    digest: str
    note: Note | None


@dataclass(frozen=True, slots=True)
class SealProblem:
    """One thing that is wrong: the kind of the finding, the row if any, and a sentence."""

    kind: str
    seq: int | None
    message: str


class SealCheck:
    """What can be said of the seal of one log, from what it says itself and what is known from outside.

    `name` is the log's, `checkpoints` are those that were found in folders, `unread` says which were not.
    """

    def __init__(
        self,
        name: str | None,
        rows: SealRows,
        evidence: SealEvidence,
        checkpoints: Sequence[KeptCheckpoint],
        *,
        unread: Sequence[str] = (),
    ) -> None:
        self._name = name
        self._rows = rows
        self._evidence = evidence
        self._checkpoints = checkpoints
        self._unread = unread
        self._texts = [text for _, text in rows.keys]
        given = evidence.given
        self._knows_given = given is not None and given.text in self._texts
        self._outside = evidence.keys.verifier if evidence.keys is not None else given if self._knows_given else None

    @property
    def key(self) -> VerifierKey | None:
        """The key that checkpoints must be signed by: the one known from outside, else the one that the log has."""
        return self._outside or self._rows.verifier

    @property
    def mac_keys(self) -> SealKeys | None:
        """The keys that MACs can be verified with: those from the keyring."""
        return self._evidence.keys

    @property
    def sealed_at(self) -> int:
        """The row from which on rows have MACs."""
        return NEVER if self._outside is None else self._rows.sealed_at(self._outside.text)

    @property
    def is_sealed(self) -> bool:
        """Whether the log was sealed, as far as anything says so."""
        return self._evidence.was_sealed or bool(self._rows.keys) or any(one.note for one in self._checkpoints)

    @property
    def accepted(self) -> frozenset[str]:
        """The identities of what the owner accepted. In a sealed log the owner has signed that."""
        key = self.key
        losses = (loss for loss in self._rows.losses if key is None or loss.is_signed_by(key))
        return frozenset(mark for loss in losses for mark in loss.marks)

    @property
    def trusted(self) -> list[KeptCheckpoint]:
        """The checkpoints against which nothing speaks, so that the log must have their rows."""
        return [one for one in self._checkpoints if not self.is_sealed or not any(self._signature_problems(one))]

    def proven_by(self) -> str | None:
        """Returns what vouches for the log from outside its folder, in words; None where nothing does."""
        key = self._outside
        if key is None or key.text not in self._texts:
            return None
        if not any(one.note is not None and one.note.is_signed_by(key) for one in self._checkpoints):
            return None
        return "the public key that was given" if self._evidence.keys is None else "the secret in the keyring"

    def unchecked(self) -> Iterator[str]:
        """Yields what could not be verified, each in a sentence for people."""
        yield from self._evidence.unchecked
        yield from self._unread
        if self._rows.keys and self._evidence.keys is None and not self._evidence.unchecked:
            yield "the log is sealed, and the keyring does not have its secret"
        given = self._evidence.given
        if given is not None and not self._knows_given:
            yield "the public key that was given is not the one that this log has"
        if not self.is_sealed:
            yield "the log is not sealed: whoever can write this folder can have written all of it again"

    def missing(self, last_seq: int, *, is_home: bool) -> Iterator[SealProblem]:
        """Yields what a log that was never sealed lacks: the checkpoint that is written beside each that has rows."""
        if is_home and last_seq > 0 and not self.is_sealed and not any(one.source == OWN for one in self._checkpoints):
            message = f"`{OWN}` is missing, and the log has {last_seq} rows: whether more were cut off cannot be seen"
            yield SealProblem("CHECKPOINT", None, message)

    def problems(self, last_seq: int, *, is_home: bool) -> Iterator[SealProblem]:
        """Yields what is wrong, for a log that ends with that row; only a home has a checkpoint beside it."""
        yield from self._key_problems()
        own = next((one for one in self._checkpoints if one.source == OWN), None)
        if own is None and is_home and last_seq > 0 and self.is_sealed:
            yield SealProblem("CHECKPOINT", None, f"`{OWN}` is missing or damaged, and the log has {last_seq} rows")
        if self.is_sealed:
            for one in self._checkpoints:
                yield from self._signature_problems(one)
        anchor = self._evidence.anchor
        newest = [one.seq for one in self.trusted]
        newest += [] if anchor is None or anchor.log != self._name else [anchor.seq]
        if own is not None and own.seq < max(newest, default=0):
            message = f"`{OWN}` is older than it was: it names row {own.seq}, and row {max(newest)} was reached"
            yield SealProblem("CHECKPOINT", None, message)

    def _key_problems(self) -> Iterator[SealProblem]:
        keys = self._evidence.keys
        if keys is None:
            return
        if self._evidence.was_sealed and keys.verifier.text not in self._texts:
            yield SealProblem("SEAL", None, "the log was sealed, and the row of its public key is gone")
        for seq, text in self._rows.keys:
            if text != keys.verifier.text:
                yield SealProblem("SEAL", seq, f"row {seq} names a public key that is not the one of this log")

    def _signature_problems(self, found: KeptCheckpoint) -> Iterator[SealProblem]:
        key = self.key
        if found.note is None:
            yield SealProblem(
                "CHECKPOINT", None, f"the checkpoint ({found.source}) is not signed, and the log is sealed"
            )
        elif found.note.log != self._name:
            yield SealProblem("CHECKPOINT", None, f"the checkpoint ({found.source}) is of another log")
        elif key is not None and not found.note.is_signed_by(key):
            message = f"the checkpoint ({found.source}) is not signed with the key of this log"
            yield SealProblem("CHECKPOINT", None, message)
