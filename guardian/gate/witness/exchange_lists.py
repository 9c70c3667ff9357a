"""Lists a symbol's orders and executions at the exchange, page by page, within its rate limits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from guardian.domain.orders import OrderReport, Trade
from guardian.errors import ExchangeRateLimited

if TYPE_CHECKING:
    from guardian.exchange.exchange import Exchange

PAGE: Final = 1000
"""Orders or executions in one request: the most that the exchange lists, for the same weight as one."""
MOST_PAGES: Final = 500
BETWEEN_PAGES_S: Final = 0.25
"""At 20 of weight a page this stays below the exchange's 6000 a minute."""
MOST_WAITS: Final = 5
LONGEST_WAIT_S: Final = 120
_FIRST_TRIES: Final = 5

Item = TypeVar("Item")
Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedHistory:
    """The orders of a symbol from the first that was wanted on, and their executions by order id."""

    reports: tuple[OrderReport, ...]
    trades: Mapping[int, Sequence[Trade]] | None
    """None where no order of guardian's was executed, so that none were listed."""
    is_whole: bool
    """Whether nothing that was wanted is missing."""


class ExchangeLists:
    """The lists of one account, read without haste."""

    def __init__(self, exchange: Exchange, pause: Pause) -> None:
        self._exchange = exchange
        self._pause = pause
        self._has_asked = False

    async def of_symbol(self, symbol: str, first_id: int | None, executed: Sequence[int]) -> ListedHistory:
        """Returns the orders from an id on, the newest 1000 where that is None; and the executions from then on.

        `executed` are the ids of guardian's executed orders, oldest first. Raises ExchangeError.
        """
        reports, is_whole = await self._orders(symbol, first_id)
        if not executed:
            return ListedHistory(reports=tuple(reports), trades=None, is_whole=is_whole)
        trades, all_trades = await self._trades(symbol, executed)
        by_order: dict[int, list[Trade]] = defaultdict(list)
        for trade in trades:
            by_order[trade.order_id].append(trade)
        return ListedHistory(reports=tuple(reports), trades=by_order, is_whole=is_whole and all_trades)

    async def _orders(self, symbol: str, first_id: int | None) -> tuple[list[OrderReport], bool]:
        if first_id is None:
            page = await self._ask(lambda: self._exchange.all_orders(symbol, limit=PAGE))
            return list(page), True
        return await self._pages(
            lambda start: self._exchange.all_orders(symbol, order_id=start, limit=PAGE),
            first_id,
            lambda report: report.order_id,
        )

    async def _trades(self, symbol: str, executed: Sequence[int]) -> tuple[list[Trade], bool]:
        """The executions from the first of guardian's on; the list is by their own ids, which that one shows."""
        for order_id in executed[:_FIRST_TRIES]:
            first = await self._ask(lambda order_id=order_id: self._exchange.my_trades(symbol, order_id))  # type: ignore[misc]  # bound now
            if first:
                start = min(trade.trade_id for trade in first)
                return await self._pages(
                    lambda start: self._exchange.my_trades(symbol, first=start),
                    start,
                    lambda trade: trade.trade_id,
                )
        page = await self._ask(lambda: self._exchange.my_trades(symbol))
        return list(page), len(page) < PAGE

    async def _pages(
        self, page_from: Callable[[int], Awaitable[Sequence[Item]]], start: int, id_of: Callable[[Item], int]
    ) -> tuple[list[Item], bool]:
        found: list[Item] = []
        for _ in range(MOST_PAGES):
            page = await self._ask(lambda start=start: page_from(start))  # type: ignore[misc]  # bound now
            found += page
            if len(page) < PAGE:
                return found, True
            start = max(id_of(item) for item in page) + 1
        return found, False

    async def _ask(self, request: Callable[[], Awaitable[Sequence[Item]]]) -> Sequence[Item]:
        """One request; where the exchange says later, it is asked again then. Raises ExchangeError."""
        if self._has_asked:
            await self._pause(BETWEEN_PAGES_S)
        self._has_asked = True
        for _ in range(MOST_WAITS):
            try:
                return await request()
            except ExchangeRateLimited as error:
                if error.banned or error.retry_after_s > LONGEST_WAIT_S:
                    raise
                await self._pause(max(error.retry_after_s, 1))
        return await request()
