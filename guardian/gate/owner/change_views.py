"""The words for changes of passkeys and PIN that wait without a proof."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from guardian.store.owner.owner_records import ChangeKind, OwnerChange

_WHAT: Final = {
    ChangeKind.PASSKEY_ADD: "a passkey `{name}` can be added",
    ChangeKind.PASSKEY_REMOVE: "the passkey `{name}` can be removed",
    ChangeKind.PIN_SET: "the PIN can be replaced",
    ChangeKind.PIN_REMOVE: "the PIN can be removed",
}


def change_lines(changes: Sequence[OwnerChange], now_ms: int, clock: Callable[[int], str]) -> tuple[str, ...]:
    """Returns a warning for each change; `clock` writes a time."""
    lines = []
    for change in changes:
        what = _WHAT[change.kind].format(name=change.detail.get("name", ""))
        when = "now" if now_ms >= change.effective_ms else f"from {clock(change.effective_ms)} on"
        lines.append(f"{what} without a proof {when}; if that is not you: `guardian passkey cancel {change.id}`")
    return tuple(lines)
