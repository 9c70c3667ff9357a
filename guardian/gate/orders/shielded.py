"""Work that is not torn apart: an order that is on disk is sent, and what became of it is written down."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio

Answer = TypeVar("Answer")


async def run_to_completion(work: Coroutine[Any, Any, Answer]) -> Answer:
    """The answer of the work, which goes on to its end even where the caller is cancelled meanwhile.

    A call that is taken back cancels through anyio, which a shield holds off: the answer is still returned. Ctrl-C on a
    command cancels the task itself, which no shield of anyio's holds off: that is raised once the work is done.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait((task,))
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        task.exception()  # looked at, so that asyncio does not tell of it a second time
        raise cancelled
    return task.result()
