"""The exchange's trading rules, kept for an hour while a symbol trades, or until the exchange contradicts them.

The status of a symbol changes without notice. What needs it as new as a price calls `current_instruments`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from guardian.domain.instruments import Instrument
from guardian.domain.market import ListedSymbol
from guardian.errors import ExchangeRejected
from guardian.exchange.error_codes import UNKNOWN_SYMBOL
from guardian.exchange.mapping import market
from guardian.system.clock import Clock

T = TypeVar("T")

KEPT_S: Final = 3600.0
"""How long trading rules are taken from memory, in seconds."""
CURRENT_S: Final = 1.0
"""How long trading rules, with the status among them, count as current, in seconds."""


class Listings:
    """The contents of `exchangeInfo`, of some symbols or of all; `fetch` requests it with parameters."""

    def __init__(self, fetch: Callable[[Mapping[str, str]], Awaitable[object]], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._instruments: dict[str, tuple[float, Instrument]] = {}
        self._all: tuple[float, tuple[ListedSymbol, ...]] | None = None
        self._all_lock = asyncio.Lock()

    async def instruments(self, symbols: Iterable[str]) -> dict[str, Instrument]:
        """Returns the rules of these symbols, fetching what is missing in one request; an unlisted one is absent."""
        return await self._no_older_than(KEPT_S, symbols)

    async def current_instruments(self, symbols: Iterable[str]) -> dict[str, Instrument]:
        """Returns the same, fetched now or within the last second."""
        return await self._no_older_than(CURRENT_S, symbols)

    async def _no_older_than(self, most_s: float, symbols: Iterable[str]) -> dict[str, Instrument]:
        kept = {symbol: self._kept(symbol, most_s) for symbol in symbols}
        missing = tuple(symbol for symbol, instrument in kept.items() if instrument is None)
        if missing:
            now = self._clock.monotonic()  # before the fetch: rules are never taken for newer than they are
            found = await by_symbol(missing, self._fetch_some)
            for symbol in missing:
                self._instruments.pop(symbol, None)
            self._instruments.update({symbol: (now, instrument) for symbol, instrument in found.items()})
            kept |= found
        return {symbol: instrument for symbol, instrument in kept.items() if instrument is not None}

    def forget(self, symbol: str) -> None:
        """Drops the symbol's rules and the list of all symbols: they are fetched again when they are next needed."""
        self._instruments.pop(symbol, None)
        self._all = None

    async def everything(self) -> tuple[ListedSymbol, ...]:
        """Returns all listed symbols, by name. Several callers at once wait for one request."""
        async with self._all_lock:
            if self._all is None or self._clock.monotonic() - self._all[0] >= KEPT_S:
                listed = market.listed_symbols(await self._fetch({}))
                self._all = (self._clock.monotonic(), listed)
            return self._all[1]

    def _kept(self, symbol: str, most_s: float) -> Instrument | None:
        """Returns the rules fetched within `most_s` seconds.

        Never a status other than TRADING, which ends without notice.
        """
        kept = self._instruments.get(symbol)
        if kept is None:
            return None
        since, instrument = kept
        return instrument if instrument.is_trading and self._clock.monotonic() - since < most_s else None

    async def _fetch_some(self, symbols: Sequence[str]) -> dict[str, Instrument]:
        names = {"symbol": symbols[0]} if len(symbols) == 1 else {"symbols": json_list(symbols)}
        return market.instruments(await self._fetch(names | {"showPermissionSets": "false"}), symbols)


async def by_symbol(symbols: Sequence[str], fetch: Callable[[Sequence[str]], Awaitable[dict[str, T]]]) -> dict[str, T]:
    """Fetches all in one request; where the exchange does not list one of them, each in its own, concurrently."""
    try:
        return await fetch(symbols)
    except ExchangeRejected as rejection:
        if rejection.code != UNKNOWN_SYMBOL:
            raise
        if len(symbols) == 1:
            return {}
    found: dict[str, T] = {}
    for part in await together(*(by_symbol((symbol,), fetch) for symbol in symbols)):
        found |= part
    return found


async def together(*reads: Awaitable[T]) -> tuple[T, ...]:
    """Awaits several reads concurrently. All have ended when this returns or raises the first failure."""
    answers: list[T] = []
    for answer in await asyncio.gather(*reads, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer
        answers.append(answer)
    return tuple(answers)


def json_list(symbols: Sequence[str]) -> str:
    """`["BTCUSDT","ETHUSDT"]`, as the exchange takes several symbols. No symbol that is listed holds a quote."""
    return "[" + ",".join(f'"{symbol}"' for symbol in symbols) + "]"
