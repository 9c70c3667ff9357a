"""The exchange's trading rules, kept for an hour while a symbol trades, or until the exchange contradicts them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from guardian.domain.instruments import Instrument
from guardian.domain.market import ListedSymbol
from guardian.errors import ExchangeRejected
from guardian.exchange.mapping import market

T = TypeVar("T")

KEPT_S: Final = 3600.0
"""How long trading rules are taken from memory, in seconds."""
UNKNOWN_SYMBOL: Final = -1121


class Listings:
    """What `exchangeInfo` says, of some symbols or of all; `fetch` asks for it with the parameters given."""

    def __init__(
        self, fetch: Callable[[Mapping[str, str]], Awaitable[object]], *, monotonic: Callable[[], float]
    ) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._instruments: dict[str, tuple[float, Instrument]] = {}
        self._all: tuple[float, tuple[ListedSymbol, ...]] | None = None
        self._all_lock = asyncio.Lock()

    async def instruments(self, symbols: Iterable[str]) -> dict[str, Instrument]:
        """The rules of these symbols, those that are not kept in one request; one that is not listed is absent."""
        wanted = tuple(dict.fromkeys(symbols))
        asked = tuple(symbol for symbol in wanted if self._kept(symbol) is None)
        kept = {symbol: self._kept(symbol) for symbol in wanted}
        if asked:
            now = self._monotonic()  # before the fetch: rules are never taken for newer than they are
            found = await by_symbol(asked, self._fetch_some)
            self._instruments.update({symbol: (now, instrument) for symbol, instrument in found.items()})
            kept |= found
        return {symbol: instrument for symbol, instrument in kept.items() if instrument is not None}

    def forget(self, symbol: str) -> None:
        """Fetch the symbol's rules, and the list of all symbols, again when they are next needed."""
        self._instruments.pop(symbol, None)
        self._all = None

    async def everything(self) -> tuple[ListedSymbol, ...]:
        """All listed symbols, by name. Several callers at once wait for one request."""
        async with self._all_lock:
            if self._all is None or self._monotonic() - self._all[0] >= KEPT_S:
                listed = market.listed_symbols(await self._fetch({}))
                self._all = (self._monotonic(), listed)
            return self._all[1]

    def _kept(self, symbol: str) -> Instrument | None:
        """The rules that are kept. As a price, a status other than TRADING never is: it ends without notice."""
        kept = self._instruments.get(symbol)
        if kept is None:
            return None
        since, instrument = kept
        return instrument if instrument.is_trading and self._monotonic() - since < KEPT_S else None

    async def _fetch_some(self, symbols: Sequence[str]) -> dict[str, Instrument]:
        parameters = {"symbol": symbols[0]} if len(symbols) == 1 else {"symbols": json_list(symbols)}
        return market.instruments(await self._fetch(parameters), symbols)


async def by_symbol(symbols: Sequence[str], fetch: Callable[[Sequence[str]], Awaitable[dict[str, T]]]) -> dict[str, T]:
    """Ask for all at once; where the exchange does not list one of them, for each alone, at the same time."""
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
    """Several reads at the same time. All have ended when this does; then the first failure is raised."""
    answers: list[T] = []
    for answer in await asyncio.gather(*reads, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer
        answers.append(answer)
    return tuple(answers)


def json_list(symbols: Sequence[str]) -> str:
    """`["BTCUSDT","ETHUSDT"]`, as the exchange takes several symbols. No symbol that is listed holds a quote."""
    return "[" + ",".join(f'"{symbol}"' for symbol in symbols) + "]"
