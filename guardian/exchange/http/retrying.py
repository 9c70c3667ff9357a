"""How often a read is tried again, and after what pauses. Writes are never tried again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

MOST_TRIES: Final = 3
FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 2.0


def pauses(random_fraction: Callable[[], float]) -> Iterator[float]:
    """Yields the pauses before the second and the third try, in seconds.

    `random_fraction` is evenly distributed between 0 and 1.

    Each is anything up to a bound that doubles, so that many that failed at once do not return at once: the "full
    jitter" of the AWS Architecture Blog, "Exponential Backoff And Jitter".
    """
    for number in range(MOST_TRIES - 1):
        yield random_fraction() * min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**number)
