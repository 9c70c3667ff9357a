"""The bars of issue 12: what is to be reached, computed from the rows of this run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.benchmarks.table.rows import Report, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar for one checkout of guardian."""

    what: str
    subject: str
    limit: float
    unit: str
    value: float | None
    """What was measured; None where it was not."""

    @property
    def is_met(self) -> bool | None:
        """Whether it is reached; None where it was not measured."""
        return None if self.value is None else self.value <= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """Which row a bar looks at, and whether at its value or at its ratio to the peer's."""

    what: str
    section: str
    row: str
    limit: float
    unit: str
    conditions: str | None = None
    is_ratio: bool = False


GOALS = (
    *(
        Goal(what=f"cold start {row}", section="cold start", row=row, limit=limit, unit="of the peer's", is_ratio=True)
        for row, limit in (("to initialize", 0.7), ("to tools/list", 0.8), ("to the first call's reply", 0.9))
    ),
    *(
        Goal(
            what=f"warm read, {conditions}", section="warm read", row="read a price", conditions=conditions,
            limit=limit, unit="of the peer's", is_ratio=True,
        )
        for conditions, limit in (("0 ms", 0.8), ("50 ms a request", 0.36))
    ),
    Goal(
        what="own work of a warm send", section="orders", row="send: own work", conditions="0 ms", limit=12, unit="ms",
    ),
    *(
        Goal(what=f"guardian {row}", section="commands", row=row, limit=350, unit="ms")
        for row in ("halt", "status", "approve")
    ),
    Goal(what="judge_order, all rules", section="judge_order", row="a BUY that all rules pass", limit=50, unit="us"),
    Goal(
        what="weight of the background, 100 open orders", section="open orders",
        row="weight a minute in the background", conditions="100 open orders", limit=60, unit="a minute",
    ),
    Goal(
        what="verify 1,000,000 rows", section="log", row="audit verify", conditions="1,000,000 rows",
        limit=8000, unit="ms",
    ),
    Goal(what="memory after many calls", section="memory", row="after the calls", limit=120, unit="MB"),
)  # fmt: skip


def bars(report: Report, subjects: list[str]) -> Iterator[Bar]:
    """Yields each bar for each of these subjects, measured or not."""
    for goal in GOALS:
        for subject in subjects:
            found = report.find(goal.section, goal.row, subject, goal.conditions)
            yield Bar(
                what=goal.what, subject=subject, limit=goal.limit, unit=goal.unit, value=_value(report, goal, found)
            )


def _value(report: Report, goal: Goal, row: Row | None) -> float | None:
    if row is None:
        return None
    return report.ratio(row) if goal.is_ratio else row.value
