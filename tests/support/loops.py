"""The end of an event loop that a test runs in a thread of its own."""

from __future__ import annotations

import asyncio
import threading

PATIENCE_S = 30


def end_loop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    """Cancels what still runs, as `asyncio.run` does, then ends the thread and closes the loop.

    A task that is left pending is reported whenever it is collected, in the middle of whatever test that may be.
    """
    asyncio.run_coroutine_threadsafe(_cancel_others(), loop).result(PATIENCE_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE_S)
    loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
