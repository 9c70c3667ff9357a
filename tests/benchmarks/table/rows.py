"""One row of the table: what was measured, of whom, under which conditions, and how it compares with the peer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.table.samples import P99, median, quantile


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured thing of one subject. A single value has no 99th percentile."""

    section: str
    what: str
    subject: str
    unit: str
    value: float
    """The median where there are several samples."""
    p99: float | None = None
    samples: int = 1
    cpu: float | None = None
    """User and system time of the subject's own processes, in the row's unit, a call; None where it is not read."""
    conditions: str = ""
    note: str = ""

    @classmethod
    def of(cls, samples: Sequence[float], **fields: Any) -> Row:
        """Returns the row of these samples. Raises ValueError where there are none."""
        several = len(samples) > 1
        return cls(
            value=median(samples), p99=quantile(samples, P99) if several else None, samples=len(samples), **fields
        )


@dataclass(slots=True)
class Report:
    """Everything measured in one run, in the order in which it was measured."""

    peer: str | None
    """The subject that the others are compared with; None where it was not measured."""
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *rows: Row) -> None:
        """Adds rows."""
        self.rows.extend(rows)

    def of(self, section: str) -> list[Row]:
        """Returns the rows of a section."""
        return [row for row in self.rows if row.section == section]

    def find(self, section: str, what: str, subject: str | None, conditions: str | None = None) -> Row | None:
        """Returns the row that was measured, or None."""
        return next(self._matching(section, what, subject, conditions), None)

    def _matching(self, section: str, what: str, subject: str | None, conditions: str | None) -> Iterator[Row]:
        for row in self.rows:
            if (row.section, row.what, row.subject) == (section, what, subject) and conditions in {
                None,
                row.conditions,
            }:
                yield row

    def ratio(self, row: Row) -> float | None:
        """Returns the row's value divided by the peer's in the same row; None where there is no such value."""
        peer = self._of_peer(row)
        return None if peer is None or peer.value <= 0 else row.value / peer.value

    def cpu_ratio(self, row: Row) -> float | None:
        """Returns the same of the CPU time, which a busy machine changes less."""
        peer = self._of_peer(row)
        return None if peer is None or row.cpu is None or not peer.cpu else row.cpu / peer.cpu

    def _of_peer(self, row: Row) -> Row | None:
        if self.peer is None or row.subject == self.peer:
            return None
        return self.find(row.section, row.what, self.peer, row.conditions)
