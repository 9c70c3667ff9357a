"""The terminal in front of a person: whether there is one, and what is typed there.

Python notices a signal that arrives just before a blocking read only after that read, so Ctrl-C would go unheard until
the next key. So nothing is read here before something was typed; that is waited for in short turns.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TextIO

if sys.platform == "win32":
    import ctypes
    import msvcrt
    import time
    import warnings
    from getpass import GetPassWarning, getpass
else:
    import os
    import select
    import termios

NOTICE_S: Final = 0.25
"""How long a Ctrl-C may go unheard while an answer is waited for."""


class CannotHide(Exception):
    """The terminal would show what is typed. Nothing was read."""


if sys.platform == "win32":

    def is_terminal(stream: TextIO | None) -> bool:
        """Whether a person can be at the other end of a standard stream."""
        if stream is None or stream.closed or not stream.isatty():
            return False
        # `isatty()` is true of every character device, `NUL` included; only a console has a console mode.
        mode = ctypes.c_ulong()
        try:
            handle = msvcrt.get_osfhandle(stream.fileno())
        except (OSError, ValueError):
            return False
        return bool(ctypes.windll.kernel32.GetConsoleMode(ctypes.c_void_p(handle), ctypes.byref(mode)))

    def forget_typed_ahead() -> None:
        """Throw away what was typed before."""
        while msvcrt.kbhit():
            msvcrt.getwch()

    def read_answer() -> str:
        """The next line that is typed; empty at the end of the input."""
        return sys.stdin.readline()

    def line_was_typed() -> bool:
        """Whether Enter was pressed since the last look; does not wait."""
        typed = ""
        while is_terminal(sys.stdin) and msvcrt.kbhit():
            typed += msvcrt.getwch()
        return "\r" in typed or "\n" in typed

    def read_answer_unless(is_over: Callable[[], bool]) -> str | None:
        """As `read_answer`; None once `is_over`, which is asked a few times a second until the first key is pressed."""
        while not msvcrt.kbhit():
            if is_over():
                return None
            time.sleep(NOTICE_S)
        return sys.stdin.readline()

    def read_hidden(ask: Callable[[], None], _is_over: Callable[[], bool]) -> str:
        """The next line, which is not shown; `ask` puts the question. Raises CannotHide, and EOFError at the end."""
        ask()
        try:
            with warnings.catch_warnings():
                # getpass falls back to reading with echo, after a warning; here that is a refusal.
                warnings.simplefilter("error", GetPassWarning)
                return getpass("", stream=sys.stderr)
        except GetPassWarning:
            raise CannotHide from None

else:

    def is_terminal(stream: TextIO | None) -> bool:
        """Whether a person can be at the other end of a standard stream."""
        return stream is not None and not stream.closed and stream.isatty()

    def forget_typed_ahead() -> None:
        """Throw away what was typed before."""
        # A terminal without a file descriptor buffers nothing.
        with suppress(OSError, ValueError, termios.error):
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)

    def read_answer() -> str:
        """The next line that is typed; empty at the end of the input."""
        return read_answer_unless(lambda: False) or ""

    def read_answer_unless(is_over: Callable[[], bool]) -> str | None:
        """As `read_answer`; None once `is_over`, which is asked a few times a second while nothing is typed."""
        # A terminal without a file descriptor cannot be waited for.
        with suppress(OSError, ValueError):
            while not select.select((sys.stdin,), (), (), NOTICE_S)[0]:
                if is_over():
                    return None
        return sys.stdin.readline()

    def line_was_typed() -> bool:
        """Whether a line was typed since the last look; does not wait."""
        if not is_terminal(sys.stdin):
            return False
        with suppress(OSError, ValueError):
            return bool(select.select((sys.stdin,), (), (), 0)[0] and b"\n" in os.read(sys.stdin.fileno(), 4096))
        return False

    def read_hidden(ask: Callable[[], None], is_over: Callable[[], bool]) -> str:
        """The next line, which is not shown; `ask` puts the question. Raises CannotHide, and EOFError at the end.

        Empty once `is_over`, which is asked a few times a second while nothing is typed.

        `getpass.getpass` does the same, but does not wait before it reads.
        """
        try:
            terminal = sys.stdin.fileno()
            shown = termios.tcgetattr(terminal)
            hidden = shown.copy()
            hidden[3] = (hidden[3] & ~termios.ECHO) | termios.ECHONL  # the local modes: a line end alone is shown
            termios.tcsetattr(terminal, termios.TCSAFLUSH, hidden)
        except (OSError, ValueError, termios.error):
            raise CannotHide from None
        try:
            ask()
            line = read_answer_unless(is_over)
        finally:
            termios.tcsetattr(terminal, termios.TCSAFLUSH, shown)
        if line is None:
            return ""
        if not line:
            raise EOFError
        return line.removesuffix("\n")
