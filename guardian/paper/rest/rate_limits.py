"""Rate limits as Binance keeps them: fixed windows aligned to the clock, headers, 429, then 418.

Everything that reaches this exchange comes from one address and one account. What is counted is forgotten when the
process ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from guardian.domain.milliseconds import DAY_MS, MINUTE_MS, SECOND_MS
from guardian.errors import ExchangeRejected
from guardian.paper.engine.orders import Event, OrderChanged, Traded
from guardian.paper.engine.refusals import BANNED, TOO_MUCH_WEIGHT
from guardian.paper.rest.weights import FREE_WHEN_DONE, Cost, WeightBudget, cost_of

BANS_S: Final = (120, 600, 3600, 21_600, 86_400, 259_200)
"""How long an address is banned the first time, the second time, ...: from two minutes to three days."""
PATIENCE: Final = 10
"""The number of requests after the first 429 of a window that are answered 429 too; the next one is banned."""

_TOO_MANY: Final = "Too many requests; current limit is %s requests per 5 MINUTE."
_TOO_MANY_ORDERS: Final = "Too many new orders; current limit is %s orders per %s."


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitSettings:
    """The rate limits of the exchange. The defaults are Binance's own."""

    weight_per_minute: int = 6000
    raw_requests_per_5_minutes: int = 300_000
    orders_per_10_seconds: int = 100
    orders_per_day: int = 200_000
    sapi_ip_per_minute: int = 12_000
    sapi_uid_per_minute: int = 180_000
    fapi_weight_per_minute: int = 2400

    def described(self) -> list[dict[str, Any]]:
        """Returns the `rateLimits` of the spot `exchangeInfo`."""
        return [
            _described("REQUEST_WEIGHT", "MINUTE", 1, self.weight_per_minute),
            _described("ORDERS", "SECOND", 10, self.orders_per_10_seconds),
            _described("ORDERS", "DAY", 1, self.orders_per_day),
            _described("RAW_REQUESTS", "MINUTE", 5, self.raw_requests_per_5_minutes),
        ]


BINANCE: Final = RateLimitSettings()
"""Binance's own limits."""
MANY: Final = 10**12
WIDE: Final = RateLimitSettings(
    weight_per_minute=MANY,
    raw_requests_per_5_minutes=MANY,
    orders_per_10_seconds=MANY,
    orders_per_day=MANY,
    sapi_ip_per_minute=MANY,
    sapi_uid_per_minute=MANY,
    fapi_weight_per_minute=MANY,
)
"""Practically unlimited, for rehearsals and tests of other things."""


