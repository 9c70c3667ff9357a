"""Opens a home in a thread of its own: neither its imports nor the exchange keep a question off the screen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeVar

from guardian.cli.support.vault_prompt import unlock_for_policy

if TYPE_CHECKING:
    from types import TracebackType

    from guardian.bootstrap import Guardian

Result = TypeVar("Result")

_NOTICE_S: Final = 0.25
"""How long a signal may go unheard while a result is waited for; Windows does not interrupt a wait without an end."""


class BackgroundHome:
    """A home under one policy file, opened from `__enter__` to `__exit__`.

    `start` begins work there and returns at once; `result` waits for it. Work raises what opening the home raises: see
    `guardian.cli.support.opened_home.with_guardian`.
    """

    def __init__(self, policy_path: Path | None) -> None:
        self._policy_path = policy_path
        self._opened: Future[Guardian] = Future()
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="guardian's home")

    def __enter__(self) -> Self:
        unlock_for_policy(self._policy_path)  # here: a question that the thread put could not be answered by Ctrl-C
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel what is not finished, and close the home."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def start(self, work: Callable[[Guardian], Awaitable[Result]]) -> Future[Result]:
        """Begin `work` once the home is open, in its thread."""

        async def within() -> Result:
            return await work(await asyncio.wrap_future(self._opened))

        return asyncio.run_coroutine_threadsafe(within(), self._loop)

    def result(self, work: Callable[[Guardian], Awaitable[Result]]) -> Result:
        """The result of `work`; signals are handled meanwhile. Raises what it raises."""
        return result_of(self.start(work))

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        try:
            from guardian.bootstrap import open_guardian

            opened = open_guardian(self._policy_path)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where a result is waited for
            self._opened.set_exception(error)
            await self._end.wait()
            return
        try:
            opened.policy_file.current()
            self._opened.set_result(opened)
        except BaseException as error:  # noqa: BLE001 - as above
            self._opened.set_exception(error)
        await self._end.wait()
        unfinished = asyncio.all_tasks() - {asyncio.current_task()}
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await opened.close()


def result_of(future: Future[Result]) -> Result:
    """The result once it is there; signals are handled meanwhile. Raises what the work raises."""
    while True:
        try:
            return future.result(_NOTICE_S)
        except TimeoutError:
            if future.done():
                return future.result()
