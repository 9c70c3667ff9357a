"""What each request costs of the exchange's limits, known before it is sent.

Sources: Binance's `rest-api.md` of 2026-07-21 for /api; the docstrings of the official SDK (2026-08-21) for /sapi and
/fapi; "Rate limits" in Binance's introduction to the wallet API for the budgets of /sapi. An order or a cancel that
succeeds weighs nothing since 2026-04-02; it is counted as 1 until the exchange's header says otherwise. The raw
requests (300,000 in 5 minutes) have no budget here: one that holds to the weights cannot come near them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from guardian.domain.milliseconds import DAY_MS, MINUTE_MS
from guardian.exchange.environments import ApiFamily, Endpoint

Parameters = Mapping[str, object]


class Priority(Enum):
    """The kinds of request. The value is the percentage of a budget up to which that kind may fill it.

    So what is asked in the background never holds up a call, reads never hold up an order, and orders never a cancel.
    """

    BACKGROUND = 80
    """A read of a task that nobody waits for; see `limits.weight_meter`."""
    READ = 90
    ORDER = 95
    CANCEL = 100

    @classmethod
    def of(cls, endpoint: Endpoint) -> Priority:
        """Returns the kind by the request's method. A read of one order is an ORDER: it resolves unknown ones."""
        if f"{endpoint.method} {endpoint.path}" == "GET /api/v3/order":
            return cls.ORDER
        return {"GET": cls.READ, "POST": cls.ORDER}.get(endpoint.method, cls.CANCEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """At most `most` in every window of `length_ms`; windows are aligned to the clock."""

    name: str
    length_ms: int
    most: int
    """Binance's documented limit; what `exchangeInfo` says takes its place."""
    header: str
    """The header of an answer that says how much of the window is used."""
    of_the_key: bool = False
    """Counted for the account of the key instead of the address."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one request takes of one budget."""

    budget: RateLimit
    amount: int


API: Final = RateLimit(name="weight", length_ms=MINUTE_MS, most=6000, header="X-MBX-USED-WEIGHT-1M")
FAPI: Final = RateLimit(name="weight", length_ms=MINUTE_MS, most=2400, header="X-MBX-USED-WEIGHT-1M")
ORDERS_10S: Final = RateLimit(
    name="orders in 10 s", length_ms=10_000, most=100, header="X-MBX-ORDER-COUNT-10S", of_the_key=True
)
ORDERS_1D: Final = RateLimit(
    name="orders in a day", length_ms=DAY_MS, most=200_000, header="X-MBX-ORDER-COUNT-1D", of_the_key=True
)
HEADERS: Final = (
    API.header, ORDERS_10S.header, ORDERS_1D.header, "X-SAPI-USED-IP-WEIGHT-1M", "X-SAPI-USED-UID-WEIGHT-1M",
)  # fmt: skip


def _wallet(path: str, *, of_the_key: bool) -> RateLimit:
    """Under /sapi each path has a budget of its own, for the address or for the account."""
    if of_the_key:
        header = "X-SAPI-USED-UID-WEIGHT-1M"
        return RateLimit(name=path, length_ms=MINUTE_MS, most=180_000, header=header, of_the_key=True)
    return RateLimit(name=path, length_ms=MINUTE_MS, most=12_000, header="X-SAPI-USED-IP-WEIGHT-1M")


def _depth(sent: Parameters) -> int:
    levels = sent.get("limit", 100)
    most = levels if isinstance(levels, int) else 5000
    return next((weight for up_to, weight in ((100, 5), (500, 25), (1000, 50)) if most <= up_to), 250)


def _ticker_day(sent: Parameters) -> int:
    if sent.get("symbol") is not None:
        return 2
    try:
        count = len(json.loads(str(sent.get("symbols"))))
    except (ValueError, TypeError):
        return 80
    return 2 if count <= 20 else 40 if count <= 100 else 80


def _by_symbol(one: int, several: int) -> Callable[[Parameters], int]:
    return lambda sent: several if sent.get("symbol") is None else one


EXCHANGE_INFO: Final = 20
ONE_ORDER: Final = 4
OPEN_ORDERS: Final = 6
"""The open orders of one symbol."""
ALL_OPEN_ORDERS: Final = 80
"""The open orders of all symbols, however many there are."""
ALL_ORDERS: Final = 20
TRADES_OF_ORDER: Final = 5

WEIGHTS: Final[Mapping[str, int | Callable[[Parameters], int]]] = MappingProxyType(
    {
        "POST /api/v3/order": 1,
        "DELETE /api/v3/order": 1,
        "GET /api/v3/time": 1,
        "GET /api/v3/exchangeInfo": EXCHANGE_INFO,
        "GET /api/v3/ticker/price": _by_symbol(2, 4),
        "GET /api/v3/ticker/24hr": _ticker_day,
        "GET /api/v3/ticker/bookTicker": _by_symbol(2, 4),
        "GET /api/v3/avgPrice": 2,
        "GET /api/v3/depth": _depth,
        "GET /api/v3/klines": 2,
        "GET /api/v3/account": 20,
        "GET /api/v3/account/commission": 20,
        "GET /api/v3/order": ONE_ORDER,
        "GET /api/v3/openOrders": _by_symbol(OPEN_ORDERS, ALL_OPEN_ORDERS),
        "GET /api/v3/allOrders": ALL_ORDERS,
        "GET /api/v3/myTrades": lambda sent: 20 if sent.get("orderId") is None else TRADES_OF_ORDER,
        "GET /fapi/v1/time": 1,
        "GET /fapi/v3/positionRisk": 5,
        "GET /fapi/v3/account": 5,
        "GET /fapi/v1/income": 30,
        "GET /fapi/v1/forceOrders": _by_symbol(20, 50),
        "GET /sapi/v1/accountSnapshot": 2400,
        "GET /sapi/v1/capital/deposit/hisrec": 1,
        "GET /sapi/v1/capital/deposit/address": 10,
        "GET /sapi/v1/capital/withdraw/history": 18_000,
        "GET /sapi/v1/asset/transfer": 1,
        "GET /sapi/v1/account/apiRestrictions": 1,
    }
)
"""Of every request that guardian makes: a number, or what makes it of the parameters."""

BY_ACCOUNT: Final = frozenset({"/sapi/v1/capital/withdraw/history"})
"""Paths of /sapi that weigh on the account instead of the address."""


def costs_of(endpoint: Endpoint, parameters: Parameters) -> tuple[Cost, ...]:
    """Returns what a request takes of which budgets; the first is its weight."""
    weight = WEIGHTS[f"{endpoint.method} {endpoint.path}"]
    amount = weight if isinstance(weight, int) else weight(parameters)
    if endpoint.family is ApiFamily.WALLET:
        return (Cost(_wallet(endpoint.path, of_the_key=endpoint.path in BY_ACCOUNT), amount),)
    if endpoint.family is ApiFamily.FUTURES:
        return (Cost(FAPI, amount),)
    orders = (Cost(ORDERS_10S, 1), Cost(ORDERS_1D, 1)) if endpoint.method == "POST" else ()
    return (Cost(API, amount), *orders)


def listed_limits(answer: object) -> dict[str, int]:
    """Returns the limits that the spot `exchangeInfo` names, by the budget's name; what makes no sense is left out.

    So is one in which `exchangeInfo` itself, or a single order, would not fit: it could never be learnt otherwise.
    """
    rows = answer.get("rateLimits") if isinstance(answer, dict) else None
    known = {"REQUEST_WEIGHT 1 MINUTE": API, "ORDERS 10 SECOND": ORDERS_10S, "ORDERS 1 DAY": ORDERS_1D}
    found: dict[str, int] = {}
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict):
            continue
        most = row.get("limit")
        budget = known.get(f"{row.get('rateLimitType')} {row.get('intervalNum')} {row.get('interval')}")
        if budget is None or not isinstance(most, int) or isinstance(most, bool):
            continue
        share, least = (Priority.READ, EXCHANGE_INFO) if budget is API else (Priority.ORDER, 1)
        if most * share.value // 100 >= least:
            found[budget.name] = most
    return found