def _described(kind: str, interval: str, number: int, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


@dataclass(slots=True)
class Window:
    """A count that starts again at every multiple of its length (milliseconds)."""

    length: int
    _index: int = -1
    _count: int = 0

    def count(self, now: int) -> int:
        """Returns what has been counted in the window that `now` is in."""
        return self._count if now // self.length == self._index else 0

    def add(self, number: int, now: int) -> int:
        """Adds to the count, which is never below zero, and returns the new count."""
        self._count = max(0, self.count(now) + number)
        self._index = now // self.length
        return self._count

    def left_ms(self, now: int) -> int:
        """Returns how many milliseconds remain of the window that `now` is in."""
        return self.length - now % self.length


class TooMuch(ExchangeRejected):
    """A request that is over a limit. `retry_after_s` is when to come again."""

    def __init__(self, code: int, text: str, *, http_status: int, retry_after_ms: int) -> None:
        super().__init__(code, text, http_status=http_status)
        self.retry_after_s = max(1, -(-retry_after_ms // 1000))


@dataclass(slots=True)
class _Ban:
    until: int = 0
    step: int = 0
    ignored: int = 0
    """How many requests came although they should not have: in the window of a 429, or during a ban."""
    window: int = -1


class Meter:
    """Counts what comes in. It has no clock: every use says what time it is, in the exchange's milliseconds."""

    def __init__(self, limits: RateLimitSettings | None = None) -> None:
        self.limits: Final = limits or BINANCE
        self._api = Window(MINUTE_MS)
        self._fapi = Window(MINUTE_MS)
        self._sapi: dict[str, Window] = {}
        self._raw = Window(5 * MINUTE_MS)
        self._orders = {"10S": Window(10 * SECOND_MS), "1D": Window(DAY_MS)}
        self._started: set[int] = set()
        """The open orders that have been filled in part."""
        self._ban = _Ban()

    def enter(self, method: str, path: str, sent: Mapping[str, str], now: int) -> Cost:
        """Counts a request that comes in, whatever its outcome.

        Raises:
            TooMuch: it is over a limit (429), or its address is banned (418).
        """
        cost = cost_of(method, path, sent)
        spot_or_futures = cost.budget in {WeightBudget.API, WeightBudget.FAPI}
        if spot_or_futures:
            self._check_ban(now)
        window, limit = self._window(cost, path)
        weight = window.add(cost.weight, now)
        if spot_or_futures and self._raw.add(1, now) > self.limits.raw_requests_per_5_minutes:
            raise self._over(_TOO_MANY % self.limits.raw_requests_per_5_minutes, self._raw, now)
        if weight > limit:
            if spot_or_futures:
                raise self._over(TOO_MUCH_WEIGHT % limit, window, now)
            # /sapi never bans.
            raise TooMuch(-1003, TOO_MUCH_WEIGHT % limit, http_status=429, retry_after_ms=window.left_ms(now))
        return cost

    def enter_order(self, now: int) -> None:
        """Counts one more order that is to be placed, unless there are too many.

        Raises:
            TooMuch: -1015 with HTTP 429, too many are unfilled.
        """
        for name, limit, interval in (
            ("10S", self.limits.orders_per_10_seconds, "10 SECOND"),
            ("1D", self.limits.orders_per_day, "1 DAY"),
        ):
            window = self._orders[name]
            if window.count(now) >= limit:
                text = _TOO_MANY_ORDERS % (limit, interval)
                raise TooMuch(-1015, text, http_status=429, retry_after_ms=window.left_ms(now))
        self._count_order(1, now)

    def refused_order(self, now: int) -> None:
        """Takes an order that was not placed off the count."""
        self._count_order(-1, now)

    def succeeded(self, method: str, path: str, now: int) -> None:
        """Corrects the weight of a request that was answered with 200: some then weigh nothing."""
        if f"{method} {path}" in FREE_WHEN_DONE:
            self._api.add(-1, now)

    def watch(self, events: Iterable[Event], now: int) -> None:
        """Counts only unfilled orders: an order's first fill takes 1 off the count as taker, 5 as maker."""
        for event in events:
            if isinstance(event, Traded) and event.trade.order_id not in self._started:
                self._started.add(event.trade.order_id)
                self._count_order(-5 if event.trade.is_maker else -1, now)
            elif isinstance(event, OrderChanged) and not event.order.is_open:
                self._started.discard(event.order.order_id)

    def _count_order(self, number: int, now: int) -> None:
        for window in self._orders.values():
            window.add(number, now)

    def order_counts(self, now: int) -> list[dict[str, Any]]:
        """Returns the reply to `GET /api/v3/rateLimit/order`."""
        counts = [self._orders["10S"].count(now), self._orders["1D"].count(now)]
        described = [limit for limit in self.limits.described() if limit["rateLimitType"] == "ORDERS"]
        return [limit | {"count": count} for limit, count in zip(described, counts, strict=True)]

    def headers(self, method: str, path: str, now: int, *, done: bool) -> dict[str, str]:
        """Returns the headers that go with a reply; the counts of orders only with those that were placed."""
        if path.startswith("/sapi/"):
            cost = cost_of(method, path, {})
            used = str(self._sapi_window(path).count(now))
            kind = "UID" if cost.budget is WeightBudget.SAPI_UID else "IP"
            return {f"x-sapi-used-{kind.lower()}-weight-1m": used}
        if path.startswith("/fapi/"):
            return {"x-mbx-used-weight-1m": str(self._fapi.count(now))}
        used = str(self._api.count(now))
        used_headers = {"x-mbx-used-weight": used, "x-mbx-used-weight-1m": used}
        if done and (method, path) == ("POST", "/api/v3/order"):
            used_headers |= {f"x-mbx-order-count-{name.lower()}": str(w.count(now)) for name, w in self._orders.items()}
        return used_headers

    def _window(self, cost: Cost, path: str) -> tuple[Window, int]:
        match cost.budget:
            case WeightBudget.API:
                return self._api, self.limits.weight_per_minute
            case WeightBudget.FAPI:
                return self._fapi, self.limits.fapi_weight_per_minute
            case WeightBudget.SAPI_IP:
                return self._sapi_window(path), self.limits.sapi_ip_per_minute
            case WeightBudget.SAPI_UID:
                return self._sapi_window(path), self.limits.sapi_uid_per_minute

    def _sapi_window(self, path: str) -> Window:
        return self._sapi.setdefault(path, Window(MINUTE_MS))

    def _check_ban(self, now: int) -> None:
        ban = self._ban
        if now >= ban.until:
            return
        ban.ignored += 1
        if ban.ignored > PATIENCE:
            self._start_ban(now)
        raise self._banned(now)

    def _over(self, text: str, window: Window, now: int) -> TooMuch:
        ban, index = self._ban, now // window.length
        if ban.window != index:
            ban.window, ban.ignored = index, 0
        ban.ignored += 1
        if ban.ignored > PATIENCE:
            self._start_ban(now)
            return self._banned(now)
        return TooMuch(-1003, text, http_status=429, retry_after_ms=window.left_ms(now))

    def _start_ban(self, now: int) -> None:
        ban = self._ban
        ban.until = now + BANS_S[min(ban.step, len(BANS_S) - 1)] * SECOND_MS
        ban.step += 1
        ban.ignored = 0

    def _banned(self, now: int) -> TooMuch:
        until = self._ban.until
        return TooMuch(-1003, BANNED % until, http_status=418, retry_after_ms=until - now)
