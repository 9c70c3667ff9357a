"""The exchange as a witness: guardian's own orders, as the log has them, held against the exchange's lists.

Nothing is updated and nothing is sent: differences are named. Orders that guardian did not place are counted and not
looked at. An order without a fill that was cancelled long ago has left the lists of the exchange, so its absence says
nothing; one that is open and has moved on since guardian last asked is behind, which is no disagreement either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from guardian.domain.milliseconds import DAY_MS
from guardian.domain.order_states import IN_FLIGHT_MS, UNRESOLVED_STATES, VOID_STATES, OrderState
from guardian.domain.orders import CLIENT_ORDER_ID_PREFIX, OrderReport, Trade
from guardian.domain.report_match import is_amended
from guardian.errors import ExchangeRejected, PolicyInvalid
from guardian.exchange.error_codes import KEY_REFUSED, UNKNOWN_SYMBOL
from guardian.gate.base.context import GateContext
from guardian.gate.recovery.order_reports import query_order
from guardian.gate.witness.comparison import Disagreement, WitnessKind, disagreements, is_behind, lacking, unlogged
from guardian.gate.witness.exchange_lists import ExchangeLists, ListedHistory
from guardian.store.answers.witness_reader import LoggedOrder, LoggedOrders, read_logged_orders

if TYPE_CHECKING:
    from guardian.exchange.exchange import Exchange
    from guardian.store.schema.records import Scope

LEAVES_AFTER_MS: Final = 80 * DAY_MS
"""The exchange keeps orders that were cancelled without a fill for 90 days; from this age on absence says nothing."""
MOST_QUERIES: Final = 100
"""Orders that a list lacks and that are queried one by one; more than that are taken for what the list says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unasked:
    """A symbol whose orders could not be looked at whole, and why."""

    symbol: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """What the exchange testifies."""

    environment: str
    account: str
    symbols: tuple[str, ...]
    orders: int
    """Guardian's orders that both have."""
    executions: int
    """Executions of them that the exchange listed."""
    disagreements: tuple[Disagreement, ...]
    behind: tuple[str, ...]
    """Client order ids of orders that were open when guardian last asked and have moved on."""
    unresolved: tuple[str, ...]
    """Client order ids of orders of which guardian does not know whether they came to be, and the exchange neither."""
    fees_unknown: int
    """Executed orders whose fees the log does not have yet."""
    left_lists: int
    """Orders without a fill that are so old that the exchange has forgotten them."""
    foreign: int
    """Orders in the lists that guardian did not place."""
    unasked: tuple[Unasked, ...]


@dataclass(slots=True)
class _Tally:
    orders: int = 0
    executions: int = 0
    foreign: int = 0
    left_lists: int = 0
    fees_unknown: int = 0
    queries: int = 0
    disagreements: list[Disagreement] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)
    unasked: list[Unasked] = field(default_factory=list)


