"""Says on standard error that requests are refused, without filling it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from guardian.loopback.request_headers import Refusal

QUIET_S: Final = 60.0
"""For so long after a refusal was logged, others with the same status are counted alone."""

_log: Final = logging.getLogger("guardian.http")


class RefusalLog:
    """The log of refused requests. `seconds` is a clock that only goes forward."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._logged: dict[int, float] = {}
        self._counted: dict[int, int] = {}

    def note(self, refusal: Refusal, request_id: str) -> None:
        """Log a refusal; nothing that the request contains is logged."""
        status, now = refusal.status, self._seconds()
        before = self._logged.get(status)
        if before is not None and now - before < QUIET_S:
            self._counted[status] = self._counted.get(status, 0) + 1
            return
        self._logged[status] = now
        more = self._counted.pop(status, 0)
        others = f"; {more} more since the last line about this" if more else ""
        _log.warning("a request was refused with %d: %s (request %s)%s", status, refusal.message, request_id, others)
