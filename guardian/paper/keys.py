"""API keys as the paper exchange knows them: what checks the signatures of each."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from guardian.domain.secrets import Secret
from guardian.errors import CredentialsError

_BASE64: Final = r"^[A-Za-z0-9+/]{64,1024}={0,2}$"
_LEAST_RSA_BITS: Final = 2048
_PUBLIC_HINT: Final = "openssl pkey -in private.pem -pubout"


class Verifier(Protocol):
    """What a key's signatures are checked with."""

    @property
    def may_trade(self) -> bool:
        """Whether the key may do more than read."""
        ...

    @property
    def legal(self) -> str:
        """The pattern that this key's signatures have."""
        ...

    def accepts(self, payload: bytes, signature: str) -> bool:
        """Whether the signature is this key's over these very bytes."""
        ...


@dataclass(frozen=True, slots=True)
class HmacVerifier:
    """HMAC-SHA256 with the key's secret, in hex of either case."""

    secret: Secret
    may_trade: bool = True
    legal: str = r"^[A-Fa-f0-9]{64}$"

    def accepts(self, payload: bytes, signature: str) -> bool:
        """See `Verifier`."""
        return hmac.compare_digest(sign(self.secret, payload).encode(), signature.lower().encode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Ed25519Verifier:
    """Ed25519 with the key's raw public key, in base64."""

    public_key: bytes
    may_trade: bool = True
    legal: str = _BASE64

    def accepts(self, payload: bytes, signature: str) -> bool:
        """See `Verifier`."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(
                base64.b64decode(signature, validate=True), payload
            )
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class RsaVerifier:
    """RSA, PKCS #1 v1.5 with SHA-256, with the key's public key as PEM, in base64."""

    public_key: bytes
    may_trade: bool = True
    legal: str = _BASE64

    def accepts(self, payload: bytes, signature: str) -> bool:
        """See `Verifier`."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        key = load_pem_public_key(self.public_key)
        assert isinstance(key, RSAPublicKey)
        try:
            key.verify(base64.b64decode(signature, validate=True), payload, PKCS1v15(), SHA256())
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def verifier_of(pem: bytes) -> Verifier:
    """Returns what checks the signatures of a public key in PEM: Ed25519, or RSA of at least 2048 bits.

    Raises:
        CredentialsError: it is neither.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    try:
        key = load_pem_public_key(pem.strip() + b"\n")
    except (ValueError, TypeError) as error:
        raise CredentialsError("this is not a public key in PEM", hint=_PUBLIC_HINT) from error
    if isinstance(key, Ed25519PublicKey):
        return Ed25519Verifier(key.public_bytes(Encoding.Raw, PublicFormat.Raw))
    if isinstance(key, RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS:
        return RsaVerifier(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    raise CredentialsError("this public key is neither Ed25519 nor RSA of 2048 bits or more", hint=_PUBLIC_HINT)


def sign(secret: Secret, payload: bytes) -> str:
    """Returns the HMAC-SHA256 of the bytes in lower-case hex."""
    return hmac.new(secret.reveal().encode(), payload, sha256).hexdigest()
