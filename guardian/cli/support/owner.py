"""The owner check: is a person at a terminal, and do they agree."""

from __future__ import annotations

import select
import sys
import warnings
from contextlib import suppress
from getpass import GetPassWarning, getpass
from typing import Final, TextIO

import click

from guardian.domain.secrets import Secret
from guardian.domain.text.escaping import clean
from guardian.errors import OwnerNotPresent

NOTICE_S: Final = 0.25
"""How long a Ctrl-C may go unheard while an answer is waited for."""


def require_owner(action: str) -> None:
    """The one door in front of every command that loosens something. `action` is what the command is about to do.

    Promises that standard input and standard error are real terminals: questions can be put and answers come from a
    keyboard, not from a pipe. It stops accidents, not a program that has a shell; the owner's PIN, once there is one,
    is requested here. Raises OwnerNotPresent; nothing was changed then.
    """
    if not (_is_terminal(sys.stdin) and _is_terminal(sys.stderr)):
        raise OwnerNotPresent(
            f"cannot {action}: no person is at a terminal",
            hint="run this command yourself in a terminal window, with neither its input nor its messages redirected",
        )


def ask_yes(question: str) -> bool:
    """Put `question` on the terminal; only `y` or `yes` is a yes, and the end of the input is a no.

    What was typed before the question was there is thrown away: it cannot be an answer to it. Raises OwnerNotPresent
    where there is no terminal.
    """
    require_owner("ask a question")
    _forget_typed_ahead()
    click.echo(f"{clean(question)} [y/N] ", nl=False, err=True)
    sys.stderr.flush()
    _wait_for_answer()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def ask_secret(prompt: str) -> Secret:
    """A secret typed or pasted at the terminal without being shown. Blanks around it are dropped; it may be empty.

    Raises OwnerNotPresent where there is no terminal or its echo cannot be turned off.
    """
    require_owner("ask for a secret")
    try:
        with warnings.catch_warnings():
            # getpass falls back to reading with echo, after a warning; here that is a refusal.
            warnings.simplefilter("error", GetPassWarning)
            return Secret(getpass(f"{clean(prompt)}: ", stream=sys.stderr).strip())
    except (GetPassWarning, EOFError):
        raise OwnerNotPresent(
            "cannot ask for a secret: the terminal gave no answer, or would have shown it",
            hint="run this command yourself in a terminal window",
        ) from None


def _wait_for_answer() -> None:
    """Return once something was typed.

    Python notices a signal that arrives just before a blocking read only after that read: Ctrl-C would go unheard. A
    wait that ends every `NOTICE_S` hears it.
    """
    if sys.platform != "win32":
        # A terminal without a file descriptor cannot be waited for.
        with suppress(OSError, ValueError):
            while not select.select((sys.stdin,), (), (), NOTICE_S)[0]:
                pass


def _forget_typed_ahead() -> None:
    if sys.platform == "win32":
        import msvcrt

        while msvcrt.kbhit():
            msvcrt.getwch()
    else:
        import termios

        # A terminal without a file descriptor buffers nothing.
        with suppress(OSError, ValueError, termios.error):
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def _is_terminal(stream: TextIO | None) -> bool:
    if stream is None or stream.closed or not stream.isatty():
        return False
    if sys.platform != "win32":
        return True
    # On Windows `isatty()` is true of every character device, `NUL` included; only a console has a console mode.
    import ctypes
    import msvcrt

    mode = ctypes.c_ulong()
    try:
        handle = msvcrt.get_osfhandle(stream.fileno())
    except (OSError, ValueError):
        return False
    return bool(ctypes.windll.kernel32.GetConsoleMode(ctypes.c_void_p(handle), ctypes.byref(mode)))
