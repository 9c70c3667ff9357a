"""Reads the first line of standard input before the MCP SDK is imported, and answers it where that is possible.

It is read byte by byte, so that all that comes after it stays where the SDK's transport reads it. The SDK gets the line
as well (`server/stdio/line_replay.py`), whether or not it was answered: its state is as if it had been the first to
read. The line is read in a thread, as nothing else can give up waiting for it on every system. The main thread waits
for it a moment before it imports more, since the two would share one processor and the reader would wait at each byte.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Final

from guardian.server.stdio.early_answer import MAX_LINE, EarlyAnswer, early_answer

WAIT_S: Final = 0.25
"""A client that writes later than this is answered later, but the server starts meanwhile."""
BLOCK: Final = 65_536
_INPUT: Final = 0
_OUTPUT: Final = 1


class FirstLine:
    """The first line of one descriptor, and the answer that was written to another."""

    def __init__(self, source: int = _INPUT, target: int = _OUTPUT) -> None:
        self._source, self._target = source, target
        self._read = bytearray()
        self._answer: EarlyAnswer | None = None
        self._thread = threading.Thread(target=self._run, name="guardian-first-line", daemon=True)

    @property
    def line(self) -> bytes:
        """All that was read. Complete after `wait`.

        One line with its end, less where the input ended before; after a line that is too long to be answered perhaps
        more lines, whole ones.
        """
        return bytes(self._read)

    @property
    def answer(self) -> EarlyAnswer | None:
        """What was written already. Complete after `wait`."""
        return self._answer

    def begin(self, wait_s: float = WAIT_S) -> None:
        """Begins to read, and waits `wait_s` at most for the line to be answered."""
        self._thread.start()
        self._thread.join(wait_s)

    async def wait(self) -> None:
        """Returns once the line was read and, where that is possible, answered: the rest of the input is free then."""
        import anyio.to_thread  # not before the line was answered

        await anyio.to_thread.run_sync(self._thread.join, abandon_on_cancel=True)

    def _run(self) -> None:
        self._read_line()
        answer = early_answer(self.line)
        if answer is not None and self._write(answer.text):
            self._answer = answer

    def _read_line(self) -> None:
        step, has_line = 1, False
        try:
            while data := os.read(self._source, step):
                self._read += data
                if data.endswith(b"\n"):
                    return
                has_line = has_line or b"\n" in data
                # A line that is too long to be answered is read in blocks, and what the last one began byte by byte.
                step = 1 if has_line or len(self._read) <= MAX_LINE else BLOCK
        except OSError:
            return  # the transport meets the same, and knows what to do

    def _write(self, text: str) -> bool:
        """Write the line as the SDK's text stream would; returns whether it was written."""
        data = (text + os.linesep).encode()
        try:
            while data:
                data = data[os.write(self._target, data) :]
        except OSError:
            return False  # nobody reads any more, which the transport meets too
        return True


def begin_first_line() -> FirstLine | None:
    """Returns the first line of this process's standard input, being read; None where a person or no pipe is there."""
    if not _is_descriptor(sys.stdin, _INPUT) or not _is_descriptor(sys.stdout, _OUTPUT) or sys.stdin.isatty():
        return None
    first_line = FirstLine()
    first_line.begin()
    return first_line


def _is_descriptor(stream: object, descriptor: int) -> bool:
    """Whether the transport will read or write this very descriptor: a test, or a host program, may have another."""
    try:
        return bool(stream.buffer.fileno() == descriptor)  # type: ignore[attr-defined]  # others lack it
    except (AttributeError, OSError, ValueError):
        return False
