"""Says at the end of a run how many tests were left out, and why."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.fixtures import RECORDINGS

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

NO_RECORDINGS = "needs recordings that are not part of the repository (marker `recorded`)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips the tests that are marked `recorded` where the recordings are absent."""
    if RECORDINGS.is_dir():
        return
    for item in items:
        if item.get_closest_marker("recorded") is not None:
            item.add_marker(pytest.mark.skip(reason=NO_RECORDINGS))


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a test was skipped. Where the tests ran in another process this is a list and not a tuple."""
    where = report.longrepr
    text = str(where[2]) if isinstance(where, (tuple, list)) and len(where) == 3 else str(where)
    return text.removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Counts what was left out, by reason, the most frequent first."""
    reasons = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", []))
    if not reasons:
        return
    terminalreporter.section("left out")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count} left out: {reason}")
