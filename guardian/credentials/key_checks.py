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
    if pair.kind is KeyKind.ED25519:
        _check_ed25519(pair.signing_key)
    else:
        check_api_key(pair.signing_key, "the API secret")
    if pair.api_key == pair.signing_key:
        raise CredentialsError("the API key and the API secret are the same", hint="give each at its own question")


def _check_ed25519(signing_key: Secret) -> None:
    try:
        raw = base64.b64decode(signing_key.reveal().encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raw = b""
    if len(raw) != 32:
        raise CredentialsError("the Ed25519 signing key is not 32 bytes in base64")
