"""Faults to rehearse with: off unless a test asks, and then for so many matching requests only."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class FaultKind(StrEnum):
    """What goes wrong."""

    DELAY = "delay"
    """Waits, then answers as ever."""
    REPLY_LOST = "reply_lost"
    """Carries the request out, then closes the connection without a reply."""
    RESET_BEFORE = "reset_before"
    """Closes the connection without carrying anything out."""
    HANG = "hang"
    """Says nothing for a while, then closes the connection; nothing is carried out unless `execute` is set."""
    STATUS = "status"
    """Answers with this status and body; nothing is carried out unless `execute` is set."""
    HTML_502 = "html_502"
    """Answers as a broken gateway does; nothing is carried out unless `execute` is set."""
    EMPTY_200 = "empty_200"
    """Carries the request out (unless `execute` is false) and answers 200 with no body."""
    BAD_JSON = "bad_json"
    """Carries the request out (unless `execute` is false) and answers 200 with half a body."""
    RETRY_AFTER_429 = "retry_after_429"
    """Answers 429 with Retry-After; nothing is carried out."""
    BAN_418 = "ban_418"
    """Answers 418 with Retry-After; nothing is carried out."""
    NOT_FOUND_2013 = "not_found_2013"
    """Answers that the order does not exist, so many times or for so many seconds."""


EXECUTED_BY_DEFAULT: Final = frozenset({FaultKind.DELAY, FaultKind.REPLY_LOST, FaultKind.EMPTY_200, FaultKind.BAD_JSON})


@dataclass(slots=True)
class Fault:
    """One fault that is waiting for its request. `times` is how many requests it still hits."""

    method: str
    path: str
    kind: FaultKind
    times: int
    seconds: float = 0.0
    execute: bool = True
    status: int = 500
    body: str = ""
    content_type: str = "application/json;charset=UTF-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    until: float | None = None
    """The reading of the monotonic clock after which it is over; None: only `times` counts."""

    def matches(self, method: str, path: str) -> bool:
        """Whether it is meant for this request and not used up."""
        over = self.times <= 0 or (self.until is not None and time.monotonic() >= self.until)
        return not over and method == self.method and path == self.path


class Faults:
    """The faults that are waiting. Safe to use from several threads."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """One more; of several that match, the oldest comes first."""
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """None from now on."""
        with self._lock:
            self._waiting.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that hits this request, if any; it is used up once by this."""
        with self._lock:
            for fault in self._waiting:
                if fault.matches(method, path):
                    fault.times -= 1
                    return fault
        return None
