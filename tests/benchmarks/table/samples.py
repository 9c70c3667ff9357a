"""Summaries of repeated measurements."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

MEDIAN: Final = 0.5
P99: Final = 0.99


def quantile(samples: Iterable[float], share: float) -> float:
    """Returns the smallest sample that at least this share of all samples does not exceed (nearest rank).

    With fewer than 100 samples the 99th percentile is therefore the largest one. Raises ValueError without a sample.
    """
    ordered = sorted(samples)
    if not ordered:
        raise ValueError("nothing was measured")
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(samples: Iterable[float]) -> float:
    """Returns the middle sample, the mean of the two middle ones where their number is even."""
    ordered = sorted(samples)
    if not ordered:
        raise ValueError("nothing was measured")
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Returns by how much y grows for each unit of x, by least squares. Raises ValueError for fewer than two x."""
    if len({x for x, _ in points}) < 2:
        raise ValueError("a slope needs two points")
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)


def covered(intervals: Iterable[tuple[float, float]]) -> tuple[float, int]:
    """Returns how long at least one interval lasts, and how many separate stretches of time they make together."""
    total, stretches, end = 0.0, 0, -math.inf
    for start, stop in sorted(intervals):
        if start > end:
            stretches += 1
            total += stop - start
        elif stop > end:
            total += stop - end
        end = max(end, stop)
    return total, stretches


def clipped(intervals: Iterable[tuple[float, float]], start: float, stop: float) -> list[tuple[float, float]]:
    """Returns the parts of the intervals that are within `start` and `stop`."""
    cut = ((max(one, start), min(other, stop)) for one, other in intervals)
    return [(one, other) for one, other in cut if one < other]
