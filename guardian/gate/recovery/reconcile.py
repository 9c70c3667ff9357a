"""Reconciles the store with the exchange's lists of open and recent orders, symbol by symbol.

An order that has changed is updated, with an event row. One with guardian's prefix that the log lacks counts and halts
trading. One that the log has as final and the exchange as open is corrected, so that it counts, and trading halts.
Orders that guardian did not place are listed and not counted: the limits are on what the assistant does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from guardian.domain.milliseconds import WEEK_MS
from guardian.domain.order_states import LIVE_STATES, OrderState
from guardian.domain.orders import CLIENT_ORDER_ID_PREFIX, OrderReport
from guardian.domain.report_match import is_amended
from guardian.errors import CredentialsError, ExchangeError, ExchangeRejected, PolicyInvalid
from guardian.exchange.error_codes import KEY_REFUSED, UNKNOWN_SYMBOL
from guardian.gate.base.context import GateContext
from guardian.gate.base.order_views import view_of_report
from guardian.gate.base.replies import OrderView
from guardian.gate.recovery.fees import fetch_fees
from guardian.gate.recovery.order_reports import (
    DifferenceKind,
    apply_report,
    query_order,
    row_of,
)
from guardian.gate.recovery.unlogged_orders import ValuedOrder, enter_unlogged, value_unlogged
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow, Scope
from guardian.store.transaction.orders import is_in_doubt
from guardian.store.transaction.timestamps import reconciled_mark

if TYPE_CHECKING:
    from guardian.exchange.exchange import Exchange

RECENT_ORDERS: Final = 1000
"""Maximum number of a symbol's newest orders that are compared."""
RECENT_SYMBOL_MS: Final = WEEK_MS
"""How long after guardian's last order a symbol is still compared; one that the policy lists always is."""
BETWEEN_SYMBOLS_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One order on which the store and the exchange differed; a state of None means that one side lacks it."""

    kind: DifferenceKind
    symbol: str
    client_order_id: str
    store: OrderState | None
    exchange: OrderState | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedSymbol:
    """A symbol for which the exchange refused a query: its orders are not all known."""

    symbol: str
    why: str
    exchange_code: int
    exchange_text: str
    """Untrusted: the exchange's own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """The result of one reconciliation."""

    environment: str
    account: str
    symbols: tuple[str, ...]
    """The symbols that were compared, including the refused ones."""
    refused: tuple[RefusedSymbol, ...]
    is_whole: bool
    """Whether every symbol that the store knows or the policy lists was compared, and none was refused."""
    agreed: int
    """Number of guardian's orders that were the same on both sides."""
    differences: tuple[Difference, ...]
    foreign: tuple[OrderView, ...]
    """Open orders that guardian did not place."""
    fees: int
    """Number of orders whose fees were fetched."""


@dataclass(slots=True)
class _Tally:
    """The counts and findings so far."""

    agreed: int = 0
    fees: int = 0
    differences: list[Difference] = field(default_factory=list)
    foreign: list[OrderView] = field(default_factory=list)
    refused: list[RefusedSymbol] = field(default_factory=list)

    def add(self, other: _Tally) -> None:
        """Add what one transaction found."""
        self.agreed += other.agreed
        self.differences += other.differences
        self.foreign += other.foreign

    def note_refusal(self, symbol: str, error: ExchangeRejected) -> None:
        """Record the first refusal of a symbol; raises a refusal of the key, with which every query would fail."""
        if error.code in KEY_REFUSED:
            raise error
        if all(one.symbol != symbol for one in self.refused):
            one = RefusedSymbol(symbol=symbol, why=error.message, exchange_code=error.code, exchange_text=error.text)
            self.refused.append(one)


