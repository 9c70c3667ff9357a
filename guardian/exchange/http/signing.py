"""Signs requests without handing a key to python-binance, whose `repr` and `vars` would show it."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guardian.domain.secrets import ApiKeyPair, KeyKind


def signature(pair: ApiKeyPair, payload: bytes) -> str | None:
    """Returns the signature of `payload`: hex for `hmac`, base64 for `ed25519`; None where the stored key cannot sign.

    Nothing is raised, because an exception's frames would hold the key.
    """
    try:
        if pair.kind is KeyKind.HMAC:
            return hmac.new(pair.signing_key.reveal().encode(), payload, hashlib.sha256).hexdigest()
        seed = b64decode(pair.signing_key.reveal(), validate=True)
        return b64encode(Ed25519PrivateKey.from_private_bytes(seed).sign(payload)).decode()
    except ValueError:
        return None
