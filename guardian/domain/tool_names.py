"""The names of the tools that an assistant calls. The request of each is in `guardian.domain.requests`.

They are apart from it because most of guardian needs only names, and classes take time to make at each start.
"""

from __future__ import annotations

from typing import Final

CREATE_ORDER: Final = "create_order"
CANCEL_ORDER: Final = "cancel_order"

TOOLS: Final = (
    "get_ticker_price",
    "get_ticker",
    "get_order_book",
    "get_available_assets",
    "get_balance",
    "get_account_snapshot",
    "get_position_info",
    "get_pnl",
    CREATE_ORDER,
    CANCEL_ORDER,
    "get_orders",
    "get_deposit_history",
    "get_deposit_address",
    "get_withdraw_history",
    "get_fee_info",
    "get_liquidation_history",
    "get_universal_transfer_history",
)
"""The names of the 17 tools."""
