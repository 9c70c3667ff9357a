"""The arithmetic of one budget: fixed windows aligned to the clock, what the exchange reported, and what is in flight.

A request may arrive a little later than it was taken, and two clocks never agree. So around the turn of a window a
request counts in both: in the last `EDGE_MS` of one and in the first of the next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

EDGE_MS: Final = 1_000
"""The bound on clock error and travel time together; the gate sends no order over 1 s of skew."""


@dataclass(frozen=True, slots=True)
class Use:
    """What was used of a budget in one window, `number` windows after the epoch."""

    number: int = 0
    reported: int = 0
    """The highest number that the exchange's header reported of this window."""
    in_flight: int = 0
    """Taken and not answered yet."""
    unreported: int = 0
    """Answered without a header that counts, or at the turn of the window; the next header that counts replaces it."""
    unreported_ms: int = 0
    """When the last of `unreported` was added."""
    late: int = 0
    """Of what was answered: taken in the last `EDGE_MS`."""
    before: int = 0
    """What was used of the window before, with what was taken just after it."""
    reserve: int = 0
    """Taken by cancels: they have a share of their own, which no double count of what is in flight reduces."""

    @property
    def used(self) -> int:
        """The largest amount that may have been used; never less than what was."""
        return self.reported + self.in_flight + self.unreported

    def at(self, now_ms: int, length_ms: int) -> Use:
        """Returns the use at this time: a new window starts with what may still fall into it."""
        number = now_ms // length_ms
        if number in {self.number, self.number - 1}:
            return self  # the second: another process's clock is a little ahead
        if number == self.number + 1:
            start = number * length_ms
            return Use(number=number, unreported=self.in_flight + self.late, unreported_ms=start, before=self.used)
        # The clock was set back: what was used may be of the window that it is now. Else it is long ago.
        return Use(number=number, unreported=self.used if number < self.number else 0, unreported_ms=now_ms)

    def wait_ms(self, amount: int, now_ms: int, length_ms: int, allowed: int) -> int:
        """Returns the ms until `amount` may fit, 0 for now; for the use `at` this time."""
        since_ms = now_ms - self.number * length_ms
        if self.used + amount > allowed:
            return length_ms - since_ms + EDGE_MS
        if since_ms < EDGE_MS and self.before and self.before + amount > allowed:
            return EDGE_MS - since_ms
        return 0

    def taken(self, amount: int, now_ms: int, length_ms: int) -> Use:
        """Returns the use with `amount` more in flight; less where it is negative."""
        is_early = now_ms - self.number * length_ms < EDGE_MS
        before = self.before + (amount if is_early else 0)
        return replace(self, in_flight=max(0, self.in_flight + amount), before=max(0, before))

    def answered(self, amount: int, taken_ms: int, reported: int | None, now_ms: int, length_ms: int) -> Use:
        """Returns the use after an answer to what was taken at `taken_ms`; `reported` is its header's number, if any.

        A header counts where the request was surely made in this window. Else the request stays counted as it was.
        """
        if taken_ms // length_ms != self.number:
            return self  # it is in `unreported` since the window turned
        since_ms = taken_ms - self.number * length_ms
        in_flight = max(0, self.in_flight - amount)
        late = self.late + (amount if since_ms >= length_ms - EDGE_MS else 0)
        if reported is None or since_ms < EDGE_MS:
            return replace(
                self, in_flight=in_flight, late=late, unreported=self.unreported + amount, unreported_ms=now_ms
            )
        # A request made after `unreported` was added was counted by the exchange after it, if that was counted.
        is_later = taken_ms > self.unreported_ms
        unreported = 0 if is_later else self.unreported
        return replace(
            self, in_flight=in_flight, late=late, reported=max(self.reported, reported), unreported=unreported
        )

    def joined(self, other: Use) -> Use:
        """Returns the use joined with another view of the same window; one of an older window adds nothing."""
        if other.number > self.number:
            return other
        if other.number < self.number:
            return self
        if other.reported <= self.reported and other.reserve <= self.reserve:
            return self
        return replace(self, reported=max(self.reported, other.reported), reserve=max(self.reserve, other.reserve))

    def given_back(self, amount: int, taken_ms: int, length_ms: int) -> Use:
        """Returns the use without what was taken at `taken_ms` and never sent."""
        if taken_ms // length_ms != self.number:
            return self
        return self.taken(-amount, taken_ms, length_ms)
