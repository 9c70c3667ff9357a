"""From requests to the parameters that the exchange takes; None is left out on the wire."""

from __future__ import annotations

from typing import Any

from guardian.domain.requests import GetDepositHistory, GetWithdrawHistory
from guardian.errors import RequestRefused


def one_id(order_id: int | None, client_order_id: str | None) -> dict[str, Any]:
    """Returns the one id that names an order. Raises RequestRefused for none and for both."""
    if (order_id is None) == (client_order_id is None):
        raise RequestRefused("an order is named by exactly one of its two ids")
    return {"orderId": order_id} if order_id is not None else {"origClientOrderId": client_order_id}


def period(start_time: int | None, end_time: int | None) -> dict[str, Any]:
    """Returns the two ends of a period, in ms since the epoch."""
    return {"startTime": start_time, "endTime": end_time}


def page(request: GetDepositHistory | GetWithdrawHistory) -> dict[str, Any]:
    """Returns a page of a coin's history."""
    fields = period(request.start_time, request.end_time)
    return fields | {"coin": request.coin, "limit": request.limit, "offset": request.offset}
