"""The journal's work runs in a thread of its own kind, with anyio and without."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

import pytest

from guardian.gate.base.journal import Journal
from guardian.system.clock import SYSTEM_CLOCK


@pytest.fixture(params=[True, False], ids=["with anyio", "without anyio"])
def journal(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """A journal in a process that has imported anyio, and in one that has not, as `guardian status`."""
    if not request.param:
        monkeypatch.delitem(sys.modules, "anyio")
    return Journal(tmp_path, SYSTEM_CLOCK)


@pytest.mark.parametrize("is_first", [True, False])
def test_work_runs_off_the_event_loop_and_its_error_is_raised(journal: Journal, is_first: bool) -> None:
    """The caller gets the result, or the exception, of what ran in another thread."""

    def fails() -> None:
        raise ZeroDivisionError

    async def run() -> int:
        with pytest.raises(ZeroDivisionError):
            await journal.run(fails, is_first=is_first)
        return await journal.run(threading.get_ident, is_first=is_first)

    assert asyncio.run(run()) != threading.get_ident()


def test_work_that_is_first_waits_for_no_other_work(journal: Journal) -> None:
    """More threads wait than there are, and it runs all the same."""
    released = threading.Event()

    async def run() -> str:
        waiting = [asyncio.ensure_future(journal.run(released.wait)) for _ in range(80)]
        await asyncio.sleep(0.05)
        try:
            return await asyncio.wait_for(journal.run(lambda: "first", is_first=True), 10)
        finally:
            released.set()
            await asyncio.gather(*waiting)

    assert asyncio.run(run()) == "first"
