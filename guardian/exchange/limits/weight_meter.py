"""Marks the reads of a background task: they give way to all others, and the task knows their weight.

The mark belongs to the task and not to a request, since python-binance's methods lie between the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(slots=True)
class WeightMeter:
    """The weight of all reads that were made in the background with this meter."""

    used: int = 0

    def add(self, weight: int) -> None:
        """Counts the weight of one request more."""
        self.used += weight


_METER: Final[ContextVar[WeightMeter | None]] = ContextVar("background_meter", default=None)


@contextmanager
def in_background(meter: WeightMeter) -> Iterator[None]:
    """Inside the `with` block every read of this task has the lowest priority, and its weight is on the meter."""
    token = _METER.set(meter)
    try:
        yield
    finally:
        _METER.reset(token)


def background_meter() -> WeightMeter | None:
    """Returns the meter of the block that this task is in; None where somebody waits for what it requests."""
    return _METER.get()
