"""Signing keys: made here, and their public half as Binance takes it."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from guardian.domain.secrets import KeyKind, Secret


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One private key or API secret, in the form of `ApiKeyPair.signing_key`, and its kind."""

    kind: KeyKind
    value: Secret


def generate_ed25519() -> SigningKey:
    """Returns a new private key from the system's randomness."""
    return signing_key_of(Ed25519PrivateKey.generate())


def signing_key_of(key: Ed25519PrivateKey | RSAPrivateKey) -> SigningKey:
    """Returns a private key of the library in the form in which it is stored."""
    if isinstance(key, Ed25519PrivateKey):
        return SigningKey(KeyKind.ED25519, _in_base64(key.private_bytes_raw()))
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return SigningKey(KeyKind.RSA, _in_base64(der))


def public_pem(key: SigningKey) -> str:
    """Returns the public half as PEM with LF line ends, to be registered at Binance. It is no secret.

    `key` is one of a sound kind that has such a half: ValueError for `hmac`.
    """
    raw = b64decode(key.value.reveal(), validate=True)
    private: Ed25519PrivateKey | RSAPrivateKey
    if key.kind is KeyKind.ED25519:
        private = Ed25519PrivateKey.from_private_bytes(raw)
    else:
        loaded = load_der_private_key(raw, password=None, unsafe_skip_rsa_key_validation=True)
        if not isinstance(loaded, RSAPrivateKey):
            raise ValueError("this kind of key has no public half")
        private = loaded
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def _in_base64(raw: bytes) -> Secret:
    return Secret(b64encode(raw).decode("ascii"))
