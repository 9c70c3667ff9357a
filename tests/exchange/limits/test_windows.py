"""The arithmetic of one budget: windows, headers, and requests in flight."""

from __future__ import annotations

from guardian.exchange.limits.windows import EDGE_MS, Use


def test_what_is_taken_at_the_turn_of_a_window_counts_in_both() -> None:
    """Neither clock error nor travel time lets two full windows fall into one of the exchange's."""
    last = 60_000 - 1
    use = Use().at(last, 60_000).taken(50, last, 60_000)
    turned = use.at(60_000, 60_000)
    assert (turned.used, turned.before) == (50, 50)
    early = turned.taken(40, 60_100, 60_000)
    assert early.wait_ms(20, 60_100, 60_000, 100) > 0
    assert (
        Use()
        .at(30_000, 60_000)
        .taken(50, 30_000, 60_000)
        .answered(50, 30_000, 50, 30_100, 60_000)
        .at(60_000, 60_000)
        .used
        == 0
    )


def test_header_includes_only_what_was_answered_before_its_request_was_made() -> None:
    """A header frees what was answered without one before, and leaves what may have been counted after it."""
    use = Use().at(30_000, 60_000).taken(20, 30_000, 60_000).taken(30, 30_100, 60_000)
    use = use.answered(30, 30_100, None, 30_200, 60_000)
    assert use.answered(20, 30_000, 20, 30_300, 60_000).used == 50
    use = use.answered(20, 30_000, 20, 30_300, 60_000).taken(5, 30_400, 60_000)
    assert use.answered(5, 30_400, 55, 30_500, 60_000).used == 55


def test_clock_that_is_set_back_does_not_free_a_budget() -> None:
    """What was used stays used when the wall clock goes back by an hour, and is over with the next window."""
    use = Use().at(7_200_000, 60_000).taken(50, 7_200_000, 60_000)
    back = use.at(3_600_000, 60_000)
    assert back.used == 50
    assert back.at(3_660_000, 60_000).at(3_720_000, 60_000).used == 0


def test_edge_is_within_what_orders_are_judged_by() -> None:
    """Clock error and travel time that windows allow for are the second of skew over which creates are denied."""
    assert EDGE_MS == 1000
