"""The MAC of each row of a sealed log, and which rows need one.

A process that has the key writes one with every row. A process without it may write what takes risk away or changes
nothing: calls, reads, halts, rejections. What lets money move needs one.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from guardian.store.seal.checks import SealProblem
from guardian.store.seal.seal_keys import SealKeys

INTENT: Final = "intent"
EVENT: Final = "event"
LOOSENING: Final = frozenset(
    {"approved", "resumed", "armed", "policy_approved", "agreed", "position_set", "log_sealed", "loss_accepted"}
)
"""The kinds of events that let money move, or that the seal itself rests on."""

MacRow = tuple[int, object, object, str, object]
"""Number, digest, MAC, phase, and of an event without a MAC the body."""


def needs_mac(phase: str, kind: object) -> bool:
    """Whether a row of a sealed log has to have a MAC."""
    return phase == INTENT or (phase == EVENT and kind in LOOSENING)


@dataclass(slots=True)
class MacCheck:
    """Goes through the rows of a log that was sealed by row `sealed_at`, and counts those without a MAC after it."""

    keys: SealKeys
    sealed_at: int
    without: int = 0

    def problems(self, rows: Iterable[MacRow]) -> Iterator[SealProblem]:
        """Yields what is wrong with the MACs of rows."""
        for seq, digest, mac, phase, body in rows:
            if seq < self.sealed_at:
                continue  # before the seal, or under a key that the owner has replaced
            if mac is None:
                self.without += 1
                if needs_mac(phase, _kind(body)):
                    message = f"row {seq} has no MAC: a process without the key of the log wrote it, or took it away"
                    yield SealProblem("MAC", seq, message)
            elif not isinstance(digest, bytes) or not isinstance(mac, bytes) or not self._is_right(digest, mac):
                yield SealProblem("MAC", seq, f"row {seq} was not written with the key of the log: its MAC is wrong")

    def _is_right(self, digest: bytes, mac: bytes) -> bool:
        return hmac.compare_digest(self.keys.mac_of(digest), mac)


def _kind(body: object) -> object:
    try:
        return json.loads(body)["data"]["kind"]  # type: ignore[arg-type]  # whatever is in the cell
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
