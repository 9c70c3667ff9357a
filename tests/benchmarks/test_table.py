"""The arithmetic of the table: medians, percentiles, ratios, bars, and the shares of a call."""

from __future__ import annotations

import pytest

from tests.benchmarks.sections.orders import own_ms
from tests.benchmarks.sections.traced import shares
from tests.benchmarks.subjects.stdio import Answer
from tests.benchmarks.table.bars import bars
from tests.benchmarks.table.printing import as_json, bars_table, growth_table, number, rows_table
from tests.benchmarks.table.rows import Report, Row
from tests.benchmarks.table.samples import clipped, covered, median, quantile, slope
from tests.benchmarks.venue.client import Request


def a_row(subject: str, value: float, **changed: object) -> Row:
    fields = {"section": "warm read", "what": "read a price", "unit": "ms", "conditions": "0 ms", **changed}
    return Row(subject=subject, value=value, **fields)  # type: ignore[arg-type]  # fields of a row


def a_request(arrived: float, delivered: float) -> Request:
    return Request(
        method="GET", path="/", params=(), weight=1, is_first=False,
        arrived=arrived, sent=arrived, answered=delivered, delivered=delivered,
    )  # fmt: skip


def test_quantiles_are_samples_by_nearest_rank() -> None:
    """The 99th percentile of a hundred is the 99th, of fewer the largest; the median of two is their mean."""
    hundred = [float(one) for one in range(100, 0, -1)]
    assert quantile(hundred, 0.99) == 99
    assert quantile([3.0, 1.0, 2.0], 0.99) == 3
    assert (median([3.0, 1.0, 2.0]), median([1.0, 2.0])) == (2, 1.5)
    with pytest.raises(ValueError, match="nothing was measured"):
        median([])
    with pytest.raises(ValueError, match="nothing was measured"):
        quantile([], 0.5)


def test_slope_is_the_growth_for_each_unit() -> None:
    """It is exact on a line, and refused where there is no line."""
    assert slope([(1, 10), (2, 12), (4, 16)]) == pytest.approx(2)
    with pytest.raises(ValueError, match="two points"):
        slope([(1, 1), (1, 2)])


def test_time_that_is_covered_counts_once() -> None:
    """Requests that overlap make one trip; those that follow one another make several."""
    assert covered([(5, 6), (0, 2), (1, 3)]) == (4, 2)
    assert covered([(0, 10), (2, 3)]) == (10, 1)
    assert covered([]) == (0, 0)
    assert clipped([(0, 2), (3, 4), (9, 12)], 1, 10) == [(1, 2), (3, 4), (9, 10)]


def test_own_work_is_a_call_without_its_requests() -> None:
    """What is beside the trips is own work; a request of the background that is out besides is cut at the call."""
    answer = Answer(result={}, start=1.0, stop=2.0)
    together = [a_request(1.1, 1.3), a_request(1.2, 1.4), a_request(1.6, 1.7), a_request(1.95, 3.0)]
    own, trips = own_ms(answer, together)
    assert own == pytest.approx(1000 - 300 - 100 - 50)
    assert trips == 3


def test_shares_add_up_to_the_whole_call() -> None:
    """Each moment belongs to one part: a judgement within a transaction is policy, and the rest of that is store."""
    spans = {"policy": [(2.0, 3.0)], "store": [(1.0, 4.0)], "exchange": [(4.0, 6.0)], "gate": [(0.5, 8.0)]}
    found = shares(spans, 0.0, 10.0)
    assert found == {"policy": 1.0, "store": 2.0, "exchange": 2.0, "client": 0.0, "gate": 2.5, "protocol": 2.5}
    assert sum(found.values()) == 10


def test_ratio_is_to_the_peer_under_the_same_conditions() -> None:
    """It is left out where the peer was not measured, and for the peer itself."""
    report = Report(peer="peer")
    near, far = a_row("guardian", 3, cpu=1.0), a_row("guardian", 3, conditions="50 ms")
    report.add(near, far, a_row("peer", 6, cpu=4.0))
    assert (report.ratio(near), report.cpu_ratio(near)) == (0.5, 0.25)
    assert report.ratio(far) is None
    assert report.ratio(report.rows[-1]) is None
    assert Report(peer=None, rows=report.rows).ratio(near) is None


def test_bars_are_computed_from_the_rows() -> None:
    """A bar is met or missed by what was measured, and is not measured where no row is."""
    report = Report(peer="peer")
    report.add(a_row("guardian", 4), a_row("before", 9), a_row("peer", 10))
    found = [bar for bar in bars(report, ["guardian", "before"]) if bar.what == "warm read, 0 ms"]
    assert [(bar.subject, bar.value, bar.is_met) for bar in found] == [("guardian", 0.4, True), ("before", 0.9, False)]
    rest = [bar for bar in bars(report, ["guardian"]) if bar.what != "warm read, 0 ms"]
    assert rest
    assert {(bar.value, bar.is_met) for bar in rest} == {(None, None)}
    assert "not measured" in bars_table(rest)


def test_growth_is_from_the_first_condition_to_the_last() -> None:
    """Each value has its steps in order, and how many times the first the last is."""
    report = Report(peer=None)
    for rows, value in (("10 rows", 2.0), ("100 rows", 2.5), ("1,000 rows", 3.0)):
        report.add(a_row("guardian", value, section="log", conditions=rows))
    cells = [cell.strip() for cell in growth_table(report, ["log", "symbols"]).splitlines()[-1].split("|")]
    assert cells[1:-1] == ["read a price", "guardian", "10 rows to 1,000 rows", "2.00 → 2.50 → 3.00", "ms", "1.50"]
    assert growth_table(report, ["symbols"]) == ""


def test_table_has_what_was_measured_and_no_empty_column() -> None:
    """A number has three digits that count; a column in which nothing is is left out; JSON has the same."""
    report = Report(peer="peer")
    report.add(Row.of([1.0, 2.0, 3.0], section="s", what="w", subject="guardian", unit="ms"))
    assert rows_table(report, report.rows).splitlines() == [
        "| what | subject  | median | p99  | unit | n |",
        "|------|----------|--------|------|------|---|",
        "| w    | guardian | 2.00   | 3.00 | ms   | 3 |",
    ]
    assert [number(value) for value in (None, 0.12345, 1.234, 12.34, 1234.5)] == ["", "0.123", "1.23", "12.3", "1,234"]
    assert as_json(report, [], {})["rows"][0] | {"cpu": None} == {
        "section": "s", "what": "w", "subject": "guardian", "unit": "ms", "value": 2.0, "p99": 3.0, "samples": 3,
        "cpu": None, "conditions": "", "note": "", "ratio": None, "cpu_ratio": None,
    }  # fmt: skip
