"""What guardian's trading of one symbol gained, first in, first out. Pure, on the flows of the ledger.

Each purchase is a lot, and what is sold, or what the owner took off the position, comes from the oldest lots first with
the cost that they have: the formula of IAS 2, paragraph 27. All else is as in `average_cost`, with two differences that
follow from the lots:

    fees      in the base asset lessen the newest lot of their order, then the oldest lots; in the quote asset, or where
              an order turns out to have paid more, the part of the newest lot that is left costs more, and what was
              sold of it has gained less
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from guardian.domain.money import ZERO, minus, negated, plus
from guardian.store.answers.average_cost import CostPool, share_down, share_up


@dataclass(slots=True)
class _Lot:
    """What one purchase added, less its fees; `left` of it is held, and cost `cost`."""

    quantity: Decimal
    left: Decimal
    cost: Decimal


@dataclass(slots=True)
class FifoPool(CostPool):
    """As CostPool, whose `cost` is the sum over the lots."""

    _lots: deque[_Lot] = field(default_factory=deque)
    _newest: dict[str, _Lot] = field(default_factory=dict)
    """The newest lot of each order."""

    def _add(self, order: str, quantity: Decimal, cost: Decimal) -> None:
        lot = _Lot(quantity, quantity, cost)
        self._lots.append(lot)
        self._newest[order] = lot
        self.held, self.cost = plus(self.held, quantity), plus(self.cost, cost)

    def _raise_cost(self, order: str, amount: Decimal) -> None:
        lot = self._newest.get(order)
        kept = ZERO if lot is None else _part(amount, lot.left, lot.quantity)
        if lot is not None:
            lot.cost = plus(lot.cost, kept)
        self.cost = plus(self.cost, kept)
        self._gain_of_held(minus(kept, amount))

    def _shrink(self, order: str, quantity: Decimal) -> None:
        lot = self._newest.get(order)
        if lot is not None:
            taken = min(quantity, lot.left)
            lot.left, lot.quantity = minus(lot.left, taken), minus(lot.quantity, taken)
            self.held, quantity = minus(self.held, taken), minus(quantity, taken)
        while quantity:
            oldest = self._oldest()
            taken = min(quantity, oldest.left)
            oldest.left, oldest.quantity = minus(oldest.left, taken), minus(oldest.quantity, taken)
            self.held, quantity = minus(self.held, taken), minus(quantity, taken)

    def _leave(self, quantity: Decimal) -> Decimal:
        left = ZERO
        while quantity:
            lot = self._oldest()
            taken = min(quantity, lot.left)
            share = _part(lot.cost, taken, lot.left)
            lot.left, lot.cost = minus(lot.left, taken), minus(lot.cost, share)
            self.held, self.cost = minus(self.held, taken), minus(self.cost, share)
            quantity, left = minus(quantity, taken), plus(left, share)
        return left

    def _settle(self) -> None:
        """Once nothing is held there are no lots, and a cost that is left is lost."""
        if self.held == 0:
            self._lots.clear()
            self._gain_of_held(negated(self.cost))
            self.cost = ZERO

    def _oldest(self) -> _Lot:
        """Returns the oldest lot of which something is left; the cost of one that fees used up goes to the next."""
        while not self._lots[0].left:
            used_up = self._lots.popleft()
            self._lots[0].cost = plus(self._lots[0].cost, used_up.cost)
            used_up.cost = ZERO
        return self._lots[0]


def _part(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Returns the part of an amount, of either sign, that belongs to a part of a quantity; above zero rounded up."""
    if not part:
        return ZERO
    return share_up(amount, part, whole) if amount > 0 else negated(share_down(negated(amount), part, whole))
