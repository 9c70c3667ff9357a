"""Queries the exchange for one of guardian's orders, and names the refusals that mean something to the caller."""

from __future__ import annotations

from typing import Final

from guardian.domain.orders import OrderReport
from guardian.domain.report_match import SentOrder, is_amended
from guardian.exchange.exchange import Exchange

ARCHIVED_CODE: Final = -2026
"""Binance's code for an order that ended long ago without any fill."""
UNLISTED_CODE: Final = -1121
"""Binance's code for a symbol that it does not list."""
KEY_REFUSED_CODES: Final = frozenset({-1022, -2008, -2014, -2015})
"""Binance's codes that refuse the API key and not the query: every other query would be refused as well."""


async def query_order(exchange: Exchange, sent: SentOrder) -> OrderReport | None:
    """The exchange's report of an order of guardian's; None where it knows neither of its ids. Raises ExchangeError.

    An order that its owner amended has another client order id at the exchange; it is queried by its order id. Another
    order with that number (order ids start again when a testnet is wiped) is not taken for it.
    """
    report = await exchange.order(sent.symbol, client_order_id=sent.client_order_id)
    if report is not None or sent.order_id is None:
        return report
    report = await exchange.order(sent.symbol, order_id=sent.order_id)
    if report is None or not (report.client_order_id == sent.client_order_id or is_amended(sent, report)):
        return None
    return report
