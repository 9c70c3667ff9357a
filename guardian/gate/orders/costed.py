"""An order whose cost is known; only such an order is proposed or reserved."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from guardian.domain.orders import ResolvedOrder
from guardian.policy.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class CostedOrder:
    """The order to send, and the most that it counts for, in the accounting currency and in the quote asset."""

    order: ResolvedOrder
    notional: Decimal
    quote_notional: Decimal
    is_exit: bool


def costed(verdict: Verdict) -> CostedOrder:
    """The order of a verdict that did not deny.

    Raises:
        RuntimeError: it has no order or no cost. The engine lets no such verdict out; nothing is reserved on one.
    """
    order, notional, quote_notional = verdict.order, verdict.notional, verdict.quote_notional
    if order is None or notional is None or quote_notional is None:
        raise RuntimeError("an order that was not denied has no price")
    return CostedOrder(order=order, notional=notional, quote_notional=quote_notional, is_exit=verdict.is_exit)
