"""Reads a private key that a person has: PKCS #1, PKCS #8 and OpenSSH, encrypted or not, as PEM or DER.

Whatever cannot be used is named for what it is. Nothing of the text is in an error, nor in the frames behind one.
"""

from __future__ import annotations

import re
import warnings
from base64 import b64decode
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x448, x25519
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_ssh_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
from cryptography.utils import CryptographyDeprecationWarning

from guardian.cli.keys.reading.armor import Armor, blocks, text_of, undressed
from guardian.cli.keys.reading.signing_keys import SigningKey, signing_key_of
from guardian.cli.keys.reading.unusable import BY_LABEL, Flaw, Unusable, ec_key, rsa_of
from guardian.credentials.key_checks import RSA_BITS
from guardian.domain.secrets import Secret
from guardian.errors import CredentialsError

_TRIES: Final = 3
"""How often a passphrase is requested."""
_SSH_PUBLIC: Final = re.compile(r"\A(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-\S+|sk-\S+) [A-Za-z0-9+/=]{16}")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/\s]{40,}={0,2}\s*\Z")

Loaded = SigningKey | Flaw | None
"""A key, what is wrong with it, or None where it needs a passphrase that was not given."""


def read_private_key(data: Secret, ask_passphrase: Callable[[], Secret]) -> SigningKey:
    """Returns the key in a file's bytes (one character of `data` for each byte, as in Latin-1).

    `ask_passphrase` is called only for an encrypted key, up to three times; an empty answer ends it.
    Raises CredentialsError, which says what the text is instead of a usable key.
    """
    found = _loaded(data, None)
    for _ in range(_TRIES):
        if found is not None and found is not Unusable.PASSPHRASE.value:
            break
        passphrase = ask_passphrase()
        found = _loaded(data, passphrase)
        if not passphrase:
            break
    if isinstance(found, SigningKey):
        return found
    flaw = found or Unusable.PASSPHRASE.value
    raise CredentialsError(f"this key cannot be used: {flaw.message}", hint=flaw.hint)


def _loaded(data: Secret, passphrase: Secret | None) -> Loaded:
    """Loads the key; the locals of this function and of those that it calls are gone when something is raised."""
    password = None if passphrase is None else passphrase.reveal().encode()
    raw = data.reveal().encode("latin-1")
    text = text_of(raw)
    if text is None or "\0" in text:
        return _of_binary(raw, password)
    text = undressed(text)
    found = blocks(text)
    private = [block for block in found if block.label.endswith("PRIVATE KEY")]
    if not found:
        return _of_bare_text(text, password)
    if len(private) > 1:
        return Unusable.SEVERAL.value
    return _of_armor(private[0] if private else found[0], password)


def _of_armor(block: Armor, password: bytes | None) -> Loaded:
    if block.label in BY_LABEL:
        return BY_LABEL[block.label].value
    if not block.label.endswith("PRIVATE KEY"):
        return Unusable.NO_KEY.value
    if not block.is_whole:
        return Unusable.CUT.value
    if block.label == "OPENSSH PRIVATE KEY":
        if b"sk-ssh-" in _bytes_of(block) or b"sk-ecdsa-" in _bytes_of(block):
            return Unusable.SECURITY_KEY.value
        return _of_library(load_ssh_private_key, block.pem.encode(), password)
    return _of_library(load_pem_private_key, block.pem.encode(), password)


def _of_binary(raw: bytes, password: bytes | None) -> Loaded:
    found = _of_library(load_der_private_key, raw, password)
    if not isinstance(found, Flaw) or found is not Unusable.DAMAGED.value:
        return found
    return _public_or_container(raw) or Unusable.NO_TEXT.value


def _of_bare_text(text: str, password: bytes | None) -> Loaded:
    """A text without a `-----BEGIN` line: perhaps the base64 alone, else something that can be named."""
    if not text:
        return Unusable.EMPTY.value
    if text.startswith("PuTTY-User-Key-File"):
        return Unusable.PUTTY.value
    if _SSH_PUBLIC.match(text):
        return Unusable.PUBLIC.value
    if text.startswith("{") and re.search(r'"kty"\s*:', text):
        return Unusable.JWK.value
    if not _BASE64.match(text):
        return Unusable.NO_KEY.value
    try:
        raw = b64decode(re.sub(r"\s", "", text), validate=True)
    except ValueError:
        return Unusable.NO_KEY.value
    found = _of_library(load_der_private_key, raw, password)
    return (_public_or_container(raw) or Unusable.NO_KEY.value) if found is Unusable.DAMAGED.value else found


def _of_library(load: Callable[..., object], raw: bytes, password: bytes | None) -> Loaded:
    key: object
    try:
        with warnings.catch_warnings():
            # Kinds that cryptography will drop some day are named and refused anyway.
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            key = load(raw, password=password)
    except TypeError:
        # No password for an encrypted key, or one for a plain key, which is read without.
        return None if password is None else _of_library(load, raw, None)
    except UnsupportedAlgorithm:
        return Unusable.ENCRYPTION.value
    except Exception:  # noqa: BLE001 - the library has many; which one it was is found out below
        return Unusable.DAMAGED.value if password is None else Unusable.PASSPHRASE.value
    return _judged(key)


def _judged(key: object) -> SigningKey | Flaw:
    least, most = RSA_BITS
    match key:
        case ed25519.Ed25519PrivateKey():
            return signing_key_of(key)
        case rsa.RSAPrivateKey():
            return signing_key_of(key) if least <= key.key_size <= most else rsa_of(key.key_size, least, most)
        case ec.EllipticCurvePrivateKey():
            return ec_key(
                {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}.get(name := key.curve.name, name)
            )
        case dsa.DSAPrivateKey():
            return Unusable.DSA.value
        case ed448.Ed448PrivateKey() | x25519.X25519PrivateKey() | x448.X448PrivateKey():
            return Unusable.OTHER_CURVE.value
    return Unusable.OTHER.value


def _public_or_container(raw: bytes) -> Flaw | None:
    """Names what DER is that holds no private key in the open; None where it is nothing that is known."""
    from cryptography.x509 import load_der_x509_certificate

    named: tuple[tuple[Callable[[bytes], object], Unusable], ...] = (
        (load_der_public_key, Unusable.PUBLIC),
        (load_der_x509_certificate, Unusable.CERTIFICATE),
        (lambda data: load_pkcs12(data, None), Unusable.PKCS12),
    )
    for load, kind in named:
        try:
            load(raw)
        except Exception as error:  # noqa: BLE001 - it is not that, or it needs a password
            if kind is not Unusable.PKCS12 or "password" not in str(error).lower():
                continue
        flaw: Flaw = kind.value
        return flaw
    return None


def _bytes_of(block: Armor) -> bytes:
    try:
        return b64decode("".join(block.pem.splitlines()[1:-1]))
    except ValueError:
        return b""
