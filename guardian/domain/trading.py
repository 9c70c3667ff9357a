"""Where trading happens and whether it is allowed: environments and the trading state."""

from __future__ import annotations

from enum import StrEnum


class Environment(StrEnum):
    """Where guardian trades. A key, an order, a budget and a proposal belong to exactly one environment."""

    PAPER = "paper"
    TESTNET = "testnet"
    DEMO = "demo"
    LIVE = "live"


class TradingState(StrEnum):
    """The kill switch. Reads and cancels work in each."""

    ACTIVE = "active"
    REDUCING = "reducing"
    """Only exits pass."""
    HALTED = "halted"
    """No order is created."""
