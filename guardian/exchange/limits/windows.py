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
    said: int = 0
    """The highest number that the exchange's header reported of this window."""
    own: int = 0
    """Taken and not answered yet."""
    unsaid: int = 0
    """Answered without a header that counts, or at the turn of the window; the next header that counts replaces it."""
    unsaid_ms: int = 0
    """When the last of `unsaid` was added."""
    late: int = 0
    """Of what was answered: taken in the last `EDGE_MS`."""
    before: int = 0
    """What was used of the window before, with what was taken just after it."""
    reserve: int = 0
    """Taken by cancels: they have a share of their own, which no double count of what is in flight reduces."""

    @property
    def used(self) -> int:
        """The largest amount that may have been used; never less than what was."""
        return self.said + self.own + self.unsaid

    def at(self, now_ms: int, length_ms: int) -> Use:
        """Returns the use at this time: a new window starts with what may still fall into it."""
        number = now_ms // length_ms
        if number in {self.number, self.number - 1}:
            return self  # the second: another process's clock is a little ahead
        if number == self.number + 1:
            start = number * length_ms
            return Use(number=number, unsaid=self.own + self.late, unsaid_ms=start, before=self.used)
        # The clock was set back: what was used may be of the window that it is now. Else it is long ago.
        return Use(number=number, unsaid=self.used if number < self.number else 0, unsaid_ms=now_ms)

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
        return replace(self, own=max(0, self.own + amount), before=max(0, before))

    def answered(self, amount: int, taken_ms: int, said: int | None, now_ms: int, length_ms: int) -> Use:
        """Returns the use after an answer to what was taken at `taken_ms`; `said` is its header's number, if any.

        A header counts where the request was surely made in this window. Else the request stays counted as it was.
        """
        if taken_ms // length_ms != self.number:
            return self  # it is in `unsaid` since the window turned
        since_ms = taken_ms - self.number * length_ms
        own = max(0, self.own - amount)
        late = self.late + (amount if since_ms >= length_ms - EDGE_MS else 0)
        if said is None or since_ms < EDGE_MS:
            return replace(self, own=own, late=late, unsaid=self.unsaid + amount, unsaid_ms=now_ms)
        # A request that was made after `unsaid` was added was counted by the exchange after it, if that was counted.
        is_later = taken_ms > self.unsaid_ms
        unsaid = 0 if is_later else self.unsaid
        return replace(self, own=own, late=late, said=max(self.said, said), unsaid=unsaid)

    def joined(self, other: Use) -> Use:
        """Returns the use joined with another view of the same window; one of an older window adds nothing."""
        if other.number > self.number:
            return other
        if other.number < self.number:
            return self
        return replace(self, said=max(self.said, other.said), reserve=max(self.reserve, other.reserve))

    def given_back(self, amount: int, taken_ms: int, length_ms: int) -> Use:
        """Returns the use without what was taken at `taken_ms` and never sent."""
        if taken_ms // length_ms != self.number:
            return self
        return self.taken(-amount, taken_ms, length_ms)
