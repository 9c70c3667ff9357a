"""The MAC of each row of a sealed log, and which rows need one.

A process that has the key writes one with every row. A process without it may write what takes risk away or changes
nothing: calls, reads, halts, rejections. What lets money move needs one.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from guardian.store.seal.checks import SealProblem
from guardian.store.seal.seal_keys import SealKeys
from guardian.store.state.row_images import data_of, sets_in

INTENT: Final = "intent"
EVENT: Final = "event"
STATE: Final = "state"
LOOSENING: Final = frozenset(
    {"approved", "resumed", "armed", "policy_approved", "agreed", "position_set", "log_sealed", "loss_accepted"}
)
"""The kinds of events that let money move, or that the seal itself rests on."""

_OPEN: Final = {"control": "active", "proposals": "approved"}
"""By table: the state that lets money move."""

MacRow = tuple[int, object, object, str, object]
"""Number, digest, MAC, phase, and of an event or of rows of other tables without a MAC the body."""


def needs_mac(phase: str, kind: object) -> bool:
    """Whether a row of a sealed log has to have a MAC."""
    return phase == INTENT or (phase == EVENT and kind in LOOSENING)


def loosens(data: Mapping[str, object]) -> bool:
    """Whether what a row of the log says of the other tables lets money move, as only a process with the key may write.

    Trading is active again, a proposal is approved, a mandate is new, or all of the tables are said again.
    """
    tables = data.get("tables")
    if not isinstance(tables, dict):
        return False
    return "baseline" in data or any(
        _opens(name, image, sets_in(data, name, place))
        for name, images in tables.items()
        if isinstance(images, list)
        for place, image in enumerate(images)
        if isinstance(image, dict)
    )


def _opens(name: str, image: Mapping[str, object], sets: frozenset[str]) -> bool:
    if name == "mandates":
        return not sets
    return name in _OPEN and image.get("state") == _OPEN[name] and "state" in sets


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
                data = data_of(body)
                if needs_mac(phase, data.get("kind")) or (phase == STATE and loosens(data)):
                    message = f"row {seq} has no MAC: a process without the key of the log wrote it, or took it away"
                    yield SealProblem("MAC", seq, message)
            elif not isinstance(digest, bytes) or not isinstance(mac, bytes) or not self._is_right(digest, mac):
                yield SealProblem("MAC", seq, f"row {seq} was not written with the key of the log: its MAC is wrong")

    def _is_right(self, digest: bytes, mac: bytes) -> bool:
        return hmac.compare_digest(self.keys.mac_of(digest), mac)
