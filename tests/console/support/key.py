"""A passkey made by a program, for whoever needs one that is registered already, and for whoever forges answers."""

from __future__ import annotations

import json
import struct
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fido2 import cbor

from guardian.domain.owner.proof import Passkey
from tests.console.support.served import ServedConsole

CREDENTIAL = b"the owner's credential"


def text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


class Key:
    """A key pair that answers as an authenticator does."""

    def __init__(self, origin: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._origin = origin
        self.counter = 0

    def public_key(self) -> str:
        """The public key in COSE, as guardian stores it."""
        numbers = self._key.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        return text(cbor.encode({1: 2, 3: -7, -1: 1, -2: x, -3: y}))

    def private_key(self) -> bytes:
        """The private key in PKCS#8."""
        return self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    def is_registered(self, console: ServedConsole, name: str = "laptop") -> None:
        """Registers it as the owner's, as `guardian passkey add` does."""
        with console.opened.journal.transaction() as tx:
            passkey = Passkey(
                credential_id=text(CREDENTIAL), public_key=self.public_key(), name=name, sign_count=0, created_ms=1
            )
            tx.approvers.add_passkey(passkey)

    def signs(
        self, challenge: str, *, origin: str | None = None, flags: int = 0x05, count: bool = True
    ) -> dict[str, Any]:
        """A whole answer to a challenge."""
        self.counter += count
        data = sha256(b"localhost").digest() + bytes([flags]) + struct.pack(">I", self.counter)
        fields = {
            "type": "webauthn.get",
            "challenge": challenge,
            "origin": origin or self._origin,
            "crossOrigin": False,
        }
        client = json.dumps(fields).encode()
        signature = self._key.sign(data + sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {"clientDataJSON": text(client), "authenticatorData": text(data), "signature": text(signature)}
        return {"id": text(CREDENTIAL), "rawId": text(CREDENTIAL), "type": "public-key", "response": response}
