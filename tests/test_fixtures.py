"""The tests' own fixtures are part of every clone, and the end of a run says what was left out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documented import documented
from tests.support.fixtures import FIXTURES, fixture
from tests.support.left_out import NO_RECORDINGS

EXPECTED = {
    "documented/account.json",
    "documented/futures.json",
    "documented/market.json",
    "documented/orders.json",
    "documented/wallet.json",
    "documented/weights.json",
    "errors.json",
    "exchange_info/asymmetric.json",
    "exchange_info/many.json",
    "exchange_info/older_filters.json",
    "signatures.json",
}

SOME_TESTS = """
import pytest


@pytest.mark.recorded
@pytest.mark.parametrize("number", range(3))
def test_compares(number):
    pass


@pytest.mark.skip(reason="the moon is needed")
def test_at_night():
    pass


def test_that_runs():
    pass
"""


def test_every_fixture_is_there_and_holds_something() -> None:
    """A clone without a fixture fails here, and not by leaving tests out."""
    there = {path.relative_to(FIXTURES).as_posix() for path in FIXTURES.rglob("*.json")}
    assert there == EXPECTED
    assert all(fixture(name.removesuffix(".json")) for name in EXPECTED)
    assert len(documented()) > 60


@pytest.mark.parametrize(("processes", "present"), [("0", False), ("2", False), ("0", True)])
def test_end_of_a_run_says_how_many_tests_were_left_out_and_why(tmp_path: Path, processes: str, present: bool) -> None:
    """By reason and with its number, in one process and in several; where the recordings are there they are used."""
    repository = Path(__file__).resolve().parents[1]
    (tmp_path / "test_some.py").write_text(SOME_TESTS)
    (tmp_path / "conftest.py").write_text(
        "from pathlib import Path\n"
        "from tests.support import left_out\n"
        "from tests.support.left_out import pytest_collection_modifyitems, pytest_terminal_summary\n"
        f"left_out.RECORDINGS = Path({str(tmp_path if present else tmp_path / 'absent')!r})\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = recorded: needs a recording\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", processes, "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(repository), "PYTEST_ADDOPTS": ""},
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 left out: the moon is needed" in run.stdout
    assert (f"3 left out: {NO_RECORDINGS}" in run.stdout) == (not present)
    assert ("4 passed" if present else "1 passed") in run.stdout
