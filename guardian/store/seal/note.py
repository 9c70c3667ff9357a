"""Checkpoints in the signed-note format of C2SP (https://c2sp.org/signed-note).

    guardian/audit/chain/v2/<name of the log>
    <number of the last row>
    <digest of that row, base64>

    — guardian/audit/chain/v2/<name of the log> <base64 of key id (4 bytes) and Ed25519 signature (64 bytes)>

The third line is the head of a hash chain, not the root of a Merkle tree, so this is not a `tlog-checkpoint`; its first
line says so. A signature by an unknown key is ignored; a bad one by a known key makes the note invalid.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

ORIGIN: Final = "guardian/audit/chain/v2"
ED25519: Final = b"\x01"
"""The format's number of the algorithm."""
KEY_ID_BYTES: Final = 4
PUBLIC_BYTES: Final = 32
MAX_NOTE_BYTES: Final = 16_384
"""A longer file is not a checkpoint of guardian's."""
_DIGEST_BYTES: Final = 32
_ORIGIN: Final = re.compile(re.escape(ORIGIN) + "/([0-9a-f]{32})", re.ASCII)
_SIZE: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_SIGNATURE: Final = re.compile(r"\u2014 ([^\s+]+) (\S+)")


def name_of(log: str) -> str:
    """Returns the first line of a log's checkpoints, which is the name of its key too."""
    return f"{ORIGIN}/{log}"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half of a log's key."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Distinguishes keys of one name; it proves nothing."""
        return sha256(b"\n".join((self.name.encode(), ED25519 + self.public))).digest()[:KEY_ID_BYTES]

    @property
    def text(self) -> str:
        """The key as the format writes it: name, key id in hex, and algorithm and key in base64."""
        return f"{self.name}+{self.key_id.hex()}+{_base64(ED25519 + self.public)}"

    def verifies(self, text: str, signature: bytes) -> bool:
        """Whether this is this key's signature of the text."""
        # It takes 20 ms to import, and most commands verify nothing.
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


def parse_verifier_key(text: str) -> VerifierKey:
    """Returns a key from its text. Raises ValueError."""
    name, *rest = text.strip().split("+", 2)
    if len(rest) != 2 or _ORIGIN.fullmatch(name) is None:
        raise ValueError(f"not a public key of a log: `{ORIGIN}/LOG+ID+KEY`, as `guardian audit checkpoint` prints it")
    value = _bytes_of(rest[1])
    key = VerifierKey(name, value[1:])
    if value[:1] != ED25519 or len(key.public) != PUBLIC_BYTES or key.key_id.hex() != rest[0]:
        raise ValueError("this public key of a log is damaged: its parts do not belong together")
    return key


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line."""

    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A checkpoint of one log: the number and the digest (hex) of a row, and who signed that."""

    log: str
    seq: int
    digest: str
    signatures: tuple[Signature, ...]

    @property
    def signed_text(self) -> str:
        """The part that is signed."""
        return text_of(self.log, self.seq, self.digest)

    @property
    def text(self) -> str:
        """The whole note."""
        lines = (f"\u2014 {one.name} {_base64(one.key_id + one.value)}\n" for one in self.signatures)
        return f"{self.signed_text}\n{''.join(lines)}"

    def is_signed_by(self, key: VerifierKey) -> bool:
        """Whether there is a signature by this key, and none by it that is bad."""
        own = [one.value for one in self.signatures if (one.name, one.key_id) == (key.name, key.key_id)]
        return bool(own) and all(key.verifies(self.signed_text, value) for value in own)


def text_of(log: str, seq: int, digest: str) -> str:
    """Returns the part of a note that is signed."""
    return f"{name_of(log)}\n{seq}\n{_base64(bytes.fromhex(digest))}\n"


def is_note(text: str) -> bool:
    """Whether a text begins as a note does."""
    return text.startswith(f"{ORIGIN}/")


def parse_note(text: str) -> Note:
    """Returns the note of a text. Raises ValueError where it is not one, in exactly the form that `Note.text` has."""
    body, separator, tail = text.partition("\n\n")
    lines = body.split("\n")
    origin = _ORIGIN.fullmatch(lines[0])
    if not separator or origin is None or len(lines) != 3 or not _SIZE.fullmatch(lines[1]):
        raise ValueError("not a checkpoint: a log, the number of a row, its digest, and signatures")
    digest = _bytes_of(lines[2])
    if len(digest) != _DIGEST_BYTES:
        raise ValueError("not a checkpoint: a digest has 32 bytes")
    note = Note(origin[1], int(lines[1]), digest.hex(), tuple(map(_signature, tail.removesuffix("\n").split("\n"))))
    if note.text != text:
        raise ValueError("not a checkpoint: it is written in another form")
    return note


def _signature(line: str) -> Signature:
    found = _SIGNATURE.fullmatch(line)
    if found is None:
        raise ValueError("not a checkpoint: a line that is no signature")
    value = _bytes_of(found[2])
    return Signature(found[1], value[:KEY_ID_BYTES], value[KEY_ID_BYTES:])


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _bytes_of(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
