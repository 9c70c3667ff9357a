"""The policy of the model, what can become of an order on its way, and what the model knows of one."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from guardian.domain.orders import ResolvedOrder
from guardian.errors import (
    ExchangeRateLimited,
    ExchangeRejected,
    NotSent,
    OutcomeUnknown,
)
from tests.gate.support.fakes import D, Lost, Placed

MINUTE, DAY = 60_000, 86_400_000
WINDOWS = {5 * MINUTE: D(160), DAY: D(400)}
ORDERS_A_MINUTE = 4
OPEN_CAP = D(300)
OPEN_ORDERS_CAP = 3
NOTIONAL_CAP = D(100)
POSITION_CAP = D("0.004")
SLICING_MS = 15 * MINUTE
UNCONFIRMED_CAP = D(180)
POLICY: dict[str, Any] = {
    "limits": {
        "rolling_notional": [{"window": "5m", "max": "160"}, {"window": "24h", "max": "400"}],
        "max_orders": [{"window": "1m", "max": ORDERS_A_MINUTE}],
        "max_open_notional": "300",
        "max_open_orders": OPEN_ORDERS_CAP,
        "duplicate_window": "1s",
        "anti_slicing_window": "15m",
        "absence_window": "1m",
    },
    "confirmation": {"required_above": "180", "channel": "terminal", "max_outstanding": 3},
    "symbols": {"BTCUSDT": {"max_notional": "100", "max_position": "0.004"}},
}
BUDGETS = {
    "ROLLING_NOTIONAL_EXCEEDS_MAX", "ORDER_COUNT_EXCEEDS_MAX", "OPEN_NOTIONAL_EXCEEDS_MAX", "OPEN_ORDERS_EXCEED_MAX",
    "SLICING_EXCEEDS_MAX", "POSITION_EXCEEDS_MAX",
}  # fmt: skip
"""What an exit is exempt from."""


class Killed(BaseException):
    """The process is dead: nothing of guardian's catches this, and nothing behind it runs."""


BEHAVIOURS: dict[str, Any] = {
    "opens": lambda: Placed("NEW"),
    "part": lambda: Placed("PARTIALLY_FILLED", "0.0003"),
    "fills": lambda: Placed("FILLED", "all"),
    "rejected in the answer": lambda: Placed("REJECTED"),
    "rejected": lambda: ExchangeRejected(-2010, "insufficient balance", http_status=400),
    "not sent": lambda: NotSent("too old"),
    "limited": lambda: ExchangeRateLimited(1),
    "lost": lambda: Lost(OutcomeUnknown("lost")),
    "lost and filled": lambda: Lost(RuntimeError("a bug"), "FILLED"),
    "lost on the way": lambda: OutcomeUnknown("lost"),
    "duplicate": lambda: Lost(ExchangeRejected(-2010, "Duplicate order sent.", http_status=400)),
}
DEATHS: dict[str, Any] = {
    "dies before it arrives": lambda: Killed(),
    "dies when it has arrived": lambda: Lost(Killed()),
    "dies when it is filled": lambda: Lost(Killed(), "FILLED"),
}
VOID = {"rejected in the answer", "rejected", "not sent", "limited"}
LOST_ON_THE_WAY = {"lost on the way", "dies before it arrives"}
SIDES = st.sampled_from(["BUY", "BUY", "BUY", "SELL"])
OFTEN = st.sampled_from([True, True, True, False])
READS = ("book_tops", "average_price", "balances", "clock_skew_ms", "order", "open_orders", "all_orders")
LIVE = {"NEW", "PARTIALLY_FILLED"}
ENDED = {"NEW": "open", "PARTIALLY_FILLED": "part_filled", "FILLED": "filled", "CANCELED": "cancelled",
         "EXPIRED": "expired", "REJECTED": "rejected"}  # fmt: skip


@dataclass
class Sent:
    """What the model knows of an order that was sent."""

    name: str
    order: ResolvedOrder
    notional: Decimal
    at_ms: int
    true_ms: int
    """When it was, by a clock that nobody sets."""
    is_exit: bool
    behaviour: str
    confirmed: bool