class Reconciler:
    """Reconciles one environment and account."""

    def __init__(self, context: GateContext) -> None:
        self._context = context

    async def run(
        self,
        symbols: Iterable[str] | None = None,
        *,
        between: Callable[[], Awaitable[bool]] | None = None,
        at_once: bool = False,
    ) -> Reconciled:
        """Reconcile these symbols, or all that the store knows or the policy lists.

        A symbol that the exchange refuses (it does not list it) is recorded and does not stop the others. With
        `between` there is a pause after each symbol in which it is called; where it returns False the rest is skipped.
        With `at_once` all symbols are compared concurrently, and also those with any open order of guardian's.

        Raises ExchangeError, CredentialsError and StoreError: differences found before that are in the log.
        """
        connection = await self._context.connector.connect(needs_keys=True)
        scope = self._context.scope_of(connection)
        wanted = await self._symbols(scope) if symbols is None else tuple(symbols)
        tally, done = _Tally(), 0
        if at_once:
            wanted = await self._at_once(connection.exchange, scope, wanted, tally)
            done = len(wanted)
        for symbol in () if at_once else wanted:
            if between is not None and done:
                await self._context.clock.pause(BETWEEN_SYMBOLS_S)
                if not await between():
                    break
            try:
                await self._symbol(connection.exchange, scope, symbol, tally)
            except ExchangeRejected as error:
                tally.note_refusal(symbol, error)
            done += 1
        is_whole = symbols is None and done == len(wanted) and not tally.refused
        if is_whole:
            await self._context.journal.transact(lambda tx: tx.timestamps.set(reconciled_mark(scope)))
            self._context.compared.done.add(scope)
        return Reconciled(
            environment=scope.environment,
            account=scope.account,
            symbols=wanted[:done],
            refused=tuple(tally.refused),
            is_whole=is_whole,
            agreed=tally.agreed,
            differences=tuple(tally.differences),
            foreign=tuple(tally.foreign),
            fees=tally.fees,
        )

    async def _at_once(
        self, exchange: Exchange, scope: Scope, symbols: tuple[str, ...], tally: _Tally
    ) -> tuple[str, ...]:
        """Compare these symbols and those with an open order of guardian's concurrently; returns all of them."""
        with_open_orders = (one.symbol for one in await exchange.open_orders(None) if _has_prefix(one))
        wanted = tuple(dict.fromkeys((*symbols, *with_open_orders)))
        results = await asyncio.gather(
            *(self._symbol(exchange, scope, symbol, tally) for symbol in wanted), return_exceptions=True
        )
        for symbol, result in zip(wanted, results, strict=True):
            if isinstance(result, ExchangeRejected):
                tally.note_refusal(symbol, result)
            elif result is not None:
                raise result
        return wanted

    async def _symbols(self, scope: Scope) -> tuple[str, ...]:
        """All symbols that the store knows or the policy lists."""
        transact = self._context.journal.transact
        known = set(await transact(lambda tx: tx.orders.known_symbols(scope, tx.now_ms - RECENT_SYMBOL_MS)))
        try:
            policy = self._context.policy_file.current().policy
        except PolicyInvalid:
            return tuple(sorted(known))
        listed = set(policy.symbols) if policy.environment is self._context.environment else set()
        return tuple(sorted(known | listed))

    async def _symbol(self, exchange: Exchange, scope: Scope, symbol: str, tally: _Tally) -> None:
        """Compare the orders of one symbol, and fetch the fees that are unknown."""
        transact = self._context.journal.transact
        pending, began_ms = await transact(lambda tx: _pending(tx, scope, symbol))
        # The open orders first: one that ends in between appears in the second list with its final state.
        listed = (*await exchange.open_orders(symbol), *await exchange.all_orders(symbol, limit=RECENT_ORDERS))
        reports = {report.order_id: report for report in listed}
        answers: list[tuple[OrderRow, OrderReport]] = []
        for row in pending:
            if any(_is_of(row, report) for report in listed):
                continue
            try:
                report = await query_order(exchange, row.sent)
            except ExchangeRejected as error:
                tally.note_refusal(symbol, error)
                continue
            if report is not None:
                answers.append((row, report))
            else:
                tally.differences.append(_difference(DifferenceKind.MISSING, row, None))
        unlogged = await value_unlogged(self._context, exchange, scope, tuple(reports.values()))
        tally.add(await transact(lambda tx: _compare(tx, scope, unlogged, reports.values(), answers, began_ms)))
        for name in await transact(lambda tx: _without_fees(tx, scope, symbol)):
            tally.fees += await fetch_fees(self._context, exchange, name)


async def why_not_compared(context: GateContext, scope: Scope) -> str | None:
    """None once this process has compared all orders of the scope; otherwise compares them, or returns why it cannot.

    Raises StoreError.
    """

    async def compare() -> str | None:
        try:
            found = await Reconciler(context).run(at_once=True)
        except (ExchangeError, CredentialsError) as error:
            return error.message
        # A symbol that the exchange does not list has no orders there.
        refused = (one for one in found.refused if one.exchange_code != UNKNOWN_SYMBOL)
        return next((f"{one.symbol}: {one.why}" for one in refused), None)

    return await context.compared.ensure(scope, compare)


def _pending(tx: Transaction, scope: Scope, symbol: str) -> tuple[tuple[OrderRow, ...], int]:
    """The symbol's orders that are neither final nor just being sent, and the window time."""
    rows = (*tx.orders.live(scope), *tx.orders.in_doubt(scope))
    return tuple(row for row in rows if row.symbol == symbol), tx.now_ms


def _without_fees(tx: Transaction, scope: Scope, symbol: str) -> tuple[str, ...]:
    """The client order ids of the symbol's orders whose fees are unknown."""
    return tuple(row.client_order_id for row in tx.orders.with_unknown_fees(scope) if row.symbol == symbol)


def _compare(
    tx: Transaction,
    scope: Scope,
    unlogged: Sequence[ValuedOrder],
    listed: Iterable[OrderReport],
    answers: Iterable[tuple[OrderRow, OrderReport]],
    began_ms: int,
) -> _Tally:
    """Update the store from each report; a report of an order that is not guardian's is foreign."""
    found = _Tally()
    enter_unlogged(tx, scope, unlogged)
    known = ((row_of(tx, scope, report), report) for report in listed)
    for row, report in (*known, *answers):
        if row is None:
            if report.state in LIVE_STATES and report.flaw is None:
                found.foreign.append(view_of_report(report))
            continue
        difference = _compared(tx, row, report, began_ms)
        if difference is None:
            found.agreed += 1
        else:
            found.differences.append(difference)
    return found


def _is_of(row: OrderRow, report: OrderReport) -> bool:
    return report.client_order_id == row.client_order_id or is_amended(row.sent, report)


def _has_prefix(report: OrderReport) -> bool:
    return report.client_order_id.startswith(CLIENT_ORDER_ID_PREFIX)


def _compared(tx: Transaction, row: OrderRow, report: OrderReport, began_ms: int) -> Difference | None:
    """Update the store from one report of an order of guardian's; returns the difference, if any."""
    kind = apply_report(tx, row, report, began_ms=began_ms)
    if not row.adopted:
        return replace(_difference(DifferenceKind.NOT_IN_LOG, row, report.state), store=None)
    # An order that another process is just sending changes without a difference.
    is_in_flight = row.state is OrderState.RESERVED and not is_in_doubt(row, tx.now_ms)
    if kind is None or (kind is DifferenceKind.MOVED and is_in_flight):
        return None
    return _difference(kind, row, report.state)


def _difference(kind: DifferenceKind, row: OrderRow, state: OrderState | None) -> Difference:
    return Difference(
        kind=kind, symbol=row.symbol, client_order_id=row.client_order_id, store=row.state, exchange=state
    )
