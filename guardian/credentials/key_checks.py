"""Checks that an API key and its secret are well-formed, before they are stored and after they are read."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from guardian.domain.secrets import ApiKeyPair, KeyKind, Secret
from guardian.errors import CredentialsError

_KEY_SHAPE: Final = re.compile(r"[!-~]{16,512}")
"""Binance's keys are 64 letters and digits; more is let through, but nothing that an HTTP header could trip over."""
RSA_BITS: Final = (2048, 4096)
"""The shortest and the longest RSA key that Binance registers, in bits."""
_PLACEHOLDERS: Final = ("__encrypted__:", "${")
"""What MCP clients leave in place of a secret that they failed to fill in."""


def check_api_key(value: Secret, what: str = "the API key") -> None:
    """Raises CredentialsError unless `value` could be a key: 16 to 512 visible ASCII characters, no placeholder."""
    text = value.reveal()
    if text.startswith(_PLACEHOLDERS):
        raise CredentialsError(f"{what} is a placeholder that nobody filled in", hint="paste the value itself")
    if not _KEY_SHAPE.fullmatch(text):
        raise CredentialsError(
            f"{what} does not look like one: {len(text)} characters, or blanks or odd signs among them",
            hint="Binance's keys are 64 letters and digits; paste all of it and nothing else",
        )


def check_pair(pair: ApiKeyPair) -> None:
    """Raises CredentialsError unless both halves are well-formed for the pair's kind and differ."""
    check_api_key(pair.api_key)
    check_signing_key(pair.kind, pair.signing_key)
    if pair.api_key == pair.signing_key:
        raise CredentialsError("the API key and the API secret are the same", hint="give each at its own question")


def check_signing_key(kind: KeyKind, signing_key: Secret) -> None:
    """Raises CredentialsError unless the signing key is one of its kind, in the form of `ApiKeyPair.signing_key`."""
    match kind:
        case KeyKind.HMAC:
            check_api_key(signing_key, "the API secret")
        case KeyKind.ED25519:
            _check_ed25519(signing_key)
        case KeyKind.RSA:
            _check_rsa(signing_key)


def _check_ed25519(signing_key: Secret) -> None:
    try:
        raw = base64.b64decode(signing_key.reveal().encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raw = b""
    if len(raw) != 32:
        raise CredentialsError("the Ed25519 signing key is not 32 bytes in base64")


def _check_rsa(signing_key: Secret) -> None:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    least, most = RSA_BITS
    try:
        # This also checks that the numbers of the key belong together.
        key = load_der_private_key(base64.b64decode(signing_key.reveal(), validate=True), password=None)
    except Exception:  # noqa: BLE001 - the library has many; each means that this is no key
        key = None  # raised below, clear of the exception and its frames
    if not isinstance(key, RSAPrivateKey) or not least <= key.key_size <= most:
        raise CredentialsError(f"the RSA signing key is not a whole private key of {least} to {most} bits")
