"""The states of an order and the moves between them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class OrderState(StrEnum):
    """Where an order of guardian's is in its life, as far as guardian knows. ORDER_MOVES has the moves between.

    An order that waits for a person is a proposal, which is kept elsewhere: nothing of it counts. There is no state
    `sent` between `reserved` and the exchange's answer: it would cost a flush of the disk before every order and tell
    nothing, for a process that dies right after writing it may have sent the order or not, exactly as one that dies
    right before. So `reserved` means that it may have been sent, and counts and is asked for as `unknown` is.
    """

    RESERVED = "reserved"
    """On disk and counted, and maybe sent: for moments while its process sends it, for longer after a crash."""
    UNKNOWN = "unknown"
    """It may have reached the exchange: counted in full, asked for, never sent again."""
    OPEN = "open"
    """Acknowledged: the exchange has it, and nothing of it is filled."""
    PART_FILLED = "part_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    """The exchange said no."""
    NOT_PLACED = "not_placed"
    """It never reached the exchange, or was given up because the exchange did not know it: its row tells which."""


UNRESOLVED_STATES: Final = frozenset({OrderState.RESERVED, OrderState.UNKNOWN})
LIVE_STATES: Final = frozenset({OrderState.OPEN, OrderState.PART_FILLED})
VOID_STATES: Final = frozenset({OrderState.REJECTED, OrderState.NOT_PLACED})
DONE_STATES: Final = frozenset({OrderState.FILLED, OrderState.CANCELLED, OrderState.EXPIRED})
FINAL_STATES: Final = VOID_STATES | DONE_STATES
IN_FLIGHT_MS: Final = 20_000
"""For so long a reserved order is being sent by its process; one that is older is in doubt, as one `unknown` is."""
ORDER_MOVES: Final[dict[OrderState, frozenset[OrderState]]] = {
    OrderState.RESERVED: frozenset(OrderState) - {OrderState.RESERVED},
    OrderState.UNKNOWN: frozenset(OrderState) - {OrderState.RESERVED, OrderState.UNKNOWN},
    OrderState.OPEN: LIVE_STATES - {OrderState.OPEN} | DONE_STATES | {OrderState.UNKNOWN},
    OrderState.PART_FILLED: DONE_STATES | {OrderState.UNKNOWN},
    **{state: frozenset() for state in FINAL_STATES},
}
"""The moves an order can make; every other one is refused. Nothing ever leaves a final state, but by CORRECTIONS.

An open order becomes `unknown` where the exchange's report of it contradicts the order that was sent.
"""
CORRECTIONS: Final[dict[OrderState, frozenset[OrderState]]] = {
    OrderState.NOT_PLACED: LIVE_STATES | DONE_STATES,
    OrderState.REJECTED: LIVE_STATES | DONE_STATES,
    OrderState.CANCELLED: LIVE_STATES,
    OrderState.EXPIRED: LIVE_STATES,
}
"""What an order is set right to whose end guardian has wrongly, for the exchange has it otherwise.

No way of an order's: only reconciliation takes it, each time with a row of the log of its own, and trading halts.
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
