"""How long the exchange asked to be left alone: after a 429, or while it bans the address."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from guardian.exchange.limits.limits_file import Hold
from guardian.exchange.limits.weights import Priority
from guardian.system.clock import Clock

CLOCK_JITTER_MS: Final = 2_000
"""Two processes read the wall clock at different times; a hold that began further ahead means that it was set back."""


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a request has to wait, in ms."""

    ms: int
    banned: bool = False


@dataclass(frozen=True, slots=True)
class _Kept:
    until_s: float
    """On the monotonic clock."""
    with_cancels: bool
    banned: bool


class Holds:
    """The holds that this process has seen, timed by its monotonic clock.

    Processes share a hold with its times on the wall clock. That clock may be set: forward does not end a hold early,
    and back does not make it longer than the exchange requested. A process that slept through part of a hold keeps to
    it for that much longer, at most for all of it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    def see(self, name: str, hold: Hold, now_ms: int) -> Hold:
        """Keeps to a hold of the row `name`. Returns it, moved where the wall clock was set back."""
        if hold.until_ms <= now_ms:
            return hold
        if hold.from_ms > now_ms + CLOCK_JITTER_MS:
            hold = replace(hold, from_ms=now_ms, until_ms=now_ms + hold.until_ms - hold.from_ms)
        until_s = self._clock.monotonic() + (hold.until_ms - now_ms) / 1000
        kept = self._kept.get(name, _Kept(until_s, with_cancels=False, banned=False))
        self._kept[name] = _Kept(
            max(until_s, kept.until_s), kept.with_cancels or hold.with_cancels, kept.banned or hold.banned
        )
        return hold

    def waits(self, names: Sequence[str], priority: Priority) -> list[Wait]:
        """Returns how long each hold of these rows lasts for a request of this priority."""
        now_s = self._clock.monotonic()
        self._kept = {name: kept for name, kept in self._kept.items() if kept.until_s > now_s}
        found = [self._kept[name] for name in names if name in self._kept]
        return [
            Wait(math.ceil((kept.until_s - now_s) * 1000), kept.banned)
            for kept in found
            if kept.with_cancels or priority is not Priority.CANCEL
        ]
