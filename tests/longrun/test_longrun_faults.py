"""A seeded part of the fault matrix; the whole is `python -m tests.longrun.fault_matrix`."""

from __future__ import annotations

from pathlib import Path

from guardian.paper.rest.faults import FaultKind
from tests.longrun.fault_matrix import TROUBLES, covered, report, run, sample


def test_every_kind_of_fault_is_in_the_matrix() -> None:
    """A fault that the paper exchange can make has at least one row in the matrix."""
    assert covered() == set(FaultKind)


def test_faults_leave_one_order_or_none_and_guardian_knows_which(tmp_path: Path) -> None:
    """Whatever goes wrong, one order or none is at the exchange, nothing is sent twice, and the states are the same."""
    results = run(sample(len(TROUBLES) + 5, seed=4), tmp_path)
    assert not [result for result in results if result.wrong], report(results)
    assert {result.at_exchange for result in results} >= {"no order", "NEW", "CANCELED", "FILLED"}
