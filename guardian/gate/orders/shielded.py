"""Runs work to completion although its caller is cancelled: a reserved order is sent, and its outcome recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio

Answer = TypeVar("Answer")


async def run_to_completion(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Returns the result of the work, which continues to its end even if the caller is cancelled meanwhile.

    A cancelled MCP call is cancelled through anyio, which the shield holds off: the result is still returned. Ctrl-C on
    a command cancels the task itself, which no anyio shield holds off: CancelledError is raised once the work is done.
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
        task.exception()  # retrieved, so that asyncio does not log it as never retrieved
        raise cancelled
    return task.result()
