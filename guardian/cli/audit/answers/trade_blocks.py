"""The figures of trading as they are printed: a block for each symbol and one for all, or JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final

from guardian.cli.support.render import Tone, Toned, fields, print_json, print_line, say
from guardian.cli.support.times import local_time, utc_time
from guardian.domain.money import negated, plain
from guardian.domain.text.escaping import clean
from guardian.domain.text.plain_data import to_plain
from guardian.home.folder import checked_home
from guardian.store.answers.trade_reader import read_ledgers
from guardian.store.answers.trades import SymbolTrades, TotalTrades, TradeFigures, figures_of
from guardian.store.schema.files import DATABASE_NAME

NOTHING_TRADED: Final = "guardian's ledger is empty: nothing was bought or sold"
_MOST_NAMED: Final = 5


def print_trades(since_ms: int | None, until_ms: int | None, symbol: str | None, *, as_json: bool) -> None:
    """Print the figures of every environment and account that traded. Raises StoreError."""
    home = checked_home()
    ledgers = read_ledgers(home) if (home / DATABASE_NAME).exists() else ()
    found = [figures_of(one, since_ms=since_ms, until_ms=until_ms, symbol=symbol) for one in ledgers]
    if as_json:
        print_json([_as_dict(one) for one in found])
        return
    shown = [one for one in found if one.symbols or one.positions or one.not_counted]
    for number, figures in enumerate(shown):
        if number:
            print_line("")
        _print(figures)
    if not shown:
        say(NOTHING_TRADED if symbol is None else f"guardian's ledger has nothing of {symbol}")


def _as_dict(figures: TradeFigures) -> dict[str, object]:
    plain_data = to_plain(figures)
    document = dict(plain_data) if isinstance(plain_data, dict) else {}
    scope = document.pop("scope")
    document.pop("since_ms")
    document.pop("until_ms")
    entries = document.pop("entries")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict):
            time_ms = entry.pop("time_ms")
            entry["time"] = utc_time(time_ms) if isinstance(time_ms, int) else None
    return {
        **(scope if isinstance(scope, dict) else {}),
        "since": None if figures.since_ms is None else utc_time(figures.since_ms),
        "until": None if figures.until_ms is None else utc_time(figures.until_ms),
        **document,
        "entries": entries,
    }


def _print(figures: TradeFigures) -> None:
    print_line(f"{clean(figures.scope.environment).upper()}, account {figures.scope.account}{_period(figures)}")
    for one in figures.symbols:
        print_line("")
        print_line(one.symbol)
        fields([(f"  {name}", value) for name, value in _of_symbol(one)])
    print_line("")
    print_line(f"in all, in {figures.total.currency}")
    rows = (*_of_all(figures.total), *_holdings(figures.positions))
    fields([(f"  {name}", value) for name, value in rows])
    _say_gaps(figures)


def _period(figures: TradeFigures) -> str:
    parts = (("from", figures.since_ms), ("before", figures.until_ms))
    return "".join(f", {word} {local_time(time_ms)}" for word, time_ms in parts if time_ms is not None)


def _of_symbol(one: SymbolTrades) -> Iterator[tuple[str, object]]:
    base, quote = one.base_asset, one.quote_asset
    if one.orders:
        yield "bought", f"{plain(one.bought)} {base} for {plain(one.bought_for)} {quote}"
        yield "sold", f"{plain(one.sold)} {base} for {plain(one.sold_for)} {quote}"
        yield "fees", _sums(one.fees)
        yield "gained, FIFO", _gain(one.fifo, quote)
        yield "gained, average", _gain(one.average, quote)
    if one.unknown_cost:
        what = f"{plain(one.unknown_cost)} {base} for {plain(one.unknown_cost_for)} {quote}"
        yield "no gain", f"{what}: it was not bought on {one.symbol}"
    if one.corrected:
        yield "corrected", f"{plain(one.corrected)} {base}, by you: neither gain nor loss"
    if one.opening:
        yield "held before", f"{plain(one.opening)} {base}"
    yield "position", f"{plain(one.position)} {base}"
    if one.held:
        cost = plain(one.fifo_cost)
        other = "" if one.fifo_cost == one.average_cost else f" by FIFO, {plain(one.average_cost)} {quote} on average"
        part = "" if one.held == one.position else f" ({plain(one.held)} {base} of it)"
        yield "which cost", f"{cost} {quote}{other}{part}"


def _of_all(found: TotalTrades) -> Iterator[tuple[str, object]]:
    yield "bought for", _known(found.bought)
    yield "sold for", _known(found.sold)
    yield "fees", plain(found.fees)
    yield "gained, FIFO", "not known" if found.fifo is None else _gain(found.fifo, "after all fees")
    yield "gained, average", "not known" if found.average is None else _gain(found.average, "after all fees")


def _holdings(positions: Mapping[str, Decimal]) -> Iterator[tuple[str, object]]:
    """What guardian holds of each asset by its trading, and what it has spent of the account's own."""
    yield "holds", _sums({asset: held for asset, held in positions.items() if held > 0})
    spent = {asset: negated(held) for asset, held in positions.items() if held < 0}
    if spent:
        yield "spent in all", _sums(spent)


def _gain(value: Decimal, what: str) -> Toned:
    tone = Tone.GOOD if value > 0 else Tone.BAD if value < 0 else None
    return Toned(f"{plain(value)} {what}", tone)


def _known(value: Decimal | None) -> str:
    return "not known" if value is None else plain(value)


def _sums(amounts: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{plain(amount)} {asset}" for asset, amount in sorted(amounts.items())) or "none"


def _say_gaps(figures: TradeFigures) -> None:
    """Say what the figures do not contain."""
    if figures.total.unpriced:
        say(f"no price in the log, and in no sum: {_sums(figures.total.unpriced)}", Tone.WAITING)
    for why in dict.fromkeys(one.why for one in figures.not_counted):
        names = [one.client_order_id for one in figures.not_counted if one.why == why]
        say(f"not counted in full: {_named(names)}: {why}", Tone.WAITING)


def _named(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _MOST_NAMED} more" if len(listed) > _MOST_NAMED else ""
    return ", ".join(listed[:_MOST_NAMED]) + more
