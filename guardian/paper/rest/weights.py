"""What each request costs of the exchange's rate limits: the one table of weights.

Sources: Binance spot `rest-api.md` (2026-07-21) for `/api`; the official SDK's docstrings for `/sapi` and `/fapi`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

Sent = Mapping[str, str]
"""The parameters of a request as they were sent."""


class WeightBudget(Enum):
    """What a request is counted against."""

    API = "/api, for the address"
    FAPI = "/fapi, for the address"
    SAPI_IP = "this one path of /sapi, for the address"
    SAPI_UID = "this one path of /sapi, for the account"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one request weighs, and against which budget."""

    budget: WeightBudget
    weight: int


def _depth(sent: Sent) -> int:
    levels = _number(sent.get("limit"), otherwise=100)
    return next((weight for most, weight in ((100, 5), (500, 25), (1000, 50)) if levels <= most), 250)


def _ticker_day(sent: Sent) -> int:
    count = _symbols(sent)
    return 2 if count <= 20 else 40 if count <= 100 else 80


def _if_sent(name: str, sent_weight: int, otherwise: int) -> Callable[[Sent], int]:
    return lambda sent: sent_weight if name in sent else otherwise


def _if_true(name: str, true_weight: int, otherwise: int) -> Callable[[Sent], int]:
    return lambda sent: true_weight if sent.get(name, "").lower() == "true" else otherwise


API: Final[Mapping[str, int | Callable[[Sent], int]]] = MappingProxyType(
    {
        "GET /api/v3/ping": 1,
        "GET /api/v3/time": 1,
        "GET /api/v3/exchangeInfo": 20,
        "GET /api/v3/depth": _depth,
        "GET /api/v3/trades": 25,
        "GET /api/v3/historicalTrades": 25,
        "GET /api/v3/aggTrades": 4,
        "GET /api/v3/klines": 2,
        "GET /api/v3/uiKlines": 2,
        "GET /api/v3/avgPrice": 2,
        "GET /api/v3/ticker/24hr": _ticker_day,
        "GET /api/v3/ticker/price": _if_sent("symbol", 2, 4),
        "GET /api/v3/ticker/bookTicker": _if_sent("symbol", 2, 4),
        # Placing and cancelling weigh 1 when they are refused, and nothing when they succeed (since 2026-04-02).
        "POST /api/v3/order": 1,
        "DELETE /api/v3/order": 1,
        "DELETE /api/v3/openOrders": 1,
        "POST /api/v3/order/test": _if_true("computeCommissionRates", 20, 1),
        "GET /api/v3/order": 4,
        "GET /api/v3/openOrders": _if_sent("symbol", 6, 80),
        "GET /api/v3/allOrders": 20,
        "GET /api/v3/myTrades": _if_sent("orderId", 5, 20),
        "GET /api/v3/account": 20,
        "GET /api/v3/account/commission": 20,
        "GET /api/v3/rateLimit/order": 40,
        "GET /api/v3/myFilters": 40,
    }
)
SAPI_IP: Final[Mapping[str, int]] = MappingProxyType(
    {
        "GET /sapi/v1/accountSnapshot": 2400,
        "GET /sapi/v1/account/apiRestrictions": 1,
        "GET /sapi/v1/asset/tradeFee": 1,
        "GET /sapi/v1/asset/transfer": 1,
        "POST /sapi/v3/asset/getUserAsset": 5,
        "GET /sapi/v1/capital/config/getall": 10,
        "GET /sapi/v1/capital/deposit/hisrec": 1,
        "GET /sapi/v1/capital/deposit/address": 10,
        "GET /sapi/v1/margin/allPairs": 1,
        "GET /sapi/v1/margin/isolated/allPairs": 10,
        "GET /sapi/v1/system/status": 1,
    }
)
SAPI_UID: Final[Mapping[str, int]] = MappingProxyType({"GET /sapi/v1/capital/withdraw/history": 18_000})
FAPI: Final[Mapping[str, int | Callable[[Sent], int]]] = MappingProxyType(
    {
        "GET /fapi/v1/exchangeInfo": 1,
        "GET /fapi/v1/time": 1,
        "GET /fapi/v1/ping": 1,
        "GET /fapi/v1/premiumIndex": _if_sent("symbol", 1, 10),
        "GET /fapi/v1/ticker/24hr": _if_sent("symbol", 1, 40),
        "GET /fapi/v1/ticker/price": _if_sent("symbol", 1, 2),
        "GET /fapi/v2/ticker/price": _if_sent("symbol", 1, 2),
        "GET /fapi/v1/ticker/bookTicker": _if_sent("symbol", 2, 5),
        "GET /fapi/v2/account": 5,
        "GET /fapi/v3/account": 5,
        "GET /fapi/v2/balance": 5,
        "GET /fapi/v3/balance": 5,
        "GET /fapi/v2/positionRisk": 5,
        "GET /fapi/v3/positionRisk": 5,
        "GET /fapi/v1/symbolConfig": 5,
        "GET /fapi/v1/accountConfig": 5,
        "GET /fapi/v1/forceOrders": _if_sent("symbol", 20, 50),
        "GET /fapi/v1/income": 30,
        "GET /fapi/v1/commissionRate": 20,
    }
)

FREE_WHEN_DONE: Final = frozenset({"POST /api/v3/order", "DELETE /api/v3/order", "DELETE /api/v3/openOrders"})
"""What weighs nothing after all when it succeeds."""


def cost_of(method: str, path: str, sent: Sent) -> Cost:
    """Returns what a request costs; a request that is in no table weighs 1."""
    name = f"{method} {path}"
    if path.startswith("/sapi/"):
        uid = SAPI_UID.get(name)
        return Cost(WeightBudget.SAPI_IP, SAPI_IP.get(name, 1)) if uid is None else Cost(WeightBudget.SAPI_UID, uid)
    futures = path.startswith("/fapi/")
    weight = (FAPI if futures else API).get(name, 1)
    return Cost(WeightBudget.FAPI if futures else WeightBudget.API, weight if isinstance(weight, int) else weight(sent))


def _number(text: str | None, *, otherwise: int) -> int:
    # At most 20 digits: a longer number is refused anyway.
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 20 else otherwise


def _symbols(sent: Sent) -> int:
    """Returns how many symbols are requested; all of them are over a hundred, as on Binance."""
    if "symbol" in sent:
        return 1
    try:
        named = json.loads(sent.get("symbols", ""))
    except ValueError:
        return 101
    return len(named) if isinstance(named, list) else 101