class ExchangeWitness:
    """Holds the orders of one environment and account against the exchange's lists."""

    def __init__(self, context: GateContext) -> None:
        self._context = context

    async def testify(self, symbols: Iterable[str] | None = None) -> Witnessed:
        """Compares these symbols, or all that the log knows or the policy lists.

        Raises ExchangeError, CredentialsError and StoreError: then nothing is known.
        """
        connection = await self._context.connector.connect(needs_keys=True)
        scope = self._context.scope_of(connection)
        known = await self._logged(scope)
        wanted = tuple(symbols) if symbols is not None else self._symbols(known)
        lists, tally = ExchangeLists(connection.exchange, self._context.clock.pause), _Tally()
        for symbol in wanted:
            own = [order for order in known.orders if order.sent.symbol == symbol]
            try:
                listed = await lists.of_symbol(symbol, _first_id(own), _executed(own))
            except ExchangeRejected as error:
                if error.code in KEY_REFUSED:
                    raise
                if own or error.code != UNKNOWN_SYMBOL:
                    tally.unasked.append(Unasked(symbol=symbol, why=error.message))
                continue
            if not listed.is_whole:
                tally.unasked.append(Unasked(symbol=symbol, why="the exchange has more orders than were looked at"))
            # Read again after the lists: each order is in the log before it is sent, so none is too new to be known.
            await self._compare(connection.exchange, symbol, await self._logged(scope), listed, tally)
        return Witnessed(
            environment=scope.environment,
            account=scope.account,
            symbols=wanted,
            orders=tally.orders,
            executions=tally.executions,
            disagreements=tuple(tally.disagreements),
            behind=tuple(tally.behind),
            unresolved=tuple(tally.unresolved),
            fees_unknown=tally.fees_unknown,
            left_lists=tally.left_lists,
            foreign=tally.foreign,
            unasked=tuple(tally.unasked),
        )

    async def _logged(self, scope: Scope) -> LoggedOrders:
        """What the log has now, once the store is open: another process may be making it."""
        journal = self._context.journal
        await journal.transact(lambda _: None)
        return await journal.run(lambda: read_logged_orders(journal.home, scope))

    def _symbols(self, known: LoggedOrders) -> tuple[str, ...]:
        found = {order.sent.symbol for order in known.orders}
        try:
            policy = self._context.policy_file.current().policy
        except PolicyInvalid:
            return tuple(sorted(found))
        listed = set(policy.symbols) if policy.environment is self._context.environment else set()
        return tuple(sorted(found | listed))

    async def _compare(
        self, exchange: Exchange, symbol: str, known: LoggedOrders, listed: ListedHistory, tally: _Tally
    ) -> None:
        own = {order.name: order for order in known.orders if order.sent.symbol == symbol}
        by_id = {order.sent.order_id: order for order in own.values() if order.sent.order_id is not None}
        seen: set[str] = set()
        for report in listed.reports:
            order = own.get(report.client_order_id)
            if order is None:
                amended = by_id.get(report.order_id)
                order = amended if amended is not None and is_amended(amended.sent, report) else None
            if order is not None:
                seen.add(order.name)
                self._of_order(order, report, listed, tally)
            elif not report.client_order_id.startswith(CLIENT_ORDER_ID_PREFIX):
                tally.foreign += 1
            elif report.client_order_id not in known.intents:
                tally.disagreements.append(unlogged(report))
        for order in own.values():
            if not (order.has_intent or order.was_found) and order.name in seen:
                tally.disagreements.append(_without_row(order))
            if order.name not in seen:
                await self._absent(exchange, order, listed, tally)

    def _of_order(self, order: LoggedOrder, report: OrderReport, listed: ListedHistory, tally: _Tally) -> None:
        tally.orders += 1
        trades = _trades_of(report, listed)
        tally.executions += len(trades or ())
        tally.fees_unknown += order.adopted and order.executed_quantity != order.fee_quantity
        if is_behind(order, report):
            tally.behind.append(order.name)
        now_ms = self._context.clock.now_ms()
        tally.disagreements += disagreements(order, report, trades, now_ms=now_ms)

    async def _absent(self, exchange: Exchange, order: LoggedOrder, listed: ListedHistory, tally: _Tally) -> None:
        """An order of guardian's that the list lacks: it is queried by its ids, for lists lag behind."""
        age_ms = self._context.clock.now_ms() - order.sent_ms
        if order.state in VOID_STATES or age_ms < IN_FLIGHT_MS:
            return
        ended_unfilled = order.state in {OrderState.CANCELLED, OrderState.EXPIRED} and not order.executed_quantity
        if ended_unfilled and age_ms >= LEAVES_AFTER_MS:
            tally.left_lists += 1
            return
        report = None
        if tally.queries < MOST_QUERIES:
            tally.queries += 1
            report = await query_order(exchange, order.sent)
        if report is not None:
            self._of_order(order, report, listed, tally)
        elif order.state in UNRESOLVED_STATES:
            tally.unresolved.append(order.name)
        else:
            tally.disagreements.append(lacking(order))


def _without_row(order: LoggedOrder) -> Disagreement:
    """The store and the exchange have it, and the log has neither an intent nor that it was found."""
    return replace(lacking(order), kind=WitnessKind.NOT_IN_LOG, log=None, exchange=order.state.value)


def _first_id(own: Sequence[LoggedOrder]) -> int | None:
    """The exchange's id of guardian's first order on a symbol: the log's period begins there."""
    return min((order.sent.order_id for order in own if order.sent.order_id is not None), default=None)


def _executed(own: Sequence[LoggedOrder]) -> tuple[int, ...]:
    ids = (order.sent.order_id for order in own if order.executed_quantity)
    return tuple(sorted(order_id for order_id in ids if order_id is not None))


def _trades_of(report: OrderReport, listed: ListedHistory) -> Sequence[Trade] | None:
    return None if listed.trades is None else listed.trades.get(report.order_id, ())
