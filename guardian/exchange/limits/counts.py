"""Where the use of the limits is counted: in the file that the processes of one home share, or in this process alone.

There are two modes. Normally every change is made in the file. While the file cannot be used, this process counts by
itself and its share is reduced, since others may be making requests too. The share is also reduced for a minute after
the counts in the file were lost, until a header of the exchange reports what is used.
"""

from __future__ import annotations

import logging
import math
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from guardian.exchange.limits.limits_file import LimitRow, LimitRows, SharedRows
from guardian.system.clock import Clock

T = TypeVar("T")

_log: Final = logging.getLogger("guardian.exchange")

LOST_FOR_S: Final = 60.0
"""How long the share stays reduced after the file was lost where no header reported what is used: one window."""
RETRY_S: Final = 1.0
"""How long the file is left alone after it failed; twice as long each time that it fails again."""
LONGEST_RETRY_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Counting:
    """What one change works on: the rows, which it replaces, and the time at which it is made."""

    rows: LimitRows
    now_ms: int
    is_alone: bool
    """Whether other processes may be counting elsewhere."""
    is_after_loss: bool
    """Whether the counts were lost within the last minute."""

    def is_reduced(self, budgets: Iterable[str]) -> bool:
        """Whether others may have used what is not counted in the rows of these budgets."""
        return self.is_alone or (self.is_after_loss and any(not self.rows[name].use.reported for name in budgets))


class Counts:
    """The rows of one environment's budgets. `file` is None where no other process shares them."""

    def __init__(self, file: SharedRows | None, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._own: LimitRows = {}
        """What this process knows of each row."""
        self._is_closed = False
        self._retry_s = -math.inf
        """When the file is tried again."""
        self._pause_s = 0.0
        """How long it was left alone last; 0 while it works."""
        self._losses = 0
        self._lost_until_s = -math.inf

    @property
    def counts_alone(self) -> bool:
        """Whether there is a file to share and it is not used at present."""
        return self._file is not None and (self._is_closed or self._clock.monotonic() < self._retry_s)

    def change(self, names: Iterable[str], change: Callable[[Counting], T]) -> T:
        """Makes a change to the rows of these names, in the file where that works, and returns its result."""
        names = tuple(names)
        if self._file is not None and not self.counts_alone:
            try:
                result, rows = self._file.change(names, lambda rows: change(self._shared(rows)))
            except (sqlite3.Error, OSError) as error:
                self._leave_alone(self._file, error)
            else:
                self._pause_s = 0.0
                self._own |= rows
                return result
        rows = {name: self._own.get(name, LimitRow()) for name in names}
        result = change(Counting(rows, self._clock.now_ms(), is_alone=self._file is not None, is_after_loss=False))
        self._own |= rows
        return result

    def close(self) -> None:
        """Closes the file for good: what is counted afterwards is counted by this process alone."""
        self._is_closed = True
        if self._file is not None:
            self._file.close()

    def _shared(self, rows: LimitRows) -> Counting:
        """Adds what this process learnt while the file failed, or knows from one that was lost."""
        for name in rows.keys() & self._own.keys():
            rows[name] = rows[name].joined(self._own[name])
        return Counting(rows, self._clock.now_ms(), is_alone=False, is_after_loss=self._is_after_loss())

    def _is_after_loss(self) -> bool:
        if self._file is not None and self._file.losses != self._losses:
            self._losses = self._file.losses
            self._lost_until_s = self._clock.monotonic() + LOST_FOR_S
        return self._clock.monotonic() < self._lost_until_s

    def _leave_alone(self, file: SharedRows, error: Exception) -> None:
        """Each try waits for another process's lock and holds everything up: it is tried less and less often."""
        file.close()
        if self._retry_s == -math.inf:
            _log.warning(
                "the shared file of the rate limits is not available (%s): this process counts alone for now, "
                "with a smaller share for reads and orders",
                type(error).__name__,
            )
        self._pause_s = min(max(RETRY_S, 2 * self._pause_s), LONGEST_RETRY_S)
        self._retry_s = self._clock.monotonic() + self._pause_s
