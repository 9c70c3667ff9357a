"""The table as text, in Markdown, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from tests.benchmarks.table.bars import Bar
from tests.benchmarks.table.rows import Report, Row

HEAD: Final = ("what", "conditions", "subject", "median", "p99", "unit", "CPU", "n", "ratio", "CPU ratio", "note")


def number(value: float | None) -> str:
    """Returns a number with three digits that count, or as many as it has before the point."""
    if value is None:
        return ""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 1 else f"{value:.3g}"


def markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table whose columns are aligned as text too."""
    table = [list(head), *(list(line) for line in lines)]
    widths = [max(len(line[column]) for line in table) for column in range(len(head))]
    texts = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in table
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([texts[0], rule, *texts[1:]])


def rows_table(report: Report, rows: Iterable[Row]) -> str:
    """Returns the table of these rows, those of one thing side by side; columns in which nothing is are left out."""
    found = list(rows)
    places: dict[tuple[str, str], int] = {}
    for row in found:
        places.setdefault((row.what, row.conditions), len(places))
    lines = [_cells(report, row) for row in sorted(found, key=lambda row: places[row.what, row.conditions])]
    kept = [
        column for column, name in enumerate(HEAD) if name in {"what", "subject"} or any(line[column] for line in lines)
    ]
    return markdown([HEAD[column] for column in kept], [[line[column] for column in kept] for line in lines])


def _cells(report: Report, row: Row) -> list[str]:
    return [
        row.what,
        row.conditions,
        row.subject,
        number(row.value),
        number(row.p99),
        row.unit,
        number(row.cpu),
        str(row.samples) if row.samples > 1 else "",
        number(report.ratio(row)),
        number(report.cpu_ratio(row)),
        row.note,
    ]


def growth_table(report: Report, sections: Iterable[str]) -> str:
    """Returns how each value of these sections grows from condition to condition; empty where nothing was measured."""
    lines = []
    for section in sections:
        steps: dict[tuple[str, str], list[Row]] = {}
        for row in report.of(section):
            steps.setdefault((row.what, row.subject), []).append(row)
        for (what, subject), rows in steps.items():
            first, last = rows[0], rows[-1]
            factor = number(last.value / first.value) if first.value > 0 and len(rows) > 1 else ""
            values = " → ".join(number(row.value) for row in rows)
            lines.append((what, subject, f"{first.conditions} to {last.conditions}", values, first.unit, factor))
    return markdown(("what", "subject", "from", "median", "unit", "last by first"), lines) if lines else ""


def bars_table(bars: Iterable[Bar]) -> str:
    """Returns the table of the bars: what was measured, what is to be reached, and whether it is.

    Those that were not measured are named after it.
    """
    lines, missing = [], dict[str, None]()
    for bar in bars:
        if bar.value is None:
            missing[bar.what] = None
            continue
        limit = f"{number(bar.limit)} {bar.unit}"
        lines.append((bar.what, bar.subject, number(bar.value), limit, "yes" if bar.is_met else "no"))
    table = [markdown(("bar", "subject", "now", "to reach", "met"), lines)] if lines else []
    return "\n\n".join([*table, *([f"not measured: {', '.join(missing)}"] if missing else [])])


def as_json(report: Report, bars: Iterable[Bar], conditions: dict[str, Any]) -> dict[str, Any]:
    """Returns everything that was measured as JSON data."""
    return {
        "conditions": conditions,
        "notes": report.notes,
        "peer": report.peer,
        "rows": [asdict(row) | {"ratio": report.ratio(row), "cpu_ratio": report.cpu_ratio(row)} for row in report.rows],
        "bars": [asdict(bar) | {"met": bar.is_met} for bar in bars],
    }
