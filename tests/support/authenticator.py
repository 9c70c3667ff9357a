"""A passkey in software: it answers WebAuthn's two questions as a browser with an authenticator does."""

from __future__ import annotations

import hashlib
import json
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from fido2 import cbor

ORIGIN = "http://localhost:18081"
USER_PRESENT, USER_VERIFIED, HAS_CREDENTIAL = 0x01, 0x04, 0x40


def encoded(value: bytes) -> str:
    """Bytes as base64url without padding."""
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """The bytes of base64url without padding."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """One authenticator with one credential. Its fields are what a hostile or broken one would change."""

    name: bytes = b"credential-of-the-owner-00000001"
    origin: str = ORIGIN
    relying_party: str = "localhost"
    flags: int = USER_PRESENT | USER_VERIFIED
    counter: int = 0
    counts: bool = True
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    change_client_data: Callable[[dict[str, Any]], None] = lambda _data: None

    def _cose_key(self) -> Mapping[int, Any]:
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return {1: 1, 3: -8, -1: 6, -2: self.key.public_key().public_bytes_raw()}
        numbers = self.key.public_key().public_numbers()
        return {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}

    def _client_data(self, kind: str, challenge: str) -> bytes:
        data = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        self.change_client_data(data)
        return json.dumps(data).encode()

    def _data(self, flags: int, extra: bytes = b"") -> bytes:
        party = hashlib.sha256(self.relying_party.encode()).digest()
        return party + bytes([flags]) + struct.pack(">I", self.counter) + extra

    def create(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to `navigator.credentials.create` with these options."""
        attested = bytes(16) + struct.pack(">H", len(self.name)) + self.name + cbor.encode(dict(self._cose_key()))
        attestation = {"fmt": "none", "attStmt": {}, "authData": self._data(self.flags | HAS_CREDENTIAL, attested)}
        client_data = self._client_data("webauthn.create", options["publicKey"]["challenge"])
        return self._answer(
            {"clientDataJSON": encoded(client_data), "attestationObject": encoded(cbor.encode(attestation))}
        )

    def get(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to `navigator.credentials.get` with these options."""
        if self.counts:
            self.counter += 1
        client_data = self._client_data("webauthn.get", options["publicKey"]["challenge"])
        data = self._data(self.flags)
        signed = data + hashlib.sha256(client_data).digest()
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            signature = self.key.sign(signed)
        else:
            signature = self.key.sign(signed, ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {
                "clientDataJSON": encoded(client_data),
                "authenticatorData": encoded(data),
                "signature": encoded(signature),
            }
        )

    def _answer(self, response: Mapping[str, str]) -> dict[str, Any]:
        identifier = encoded(self.name)
        return {
            "id": identifier,
            "rawId": identifier,
            "type": "public-key",
            "response": dict(response),
            "clientExtensionResults": {},
        }
