"""The owner's PIN: what is a PIN, and its Argon2id hash.

A PIN is short, so the hash is made slow and large to compute (RFC 9106), and the number of tries is counted elsewhere.
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from guardian.domain.secrets import Secret
from guardian.system.derivation_turn import DERIVATION_TURN

MIN_LENGTH: Final = 6
MAX_LENGTH: Final = 128
MAX_TRIES: Final = 5
"""Wrong answers in a row before the PIN is locked and trading is halted."""

_ITERATIONS, _LANES, _MEMORY_KIB = 3, 4, 65_536
"""The second recommended option of RFC 9106 (64 MiB), about a fifth of a second."""
_SCRYPT_N: Final = 2**17
_LENGTH: Final = 32
_FIELDS: Final = frozenset({"v", "kdf", "salt", "hash"})


class UnfitPin(ValueError):
    """The text is no PIN; the message says why, without the text."""


def check_pin(pin: Secret) -> None:
    """Raises UnfitPin for a PIN that is too short, too long, blank, or among the first that anybody would try."""
    text = pin.reveal()
    if not MIN_LENGTH <= len(text) <= MAX_LENGTH:
        raise UnfitPin(f"a PIN has {MIN_LENGTH} to {MAX_LENGTH} characters, letters and signs among them if you like")
    if text != text.strip() or not text.isprintable():
        raise UnfitPin("a PIN begins and ends with no blank and has nothing invisible")
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    if len(set(text)) < 3 or (len(steps) == 1 and steps <= {-1, 1}) or re.fullmatch(r"(19|20)\d\d[01]\d[0-3]\d", text):
        raise UnfitPin("this PIN is among the first that anybody would try: a run, few different signs, or a date")


def pin_hash(pin: Secret, random_bytes: Callable[[int], bytes]) -> Secret:
    """Returns the hash to store: JSON with the algorithm and the salt. Takes about a fifth of a second.

    Raises UnfitPin.
    """
    check_pin(pin)
    salt, kdf = random_bytes(16), "argon2id"
    try:
        derived = _derived(pin, salt, kdf)
    except UnsupportedAlgorithm:  # an OpenSSL before 3.2
        kdf = "scrypt"
        derived = _derived(pin, salt, kdf)
    value = {"v": 1, "kdf": kdf, "salt": b64encode(salt).decode(), "hash": b64encode(derived).decode()}
    return Secret(json.dumps(value, separators=(",", ":")))


def is_pin(pin: Secret, stored: Secret) -> bool:
    """Whether a PIN is the one that was hashed. False where what is stored cannot be read: it proves nothing."""
    found = _parsed(stored)
    if found is None or not pin.reveal() or len(pin.reveal()) > MAX_LENGTH:
        return False
    try:
        return hmac.compare_digest(_derived(pin, found["salt"], found["kdf"]), found["hash"])
    except (UnsupportedAlgorithm, ValueError):
        return False


def _parsed(stored: Secret) -> dict[str, Any] | None:
    try:
        value = json.loads(stored.reveal())
        if not isinstance(value, dict) or value.keys() != _FIELDS or value["v"] != 1:
            return None
        salt, derived = (b64decode(value[name], validate=True) for name in ("salt", "hash"))
    except (ValueError, TypeError, RecursionError):
        return None
    if value["kdf"] not in {"argon2id", "scrypt"} or len(salt) < 16 or len(derived) != _LENGTH:
        return None
    return {"kdf": value["kdf"], "salt": salt, "hash": derived}


def _derived(pin: Secret, salt: bytes, kdf: str) -> bytes:
    with DERIVATION_TURN:
        return _derived_now(pin, salt, kdf)


def _derived_now(pin: Secret, salt: bytes, kdf: str) -> bytes:
    if kdf == "argon2id":
        return Argon2id(
            salt=salt, length=_LENGTH, iterations=_ITERATIONS, lanes=_LANES, memory_cost=_MEMORY_KIB
        ).derive(pin.reveal().encode())
    return Scrypt(salt=salt, length=_LENGTH, n=_SCRYPT_N, r=8, p=1).derive(pin.reveal().encode())
