"""Comparing a scope's orders with the exchange's: one comparison for all who wait, and its end."""

from __future__ import annotations

import asyncio

from guardian.gate.base.context import ComparedScopes
from guardian.store.schema.records import Scope

SCOPE = Scope(environment="paper", account="a1")


def test_comparison_continues_without_its_first_waiter_and_is_shared() -> None:
    """A call that is taken back leaves the comparison to the call that waits beside it; it is made once."""
    compared, begun = ComparedScopes(), list[int]()

    async def work() -> str | None:
        go_on = asyncio.Event()

        async def compare() -> str | None:
            begun.append(1)
            await go_on.wait()
            return None

        first, second = (asyncio.create_task(compared.ensure(SCOPE, compare)) for _ in range(2))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait({first})
        go_on.set()
        return await second

    assert asyncio.run(work()) is None
    assert begun == [1]
    assert compared.done == {SCOPE}


def test_end_leaves_no_comparison_running() -> None:
    """Guardian is closed while it compares: nothing of it runs any longer, and the scope is not compared."""
    compared = ComparedScopes()

    async def work() -> set[asyncio.Task[str | None]]:
        waiter = asyncio.create_task(compared.ensure(SCOPE, asyncio.Event().wait))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.wait({waiter})
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert len(left) == 1
        await compared.end()
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(work()) == set()
    assert compared.done == set()
    asyncio.run(compared.end())
