"""What is known of a log from outside its folder."""

from __future__ import annotations

from dataclasses import dataclass

from guardian.store.seal.note import VerifierKey
from guardian.store.seal.seal_keys import SealKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class LogAnchor:
    """How far a log had gone: which log, the number of a row, and its digest in hex."""

    log: str
    seq: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SealEvidence:
    """What the keyring or the owner says of a log. Nothing in it comes from the folder."""

    keys: SealKeys | None = None
    """From the root secret in the keyring."""
    given: VerifierKey | None = None
    """The public key that the owner kept elsewhere."""
    anchor: LogAnchor | None = None
    was_sealed: bool = False
    """Whether the keyring knows that the log has the row of its public key."""
    unchecked: tuple[str, ...] = ()
    """What could not be asked, each in words for people."""

    @property
    def verifier(self) -> VerifierKey | None:
        """The key that checkpoints must be signed by, as far as it is known."""
        return self.given if self.keys is None else self.keys.verifier


NO_EVIDENCE = SealEvidence()
