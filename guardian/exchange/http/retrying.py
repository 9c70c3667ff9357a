"""Asking again, for reads alone: how often, and after what pauses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

MOST_TRIES: Final = 3
FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 2.0


def pauses(dice: Callable[[], float]) -> Iterator[float]:
    """The pauses before the second and the third try, in seconds; `dice` is evenly between 0 and 1.

    Each is anything up to a bound that doubles, so that many who failed at once do not come back at once: the "full
    jitter" of the AWS Architecture Blog, "Exponential Backoff And Jitter".
    """
    for number in range(MOST_TRIES - 1):
        yield dice() * min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**number)
