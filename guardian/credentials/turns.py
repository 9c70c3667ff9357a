"""Calls a keyring one at a time, each with a time-out, and queues nothing behind a call that hangs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from math import ceil
from threading import Condition, Event, Thread
from typing import Final, TypeVar

from guardian.credentials.keyring_hints import locked_hint
from guardian.errors import GuardianError, KeyringUnavailable
from guardian.system.surroundings import find_surroundings

COOL_DOWN_S: Final = 30.0
"""How long nothing is asked of a keyring whose call hung and then failed: the window that it opened was dismissed, and
the next call would open another."""

T = TypeVar("T")


def class_path(value: object) -> str:
    """Returns module and class of an object: all of a foreign object that may be shown."""
    return f"{type(value).__module__}.{type(value).__qualname__}"


class Turn:
    """Which call a keyring is answering: one at a time, and none waits for a call that already timed out.

    A call that timed out and answers late with a failure begins a cool-down of `COOL_DOWN_S`; one that answers late
    with a result shows that the keyring works again. `monotonic` is a clock in seconds.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._changed = Condition()
        self._owner: object | None = None
        self._is_hung = False
        self._monotonic = monotonic
        self._cool_at: float | None = None

    def take(self, owner: object, timeout_s: float) -> bool:
        """Waits for the turn. Returns False after `timeout_s`; at once where a call hangs, or in a cool-down."""
        with self._changed:
            self._changed.wait_for(lambda: self._owner is None or self._is_hung, timeout_s)
            if self._owner is not None or self.cool_down_s > 0:
                return False
            self._owner = owner
            return True

    @property
    def cool_down_s(self) -> float:
        """Seconds for which the keyring is left alone."""
        return 0.0 if self._cool_at is None else max(0.0, self._cool_at - self._monotonic())

    def give_up(self, owner: object) -> None:
        """Marks a call that timed out: the next ones are refused until it returns."""
        with self._changed:
            if self._owner is owner:
                self._is_hung = True
                self._changed.notify_all()

    def release(self, *, failed: bool) -> None:
        """Ends the turn of a call that returned, in time or late."""
        with self._changed:
            self._cool_at = self._monotonic() + COOL_DOWN_S if self._is_hung and failed else None
            self._owner, self._is_hung = None, False
            self._changed.notify_all()


SYSTEM_KEYRING: Final = Turn()
"""This process's turn at the system's keyring, whoever opens it."""


class KeyringQueue:
    """Calls to a keyring, one at a time, each given up after `timeout_s` seconds in all.

    A call that is given up cannot be stopped: it continues in its thread. While it does, the next ones are refused at
    once instead of piling up threads, waiting times, and windows on the owner's screen.
    """

    def __init__(self, timeout_s: float, turn: Turn, *, hint: str | None = None) -> None:
        self._timeout_s = timeout_s
        self._turn = turn
        self._hint = hint

    def call(self, action: Callable[[], T], *, unfinished: str = "nothing was changed") -> T:
        """Returns the result of `action`. Raises KeyringUnavailable; of a foreign exception it gives only the name.

        A foreign exception, its text and its frames may hold the secret; they end in the thread.
        """
        deadline = time.monotonic() + self._timeout_s
        done = Event()
        if not self._turn.take(done, self._timeout_s):
            raise self._refused()
        results: list[T] = []
        failures: list[GuardianError] = []

        def work() -> None:
            try:
                results.append(action())
            except GuardianError as error:
                failures.append(error)
            except BaseException as error:  # noqa: BLE001 - backends raise what their systems raise, even panics
                failures.append(self._sanitized(error))
            finally:
                self._turn.release(failed=not results)
                done.set()

        Thread(target=work, name="guardian-keyring", daemon=True).start()
        if not done.wait(max(0.0, deadline - time.monotonic())):
            self._turn.give_up(done)
            raise self._timed_out(unfinished)
        if failures:
            raise failures[0].with_traceback(None)
        return results[0]

    def _refused(self) -> KeyringUnavailable:
        wait_s = self._turn.cool_down_s
        if not wait_s:
            return self._timed_out("nothing was changed")
        return KeyringUnavailable(
            f"the keyring hung and then failed; it is left alone for {ceil(wait_s)} s more", hint=self._locked_hint()
        )

    def _timed_out(self, unfinished: str) -> KeyringUnavailable:
        return KeyringUnavailable(
            f"the keyring did not answer within {self._timeout_s:g} s; {unfinished}", hint=self._locked_hint()
        )

    def _sanitized(self, error: BaseException) -> KeyringUnavailable:
        # keyring is slow to import; where it failed it is there already.
        from keyring.errors import InitError, KeyringLocked

        if isinstance(error, KeyringLocked | InitError):
            return KeyringUnavailable("the keyring is locked, or unlocking it was declined", hint=self._locked_hint())
        return KeyringUnavailable(f"the keyring failed (`{class_path(error)}`)", hint=self._locked_hint())

    def _locked_hint(self) -> str:
        return self._hint or locked_hint(find_surroundings(sys.platform))
