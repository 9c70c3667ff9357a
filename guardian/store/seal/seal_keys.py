"""The keys of one log, derived by HKDF-SHA256 from the root secret that the keyring keeps."""

from __future__ import annotations

import hmac
from typing import Final, NoReturn

from guardian.store.seal.note import Note, Signature, VerifierKey, name_of, text_of

ROOT_BYTES: Final = 32
_KEY_BYTES: Final = 32
_MAC_INFO: Final = b"guardian/audit-mac/v1"
_SIGNING_INFO: Final = b"guardian/checkpoint-ed25519/v1"


class SealKeys:
    """Signs checkpoints and makes the MAC of rows of one log. Neither key can be read, printed or pickled."""

    __slots__ = ("_keyed_mac", "_sign", "log", "verifier")

    def __init__(self, root: bytes, log: str) -> None:
        # They take 30 ms to import, and few commands use them.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        if len(root) != ROOT_BYTES:
            raise ValueError("a root secret has 32 bytes")

        def derived(info: bytes) -> bytes:
            return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(root)

        signing_key = Ed25519PrivateKey.from_private_bytes(derived(_SIGNING_INFO))
        self.log = log
        self.verifier = VerifierKey(name_of(log), signing_key.public_key().public_bytes_raw())
        self._sign = signing_key.sign
        # With the key taken in already: a copy of it is what each row of the log costs.
        self._keyed_mac = hmac.new(derived(_MAC_INFO), digestmod="sha256")

    def __repr__(self) -> str:
        return f"SealKeys({self.log!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("the keys of a log are not copied")

    def mac_of(self, digest: bytes) -> bytes:
        """Returns the MAC of a row, from its digest."""
        mac = self._keyed_mac.copy()
        mac.update(digest)
        return mac.digest()

    def note(self, seq: int, digest: str) -> Note:
        """Returns the signed checkpoint of a row."""
        value = self.sign(text_of(self.log, seq, digest))
        return Note(self.log, seq, digest, (Signature(self.verifier.name, self.verifier.key_id, value),))

    def sign(self, text: str) -> bytes:
        """Returns the signature of a text."""
        return self._sign(text.encode())
