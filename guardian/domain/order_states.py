"""The states of an order and the moves between them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class OrderState(StrEnum):
    """The state of an order of guardian's, as far as guardian knows. ORDER_MOVES has the transitions.

    An order that waits for a person is a proposal, which is stored elsewhere and uses no budget. There is no state
    `sent` between `reserved` and the exchange's answer: it would cost a flush of the disk before every order and add
    no information, since a process that dies right after writing it may or may not have sent the order, exactly as a
    process that dies right before. So `reserved` means that it may have been sent; it counts and is queried as
    `unknown` is.
    """

    RESERVED = "reserved"
    """On disk and counted, and maybe sent: for a moment while its process sends it, for longer after a crash."""
    UNKNOWN = "unknown"
    """It may have reached the exchange: counted in full, queried, never sent again."""
    OPEN = "open"
    """Acknowledged by the exchange, and not filled at all."""
    PART_FILLED = "part_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    """The exchange refused it."""
    NOT_PLACED = "not_placed"
    """It never reached the exchange, or was given up because the exchange did not know it: its row says which."""


UNRESOLVED_STATES: Final = frozenset({OrderState.RESERVED, OrderState.UNKNOWN})
"""It may be at the exchange or not; it is polled."""
LIVE_STATES: Final = frozenset({OrderState.OPEN, OrderState.PART_FILLED})
"""It is open at the exchange."""
VOID_STATES: Final = frozenset({OrderState.REJECTED, OrderState.NOT_PLACED})
"""It never was at the exchange, and counts in no sum."""
DONE_STATES: Final = frozenset({OrderState.FILLED, OrderState.CANCELLED, OrderState.EXPIRED})
"""It was at the exchange and has ended there."""
FINAL_STATES: Final = VOID_STATES | DONE_STATES
IN_FLIGHT_MS: Final = 20_000
"""How long a reserved order counts as being sent by its process; an older one is in doubt, as an `unknown` one is."""
ORDER_MOVES: Final[dict[OrderState, frozenset[OrderState]]] = {
    OrderState.RESERVED: frozenset(OrderState) - {OrderState.RESERVED},
    OrderState.UNKNOWN: frozenset(OrderState) - {OrderState.RESERVED, OrderState.UNKNOWN},
    OrderState.OPEN: LIVE_STATES - {OrderState.OPEN} | DONE_STATES | {OrderState.UNKNOWN},
    OrderState.PART_FILLED: DONE_STATES | {OrderState.UNKNOWN},
    **{state: frozenset() for state in FINAL_STATES},
}
"""The allowed transitions; every other is refused. Only CORRECTIONS leave a final state.

An open order becomes `unknown` where the exchange's report of it contradicts the order that was sent.
"""
CORRECTIONS: Final[dict[OrderState, frozenset[OrderState]]] = {
    OrderState.NOT_PLACED: LIVE_STATES | DONE_STATES,
    OrderState.REJECTED: LIVE_STATES | DONE_STATES,
    OrderState.CANCELLED: LIVE_STATES,
    OrderState.EXPIRED: LIVE_STATES,
}
"""The corrections of a final state that contradicts the exchange.

Only reconciliation makes them, each with its own row in the log, and trading halts.
"""

STATE_OF_STATUS: Final = {
    "NEW": OrderState.OPEN,
    "PENDING_NEW": OrderState.OPEN,
    "PENDING_CANCEL": OrderState.OPEN,
    "PARTIALLY_FILLED": OrderState.PART_FILLED,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELLED,
    "EXPIRED": OrderState.EXPIRED,
    "EXPIRED_IN_MATCH": OrderState.EXPIRED,
    "REJECTED": OrderState.REJECTED,
}
"""Guardian's state for each order status of Binance."""
