"""Binance's error codes that guardian acts on. What a code means to people is in `guardian.exchange.http.hints`.

Source: Binance spot `errors.md`. The paper exchange writes its own list.
"""

from __future__ import annotations

from typing import Final

TOO_MANY_REQUESTS: Final = -1003
TOO_MANY_ORDERS: Final = -1015
"""The code of a 429 that is about the account's orders alone."""
OUTSIDE_WINDOW: Final = -1021
"""The request's timestamp is too old or too far ahead."""
UNKNOWN_SYMBOL: Final = -1121
"""The exchange does not list the symbol."""
NEW_ORDER_REJECTED: Final = -2010
"""The matching engine refused an order; only the text says why."""
UNKNOWN_ORDER: Final = -2013
"""The order does not exist, as far as the queried copy of the exchange's data knows."""
ARCHIVED_ORDER: Final = -2026
"""The order ended long ago without any fill."""
KEY_REFUSED: Final = frozenset({-1022, -2008, -2014, -2015})
"""The API key was refused and not the request: every other request would be refused as well."""
OUTCOME_UNKNOWN: Final = frozenset({-1000, -1001, -1006, -1007})
"""Binance: the execution status is unknown and could have been a success."""
