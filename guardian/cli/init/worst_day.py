"""What could at worst be bought under a policy."""

from __future__ import annotations

from decimal import Decimal

from guardian.domain.milliseconds import DAY_MS
from guardian.domain.orders import OrderSide
from guardian.policy.model import Policy


def most_in_a_day(policy: Policy) -> Decimal | None:
    """Returns the most that all orders of any 24 hours can be worth, in the policy's currency and without fees.

    None where no symbol may be bought. A window that is shorter than a day fits into it several times.
    """
    buyable = [limits.max_notional for limits in policy.symbols.values() if OrderSide.BUY in limits.sides]
    if not buyable:
        return None
    bounds = [window.maximum * _times(window.window_ms) for window in policy.limits.rolling_notional]
    bounds += [max(buyable) * window.maximum * _times(window.window_ms) for window in policy.limits.max_orders]
    return min(bounds)


def _times(window_ms: int) -> int:
    """How many windows cover a day."""
    return -(-DAY_MS // window_ms)
