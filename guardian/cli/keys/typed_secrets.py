"""Secrets that are longer than a line: pasted at the terminal without being shown, or read from a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from guardian.cli.support.terminal import NOTICE_S, CannotHide
from guardian.domain.secrets import Secret

if sys.platform == "win32":
    from guardian.cli.support.terminal import read_hidden
else:
    import os
    import select
    import termios

_TERMINAL: Final = "CONIN$" if sys.platform == "win32" else "/dev/tty"


def take_piped_input(most: int) -> Secret | None:
    """Returns what is on standard input, one character for each byte; None for a terminal, and for over `most` bytes.

    Then the terminal of this process, where it has one, takes the place of standard input, so that questions can be
    put to a person.
    """
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        return None
    data = sys.stdin.buffer.read(most + 1)
    with suppress(OSError):  # nobody is there; whoever asks a question finds out
        # It is standard input from here on, and is open until the process ends.
        sys.stdin = open(_TERMINAL, encoding=sys.stdin.encoding)  # noqa: SIM115, PTH123
    return Secret(data.decode("latin-1")) if len(data) <= most else None


if sys.platform == "win32":

    def read_hidden_text(ask: Callable[[], None], is_whole: Callable[[str], bool]) -> str:
        """Lines that are pasted and not shown, until they are whole. Raises as `read_hidden`."""
        text = ""
        while not is_whole(text):
            line = read_hidden(ask if not text else lambda: None)
            text += line + "\n"
            if not line.strip() and "-----BEGIN" not in text:
                break
        return text

else:

    def read_hidden_text(ask: Callable[[], None], is_whole: Callable[[str], bool]) -> str:
        """Lines that are pasted and not shown, until they are whole. Raises as `read_hidden`.

        All are read in one go: turning the echo off for each line would throw away the lines that wait.
        """
        try:
            terminal = sys.stdin.fileno()
            shown = termios.tcgetattr(terminal)
            hidden = shown.copy()
            hidden[3] &= ~termios.ECHO
            termios.tcsetattr(terminal, termios.TCSAFLUSH, hidden)
        except (OSError, ValueError, termios.error):
            raise CannotHide from None
        data = b""
        try:
            ask()
            while not is_whole(data.decode("utf-8", "replace")):
                if not select.select((terminal,), (), (), NOTICE_S)[0]:
                    continue
                chunk = os.read(terminal, 65_536)
                data += chunk
                if not chunk or (not chunk.strip() and b"-----BEGIN" not in data):
                    break
        finally:
            termios.tcsetattr(terminal, termios.TCSAFLUSH, shown)
        if not data:
            raise EOFError
        return data.decode("utf-8", "replace")
