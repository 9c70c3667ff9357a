"""What an order takes of each cap of the policy: before it, after it, and the maximum, as a person is shown it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from guardian.domain.milliseconds import duration_text
from guardian.domain.money import ZERO, plus
from guardian.domain.orders import OrderSide
from guardian.gate.orders.stages import CostedOrder, costed_order
from guardian.policy.facts import Facts, Usage
from guardian.policy.model import Limits, Policy, SymbolLimits
from guardian.policy.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class CapUse:
    """One cap of the policy, by its key, and its use without and with the order."""

    limit: str
    window: str | None
    """`5m`, `24h`; None where the cap is not over time."""
    unit: str
    """The asset that the amounts are in, or `orders`."""
    maximum: Decimal
    before: Decimal
    after: Decimal


def cap_uses(facts: Facts, verdict: Verdict, policy: Policy) -> tuple[CapUse, ...] | None:
    """The caps that the judged order counts against, those of the order alone first.

    An exit counts against those alone. None where the order was denied, or the usage is unknown.
    """
    usage = facts.usage
    if verdict.denials or usage is None:
        return None
    order = costed_order(verdict)
    limits = policy.symbols.get(order.order.symbol)
    uses = [] if limits is None else list(_of_order(order, facts, limits, policy.accounting.currency))
    if not order.is_exit:
        if limits is not None and order.order.side is OrderSide.BUY:
            uses.append(_position(order, facts, usage, limits))
        uses += _budgets(order, usage, policy.limits, policy.accounting.currency)
    return tuple(uses)


def _of_order(order: CostedOrder, facts: Facts, limits: SymbolLimits, currency: str) -> Iterator[CapUse]:
    base = facts.instruments[order.order.symbol].base_asset
    yield _use("max_notional", currency, limits.max_notional, ZERO, order.notional)
    yield _use("max_quantity", base, limits.max_quantity, ZERO, order.order.quantity)


def _position(order: CostedOrder, facts: Facts, usage: Usage, limits: SymbolLimits) -> CapUse:
    base = facts.instruments[order.order.symbol].base_asset
    held = plus(usage.position, usage.open_buys)
    return _use("max_position", base, limits.max_position, held, order.order.quantity)


def _budgets(order: CostedOrder, usage: Usage, limits: Limits, currency: str) -> Iterator[CapUse]:
    for spent in limits.rolling_notional:
        entered, window = usage.entered[spent.window_ms], duration_text(spent.window_ms)
        yield _use("rolling_notional", currency, spent.maximum, entered, order.notional, window)
    yield _use("max_open_notional", currency, limits.max_open_notional, usage.open_notional, order.notional)
    for sent in limits.max_orders:
        count, window = Decimal(usage.ordered[sent.window_ms]), duration_text(sent.window_ms)
        yield _use("max_orders", "orders", Decimal(sent.maximum), count, Decimal(1), window)
    yield _use("max_open_orders", "orders", Decimal(limits.max_open_orders), Decimal(usage.open_orders), Decimal(1))


def _use(limit: str, unit: str, maximum: Decimal, before: Decimal, more: Decimal, window: str | None = None) -> CapUse:
    return CapUse(limit=limit, window=window, unit=unit, maximum=maximum, before=before, after=plus(before, more))
