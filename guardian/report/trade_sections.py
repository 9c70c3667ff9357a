"""The sections of the report about money: what was bought and sold, its profit, fees, and how much of each limit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Final
from xml.etree.ElementTree import Element

from guardian.domain.money import ZERO, plus
from guardian.report.charts import Chart, Series, figure, stepped
from guardian.report.elements import MOST_ROWS, Child, element, head, meter, not_shown, number, table
from guardian.report.limit_use import ORDERS, LimitUse
from guardian.report.number_text import NONE, counted, exact, moment, percent, rounded
from guardian.report.report_figures import AccountFigures, ReportFigures
from guardian.report.time_steps import TimeSteps
from guardian.store.answers.trades import EntryKind, SymbolTrades, TradeEntry, TradeFigures

MOST_TRADES: Final = 60
"""The newest; the export has all."""
_BUYS: Final = frozenset({EntryKind.BUY})


def account_sections(account: AccountFigures, figures: ReportFigures) -> Iterator[Element]:
    """Yields what is shown of one environment and account."""
    trades = account.trades
    scope = trades.scope
    name = f"{scope.environment.upper()}, account {scope.account}"
    section = element("section", element("h2", f"Trading on {name}"), class_="account")
    section.append(_cards(trades))
    for gap in _gaps(trades):
        section.append(element("p", gap, class_="note"))
    charts = element("div", *(figure(chart) for chart in _charts(account, figures.steps)), class_="charts")
    section.append(charts)
    if trades.entries:
        charts.append(_fees(trades))
    if trades.symbols:
        section.append(_symbols(trades))
    if trades.entries:
        section.append(_newest(trades))
    if account.limits:
        section.append(_limits(account.limits, scope.environment))
    yield section


def _cards(trades: TradeFigures) -> Element:
    total, currency = trades.total, trades.total.currency
    bought = sum(entry.kind in _BUYS for entry in trades.entries)
    sold = sum(entry.kind is EntryKind.SELL for entry in trades.entries)
    return element(
        "dl",
        _card("Bought", rounded(total.bought), currency, counted(bought, "fill")),
        _card("Sold", rounded(total.sold), currency, counted(sold, "fill")),
        _card(
            "Realised profit",
            rounded(total.fifo, signed=True),
            currency,
            f"first in, first out; {rounded(total.average, signed=True)} by average cost",
            tone=_tone(total.fifo),
        ),
        _card("Fees", rounded(total.fees), currency, "at the prices of that time"),
        class_="cards",
    )


def _card(name: str, value: str, unit: str, more: str, *, tone: str | None = None) -> Element:
    shown = element(
        "dd", element("strong", value, class_=tone), " ", element("span", unit, class_="unit"), class_="value"
    )
    return element("div", element("dt", name), shown, element("dd", more, class_="more"))


def _tone(value: Decimal | None) -> str | None:
    return None if not value else "gain" if value > 0 else "loss"


def _gaps(trades: TradeFigures) -> Iterator[str]:
    """Yields what the sums do not contain."""
    if trades.total.unpriced:
        amounts = ", ".join(f"{exact(amount)} {asset}" for asset, amount in sorted(trades.total.unpriced.items()))
        yield f"In no sum, since the log has no price for it: {amounts}."
    for why in dict.fromkeys(one.why for one in trades.not_counted):
        count = sum(one.why == why for one in trades.not_counted)
        yield f"Not counted in full: {counted(count, 'order')}, because {why}."


def _charts(account: AccountFigures, steps: TimeSteps) -> Iterator[Chart]:
    trades, step, labels = account.trades, steps.kind.value, steps.labels
    currency = trades.total.currency
    bought, sold, gained = ([ZERO] * len(labels) for _ in range(3))
    for entry in trades.entries:
        at = steps.index(entry.time_ms)
        gained[at] = plus(gained[at], entry.fifo_worth or ZERO)
        if entry.kind in {EntryKind.BUY, EntryKind.SELL}:
            side = bought if entry.kind is EntryKind.BUY else sold
            side[at] = plus(side[at], entry.amount_worth or ZERO)
    yield Chart(
        title="Bought and sold",
        unit=f"{currency} by {step}",
        labels=labels,
        step=step,
        series=(Series("Bought", stepped(bought), "bought"), Series("Sold", stepped(sold), "sold")),
        summary=f"Bought for {rounded(trades.total.bought)}, sold for {rounded(trades.total.sold)} {currency}.",
    )
    yield Chart(
        title="Realised profit, added up",
        unit=f"{currency} at the end of each {step}, FIFO",
        labels=labels,
        step=step,
        series=(Series("Profit", tuple(_running(gained)), "profit"),),
        summary=f"It ends at {rounded(trades.total.fifo, signed=True)} {currency}, after all fees.",
        lines=True,
    )
    if account.budget_name:
        used = [value for value in account.budget_used if value is not None]
        yield Chart(
            title=f"Use of {account.budget_name}",
            unit=f"{currency}, the highest of each {step}",
            labels=labels,
            step=step,
            series=(
                Series("Used", account.budget_used, "used"),
                Series("Limit", account.budget_limit, "limit"),
            ),
            summary=f"At most {rounded(max(used, default=ZERO))} {currency} were used.",
            lines=True,
        )


def _running(values: list[Decimal]) -> Iterator[Decimal]:
    sum_so_far = ZERO
    for value in values:
        sum_so_far = plus(sum_so_far, value)
        yield sum_so_far


def _symbols(trades: TradeFigures) -> Element:
    heads = [
        head("Symbol"), head("Orders", number=True), head("Bought", number=True), head("Sold", number=True),
        head("Profit, FIFO", number=True), head("Position", number=True),
    ]  # fmt: skip
    shown = table("By symbol", heads, map(_symbol_row, trades.symbols[:MOST_ROWS]))
    return element("div", shown, not_shown(len(trades.symbols)), class_="card")


def _symbol_row(one: SymbolTrades) -> Iterator[Child]:
    base, quote = one.base_asset, one.quote_asset
    yield element("th", one.symbol, scope="row")
    yield number(f"{one.orders:,}")
    yield _two_lines(f"{exact(one.bought)} {base}", f"for {exact(one.bought_for)} {quote}")
    yield _two_lines(f"{exact(one.sold)} {base}", f"for {exact(one.sold_for)} {quote}")
    profit = element("span", f"{exact(one.fifo, signed=True)} {quote}", class_=_tone(one.fifo))
    yield _two_lines(profit, f"{exact(one.average, signed=True)} by average cost")
    yield _two_lines(f"{exact(one.position)} {base}", f"cost {exact(one.fifo_cost)} {quote}" if one.held else None)


def _two_lines(first: Child, second: str | None) -> Element:
    small = () if second is None else (element("br"), element("small", second))
    return element("td", first, *small, class_="number")


def _fees(trades: TradeFigures) -> Element:
    amounts: dict[str, Decimal] = defaultdict(lambda: ZERO)
    worths: dict[str, Decimal | None] = defaultdict(lambda: ZERO)
    for entry in trades.entries:
        for asset, fee in entry.fees.items():
            amounts[asset] = plus(amounts[asset], fee)
            worth, known = entry.fees_worth[asset], worths[asset]
            worths[asset] = None if worth is None or known is None else plus(known, worth)
    heads = [head("Asset"), head("Paid", number=True), head(f"In {trades.total.currency}", number=True)]
    rows = [
        (element("th", asset, scope="row"), number(exact(amount)), number(exact(worths[asset])))
        for asset, amount in sorted(amounts.items())[:MOST_ROWS]
    ]
    return element("div", table("Fees by asset", heads, rows), not_shown(len(amounts)), class_="card")


def _newest(trades: TradeFigures) -> Element:
    shown = trades.entries[-MOST_TRADES:][::-1]
    more = f", the newest {len(shown)} of {len(trades.entries):,}" if len(shown) < len(trades.entries) else ""
    heads = [
        head("Time"), head("What"), head("Quantity", number=True), head("Price", number=True),
        head("Value", number=True), head("Fee", number=True), head("Profit, FIFO", number=True),
    ]  # fmt: skip
    made = element("div", table(f"Fills and fees, newest first{more}", heads, map(_entry_row, shown)), class_="card")
    if more:
        made.append(element("p", "All of them: ", element("code", "guardian audit export --trades"), class_="note"))
    return made


_WHAT: Final = {
    EntryKind.BUY: ("BUY", "bought"),
    EntryKind.SELL: ("SELL", "sold"),
    EntryKind.PRICE: ("price corrected", "other"),
    EntryKind.FEE: ("fee", "other"),
    EntryKind.CORRECTION: ("position corrected", "other"),
}


def _entry_row(entry: TradeEntry) -> Iterator[Child]:
    what, colour = _WHAT[entry.kind]
    is_fill = entry.kind in {EntryKind.BUY, EntryKind.SELL}
    price = entry.amount / entry.quantity if is_fill and entry.quantity else None
    yield element("td", moment(entry.time_ms), class_="time")
    yield element("td", element("span", what, class_=f"tag {colour}"), f" {entry.symbol}")
    yield number(f"{exact(entry.quantity)} {entry.base_asset}" if entry.quantity else NONE)
    yield number(rounded(price))
    yield number(f"{exact(entry.amount)} {entry.quote_asset}" if entry.amount else NONE)
    yield number(", ".join(f"{exact(fee)} {asset}" for asset, fee in sorted(entry.fees.items())) or NONE)
    yield number(exact(entry.fifo, signed=True) if entry.fifo else NONE, class_=_tone(entry.fifo))


def _limits(limits: tuple[LimitUse, ...], environment: str) -> Element:
    heads = [
        head("Limit"), head("Most used", number=True), head("Of", number=True), head("Share", number=True),
        head("When"),
    ]  # fmt: skip
    caption = f"How near orders on {environment} came to each limit of the policy at that time"
    shown = table(caption, heads, map(_limit_row, limits[:MOST_ROWS]))
    return element("div", shown, not_shown(len(limits)), class_="card")


def _limit_row(use: LimitUse) -> Iterator[Child]:
    unit = f" {use.unit}" if use.unit else ""
    is_one_order = use.unit == ORDERS and use.used == 1
    yield element("th", use.name, scope="row")
    yield number("1 order" if is_one_order else f"{exact(use.used)}{unit}")
    yield number(exact(use.limit))
    yield element("td", meter(float(use.share)), element("span", percent(use.share)), class_="number share")
    yield element("td", moment(use.time_ms), class_="time")
