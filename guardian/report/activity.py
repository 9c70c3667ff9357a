"""What was called, how it ended and how long it took, counted from the rows of the log. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final

from guardian.report.time_steps import TimeSteps

NOT_NAMED: Final = "(none)"
MOST_PENDING: Final = 100_000
"""Calls without an outcome that are kept in mind; the answer of an older one is not timed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolActivity:
    """The calls of one tool: how many ended, and how long the log says that they took."""

    tool: str
    calls: int
    not_done: int
    median_ms: int | None
    nearly_all_ms: int | None
    """95 of 100 took no longer."""
    longest_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """All calls of the period."""

    calls: int
    outcomes: dict[str, int]
    """By outcome; calls without one are left out."""
    outcomes_by_step: dict[str, tuple[int, ...]]
    tools: tuple[ToolActivity, ...]


@dataclass(slots=True)
class ActivityCount:
    """Takes in the rows of the log one by one, oldest first."""

    steps: TimeSteps
    _calls: Counter[str] = field(default_factory=Counter)
    _begun: dict[object, int] = field(default_factory=dict)
    _outcomes: Counter[tuple[str, int]] = field(default_factory=Counter)
    _not_done: Counter[str] = field(default_factory=Counter)
    _took: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, phase: str, call_id: object, time_ms: int, tool: object, outcome: object) -> None:
        """Takes in the `call` or the `outcome` row of a call, whatever its cells hold."""
        name, ended = str(tool or NOT_NAMED), str(outcome or NOT_NAMED)
        if phase == "call":
            self._calls[name] += 1
            if call_id is not None and len(self._begun) < MOST_PENDING:
                self._begun[call_id] = time_ms
            return
        begun = None if call_id is None else self._begun.pop(call_id, None)
        if begun is not None:
            self._took[name][max(time_ms - begun, 0)] += 1
        self._outcomes[ended, self.steps.index(time_ms)] += 1
        if ended not in {"done", "confirmation_required"}:
            self._not_done[name] += 1

    def found(self) -> Activity:
        """Returns what was counted."""
        totals: Counter[str] = Counter()
        by_step: dict[str, list[int]] = {}
        for (outcome, step), count in sorted(self._outcomes.items()):
            totals[outcome] += count
            by_step.setdefault(outcome, [0] * len(self.steps.starts_ms))[step] += count
        names = sorted(self._calls, key=lambda name: (-self._calls[name], name))
        return Activity(
            calls=self._calls.total(),
            outcomes=dict(sorted(totals.items(), key=lambda item: (-item[1], item[0]))),
            outcomes_by_step={outcome: tuple(counts) for outcome, counts in by_step.items()},
            tools=tuple(self._tool(name) for name in names),
        )

    def _tool(self, name: str) -> ToolActivity:
        took = self._took[name]
        return ToolActivity(
            tool=name,
            calls=self._calls[name],
            not_done=self._not_done[name],
            median_ms=_quantile(took, 50),
            nearly_all_ms=_quantile(took, 95),
            longest_ms=max(took, default=None),
        )


def _quantile(counts: Counter[int], percent: int) -> int | None:
    """Returns the smallest value that this percentage of all does not exceed; None where there are no values."""
    wanted = -(-counts.total() * percent // 100)
    for value, count in sorted(counts.items()):
        wanted -= count
        if wanted <= 0:
            return value
    return None
