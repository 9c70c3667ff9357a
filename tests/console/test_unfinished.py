"""What has begun is finished, whoever stops waiting for it."""

from __future__ import annotations

import asyncio

import pytest

from guardian.console.unfinished import Unfinished


def test_work_continues_when_its_caller_is_cancelled() -> None:
    """A browser that goes away, or a page that is closed, cuts no order off; the end waits for it."""

    async def play() -> list[str]:
        unfinished, done = Unfinished(), list[str]()

        async def work() -> None:
            await asyncio.sleep(0.05)
            done.append("finished")

        caller = asyncio.create_task(unfinished.run(work()))
        await asyncio.sleep(0.01)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        assert done == []
        await unfinished.wait()
        return done

    assert asyncio.run(play()) == ["finished"]


def test_result_and_failure_reach_the_caller() -> None:
    """As if it had been awaited itself; a failure does not keep the end from coming."""

    async def play() -> int:
        unfinished = Unfinished()

        async def fails() -> int:
            raise ValueError("no")

        async def works() -> int:
            return 7

        with pytest.raises(ValueError, match="no"):
            await unfinished.run(fails())
        found = await unfinished.run(works())
        await unfinished.wait()
        return found

    assert asyncio.run(play()) == 7
