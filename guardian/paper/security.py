"""Who may ask: API keys, signatures over the raw bytes as sent, and timestamps."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Final, Protocol

from guardian.domain.secrets import Secret
from guardian.errors import ExchangeRejected
from guardian.paper.parameters import WHOLE, Parameters
from guardian.paper.refusals import UNAUTHORISED, illegal, invalid_data, missing, refusal

_KEY_FORM: Final = re.compile(rb"[A-Za-z0-9]{64}")
_WINDOW: Final = r"^([0-9]{1,20})(\.[0-9]{1,3})?$"
_DEFAULT_WINDOW_MS: Final = 5000
_MAX_WINDOW_MS: Final = 60_000
_AHEAD_MS: Final = 1000


class Verifier(Protocol):
    """What a key's signatures are checked with."""

    def accepts(self, payload: bytes, signature: str) -> bool:
        """Whether the signature is this key's over these very bytes."""
        ...


@dataclass(frozen=True, slots=True)
class HmacVerifier:
    """HMAC-SHA256 with the key's secret, in hex of either case."""

    secret: Secret

    def accepts(self, payload: bytes, signature: str) -> bool:
        """See `Verifier`."""
        return hmac.compare_digest(sign(self.secret, payload).encode(), signature.lower().encode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Ed25519Verifier:
    """Ed25519 with the key's raw public key, in base64."""

    public_key: bytes

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


def sign(secret: Secret, payload: bytes) -> str:
    """The HMAC-SHA256 of the bytes in lower-case hex."""
    return hmac.new(secret.reveal().encode(), payload, sha256).hexdigest()


def signed_bytes(query: bytes, body: bytes) -> bytes:
    """What is signed: the query and then the body, just as sent, with nothing in between, without the signature."""
    return b"".join(
        b"&".join(part for part in raw.split(b"&") if not part.startswith(b"signature=")) for raw in (query, body)
    )


def check_signed(
    keys: Mapping[str, Verifier], api_key: bytes | None, query: bytes, body: bytes, params: Parameters, now: int
) -> None:
    """Whether a request that needs a signature has a good one and is in time.

    Raises:
        ExchangeRejected: -2014, -2015 (HTTP 401), -1102, -1100, -1131, -1021 or -1022.
    """
    check_key(keys, api_key)
    signature = params.needed("signature")
    check_timestamp(params, now)
    assert api_key is not None
    if not keys[api_key.decode("ascii")].accepts(signed_bytes(query, body), signature):
        raise refusal(-1022, "Signature for this request is not valid.")


def check_key(keys: Mapping[str, Verifier], api_key: bytes | None) -> None:
    """Whether the key is one of these.

    Raises:
        ExchangeRejected: -2014 where it is absent or cannot be a key, -2015 where it is not known; both HTTP 401.
    """
    if api_key is None or _KEY_FORM.fullmatch(api_key) is None:
        raise refusal(-2014, "API-key format invalid.", http_status=UNAUTHORISED)
    if api_key.decode("ascii") not in keys:
        raise refusal(-2015, "Invalid API-key, IP, or permissions for action.", http_status=UNAUTHORISED)


def check_timestamp(params: Parameters, now: int) -> None:
    """Whether `timestamp` is within `recvWindow` of the exchange's time (milliseconds).

    Raises:
        ExchangeRejected: -1021 where it is not, -1102, -1100 or -1131 where one of the two cannot be read.
    """
    timestamp, window = params.text("timestamp"), params.text("recvWindow")
    if timestamp is None:
        raise missing("timestamp")
    if re.fullmatch(r"[0-9]{1,20}", timestamp, re.ASCII) is None:
        raise illegal("timestamp", WHOLE)
    if window is not None and re.fullmatch(_WINDOW.removesuffix("$"), window, re.ASCII) is None:
        raise illegal("recvWindow", _WINDOW)
    allowed = Decimal(_DEFAULT_WINDOW_MS if window is None else window)
    if allowed > _MAX_WINDOW_MS:
        raise refusal(-1131, "recvWindow must be less than 60000.")
    if allowed == 0:
        raise invalid_data("recvWindow")
    _check_age(int(timestamp), allowed, now)


def _check_age(timestamp: int, allowed: Decimal, now: int) -> None:
    if timestamp >= now + _AHEAD_MS:
        raise refusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now - timestamp > allowed:
        raise _outside_window()


def _outside_window() -> ExchangeRejected:
    return refusal(-1021, "Timestamp for this request is outside of the recvWindow.")
