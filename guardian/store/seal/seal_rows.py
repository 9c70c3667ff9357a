"""The rows of the log that are about its seal: its public key, the second folder, and losses that the owner accepted.

Each has a key of its own: `seal:key:<id>`, `seal:folder:<row>`, `seal:loss:<row>`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from guardian.store.seal.note import VerifierKey, parse_verifier_key
from guardian.store.state.row_images import data_of

SEAL: Final = "seal:"
SEAL_END: Final = "seal;"
"""After every key that begins with SEAL."""
KEY_ROW: Final = f"{SEAL}key:"
FOLDER_ROW: Final = f"{SEAL}folder:"
LOSS_ROW: Final = f"{SEAL}loss:"


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedLoss:
    """What the owner was shown and accepted: the identities of the findings, and the signature of that, if any."""

    seq: int
    reason: str
    marks: frozenset[str]
    signed_text: str
    signature: bytes

    def is_signed_by(self, key: VerifierKey) -> bool:
        """Whether the key's owner accepted it."""
        return key.verifies(self.signed_text, self.signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealRows:
    """What the log says of its own seal. Whoever can write the folder can write this too."""

    keys: tuple[tuple[int, str], ...]
    """The row and the text of each public key."""
    folder: str | None
    losses: tuple[AcceptedLoss, ...]

    @property
    def verifier(self) -> VerifierKey | None:
        """The newest public key; None where it is missing."""
        for _, text in reversed(self.keys):
            try:
                return parse_verifier_key(text)
            except ValueError:
                continue
        return None

    def sealed_at(self, key: str) -> int:
        """Returns the row of a public key; NEVER where the log does not have it."""
        return next((seq for seq, text in self.keys if text == key), NEVER)


NEVER: Final = 2**63 - 1
"""After every row: where a log was sealed that was not."""


def seal_rows(rows: Iterable[tuple[int, str, object]]) -> SealRows:
    """Returns what the rows say, each with its number, key and body, oldest first; what cannot be read is left out."""
    keys, losses = list[tuple[int, str]](), list[AcceptedLoss]()
    folder: str | None = None
    for seq, key, body in rows:
        data = data_of(body)
        if key.startswith(KEY_ROW):
            keys.append((seq, str(data.get("public_key"))))
        elif key.startswith(FOLDER_ROW):
            named = data.get("folder")
            folder = named if isinstance(named, str) else None
        elif key.startswith(LOSS_ROW) and (loss := _loss(seq, data)) is not None:
            losses.append(loss)
    return SealRows(keys=tuple(keys), folder=folder, losses=tuple(losses))


def loss_text(log: str, last: int, reason: str, marks: Iterable[str]) -> str:
    """Returns what the owner signs: of which log, up to which row, why, and what."""
    return json.dumps(["guardian/audit/loss/v1", log, last, reason, sorted(marks)], ensure_ascii=True)


def _loss(seq: int, data: Mapping[str, Any]) -> AcceptedLoss | None:
    try:
        log, last, reason, marks = data["log"], data["last"], data["reason"], [str(mark) for mark in data["marks"]]
        signature = base64.b64decode(data["signature"] or "", validate=True)
    except (KeyError, TypeError, ValueError):
        return None
    text = loss_text(log, last, reason, marks)
    return AcceptedLoss(seq=seq, reason=str(reason), marks=frozenset(marks), signed_text=text, signature=signature)
