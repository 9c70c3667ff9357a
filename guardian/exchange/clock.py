"""Measures how far the local clock is from the exchange's."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from guardian.errors import ExchangeRejected, ExchangeUnavailable, GuardianError
from guardian.exchange.error_codes import OUTSIDE_WINDOW
from guardian.system.clock import Clock

KEPT_S: Final = 60.0
"""How long a measurement is what the clock rule judges by."""
CORRECTED_FOR_S: Final = 600.0
"""How long a measurement corrects reads and cancels: a clock drifts by less than 0.1 s in that time."""
JUMP_MS: Final = 200
"""A wall clock that moved by more than this against the monotonic one was set, or the machine slept."""
CLOSE_ENOUGH_MS: Final = 300
"""After a longer round trip or a larger skew it is measured once more: the first may include connecting."""
SLOWEST_MS: Final = 1_900
"""Half of the round trip is the error, and it must stay below the 1 s that is judged."""
MEASURED_WITHIN_S: Final = 2.0
"""How long a cancel waits for the clock to be measured."""
MEASURED_AGAIN_S: Final = 10.0
"""How long after a failure no other cancel waits for a measurement: many may be sent at once."""


@dataclass(frozen=True, slots=True)
class _Measured:
    skew_ms: int
    round_trip_ms: int
    wall_ms: int
    monotonic_s: float


class ExchangeClock:
    """The skew to one host, measured against the middle of a round trip and kept for a minute."""

    def __init__(self, server_time: Callable[[], Awaitable[int]], clock: Clock) -> None:
        self._server_time = server_time
        self._clock = clock
        self._kept: _Measured | None = None
        self._not_before_s = -math.inf
        self._measuring = asyncio.Lock()

    async def skew_ms(self) -> int:
        """Returns the local clock less the exchange's, in ms. Raises ExchangeUnavailable where it cannot be measured.

        Several callers at once wait for one measurement.
        """
        async with self._measuring:
            if self._kept is not None and self._is_good(self._kept, KEPT_S):
                return self._kept.skew_ms
            return await self._measure_well()

    async def measure_if_unknown(self) -> bool:
        """Measures where no measurement corrects any more, in at most `MEASURED_WITHIN_S`; returns whether one does.

        Never raises: the request behind it is sent either way. After a failure it is not tried again for a while.
        """
        if self._corrects():
            return True
        if self._clock.monotonic() < self._not_before_s:
            return False
        try:
            # Real time, whatever clocks are parameters: this waits for the network.
            async with asyncio.timeout(MEASURED_WITHIN_S):
                await self.skew_ms()
        except (GuardianError, TimeoutError):
            self._not_before_s = self._clock.monotonic() + MEASURED_AGAIN_S
            return False
        return True

    async def _measure_well(self) -> int:
        measured = await self._measure()
        if max(abs(measured.skew_ms), measured.round_trip_ms) > CLOSE_ENOUGH_MS:
            measured = min(measured, await self._measure(), key=lambda one: one.round_trip_ms)
        if measured.round_trip_ms > SLOWEST_MS:
            raise ExchangeUnavailable("the exchange answers too slowly for its clock to be measured")
        self._kept = measured
        return measured.skew_ms

    def correction_ms(self) -> int:
        """Returns what to subtract from the local clock for reads and cancels, in ms: a skew that matters, else 0.

        Orders are never corrected; they are denied while the skew is over 1 s.
        """
        kept = self._kept
        return 0 if kept is None or abs(kept.skew_ms) <= CLOSE_ENOUGH_MS or not self._corrects() else kept.skew_ms

    def _corrects(self) -> bool:
        return self._kept is not None and self._is_good(self._kept, CORRECTED_FOR_S)

    def forget_if_refused(self, error: GuardianError) -> bool:
        """Forgets the measurement where the exchange refused a timestamp. Returns whether it did."""
        is_outside = isinstance(error, ExchangeRejected) and error.code == OUTSIDE_WINDOW
        if is_outside:
            self._kept = None
            self._not_before_s = -math.inf
        return is_outside

    async def _measure(self) -> _Measured:
        wall, started = self._clock.now_ms(), self._clock.monotonic()
        server = await self._server_time()
        ended = self._clock.monotonic()
        round_trip = round((ended - started) * 1000)
        # Local time in the middle of the round trip, when the exchange read its own clock, give or take half of it.
        return _Measured(wall + round_trip // 2 - server, round_trip, wall, started)

    def _is_good(self, kept: _Measured, for_s: float) -> bool:
        aged_s = self._clock.monotonic() - kept.monotonic_s
        jumped_ms = abs((self._clock.now_ms() - kept.wall_ms) - aged_s * 1000)
        return 0 <= aged_s < for_s and jumped_ms <= JUMP_MS
