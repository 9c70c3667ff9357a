"""What guardian's trading of one symbol gained, by the average cost of what is held. Pure, on the flows of the ledger.

The average cost is the moving weighted average of IAS 2, paragraphs 25 and 27: each purchase adds its quantity and its
cost to what is held, and what is sold takes the same share of the cost as of the quantity. Amounts are in the symbol's
quote asset.

    bought    adds to what is held, at what was paid
    sold      gains its proceeds less its share of the cost
    fees      in the base asset lessen what is held and leave its cost; in the quote asset they add to the cost of a
              purchase and lessen the proceeds of a sale; in any other asset they are kept apart
    corrected what the owner took off the position leaves with its share of the cost, and nothing is gained or lost

What is sold beyond what guardian bought was the owner's before: its cost is not known, so its proceeds are kept apart
and are never profit. The share of a cost is rounded up at the eighth digit and the share of proceeds down; the rest
stays where it was, so that nothing is lost or counted twice. What a flow gained depends on the flows before it alone: a
period's gain is the sum over its flows, and two periods that follow one another add up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from guardian.domain.money import ZERO, divided_down, divided_up, minus, negated, plus, round_down, round_up, times
from guardian.store.transaction.ledger import Flow, FlowKind


@dataclass(slots=True, kw_only=True)
class Gains:
    """What a period brought on one symbol: quantities in the base asset, the rest in the quote asset."""

    bought: Decimal = ZERO
    bought_for: Decimal = ZERO
    """What was paid, before fees."""
    sold: Decimal = ZERO
    sold_for: Decimal = ZERO
    """What was received, before fees; of all that was sold."""
    realised: Decimal = ZERO
    """After the fees in the base and the quote asset; below zero where it is a loss."""
    fees: dict[str, Decimal] = field(default_factory=dict)
    """All fees, by asset."""
    fees_apart: dict[str, Decimal] = field(default_factory=dict)
    """Those that are not in `realised`: in a third asset, or in base asset that guardian had not bought."""
    unknown_cost: Decimal = ZERO
    """How much of `sold` guardian had not bought."""
    unknown_cost_for: Decimal = ZERO
    """What that brought, after its fees in the quote asset."""
    corrected: Decimal = ZERO
    """By how much the owner corrected the position."""
    sources: set[str] = field(default_factory=set)
    """The orders and corrections that it came from."""


@dataclass(slots=True)
class _OrderSoFar:
    """What is known of one order: whether it buys, what it sold, and how much of that guardian had bought."""

    is_buy: bool
    sold: Decimal = ZERO
    covered: Decimal = ZERO


@dataclass(slots=True)
class CostPool:
    """What is held of one symbol and what it cost, and what the flows of a period gained."""

    base_asset: str
    quote_asset: str
    held: Decimal = ZERO
    cost: Decimal = ZERO
    """Of what is held."""
    gains: Gains = field(default_factory=Gains)
    _orders: dict[str, _OrderSoFar] = field(default_factory=dict)
    _counted: Gains = field(default_factory=Gains)
    """Where the present flow is counted: `gains`, or nowhere that is looked at."""

    def take(self, flow: Flow, paid: Decimal, *, counts: bool) -> None:
        """Takes in a flow; `paid` is what came of the quote asset with a flow of the base asset."""
        self._counted = self.gains if counts else Gains()
        self._counted.sources.add(flow.source)
        if flow.kind is FlowKind.CORRECTION:
            self._correct(flow.change)
        elif flow.kind is FlowKind.FEE:
            self._charge(flow.source, flow.asset, negated(flow.change))
        elif flow.asset == self.quote_asset:
            self._pay(flow.source, flow.change)
        elif flow.change > 0:
            self._buy(flow.source, flow.change, negated(paid))
        else:
            self._sell(flow.source, negated(flow.change), paid)
        self._settle()

    def is_buy(self, source: str) -> bool | None:
        """Returns whether an order that was taken in buys; None where it was not, or is a correction."""
        so_far = self._orders.get(source)
        return None if so_far is None else so_far.is_buy

    def _buy(self, order: str, quantity: Decimal, cost: Decimal) -> None:
        self._orders.setdefault(order, _OrderSoFar(is_buy=True))
        self._add(order, quantity, cost)
        self._counted.bought = plus(self._counted.bought, quantity)
        self._counted.bought_for = plus(self._counted.bought_for, cost)

    def _sell(self, order: str, quantity: Decimal, proceeds: Decimal) -> None:
        counted, so_far = self._counted, self._orders.setdefault(order, _OrderSoFar(is_buy=False))
        covered = min(quantity, self.held)
        so_far.sold, so_far.covered = plus(so_far.sold, quantity), plus(so_far.covered, covered)
        counted.sold, counted.sold_for = plus(counted.sold, quantity), plus(counted.sold_for, proceeds)
        counted.unknown_cost = plus(counted.unknown_cost, minus(quantity, covered))
        self._gain(proceeds, share_down(proceeds, covered, quantity))
        self._gain_of_held(negated(self._leave(covered)))

    def _pay(self, order: str, change: Decimal) -> None:
        """What an order paid or received turns out to be other than was known before."""
        so_far = self._orders.setdefault(order, _OrderSoFar(is_buy=change < 0))
        if so_far.is_buy:
            self._raise_cost(order, negated(change))
            self._counted.bought_for = minus(self._counted.bought_for, change)
        else:
            self._counted.sold_for = plus(self._counted.sold_for, change)
            self._gain(change, share_down(change, so_far.covered, so_far.sold))

    def _charge(self, order: str, asset: str, fee: Decimal) -> None:
        self._counted.fees[asset] = plus(self._counted.fees.get(asset, ZERO), fee)
        so_far = self._orders.get(order)
        if asset == self.base_asset:
            taken = min(fee, self.held)
            self._shrink(order, taken)
            fee = minus(fee, taken)
        elif asset == self.quote_asset and so_far is not None:
            if so_far.is_buy:
                self._raise_cost(order, fee)
            else:
                self._gain(negated(fee), negated(share_up(fee, so_far.covered, so_far.sold)))
            return
        if fee:
            self._counted.fees_apart[asset] = plus(self._counted.fees_apart.get(asset, ZERO), fee)

    def _correct(self, change: Decimal) -> None:
        """What the owner adds has no cost, and so is not held here."""
        self._counted.corrected = plus(self._counted.corrected, change)
        self._leave(min(max(negated(change), ZERO), self.held))

    def _add(self, order: str, quantity: Decimal, cost: Decimal) -> None:  # noqa: ARG002 - a lot has its order
        """Adds what an order bought, and what that cost, to what is held."""
        self.held, self.cost = plus(self.held, quantity), plus(self.cost, cost)

    def _raise_cost(self, order: str, amount: Decimal) -> None:  # noqa: ARG002 - as above
        """Adds to the cost of what an order bought."""
        self.cost = plus(self.cost, amount)

    def _shrink(self, order: str, quantity: Decimal) -> None:  # noqa: ARG002 - as above
        """Takes a fee of an order off what is held, and leaves the cost."""
        self.held = minus(self.held, quantity)

    def _leave(self, quantity: Decimal) -> Decimal:
        """Takes a quantity off what is held; returns its share of the cost."""
        share = share_up(self.cost, quantity, self.held)
        self.held, self.cost = minus(self.held, quantity), minus(self.cost, share)
        return share

    def _gain(self, change: Decimal, of_held: Decimal) -> None:
        """Counts what came, or went, of the quote asset: a part for what was held, the rest for the owner's own."""
        self._gain_of_held(of_held)
        self._counted.unknown_cost_for = plus(self._counted.unknown_cost_for, minus(change, of_held))

    def _gain_of_held(self, change: Decimal) -> None:
        self._counted.realised = plus(self._counted.realised, change)

    def _settle(self) -> None:
        """A cost that nothing is held for any more is lost, and one below zero is a gain."""
        if self.held == 0 or self.cost < 0:
            self._gain_of_held(negated(self.cost))
            self.cost = ZERO


