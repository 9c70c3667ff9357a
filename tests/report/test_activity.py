"""What was called, how it ended and how long it took."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from guardian.report.activity import ActivityCount, ToolActivity
from guardian.report.time_steps import time_steps

START_MS = 1_800_000_000_000
DAY_MS = 86_400_000


def counting() -> ActivityCount:
    """Of three days."""
    return ActivityCount(time_steps(START_MS, START_MS + 2 * DAY_MS))


def test_call_and_outcome_are_one_call_with_its_time() -> None:
    """How long it took is from one row to the other; a call without an outcome counts as a call."""
    count = counting()
    for number, took in enumerate((10, 20, 30, 1_000)):
        count.add("call", f"c{number}", START_MS, "get_ticker", None)
        count.add("outcome", f"c{number}", START_MS + took, "get_ticker", "denied" if number == 3 else "done")
    count.add("call", "open", START_MS, "get_ticker", None)
    (tool,) = count.found().tools
    assert tool == ToolActivity(
        tool="get_ticker", calls=5, not_done=1, median_ms=20, nearly_all_ms=1_000, longest_ms=1_000
    )


def test_outcomes_are_counted_by_step() -> None:
    """On the day on which the call ended."""
    count = counting()
    for day, outcome in ((0, "done"), (0, "done"), (2, "denied")):
        count.add("outcome", None, START_MS + day * DAY_MS, "create_order", outcome)
    found = count.found()
    assert found.outcomes == {"done": 2, "denied": 1}
    assert found.outcomes_by_step == {"done": (2, 0, 0), "denied": (0, 0, 1)}


def test_order_that_needs_a_yes_is_not_undone() -> None:
    """Asking a person is how it is meant to end."""
    count = counting()
    for outcome in ("confirmation_required", "unknown", "invalid"):
        count.add("outcome", None, START_MS, "create_order", outcome)
    count.add("call", "c", START_MS, "create_order", None)
    assert count.found().tools[0].not_done == 2


def test_nothing_is_counted_of_nothing() -> None:
    """An empty log has no quantiles and divides by nothing."""
    found = counting().found()
    assert (found.calls, found.outcomes, found.tools) == (0, {}, ())


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60))
def test_quantiles_are_values_that_occurred(took: list[int]) -> None:
    """Half of all took no longer than the median, and 95 of 100 no longer than the other."""
    count = counting()
    for number, time_ms in enumerate(took):
        count.add("call", number, START_MS, "t", None)
        count.add("outcome", number, START_MS + time_ms, "t", "done")
    tool = count.found().tools[0]
    assert tool.median_ms in took
    assert tool.nearly_all_ms in took
    assert sum(value <= tool.median_ms for value in took) * 2 >= len(took)
    assert sum(value <= tool.nearly_all_ms for value in took) * 100 >= 95 * len(took)
    assert tool.longest_ms == max(took)
