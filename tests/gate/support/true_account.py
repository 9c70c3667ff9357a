"""An exchange made by hand with a true account: what is locked, spent and brought follows from its orders."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from guardian.domain.accounts import Balance, Balances
from guardian.domain.instruments import Instrument
from guardian.domain.orders import OrderReport
from tests.gate.support.fakes import FakeExchange, instrument
from tests.support.present import present

LIVE = {"NEW", "PARTIALLY_FILLED"}


@dataclass
class TrueExchange(FakeExchange):
    """Its balances are those of `free` with what all orders did to them."""

    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By symbol: what its trading rules have instead."""
    meeting: int = 0
    """So many questions for balances wait for one another, so that none sees an order of the others."""
    _met: int = 0
    _all_met: asyncio.Event | None = None

    async def instruments(self, symbols: Any) -> dict[str, Instrument]:
        wanted = tuple(symbols)
        await self._read("instruments", symbols=wanted)
        return {s: instrument(s, **self.rules.get(s, {})) for s in wanted if s in self.books}

    async def balances(self, include_zero: bool = False) -> Balances:
        await self._read("balances", include_zero=include_zero)
        found = self.truth()
        happens = self.during.pop("balances_read", None)
        if happens is not None:
            await happens()  # between the reading and the answer
        if self.meeting:
            self._all_met = self._all_met or asyncio.Event()
            self._met += 1
            if self._met >= self.meeting:
                self._all_met.set()
            await self._all_met.wait()
        return found

    def truth(self) -> Balances:
        """What the account has now."""
        free = {asset: Decimal(amount) for asset, amount in self.free.items()}
        locked: dict[str, Decimal] = {}
        for report in self.reports.values():
            self._follow(report, free, locked)
        assets = sorted(free.keys() | locked.keys())
        rows = (Balance(asset=a, free=free.get(a, Decimal(0)), locked=locked.get(a, Decimal(0))) for a in assets)
        return Balances(balances=tuple(rows), can_trade=True, updated=None)

    def _follow(self, report: OrderReport, free: dict[str, Decimal], locked: dict[str, Decimal]) -> None:
        base, quote = report.symbol[:3], report.symbol[3:]
        rest = report.quantity - report.executed_quantity if report.status in LIVE else Decimal(0)
        done, worth = report.executed_quantity, present(report.executed_quote_quantity)
        if report.side == "BUY":
            pays, gets, spent, brought, lock = quote, base, worth, done, rest * present(report.price)
        else:
            pays, gets, spent, brought, lock = base, quote, done, worth, rest
        free[pays] = free.get(pays, Decimal(0)) - spent - lock
        locked[pays] = locked.get(pays, Decimal(0)) + lock
        free[gets] = free.get(gets, Decimal(0)) + brought

    def has(self, asset: str) -> Decimal:
        """What is free of an asset now."""
        return sum((b.free for b in self.truth().balances if b.asset == asset), Decimal(0))

    def owns(self, asset: str) -> Decimal:
        """What there is of an asset now, free and locked."""
        return sum((b.free + b.locked for b in self.truth().balances if b.asset == asset), Decimal(0))
