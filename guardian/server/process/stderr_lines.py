"""Writes lines to stderr without ever making a call wait, whether or not somebody reads them.

A client that reads the server's stderr too slowly, or not at all, fills the pipe, and a write then waits for ever. So
lines go into a short queue, and a thread of its own writes them. What the queue cannot take is counted and left out, as
is what comes faster than a person reads: a flood of denied orders does not fill the disk that keeps the client's log.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final

MOST_QUEUED: Final = 200
BURST: Final = 40
"""Lines of one kind that may come at once."""
REFILL_S: Final = 15.0
"""One more line of that kind after each of these: with those at once some 6,000 lines a day."""


@dataclass(slots=True)
class _Allowance:
    """How many lines of a kind may still be written, since when, and how many were left out."""

    left: float
    at: float
    left_out: int = 0


def write_to_stderr(line: str) -> None:
    """Writes a line to the process's stderr; without stderr, and where nobody reads it any more, it is lost."""
    data = (line + "\n").encode("utf-8", "backslashreplace")
    # Not by `sys.stderr.write`: its lock, held by a write that waits for ever, would keep the process from ending.
    with suppress(OSError, ValueError, AttributeError):
        descriptor = sys.stderr.fileno()
        while data:
            data = data[os.write(descriptor, data) :]


class StderrLines:
    """Takes lines at once, and writes them from a thread that begins with the first one."""

    def __init__(
        self,
        write: Callable[[str], None] = write_to_stderr,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._monotonic = monotonic
        self._queue: SimpleQueue[str] = SimpleQueue()
        self._lock = threading.Lock()
        self._allowances: dict[str, _Allowance] = {}
        self._queued = 0
        self._idle = threading.Event()
        self._idle.set()
        self._writer: threading.Thread | None = None

    def put(self, line: str, kind: str) -> bool:
        """Takes a line of this kind, and returns whether it will be written; never waits for the other end."""
        with self._lock:
            if self._queued >= MOST_QUEUED or not self._is_allowed(kind):
                self._allowance(kind).left_out += 1
                return False
            left_out, self._allowances[kind].left_out = self._allowances[kind].left_out, 0
            if left_out:
                self._take(f"guardian: {left_out} more lines about {kind} were left out")
            self._take(line)
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_forever, name="guardian-stderr", daemon=True)
                self._writer.start()
        return True

    def drain(self, timeout_s: float) -> bool:
        """Waits until all that was taken is written, for `timeout_s` at most; returns whether it is."""
        return self._idle.wait(timeout_s)

    def _take(self, line: str) -> None:
        self._queued += 1
        self._idle.clear()
        self._queue.put(line)

    def _allowance(self, kind: str) -> _Allowance:
        return self._allowances.setdefault(kind, _Allowance(left=BURST, at=self._monotonic()))

    def _is_allowed(self, kind: str) -> bool:
        now, allowance = self._monotonic(), self._allowance(kind)
        allowance.left = min(BURST, allowance.left + (now - allowance.at) / REFILL_S)
        allowance.at = now
        if allowance.left < 1:
            return False
        allowance.left -= 1
        return True

    def _write_forever(self) -> None:
        while True:
            self._write(self._queue.get())
            with self._lock:
                self._queued -= 1
                if self._queued == 0:
                    self._idle.set()


PROCESS_LINES: Final = StderrLines()
"""Those of this process."""
