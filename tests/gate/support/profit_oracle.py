"""Profit by average cost, once more and differently: whole numbers of the eighth digit, fill by fill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from guardian.store.transaction.ledger import Flow, FlowKind

UNIT = Decimal("0.00000001")


@dataclass(frozen=True)
class Step:
    """One thing that became known of an order: a fill (`quantity` for `amount`), or a fee of `quantity` in `asset`."""

    time_ms: int
    symbol: str
    order: str
    side: str
    quantity: int
    amount: int = 0
    asset: str = ""


@dataclass
class Book:
    """What the oracle knows of one symbol."""

    held: int = 0
    cost: int = 0
    sold_of: Counter[str] = field(default_factory=Counter)
    own_of: Counter[str] = field(default_factory=Counter)
    """By order: how much of what it sold guardian had bought."""
    sums: Counter[str] = field(default_factory=Counter)
    apart: Counter[str] = field(default_factory=Counter)


def flows_of(steps: Iterable[Step]) -> list[Flow]:
    """The rows that the ledger writes for these steps."""
    rows: list[Flow] = []

    def add(step: Step, kind: FlowKind, asset: str, change: int) -> None:
        rows.append(
            Flow(
                number=len(rows) + 1,
                symbol=step.symbol,
                source=step.order,
                time_ms=step.time_ms,
                kind=kind,
                asset=asset,
                change=change * UNIT,
            )
        )

    for step in steps:
        base, quote, sign = step.symbol[:3], step.symbol[3:], 1 if step.side == "BUY" else -1
        if step.asset:
            add(step, FlowKind.FEE, step.asset, -step.quantity)
        else:
            add(step, FlowKind.TRADE, base, sign * step.quantity)
            add(step, FlowKind.TRADE, quote, -sign * step.amount)
    return rows


def books_of(steps: Iterable[Step], start_ms: int, end_ms: int) -> dict[str, Book]:
    """Every symbol's book after all steps, with the sums of those within the period."""
    books: dict[str, Book] = {}
    for step in steps:
        book = books.setdefault(step.symbol, Book())
        scratch = Book(held=book.held, cost=book.cost, sold_of=book.sold_of, own_of=book.own_of)
        _fee(scratch, step) if step.asset else _fill(scratch, step)
        if scratch.held == 0:
            scratch.sums["realised"] -= scratch.cost
            scratch.cost = 0
        book.held, book.cost = scratch.held, scratch.cost
        if start_ms <= step.time_ms <= end_ms:
            book.sums.update(scratch.sums)
            book.apart.update(scratch.apart)
    return books


def _fill(book: Book, step: Step) -> None:
    quantity, amount = step.quantity, step.amount
    if step.side == "BUY":
        book.held += quantity
        book.cost += amount
        book.sums.update(bought=quantity, bought_for=amount)
        return
    own = min(quantity, book.held)
    proceeds = amount * own // quantity
    cost = -(-book.cost * own // book.held) if book.held else 0
    book.held -= own
    book.cost -= cost
    book.sold_of[step.order] += quantity
    book.own_of[step.order] += own
    book.sums.update(sold=quantity, sold_for=amount, realised=proceeds - cost)
    book.sums.update(unknown_cost=quantity - own, unknown_cost_for=amount - proceeds)


def _fee(book: Book, step: Step) -> None:
    fee, base, quote = step.quantity, step.symbol[:3], step.symbol[3:]
    book.sums[f"fee {step.asset}"] += fee
    if step.asset == base:
        taken = min(fee, book.held)
        book.held -= taken
        book.apart[base] += fee - taken
    elif step.asset != quote:
        book.apart[step.asset] += fee
    elif step.side == "BUY":
        book.cost += fee
    else:
        own = -(-fee * book.own_of[step.order] // book.sold_of[step.order])
        book.sums["realised"] -= own
        book.sums["unknown_cost_for"] -= fee - own
