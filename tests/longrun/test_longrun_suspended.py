"""The suspended laptop for 6 s; for 60 s it is `python -m tests.longrun.suspended`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs SIGSTOP")


def test_machine_that_sleeps_in_mid_order_goes_on_correctly(tmp_path: Path) -> None:
    """Slept through before the send an order is not sent; during it or after it, it is reported and sent once."""
    from tests.longrun.suspended import report, run

    naps = run(6, tmp_path)
    assert not [nap for nap in naps if nap.wrong], report(naps)