def pools_of(
    flows: Iterable[Flow], assets: dict[str, tuple[str, str]], *, start_ms: int | None, end_ms: int | None
) -> dict[str, CostPool]:
    """Returns what is held now on each symbol, and the gains of the period, both ends of it included.

    `flows` are all of an account, in their order; `assets` are the base and the quote asset of each symbol.
    """
    pools = {symbol: CostPool(base, quote) for symbol, (base, quote) in assets.items()}
    of_symbol: dict[str, list[Flow]] = defaultdict(list)
    for flow in flows:
        of_symbol[flow.symbol].append(flow)
    for symbol, pool in pools.items():
        for flow, paid in joined(of_symbol[symbol], pool.quote_asset):
            is_after_start = start_ms is None or flow.time_ms >= start_ms
            pool.take(flow, paid, counts=is_after_start and (end_ms is None or flow.time_ms <= end_ms))
    return pools


def joined(flows: list[Flow], quote_asset: str) -> Iterator[tuple[Flow, Decimal]]:
    """Yields the flows of one symbol that move anything here, a trade's two sides as one."""
    position = 0
    while position < len(flows):
        flow = flows[position]
        position += 1
        if flow.kind is FlowKind.WORTH:
            continue  # what a correction was worth for the loss of the day
        other = flows[position] if position < len(flows) else None
        if other is not None and flow.asset != quote_asset and _are_one_trade(flow, other, quote_asset):
            position += 1
            yield flow, other.change
        else:
            yield flow, ZERO


def _are_one_trade(flow: Flow, other: Flow, quote_asset: str) -> bool:
    """Whether both were written at once: the ledger writes the base asset of a trade and, right after it, the quote."""
    return (
        (flow.kind, other.kind, other.asset) == (FlowKind.TRADE, FlowKind.TRADE, quote_asset)
        and flow.source == other.source
        and other.time_ms == flow.time_ms
    )


def share_up(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Returns the part of an amount that belongs to a part of a quantity, rounded up at the eighth digit."""
    if part == whole:
        return amount
    return min(round_up(divided_up(times(amount, part), whole)), amount)


def share_down(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Returns the same, rounded down at the eighth digit."""
    return amount if part == whole else round_down(divided_down(times(amount, part), whole))
