"""What runs in the background of a server ends with the server, or says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from guardian.bootstrap import open_guardian
from guardian.gate.recovery.background import RecoveryTask
from guardian.gate.recovery.poll import PollResult
from guardian.gate.recovery.resolve import Resolver
from guardian.gate.recovery.schedule import PERIOD_S
from tests.support.world import World, a_world_at_home


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A paper exchange with a pinned market, and a home."""
    with a_world_at_home(tmp_path) as made:
        yield made


async def serve(world: World, until: asyncio.Event) -> None:
    """A server's background, until that has happened."""
    async with open_guardian(world.policy_path, home=world.home).running():
        await asyncio.wait_for(until.wait(), 20)
        await asyncio.sleep(0.05)


def test_asking_for_orders_outlives_whatever_it_raises(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug, and a cancellation that came from elsewhere, are logged and tried again by the same task."""
    rounds: list[object] = []

    async def run_once(self: Resolver, *, only_due: bool = False) -> tuple[PollResult, ...]:
        rounds.append(asyncio.current_task())
        if len(rounds) == 1:
            raise ZeroDivisionError("a bug")
        if len(rounds) == 2:
            raise asyncio.CancelledError
        done.set()
        return ()

    monkeypatch.setattr(Resolver, "run_once", run_once)
    monkeypatch.setattr("guardian.gate.recovery.background.PERIOD_S", PERIOD_S / 1000)
    done = asyncio.Event()
    asyncio.run(serve(world, done))
    assert len(set(rounds)) == 1
    told = [record.getMessage() for record in caplog.records if record.name == "guardian.gate"]
    assert told == ["a round of polling orders failed", "a round of polling orders was cancelled"]


def test_work_in_the_background_that_ends_by_a_fault_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Should the task itself end after all, the log says so at once, with why."""
    done = asyncio.Event()

    async def run_forever(_: RecoveryTask) -> None:
        done.set()
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(RecoveryTask, "run_forever", run_forever)
    with caplog.at_level(logging.ERROR):
        asyncio.run(serve(world, done))
    assert "work in the background ended by a fault" in caplog.text
    assert "ZeroDivisionError: a bug" in caplog.text
