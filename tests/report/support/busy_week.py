"""A home after the last seven days of trading, with about 3,000 calls: what ten questions about a week are asked of.

python -m tests.report.support.busy_week HOME [HOSTILE_TEXT]
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Final

from guardian.domain.order_states import OrderState
from guardian.domain.orders import OrderSide
from guardian.store.database import Transaction
from guardian.store.log.checkpoint import write_checkpoint
from guardian.store.schema.records import Phase, Record
from tests.report.support.busy_month import Month
from tests.store.support.store_world import MINUTE

CALLS: Final = 3000
NIGHT: Final = time(3, 12)
"""When something is tried at night, twice in the week."""
_BURST: Final = 20
"""Reads that one transaction writes: each transaction of its own would take the tests seconds."""


@dataclass(slots=True)
class Written:
    """What is true of the week, written down while it is made."""

    bought_today: list[str] = field(default_factory=list)
    denied: int = 0
    tried_at_night: list[str] = field(default_factory=list)
    """The calls, by their ids."""


class Week(Month):
    """Writes seven days that end now."""

    def __init__(self, home: Path, random: Random, now: datetime) -> None:
        self.now, self.true = now, Written()
        super().__init__(home, random, start_ms=_ms(_at(now.date() - timedelta(days=6), time(0, 1))))

    def go_to(self, moment: datetime) -> bool:
        """Turns the clock on to a moment; False where that is to come, or was passed."""
        if moment >= self.now or _ms(moment) < self.world.clock_ms:
            return False
        self.world.clock_ms = _ms(moment)
        return True

    def reads(self, count: int) -> None:
        def write(tx: Transaction) -> None:
            for _ in range(count):
                self.number += 1
                tool = self.random.choice(("get_ticker_price", "get_balance", "get_orders", "get_order_book"))
                symbol = self.random.choice(("BTCUSDT", "ETHUSDT", "BNBUSDT"))
                common = {"call_id": f"{self.number:032x}", "tool": tool, "symbol": symbol, "environment": "paper"}
                body = {"arguments": {"symbol": symbol}, "client": "claude-ai/0.1.0"}
                tx.audit.append(Record(phase=Phase.CALL, account="a1", body=body, **common))
                answer = {"data": {"price": str(self.random.randint(500, 60_000))}}
                tx.audit.append(Record(phase=Phase.OUTCOME, account="a1", outcome="done", body=answer, **common))

        self.world.attempt(write)

    def refused(self, symbol: str) -> str:
        self.deny(symbol, "0.01")
        self.true.denied += 1
        return f"{self.number:032x}"

    def buy(self, symbol: str, quantity: str) -> None:
        self.order(symbol, OrderSide.BUY, Decimal(quantity))
        if self.world.clock_ms >= _ms(_at(self.now.date(), time.min)):
            self.true.bought_today.append(symbol)


def write_busy_week(home: Path, now: datetime, *, hostile: str = "") -> Written:
    """Makes the home, and returns what is true of it. `hostile` is a text that a model puts wherever it can."""
    week = Week(home, Random(7), now)
    for day in range(7):
        date_of = now.date() - timedelta(days=6 - day)
        if day in {1, 4} and week.go_to(_at(date_of, NIGHT)):
            week.true.tried_at_night.append(week.refused("BTCUSDT"))
        for hour in range(7, 22):
            if not week.go_to(_at(date_of, time(hour))):
                continue
            week.reads(_BURST)
            week.turn(MINUTE)
            if hour % 4 == 1:
                week.buy("ETHUSDT" if hour % 8 == 1 else "BTCUSDT", "0.0009" if hour % 8 != 1 else "0.012")
            elif hour % 6 == 0:
                week.refused("BNBUSDT")
            elif hour == 20 and week.held["BTCUSDT"] > Decimal("0.0009"):
                week.order("BTCUSDT", OrderSide.SELL, Decimal("0.0005"))
        if day == 3:
            week.event(kind="halted", by="owner", reason=f"lunch {hostile}".strip(), trading="halted")
            week.turn(10 * MINUTE)
            week.event(kind="resumed", by="owner", reason="back")
    week.go_to(now - timedelta(minutes=10))
    while week.number < CALLS:
        week.reads(_BURST)
    _last_calls(week, hostile)
    write_checkpoint(home, week.world.store)
    week.world.store.close()
    return week.true


def _last_calls(week: Week, hostile: str) -> None:
    """What a hostile model says, an order of today, and one whose outcome is unknown."""
    if hostile:
        call = week.begin("create_order", {"symbol": hostile, "side": hostile, "quantity": hostile}, hostile)
        denials = [{"code": hostile, "message": hostile, "observed": hostile, "limit": hostile, "hint": hostile}]
        error = {"code": hostile, "message": hostile, "denials": denials}
        week.write(Phase.OUTCOME, "create_order", call, {"error": error}, outcome="denied", symbol=hostile)
        week.true.denied += 1
        call = week.begin(hostile, {"symbol": hostile}, hostile)
        week.write(Phase.OUTCOME, hostile, call, {"error": error}, outcome="failed", symbol=hostile)
    week.buy("BTCUSDT", "0.0007")
    order = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.0007", "price": "60000", "quote_asset": "USDT"}
    week.event(kind="approved", proposal="7K2M9P", symbol="BTCUSDT", statement={"fields": {"order": order}},
               proof={"kind": "terminal"})  # fmt: skip
    week.order("BTCUSDT", OrderSide.BUY, Decimal("0.0005"), state=OrderState.UNKNOWN)


def _at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock).astimezone()


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


if __name__ == "__main__":
    os.umask(0o077)
    write_busy_week(Path(sys.argv[1]), datetime.now().astimezone(), hostile=sys.argv[2] if len(sys.argv) > 2 else "")
