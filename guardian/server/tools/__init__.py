"""The 17 tools, by what they touch. Each is a pure function from checked arguments to its request."""

from typing import Final

from guardian.server.registration import ToolSpec
from guardian.server.tools.account import ACCOUNT_TOOLS
from guardian.server.tools.futures import FUTURES_TOOLS
from guardian.server.tools.market import MARKET_TOOLS
from guardian.server.tools.orders import ORDER_TOOLS
from guardian.server.tools.wallet import WALLET_TOOLS

ALL_TOOLS: Final[tuple[ToolSpec, ...]] = (*MARKET_TOOLS, *ACCOUNT_TOOLS, *ORDER_TOOLS, *FUTURES_TOOLS, *WALLET_TOOLS)
"""In the order in which a client lists them."""
