"""What a person agrees to, as one canonical text, and the digest of it that a passkey signs.

    digest    = SHA256("guardian/approval/v1\\0" || canonical statement)
    challenge = nonce (32 bytes) || digest

The nonce makes each challenge new, so that a signature cannot be used twice; the digest binds it to every field.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

STATEMENT_VERSION: Final = 1
NONCE_BYTES: Final = 32
_DOMAIN: Final = b"guardian/approval/v1\0"


class StatementKind(StrEnum):
    """What is agreed to."""

    ORDER = "order"
    """One order, at the price that was shown."""
    MANDATE = "mandate"
    """Orders within a budget and a time, without asking for each."""
    POLICY = "policy"
    """A policy that is looser than the one in force."""
    RESUME = "resume"
    """Trading continues after a halt."""
    KEYS = "keys"
    """An API key is added, replaced or removed."""
    OWNER = "owner"
    """A passkey or the PIN is added, replaced or removed."""
    LEDGER = "ledger"
    """What guardian counts is set right by hand: a position, an order that never arrived, a lost log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One thing that a person is asked to agree to. Two statements with equal fields have equal digests.

    `fields` holds text, None, and lists or mappings of these: no number, so that every reader writes the same bytes.
    """

    kind: StatementKind
    fields: Mapping[str, object]

    def as_dict(self) -> dict[str, object]:
        """Returns the statement as JSON data, with its version and kind."""
        return {"v": STATEMENT_VERSION, "kind": self.kind.value, "fields": dict(self.fields)}

    def canonical(self) -> bytes:
        """Returns the statement as JSON with sorted keys and no spaces, in UTF-8.

        Raises TypeError for a field that is neither text nor None nor a list or mapping of these.
        """
        _check(self.fields)
        text = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8")

    def digest(self) -> bytes:
        """Returns the 32 bytes that stand for the statement in a challenge."""
        return sha256(_DOMAIN + self.canonical()).digest()

    def challenge(self, nonce: bytes) -> bytes:
        """Returns what a passkey signs. Raises ValueError for a nonce of another length than NONCE_BYTES."""
        if len(nonce) != NONCE_BYTES:
            raise ValueError(f"a nonce has {NONCE_BYTES} bytes")
        return nonce + self.digest()


def statement_from(data: object) -> Statement:
    """Returns the statement of JSON data as `Statement.as_dict` gives it. Raises ValueError for anything else."""
    if not isinstance(data, dict) or data.keys() != {"v", "kind", "fields"} or data["v"] != STATEMENT_VERSION:
        raise ValueError("not a statement of this version")
    fields = data["fields"]
    if not isinstance(fields, dict):
        raise ValueError("a statement's fields are an object")  # noqa: TRY004 - the one error of what is read
    try:
        statement = Statement(kind=StatementKind(str(data["kind"])), fields=fields)
        statement.canonical()
    except (TypeError, UnicodeEncodeError) as error:
        raise ValueError(str(error)) from None
    return statement


def _check(value: object) -> None:
    match value:
        case None | str():
            return
        case Mapping():
            for name, item in value.items():
                if not isinstance(name, str):
                    raise TypeError("a field's name is text")
                _check(item)
        case list() | tuple():
            for item in value:
                _check(item)
        case _:
            raise TypeError(f"a statement holds no {type(value).__name__}")
