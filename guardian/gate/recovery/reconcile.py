"""Reconciliation: the exchange's lists of open and recent orders against what the store says, symbol by symbol.

What moved on is taken over, with an event row. An order with guardian's mark that the log lacks counts and halts. One
that the log says has ended and that has not is set right, so that it counts, and trading halts. Orders that guardian
did not place are shown and not counted: what is capped is what the assistant does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from guardian.domain.milliseconds import DAY_MS
from guardian.domain.order_states import LIVE_STATES, OrderState
from guardian.domain.orders import CLIENT_ORDER_ID_PREFIX, OrderReport
from guardian.domain.report_match import is_amended
from guardian.errors import CredentialsError, ExchangeError, ExchangeRejected, PolicyInvalid
from guardian.exchange.exchange import Exchange
from guardian.gate.base.context import GateContext
from guardian.gate.base.order_views import view_of_report
from guardian.gate.base.replies import OrderView
from guardian.gate.recovery.fees import fetch_fees
from guardian.gate.recovery.order_query import ask_for
from guardian.gate.recovery.order_reports import DifferenceKind, row_of, take_report
from guardian.gate.recovery.unlogged_orders import Valued, enter_unlogged, value_unlogged
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow, Scope
from guardian.store.transaction.orders import is_in_doubt

RECENT_ORDERS: Final = 1000
"""How many of a symbol's newest orders are looked at."""
KNOWN_FOR_MS: Final = 7 * DAY_MS
"""A symbol is looked at for so long after guardian's last order of it, and always if the policy lists it."""
BETWEEN_SYMBOLS_S: Final = 1.0
UNLISTED_CODE: Final = -1121
"""The exchange's word for a symbol that it does not list."""
KEY_REFUSED_CODES: Final = frozenset({-1022, -2008, -2014, -2015})
"""The exchange's no to the key and not to what was asked: every other question would have the same answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One order on which the store and the exchange differed; None is what one of them does not have."""

    kind: DifferenceKind
    symbol: str
    client_order_id: str
    store: OrderState | None
    exchange: OrderState | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A symbol of which the exchange refused to tell all: of that, nothing is known now."""

    symbol: str
    why: str
    exchange_code: int
    exchange_text: str
    """The exchange's words: untrusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What one reconciliation has found."""

    environment: str
    account: str
    symbols: tuple[str, ...]
    """The symbols that were looked at, the refused ones among them."""
    refused: tuple[Refused, ...]
    is_whole: bool
    """Every symbol that the store knows or the policy lists was looked at, and none was refused."""
    agreed: int
    """How many of guardian's orders were the same on both sides."""
    differences: tuple[Difference, ...]
    foreign: tuple[OrderView, ...]
    """Open orders that guardian did not place."""
    fees: int
    """Of how many orders the fees were found out."""


@dataclass(slots=True)
class _Tally:
    agreed: int = 0
    fees: int = 0
    differences: list[Difference] = field(default_factory=list)
    foreign: list[OrderView] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    def note_refusal(self, symbol: str, error: ExchangeRejected) -> None:
        """Note that something of a symbol was refused; raises it where everything else would be refused too."""
        if error.code in KEY_REFUSED_CODES:
            raise error
        if all(one.symbol != symbol for one in self.refused):
            one = Refused(symbol=symbol, why=error.message, exchange_code=error.code, exchange_text=error.text)
            self.refused.append(one)


