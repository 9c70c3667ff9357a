"""Where trading happens and whether it is allowed: environments and the trading state."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final


class Environment(StrEnum):
    """Where guardian trades. A key, an order, a budget and a proposal belong to exactly one environment."""

    PAPER = "paper"
    TESTNET = "testnet"
    DEMO = "demo"
    LIVE = "live"


PAPER_HOST: Final = "127.0.0.1"
"""Where guardian's own paper exchange listens."""
PAPER_ENDPOINT: Final = re.compile(r"http://(?:127\.0\.0\.1|\[::1\]):([1-9][0-9]{0,4})", re.ASCII)
"""Where a paper exchange may be: on this machine's loopback, at the port in the group.

Written out instead of parsed: no name, no user, no path, no other way to write the address passes.
"""


class TradingState(StrEnum):
    """The kill switch. Reads and cancels work in each."""

    ACTIVE = "active"
    REDUCING = "reducing"
    """Only exits pass."""
    HALTED = "halted"
    """No order is created."""
