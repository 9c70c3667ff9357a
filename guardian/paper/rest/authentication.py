"""Authentication: API keys, signatures over the raw bytes as sent, and timestamps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from guardian.errors import ExchangeRejected
from guardian.paper.engine.refusals import UNAUTHORISED, illegal, invalid_data, missing, refusal
from guardian.paper.keys import Verifier
from guardian.paper.rest.parameters import MICROSECONDS, WHOLE, Parameters

_KEY_FORM: Final = re.compile(rb"[A-Za-z0-9]{64}")
_WINDOW: Final = r"^([0-9]{1,20})(\.[0-9]{1,3})?$"
_DEFAULT_WINDOW_MS: Final = 5000
_MAX_WINDOW_MS: Final = 60_000
_AHEAD_MS: Final = 1000


def signed_bytes(query: bytes, body: bytes) -> bytes:
    """Returns what is signed: the query and then the body, as sent and with nothing in between, less the signature."""
    return b"".join(
        b"&".join(part for part in raw.split(b"&") if not part.startswith(b"signature=")) for raw in (query, body)
    )


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request that needs a signature brings with it: its key, and the raw bytes that were signed."""

    api_key: bytes | None
    query: bytes
    body: bytes
    wants_to_trade: bool
    is_futures: bool = False


def check_signed(keys: Mapping[str, Verifier], claim: Claim, params: Parameters, now: int) -> None:
    """Whether a request that needs a signature has a good one and is in time.

    Raises:
        ExchangeRejected: -2014, -2008, -2015 (HTTP 401), -1102, -1100, -1131, -1021 or -1022.
    """
    verifier = check_key(keys, claim)
    signature = params.needed("signature", verifier.legal)
    check_timestamp(params, now)
    if not verifier.accepts(signed_bytes(claim.query, claim.body), signature):
        raise refusal(-1022, "Signature for this request is not valid.")


def check_key(keys: Mapping[str, Verifier], claim: Claim) -> Verifier:
    """Returns the verifier of the claimed key.

    Raises:
        ExchangeRejected: all with HTTP 401: -2014 where the key is absent or cannot be one; -2008 where it is not known
            (futures: -2015); -2015 where it may not trade and wants to.
    """
    if claim.api_key is None or _KEY_FORM.fullmatch(claim.api_key) is None:
        raise refusal(-2014, "API-key format invalid.", http_status=UNAUTHORISED)
    verifier = keys.get(claim.api_key.decode("ascii"))
    if verifier is None and not claim.is_futures:
        raise refusal(-2008, "Invalid Api-Key ID.", http_status=UNAUTHORISED)
    if verifier is None or (claim.wants_to_trade and not verifier.may_trade):
        raise refusal(-2015, "Invalid API-key, IP, or permissions for action.", http_status=UNAUTHORISED)
    return verifier


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
    # Sixteen digits are microseconds, which Binance takes too.
    stamped = int(timestamp)
    _check_age(stamped if stamped < MICROSECONDS else stamped // 1000, allowed, now)


def _check_age(timestamp: int, allowed: Decimal, now: int) -> None:
    if timestamp >= now + _AHEAD_MS:
        raise refusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now - timestamp > allowed:
        raise _outside_window()


def _outside_window() -> ExchangeRejected:
    return refusal(-1021, "Timestamp for this request is outside of the recvWindow.")