class Reconciler:
    """Compares one environment and account."""

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

        A symbol that the exchange refuses to tell of (it lacks it, or does not list it any more) is noted and keeps no
        other from being looked at. With `between` there is a pause between two symbols, and that is done then: where
        it says False the rest is left out. With `at_once` all symbols are asked for together, and those on which any
        order of guardian's is open as well.

        Raises ExchangeError, CredentialsError and StoreError: what was found before is in the log.
        """
        connection = await self._context.connector.connect(needs_keys=True)
        scope = Scope(environment=self._context.environment.value, account=connection.account)
        wanted = await self._context.journal.run(lambda: self._symbols(scope)) if symbols is None else tuple(symbols)
        tally, done = _Tally(), 0
        if at_once:
            wanted = await self._at_once(connection.exchange, scope, wanted, tally)
            done = len(wanted)
        for symbol in () if at_once else wanted:
            if between is not None and done:
                await self._context.pause(BETWEEN_SYMBOLS_S)
                if not await between():
                    break
            try:
                await self._symbol(connection.exchange, scope, symbol, tally)
            except ExchangeRejected as error:
                tally.note_refusal(symbol, error)
            done += 1
        is_whole = symbols is None and done == len(wanted) and not tally.refused
        if is_whole:
            await self._context.journal.run(lambda: self._note_whole(scope))
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
        """Compare these symbols and those with an open order of guardian's, all together; returns which."""
        marked = (one.symbol for one in await exchange.open_orders(None) if _is_marked(one))
        wanted = tuple(dict.fromkeys((*symbols, *marked)))
        results = await asyncio.gather(
            *(self._symbol(exchange, scope, symbol, tally) for symbol in wanted), return_exceptions=True
        )
        for symbol, result in zip(wanted, results, strict=True):
            if isinstance(result, ExchangeRejected):
                tally.note_refusal(symbol, result)
            elif result is not None:
                raise result
        return wanted

    def _symbols(self, scope: Scope) -> tuple[str, ...]:
        with self._context.journal.transaction() as tx:
            known = set(tx.orders.known_symbols(scope, tx.now_ms - KNOWN_FOR_MS))
        try:
            policy = self._context.policy_file.current().policy
        except PolicyInvalid:
            return tuple(sorted(known))
        listed = set(policy.symbols) if policy.environment is self._context.environment else set()
        return tuple(sorted(known | listed))

    def _note_whole(self, scope: Scope) -> None:
        with self._context.journal.transaction() as tx:
            tx.timestamps.set(reconciled_mark(scope))

    async def _symbol(self, exchange: Exchange, scope: Scope, symbol: str, tally: _Tally) -> None:
        run = self._context.journal.run
        pending, began_ms = await run(lambda: self._pending(scope, symbol))
        # The open ones first: what ends in between is in the second list as it ended.
        listed = (*await exchange.open_orders(symbol), *await exchange.all_orders(symbol, limit=RECENT_ORDERS))
        reports = {report.order_id: report for report in listed}
        answers: list[tuple[OrderRow, OrderReport]] = []
        for row in pending:
            if any(_is_of(row, report) for report in listed):
                continue
            try:
                report = await ask_for(exchange, row.sent)
            except ExchangeRejected as error:
                tally.note_refusal(symbol, error)
                continue
            if report is not None:
                answers.append((row, report))
            else:
                tally.differences.append(_difference(DifferenceKind.MISSING, row, None))
        unlogged = await value_unlogged(self._context, exchange, scope, tuple(reports.values()))
        await run(lambda: self._compare(scope, unlogged, reports.values(), answers, began_ms, tally))
        for name in await run(lambda: self._without_fees(scope, symbol)):
            tally.fees += await fetch_fees(self._context, exchange, name)

    def _pending(self, scope: Scope, symbol: str) -> tuple[tuple[OrderRow, ...], int]:
        """The symbol's orders that have not ended and are not just being sent, and the window time."""
        with self._context.journal.transaction() as tx:
            rows = (*tx.orders.live(scope), *tx.orders.in_doubt(scope))
            return tuple(row for row in rows if row.symbol == symbol), tx.now_ms

    def _without_fees(self, scope: Scope, symbol: str) -> tuple[str, ...]:
        with self._context.journal.transaction() as tx:
            return tuple(row.client_order_id for row in tx.orders.with_unknown_fees(scope) if row.symbol == symbol)

    def _compare(
        self,
        scope: Scope,
        unlogged: Sequence[Valued],
        listed: Iterable[OrderReport],
        answers: Iterable[tuple[OrderRow, OrderReport]],
        began_ms: int,
        tally: _Tally,
    ) -> None:
        """Bring the store up to each report; one that is not of an order of guardian's is foreign."""
        with self._context.journal.transaction() as tx:
            enter_unlogged(tx, scope, unlogged)
            known = ((row_of(tx, scope, report), report) for report in listed)
            for row, report in (*known, *answers):
                if row is None:
                    if report.state in LIVE_STATES and report.flaw is None:
                        tally.foreign.append(view_of_report(report))
                    continue
                found = _compared(tx, row, report, began_ms)
                if found is None:
                    tally.agreed += 1
                else:
                    tally.differences.append(found)


def reconciled_mark(scope: Scope) -> str:
    """The mark of when all of a scope's orders were compared last."""
    return f"reconciled/{scope.environment}/{scope.account}"


def _is_of(row: OrderRow, report: OrderReport) -> bool:
    return report.client_order_id == row.client_order_id or is_amended(row.sent, report)


def _is_marked(report: OrderReport) -> bool:
    return report.client_order_id.startswith(CLIENT_ORDER_ID_PREFIX)


def _compared(tx: Transaction, row: OrderRow, report: OrderReport, began_ms: int) -> Difference | None:
    """Bring the store up to one report of an order of guardian's; the difference that there was, if any."""
    kind = take_report(tx, row, report, began_ms=began_ms)
    if not row.adopted:
        return replace(_difference(DifferenceKind.NOT_IN_LOG, row, report.state), store=None)
    # An order that a process is just sending moves on by itself.
    is_in_flight = row.state is OrderState.RESERVED and not is_in_doubt(row, tx.now_ms)
    if kind is None or (kind is DifferenceKind.MOVED and is_in_flight):
        return None
    return _difference(kind, row, report.state)


async def why_not_compared(context: GateContext, scope: Scope) -> str | None:
    """None once this process has compared all orders of the scope; else it does so now, or says why it could not.

    Raises StoreError.
    """

    async def compare() -> str | None:
        try:
            found = await Reconciler(context).run(at_once=True)
        except (ExchangeError, CredentialsError) as error:
            return error.message
        # A symbol that the exchange does not list has no orders there.
        refused = (one for one in found.refused if one.exchange_code != UNLISTED_CODE)
        return next((f"{one.symbol}: {one.why}" for one in refused), None)

    return await context.compared.ensure(scope, compare)


def _difference(kind: DifferenceKind, row: OrderRow, state: OrderState | None) -> Difference:
    return Difference(
        kind=kind, symbol=row.symbol, client_order_id=row.client_order_id, store=row.state, exchange=state
    )
