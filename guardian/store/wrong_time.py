"""The part of a transaction that halts trading for a log whose time is not this machine's, and sets it back.

Setting it back is the owner's decision, in `guardian resume`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from guardian.domain.milliseconds import DAY_MS
from guardian.domain.trading import TradingState
from guardian.store.log_times import MAX_AHEAD_MS
from guardian.store.schema import sqlite_statements as sql
from guardian.store.schema.records import Record
from guardian.store.transaction.audit import AuditPart
from guardian.store.transaction.proposals import ProposalsPart
from guardian.store.transaction.timestamps import TimestampsPart
from guardian.store.transaction.trading_state import MAX_REASON, TradingPart
from guardian.store.transaction.unit import SET_BACK, Unit

WRONG_TIME: Final = "wrong_time"
"""The cause of a halt for the time of the log."""
TIME_IS_WRONG: Final = "the log's time is wrong"


class WrongTimePart:
    """The time of the log, compared with the clock."""

    def __init__(
        self,
        unit: Unit,
        audit: AuditPart,
        trading: TradingPart,
        proposals: ProposalsPart,
        timestamps: TimestampsPart,
    ) -> None:
        self._unit = unit
        self._audit = audit
        self._trading = trading
        self._proposals = proposals
        self._timestamps = timestamps

    def is_ahead(self, time_ms: int) -> bool:
        """Returns whether a time is further ahead of the clock than MAX_AHEAD_MS."""
        return time_ms > self._unit.clock_ms + MAX_AHEAD_MS

    def halt_for_lost(self) -> None:
        """Halts trading because the stored window time was no time, and stores that of this transaction."""
        self._halt(f"{TIME_IS_WRONG}: `control.window_ms` held no time; now it is the latest of clock and log")
        self._unit.write(sql.SET_WINDOW, {"now": self._unit.now_ms})

    def halt_for_ahead(self, logged_ms: int) -> bool:
        """Halts trading because the log is far ahead of the clock; returns False where it is halted for that."""
        status = self._trading.status()
        reason = status.reason or ""
        if status.state is TradingState.HALTED and (TIME_IS_WRONG in reason or len(reason) == MAX_REASON):
            return False
        days = (logged_ms - self._unit.clock_ms) // DAY_MS
        self._halt(
            f"{TIME_IS_WRONG}: it is {_utc(logged_ms)}, {days} day{'' if days == 1 else 's'} ahead of this machine's "
            f"clock, {_utc(self._unit.clock_ms)}; set the clock right if it is that which is wrong, and then "
            "`guardian resume`, which sets the log's time to it"
        )
        return True

    def set_back(self) -> None:
        """Sets the log's time back to the clock, and with it what was to end or was done later than that.

        Orders that wait for a person end: until when they may be used was counted in the wrong time. Orders that were
        sent in it count from now, see `Unit.window_values`.
        """
        before_ms, self._unit.now_ms = self._unit.now_ms, self._unit.clock_ms
        for proposal in self._proposals.waiting():
            self._proposals.burn(proposal.id, "the log's time was set back")
        body = {"kind": SET_BACK, "by": "owner", "from": _utc(before_ms), "to": _utc(self._unit.now_ms)}
        self._audit.append(Record.event(None, {**body, "from_ms": before_ms, "to_ms": self._unit.now_ms}))
        for statement in (sql.SET_WINDOW, sql.BRING_BACK_TIMESTAMPS, sql.BRING_BACK_LEASES, sql.BRING_BACK_MARKS):
            self._unit.write(statement, {"now": self._unit.now_ms})
        self._timestamps.set(SET_BACK)

    def _halt(self, reason: str) -> None:
        self._trading.halt(reason, by="guardian")
        body = {"kind": "halted", "by": "guardian", "cause": WRONG_TIME, "reason": reason, "trading": "halted"}
        self._audit.append(Record.event(None, body))


def _utc(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds // 1000, tz=UTC):%Y-%m-%d %H:%M} UTC"
