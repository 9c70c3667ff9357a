"""Profit first in, first out, once more and differently: whole numbers of the eighth digit, a plain list of lots."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.gate.support.profit_oracle import Step


@dataclass
class Lot:
    """One purchase: all of it, what is left, and what that cost."""

    order: str
    whole: int
    left: int
    cost: int


@dataclass
class Shelf:
    """The lots of one symbol, and what the period realised."""

    lots: list[Lot] = field(default_factory=list)
    sold: dict[str, list[int]] = field(default_factory=dict)
    """By order: what it sold, and how much of that came from lots."""
    realised: int = 0

    @property
    def held(self) -> int:
        return sum(lot.left for lot in self.lots)

    @property
    def cost(self) -> int:
        return sum(lot.cost for lot in self.lots)

    def take(self, step: Step) -> int:
        """Takes in a step; returns what it gained."""
        gained = self._fee(step) if step.asset else self._fill(step)
        while len(self.lots) > 1 and not self.lots[0].left:
            used_up = self.lots.pop(0)
            self.lots[0].cost += used_up.cost
        if self.held == 0:
            gained -= self.cost
            self.lots = []
        return gained

    def _fill(self, step: Step) -> int:
        if step.side == "BUY":
            self.lots.append(Lot(step.order, step.quantity, step.quantity, step.amount))
            return 0
        own = min(step.quantity, self.held)
        totals = self.sold.setdefault(step.order, [0, 0])
        totals[0] += step.quantity
        totals[1] += own
        return step.amount * own // step.quantity - self._cost_of(own)

    def _cost_of(self, quantity: int) -> int:
        """Takes a quantity off the oldest lots; returns what it cost, each share rounded up."""
        cost = carried = 0
        for lot in self.lots:
            if not quantity:
                break
            if not lot.left:  # fees used it up; the next one bears what it cost
                carried, lot.cost = carried + lot.cost, 0
                continue
            lot.cost, carried = lot.cost + carried, 0
            taken = min(quantity, lot.left)
            share = -(-lot.cost * taken // lot.left)
            lot.left, lot.cost, quantity, cost = lot.left - taken, lot.cost - share, quantity - taken, cost + share
        return cost

    def _fee(self, step: Step) -> int:
        fee, base, quote = step.quantity, step.symbol[:3], step.symbol[3:]
        newest = self._lots_of(step.order)
        if step.asset == base:
            for lot in [*newest, *self.lots]:
                taken = min(fee, lot.left)
                lot.left, lot.whole, fee = lot.left - taken, lot.whole - taken, fee - taken
            return 0
        if step.asset != quote:
            return 0
        if step.side == "SELL":
            sold, own = self.sold[step.order]
            return -fee * own // sold
        if not newest or not newest[0].left:
            return -fee
        kept = -(-fee * newest[0].left // newest[0].whole)
        newest[0].cost += kept
        return kept - fee

    def _lots_of(self, order: str) -> list[Lot]:
        """The newest lot of an order, if that is still there."""
        return [lot for lot in self.lots if lot.order == order][-1:]


def shelves_of(steps: Iterable[Step], start_ms: int | None, end_ms: int | None) -> dict[str, Shelf]:
    """Every symbol's lots after all steps, with what those from `start_ms` on and before `end_ms` gained."""
    shelves: dict[str, Shelf] = {}
    for step in steps:
        if end_ms is not None and step.time_ms >= end_ms:
            continue
        shelf = shelves.setdefault(step.symbol, Shelf())
        gained = shelf.take(step)
        if start_ms is None or step.time_ms >= start_ms:
            shelf.realised += gained
    return shelves
