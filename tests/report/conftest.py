"""Reports of homes that are made once for all tests of a file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from guardian.cli.app import main
from guardian.cli.audit.report import writing
from tests.report.support.busy_month import LAST_MS, write_busy_month

HOSTILE = "<script>document.title='owned'</script><img src=//evil.example/x onerror=alert(1)>\u202e\"'&"
"""What a model puts wherever it can."""


class Written(NamedTuple):
    """A report: where it is, and its text."""

    path: Path
    text: str


Write = Callable[..., Written]


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home after a month of trading, with a hostile model in it."""
    home = tmp_path_factory.mktemp("month") / "home"
    write_busy_month(home, hostile=HOSTILE)
    return home


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Write]:
    """Writes the report of a home, at the end of the month of the tests or at another time."""
    with pytest.MonkeyPatch.context() as patch:

        def written(home: Path, *arguments: str, now_ms: int = LAST_MS, code: int = 0) -> Written:
            path = tmp_path_factory.mktemp("report") / "report.html"
            patch.setenv("GUARDIAN_HOME", str(home))
            patch.setattr(writing, "wall_clock_ms", lambda: now_ms)
            assert main(["audit", "report", "--out", str(path), *arguments]) == code
            return Written(path, path.read_text("utf-8"))

        yield written


@pytest.fixture(scope="module")
def report(month: Path, write: Write) -> Written:
    """The report of that home."""
    return write(month)


@pytest.fixture(scope="module")
def small_month(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The database of a home after a few days."""
    home = tmp_path_factory.mktemp("days") / "home"
    write_busy_month(home, days=12)
    with closing(sqlite3.connect(home / "guardian.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return (home / "guardian.db").read_bytes()
