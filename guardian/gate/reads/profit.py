"""`get_pnl` on the spot account: what guardian's own trading bought, sold, paid and gained, from its ledger.

A fill is dated to when guardian learnt of it: with the reply to the order, or when it next queried the order. Fills
that became known together are one. The gains are those of `guardian.store.answers.average_cost`. What is not in the
accounting currency is converted at current prices, which pass every check of a price: a gain at the cheaper side of
each book and rounded down at the eighth digit, a cost at the dearer side and rounded up. Without the exchange, all that
needs no price is given all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from guardian.connector import NO_ACCOUNT, Connection
from guardian.domain.money import ZERO, minus, negated, plain, plus, round_down, times, total
from guardian.domain.requests import GetPnl
from guardian.errors import NoCredentials
from guardian.gate.base.context import GateContext
from guardian.gate.base.facts import gather_prices
from guardian.gate.base.replies import Reply, done
from guardian.gate.reads.profit_views import SpotProfit, SymbolProfit, TotalProfit, UncountedOrder, UnknownCost
from guardian.policy.conversion import Unpriced, convert_gain, priced_path
from guardian.policy.facts import Facts
from guardian.policy.loss import LossNeeds
from guardian.policy.model import Policy
from guardian.policy.prices import PriceFault, usable_price
from guardian.store.answers.average_cost import CostPool, pools_of
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow, Scope
from guardian.store.transaction.ledger import Flow

FLOWS_AT_ONCE: Final = 5000
"""How many rows of the ledger one transaction reads: it must not keep an order waiting."""
OWN_ONLY: Final = "Only what guardian traded, by its own log; coins that the account had besides are left out."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Orders:
    """Orders that are not counted whole."""

    of_unknown_fate: tuple[OrderRow, ...]
    not_adopted: tuple[OrderRow, ...]
    without_fees: tuple[OrderRow, ...]

    def views(self, symbol: str | None) -> tuple[UncountedOrder, ...]:
        """Each once, of one symbol or of all."""
        found: dict[str, UncountedOrder] = {}
        for rows, why in (
            (self.of_unknown_fate, "its fate is not known yet"),
            (self.not_adopted, "guardian's log lacked it; it counts after the owner's `guardian resume`"),
            (self.without_fees, "its fees are not known"),
        ):
            for row in rows:
                if symbol in {None, row.symbol}:
                    view = UncountedOrder(client_order_id=row.client_order_id, symbol=row.symbol, why=why)
                    found.setdefault(row.client_order_id, view)
        return tuple(found.values())


class ProfitReader:
    """Answers `get_pnl` on the spot account."""

    def __init__(self, context: GateContext) -> None:
        self._context = context

    async def read(self, connection: Connection, request: GetPnl, policy: Policy) -> Reply:
        """One read. Raises StoreError, and NoCredentials where the account is not known."""
        if connection.account == NO_ACCOUNT:
            name = self._context.environment.value
            raise NoCredentials(
                f"no spot key is stored for `{name}`, so the account is not known",
                hint=f"a person can run `guardian keys add {name}`",
            )
        scope = self._context.scope_of(connection)
        flows = await self._flows(scope)
        assets, orders = await self._context.journal.transact(
            lambda tx: (tx.ledger.assets_by_symbol(scope), _of(tx, scope))
        )
        if request.symbol is not None:
            assets = {symbol: pair for symbol, pair in assets.items() if symbol == request.symbol}
        # Off the event loop: a ledger of years takes a good part of a second.
        pools = await self._context.journal.run(
            lambda: pools_of(flows, assets, start_ms=request.start_time, end_ms=request.end_time)
        )
        shown = {symbol: pool for symbol, pool in sorted(pools.items()) if pool.held or pool.gains.sources}
        prices = await gather_prices(
            _needs(shown), policy, connection.exchange, self._context.environment, self._context.clock
        )
        return done(_view(shown, prices, policy, orders.views(request.symbol), request.limit))

    async def _flows(self, scope: Scope) -> list[Flow]:
        """All flows of the account. They are only ever appended, so that pages of them fit together."""
        found: list[Flow] = []
        while True:
            after = found[-1].number if found else 0
            page = await self._context.journal.transact(
                lambda tx, after=after: tx.ledger.flows(scope, after=after, most=FLOWS_AT_ONCE)  # type: ignore[misc]  # bound now
            )
            found += page
            if len(page) < FLOWS_AT_ONCE:
                return found


def _of(tx: Transaction, scope: Scope) -> _Orders:
    return _Orders(
        of_unknown_fate=tx.orders.unresolved(scope),
        not_adopted=tuple(row for row in tx.orders.not_adopted() if row.scope == scope),
        without_fees=tx.orders.with_unknown_fees(scope, of_any_age=True),
    )


def _needs(pools: dict[str, CostPool]) -> LossNeeds:
    """The prices that count something: of what is held, and of every asset that is converted."""
    gains = [pool.gains for pool in pools.values()]
    return LossNeeds(
        books=frozenset(symbol for symbol, pool in pools.items() if pool.held > 0),
        opens=frozenset(),
        assets=frozenset((*(pool.quote_asset for pool in pools.values()), *(fee for one in gains for fee in one.fees))),
    )


def _view(
    pools: dict[str, CostPool], prices: Facts, policy: Policy, not_counted: tuple[UncountedOrder, ...], most: int
) -> SpotProfit:
    rows = tuple(_symbol_view(symbol, pool, prices, policy) for symbol, pool in pools.items())
    in_all, unpriced = _total(pools, rows, prices, policy)
    notes = [OWN_ONLY]
    if any(row.unknown_cost for row in rows):
        notes.append("`unknown_cost` was sold without guardian having bought it on that symbol: it is no profit.")
    corrected = [f"{symbol} {plain(pool.gains.corrected)}" for symbol, pool in pools.items() if pool.gains.corrected]
    if corrected:
        notes.append(f"The owner corrected the position, which is neither profit nor loss: {', '.join(corrected)}.")
    if len(rows) > most:
        notes.append(f"{len(rows) - most} more symbols are in the total alone; name one with symbol, or raise limit.")
    notes += [f"{asset} is not converted: {reason}." for asset, reason in unpriced.items()]
    return SpotProfit(
        market="spot",
        total=in_all,
        symbols=rows[:most],
        complete=not (not_counted or unpriced or in_all.unrealised is None),
        not_counted=not_counted,
        note=" ".join(notes),
    )


def _symbol_view(symbol: str, pool: CostPool, prices: Facts, policy: Policy) -> SymbolProfit:
    gains = pool.gains
    price = usable_price(symbol, prices, policy) if pool.held else None
    fault = str(price) if isinstance(price, PriceFault) else None
    bid = None if price is None or isinstance(price, PriceFault) else price.bid
    unrealised = ZERO if not pool.held else None if bid is None else minus(round_down(times(pool.held, bid)), pool.cost)
    return SymbolProfit(
        symbol=symbol,
        quote_asset=pool.quote_asset,
        bought=gains.bought,
        bought_for=gains.bought_for,
        sold=gains.sold,
        sold_for=gains.sold_for,
        fees=gains.fees,
        realised=gains.realised,
        unknown_cost=UnknownCost(sold=gains.unknown_cost, sold_for=gains.unknown_cost_for)
        if gains.unknown_cost
        else None,
        held=pool.held,
        cost=pool.cost,
        bid=bid,
        unrealised=unrealised,
        unpriced=fault,
    )


class _Worth:
    """Converts to the accounting currency, and remembers by asset why that was not possible."""

    def __init__(self, prices: Facts, policy: Policy) -> None:
        self._prices = prices
        self._policy = policy
        self.unpriced: dict[str, str] = {}

    def gain(self, asset: str, amount: Decimal | None) -> Decimal | None:
        """What a gain, or below zero a cost, is worth; None where that is not known. Nothing is worth nothing."""
        if not amount:
            return amount
        path = priced_path(asset, self._prices, self._policy)
        if isinstance(path, Unpriced):
            self.unpriced[asset] = path.reason
            return None
        return convert_gain(amount, path)

    def cost(self, asset: str, amount: Decimal) -> Decimal | None:
        """What a cost, given above zero, is worth."""
        gain = self.gain(asset, negated(amount))
        return None if gain is None else negated(gain)


def _total(
    pools: dict[str, CostPool], rows: tuple[SymbolProfit, ...], prices: Facts, policy: Policy
) -> tuple[TotalProfit, dict[str, str]]:
    """The sums in the accounting currency, and by asset why something is not in them."""
    worth = _Worth(prices, policy)
    apart = _by_asset(pool.gains.fees_apart for pool in pools.values())
    paid_apart = {asset: worth.cost(asset, fee) for asset, fee in apart.items()}
    fees = {asset: worth.cost(asset, fee) for asset, fee in _by_asset(row.fees for row in rows).items()}
    gained = _sum(worth.gain(row.quote_asset, row.realised) for row in rows)
    found = TotalProfit(
        currency=policy.accounting.currency,
        bought=_sum(worth.cost(row.quote_asset, row.bought_for) for row in rows),
        sold=_sum(worth.gain(row.quote_asset, row.sold_for) for row in rows),
        fees=total(fee for fee in fees.values() if fee is not None),
        realised=None
        if gained is None
        else minus(gained, total(fee for fee in paid_apart.values() if fee is not None)),
        unrealised=_sum(worth.gain(row.quote_asset, row.unrealised) for row in rows),
        unpriced_fees={asset: fee for asset, fee in _by_asset(row.fees for row in rows).items() if fees[asset] is None},
    )
    return found, worth.unpriced


def _by_asset(sums: Iterable[Mapping[str, Decimal]]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for one in sums:
        for asset, amount in one.items():
            found[asset] = plus(found.get(asset, ZERO), amount)
    return found


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """The exact sum; None where one of them is not known."""
    known: list[Decimal] = []
    for amount in amounts:
        if amount is None:
            return None
        known.append(amount)
    return total(known)
