"""Calls a keyring one at a time, each with a time-out, and queues nothing behind a call that hangs."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Condition, Event, Thread
from typing import Final, TypeVar

from guardian.errors import GuardianError, KeyringUnavailable

LOCKED_HINT: Final = "unlock your keyring (log in at the desktop, or answer the window it opened), then try again"

T = TypeVar("T")


def class_path(value: object) -> str:
    """Returns module and class of an object: all of a foreign object that may be shown."""
    return f"{type(value).__module__}.{type(value).__qualname__}"


class Turn:
    """Which call a keyring is answering: one at a time, and none waits for a call that already timed out."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._owner: object | None = None
        self._is_hung = False

    def take(self, owner: object, timeout_s: float) -> bool:
        """Waits for the turn. Returns False after `timeout_s`, or at once where the call before has timed out."""
        with self._changed:
            self._changed.wait_for(lambda: self._owner is None or self._is_hung, timeout_s)
            if self._owner is not None:
                return False
            self._owner = owner
            return True

    def give_up(self, owner: object) -> None:
        """Marks a call that timed out: the next ones are refused until it returns."""
        with self._changed:
            if self._owner is owner:
                self._is_hung = True
                self._changed.notify_all()

    def release(self) -> None:
        """Ends the turn of a call that returned, in time or late."""
        with self._changed:
            self._owner, self._is_hung = None, False
            self._changed.notify_all()


SYSTEM_KEYRING: Final = Turn()
"""This process's turn at the system's keyring, whoever opens it."""


class KeyringQueue:
    """Calls to a keyring, one at a time, each given up after `timeout_s` seconds in all.

    A call that is given up cannot be stopped: it continues in its thread. While it does, the next ones are refused at
    once instead of piling up threads, waiting times, and windows on the owner's screen.
    """

    def __init__(self, timeout_s: float, turn: Turn) -> None:
        self._timeout_s = timeout_s
        self._turn = turn

    def call(self, action: Callable[[], T], *, unfinished: str = "nothing was changed") -> T:
        """Returns the result of `action`. Raises KeyringUnavailable; of a foreign exception it gives only the name.

        A foreign exception, its text and its frames may hold the secret; they end in the thread.
        """
        deadline = time.monotonic() + self._timeout_s
        done = Event()
        if not self._turn.take(done, self._timeout_s):
            raise self._timed_out("nothing was changed")
        results: list[T] = []
        failures: list[GuardianError] = []

        def work() -> None:
            try:
                results.append(action())
            except GuardianError as error:
                failures.append(error)
            except BaseException as error:  # noqa: BLE001 - backends raise what their systems raise, even panics
                failures.append(_sanitized(error))
            finally:
                self._turn.release()
                done.set()

        Thread(target=work, name="guardian-keyring", daemon=True).start()
        if not done.wait(max(0.0, deadline - time.monotonic())):
            self._turn.give_up(done)
            raise self._timed_out(unfinished)
        if failures:
            raise failures[0].with_traceback(None)
        return results[0]

    def _timed_out(self, unfinished: str) -> KeyringUnavailable:
        return KeyringUnavailable(
            f"the keyring did not answer within {self._timeout_s:g} s; {unfinished}", hint=LOCKED_HINT
        )


def _sanitized(error: BaseException) -> KeyringUnavailable:
    # keyring is slow to import; where it failed it is there already.
    from keyring.errors import InitError, KeyringLocked

    if isinstance(error, KeyringLocked | InitError):
        return KeyringUnavailable("the keyring is locked, or unlocking it was declined", hint=LOCKED_HINT)
    return KeyringUnavailable(f"the keyring failed (`{class_path(error)}`)", hint=LOCKED_HINT)
