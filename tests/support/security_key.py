"""A security key in software that speaks CTAP2: getInfo, makeCredential and getAssertion, with user verification."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any, cast

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from fido2.client import DefaultClientDataCollector, Fido2Client
from fido2.ctap import STATUS, CtapDevice, CtapError
from fido2.ctap2.base import Ctap2
from fido2.hid import CAPABILITY, CTAPHID
from fido2.webauthn import PublicKeyCredentialCreationOptions

from guardian.domain.owner.proof import Passkey
from guardian.proofs.passkeys import RELYING_PARTY, registration_options, verify_registration
from guardian.proofs.usb_key import ORIGIN

UP, UV, AT = 0x01, 0x04, 0x40


class SecurityKey(CtapDevice):
    """`is_touched` is whether somebody touches it, `verifies` whether it verifies who does."""

    def __init__(self, *, is_touched: bool = True, verifies: bool = True, counts: bool = True) -> None:
        self.is_touched = is_touched
        self.verifies = verifies
        self.counts = counts
        self.count = 0
        self.closed = 0
        self.held: dict[bytes, tuple[str, ec.EllipticCurvePrivateKey]] = {}

    def saved(self) -> dict[str, str]:
        """What makes the same key in another process: its credentials, for `restored`."""
        form = (serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return {name.hex(): private.private_bytes(*form).hex() for name, (_, private) in self.held.items()}

    @classmethod
    def restored(cls, saved: dict[str, str], count: int) -> SecurityKey:
        """The key with these credentials for guardian, and this counter."""
        key = cls()
        key.count = count
        for name, private in saved.items():
            found = serialization.load_der_private_key(bytes.fromhex(private), None)
            assert isinstance(found, ec.EllipticCurvePrivateKey)
            key.held[bytes.fromhex(name)] = (RELYING_PARTY, found)
        return key

    @property
    def capabilities(self) -> int:
        return int(CAPABILITY.CBOR)

    @classmethod
    def list_devices(cls) -> Iterator[SecurityKey]:
        return iter(())

    def close(self) -> None:
        self.closed += 1

    def call(
        self,
        cmd: int,
        data: bytes = b"",
        event: threading.Event | None = None,
        on_keepalive: Callable[[STATUS], None] | None = None,
    ) -> bytes:
        assert cmd == CTAPHID.CBOR
        command, asked = data[0], cast(dict[int, Any], cbor.decode(data[1:]) if len(data) > 1 else {})
        try:
            if command == Ctap2.CMD.GET_INFO:
                return self._ok(self._info())
            if command == Ctap2.CMD.SELECTION:
                return b"\0"
            self._wait_for_touch(event, on_keepalive)
            if command == Ctap2.CMD.MAKE_CREDENTIAL:
                return self._ok(self._make(asked))
            assert command == Ctap2.CMD.GET_ASSERTION, command
            return self._ok(self._assert(asked))
        except CtapError as error:
            return bytes([int(error.code)])

    @staticmethod
    def _ok(answer: dict[int, Any]) -> bytes:
        return b"\0" + cbor.encode(answer)

    def _info(self) -> dict[int, Any]:
        options = {"rk": False, "up": True} | ({"uv": True} if self.verifies else {})
        return {1: ["FIDO_2_0"], 3: bytes(16), 4: options, 5: 1200, 6: [1], 10: [{"type": "public-key", "alg": -7}]}

    def _wait_for_touch(self, event: threading.Event | None, on_keepalive: Callable[[STATUS], None] | None) -> None:
        if on_keepalive is not None:
            on_keepalive(STATUS.UPNEEDED)
        if not self.is_touched:
            assert event is not None
            event.wait(30)
            raise CtapError(CtapError.ERR.KEEPALIVE_CANCEL)

    def _data(self, relying_party: str, options: dict[str, bool], extra: bytes = b"", more: int = 0) -> bytes:
        flags = UP | more | (UV if options.get("uv") else 0)
        self.count += self.counts
        return sha256(relying_party.encode()).digest() + bytes([flags]) + struct.pack(">I", self.count) + extra

    def _make(self, asked: dict[int, Any]) -> dict[int, Any]:
        name, private = os.urandom(32), ec.generate_private_key(ec.SECP256R1())
        point = private.public_key().public_numbers()
        x, y = point.x.to_bytes(32, "big"), point.y.to_bytes(32, "big")
        key = cbor.encode({1: 2, 3: -7, -1: 1, -2: x, -3: y})
        relying_party = asked[2]["id"]
        self.held[name] = (relying_party, private)
        credential = bytes(16) + struct.pack(">H", len(name)) + name + key
        return {1: "none", 2: self._data(relying_party, asked.get(7, {}), credential, AT), 3: {}}

    def _assert(self, asked: dict[int, Any]) -> dict[int, Any]:
        relying_party, digest = asked[1], asked[2]
        for wanted in asked.get(3, ()):
            found = self.held.get(wanted["id"])
            if found is not None and found[0] == relying_party:
                data = self._data(relying_party, asked.get(5, {}))
                signature = found[1].sign(data + digest, ec.ECDSA(hashes.SHA256()))
                return {1: {"type": "public-key", "id": wanted["id"]}, 2: data, 3: signature}
        raise CtapError(CtapError.ERR.NO_CREDENTIALS)


def registered(key: SecurityKey, name: str = "usb") -> Passkey:
    """A passkey that this key makes, as a browser on guardian's page would have it made."""
    challenge = os.urandom(32)
    options = PublicKeyCredentialCreationOptions.from_dict(registration_options(challenge, ())["publicKey"])
    made = Fido2Client(key, DefaultClientDataCollector(ORIGIN)).make_credential(options)
    return verify_registration(dict(made), challenge=challenge, origin=ORIGIN, name=name, now_ms=0)
