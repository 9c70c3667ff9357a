"""The part of a transaction that keeps what guardian's orders brought and cost, by asset.

Each flow is dated to when guardian learnt of it, in window time and by the clock. The sum of all flows of an asset,
over all symbols, is guardian's position in it: bought less sold, as the base asset or as the quote asset, less the
fees taken of it. It is below zero where the owner's own was spent.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from guardian.domain.milliseconds import DAY_MS
from guardian.domain.money import ZERO, divided_up, minus, negated, plain, plus, round_up, times, total
from guardian.domain.orders import Fees, OrderSide
from guardian.policy.facts import DayTrading
from guardian.store.schema import sqlite_statements as sql
from guardian.store.schema.records import OrderRow, Scope
from guardian.store.transaction.unit import Unit, scope_values


class FlowKind(StrEnum):
    """Why an asset came or went."""

    TRADE = "trade"
    FEE = "fee"
    CORRECTION = "correction"
    """The owner corrected the position; see `guardian.store.transaction.corrections`."""
    WORTH = "worth"
    """What a correction took off or added was worth: it counts in the loss of the day, and is no position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One row of the ledger: what came (above zero) or went of an asset, on a symbol, by an order or a correction."""

    number: int
    symbol: str
    """Empty for a correction that belongs to no symbol."""
    source: str
    time_ms: int
    """When guardian learnt of it, by the clock."""
    kind: FlowKind
    asset: str
    change: Decimal


@dataclass(frozen=True, slots=True)
class Place:
    """Where a flow belongs: the symbol with its assets, and the order or the row of the log that it came from."""

    scope: Scope
    symbol: str
    base_asset: str
    quote_asset: str
    source: str


class LedgerPart:
    """Appends flows, and sums them."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def position(self, scope: Scope, asset: str) -> Decimal:
        """Returns what guardian bought of the asset less what it sold, spent and paid as fees of it, over all time."""
        rows = self._unit.rows(sql.HELD_QUANTITIES_OF_ASSET, {**scope_values(scope), "asset": asset})
        return total(Decimal(row["quantity"]) for row in rows)

    def positions(self, scope: Scope) -> dict[str, Decimal]:
        """Returns every position other than zero, by asset."""
        sums: dict[str, Decimal] = {}
        for row in self._unit.rows(sql.HOLDINGS_IN_SCOPE, scope_values(scope)):
            sums[row["asset"]] = plus(sums.get(row["asset"], ZERO), Decimal(row["quantity"]))
        return {asset: position for asset, position in sorted(sums.items()) if position != 0}

    def traded(self, scope: Scope, window_ms: int = DAY_MS) -> tuple[DayTrading, ...]:
        """Returns by symbol what is held and what came and went within the window.

        Symbols with neither are left out.
        """
        changes = self._changes(scope, window_ms)
        found = []
        for row in self._unit.rows(sql.HOLDINGS_IN_SCOPE, scope_values(scope)):
            if row["asset"] != row["base_asset"]:
                continue
            position, came = Decimal(row["quantity"]), changes.get(row["symbol"], {})
            if position == 0 and not came:
                continue
            base = row["base_asset"]
            found.append(
                DayTrading(
                    symbol=row["symbol"],
                    quote_asset=row["quote_asset"],
                    position=position,
                    position_before=minus(position, came.get(base, ZERO)),
                    cash={asset: change for asset, change in came.items() if asset != base and change != 0},
                    last_price=None if row["last_price"] is None else Decimal(row["last_price"]),
                )
            )
        return tuple(found)

    def _changes(self, scope: Scope, window_ms: int) -> dict[str, dict[str, Decimal]]:
        """Returns what came and went within the window, by symbol and asset."""
        values = {**scope_values(scope), **self._unit.window_values(window_ms)}
        changes: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for symbol, asset, change in self._unit.tuples(sql.FLOWS_IN_WINDOW, values):
            changes[symbol][asset].append(change)
        return {
            symbol: {asset: total(map(Decimal, listed)) for asset, listed in by_asset.items()}
            for symbol, by_asset in changes.items()
        }

    def flows(self, scope: Scope, *, after: int, most: int) -> tuple[Flow, ...]:
        """Returns the first `most` flows with a number above `after`, in the order in which they became known."""
        rows = self._unit.rows(sql.FLOWS_AFTER, {**scope_values(scope), "after_id": after, "most": most})
        return tuple(
            Flow(
                number=row["id"],
                symbol=row["symbol"],
                source=row["client_order_id"],
                time_ms=row["clock_ms"],
                kind=FlowKind(row["kind"]),
                asset=row["asset"],
                change=Decimal(row["change"]),
            )
            for row in rows
        )

    def assets_by_symbol(self, scope: Scope) -> dict[str, tuple[str, str]]:
        """Returns the base and the quote asset of every symbol that has flows."""
        rows = self._unit.rows(sql.ASSETS_BY_SYMBOL, scope_values(scope))
        return {row["symbol"]: (row["base_asset"], row["quote_asset"]) for row in rows}

    def fees_of(self, client_order_id: str) -> dict[str, Decimal]:
        """Returns the known fees of an order, by asset."""
        known = self._posted(client_order_id)
        return {asset: negated(change) for (kind, asset), change in known.items() if kind is FlowKind.FEE}

    def post(self, row: OrderRow, fees: Fees | None) -> None:
        """Appends what is new of an order, as its row has it now, and of its fees where those are given."""
        is_buy = row.side == OrderSide.BUY.value
        bought = row.executed_quantity if is_buy else negated(row.executed_quantity)
        known = self._posted(row.client_order_id)
        wanted = {(FlowKind.TRADE, row.base_asset): bought, (FlowKind.TRADE, row.quote_asset): cash_of(row)}
        for asset, taken in ({} if fees is None else fees.by_asset).items():
            wanted[FlowKind.FEE, asset] = min(negated(taken), known.get((FlowKind.FEE, asset), ZERO))
        place = Place(row.scope, row.symbol, row.base_asset, row.quote_asset, row.client_order_id)
        traded = False
        for (kind, asset), sum_now in wanted.items():
            change = minus(sum_now, known.get((kind, asset), ZERO))
            if change != 0:
                self.add_flow(place, kind, asset, change)
                traded = traded or kind is FlowKind.TRADE
        price = _executed_price(row)
        if traded and price is not None:
            where = {**scope_values(row.scope), "symbol": row.symbol, "asset": row.base_asset}
            self._unit.write(sql.SET_LAST_PRICE, {**where, "last_price": plain(price)})

    def _posted(self, client_order_id: str) -> dict[tuple[FlowKind, str], Decimal]:
        sums: dict[tuple[FlowKind, str], Decimal] = {}
        for flow in self._unit.rows(sql.FLOWS_OF_ORDER, {"name": client_order_id}):
            key = (FlowKind(flow["kind"]), flow["asset"])
            sums[key] = plus(sums.get(key, ZERO), Decimal(flow["change"]))
        return sums

    def add_flow(self, place: Place, kind: FlowKind, asset: str, change: Decimal) -> None:
        """Appends a flow, and adds it to what is held."""
        values = {
            **scope_values(place.scope),
            "symbol": place.symbol,
            "client_order_id": place.source,
            "ts_ms": self._unit.now_ms,
            "clock_ms": self._unit.clock_ms,
            "kind": kind.value,
            "asset": asset,
            "change": plain(change),
        }
        self._unit.write(sql.ADD_FLOW, values)
        if kind is not FlowKind.WORTH:
            self._hold(place, asset, change)

    def _hold(self, place: Place, asset: str, change: Decimal) -> None:
        where = {**scope_values(place.scope), "symbol": place.symbol, "asset": asset}
        held = self._unit.value(sql.HELD_QUANTITY, where)
        if held is None:
            assets = {"base_asset": place.base_asset, "quote_asset": place.quote_asset}
            self._unit.write(sql.INSERT_HOLDING, {**where, **assets, "quantity": plain(change)})
            return
        self._unit.write(sql.SET_HELD_QUANTITY, {**where, "quantity": plain(plus(Decimal(held), change))})


def _executed_price(row: OrderRow) -> Decimal | None:
    """Returns the average price of an order, rounded up at the eighth digit; None where it is not reported."""
    if row.executed_quantity <= 0 or row.executed_quote_quantity <= 0:
        return None
    return round_up(divided_up(row.executed_quote_quantity, row.executed_quantity))


def cash_of(row: OrderRow) -> Decimal:
    """Returns the quote asset that an order brought. Unreported, a BUY cost its worst and a SELL brought zero."""
    if row.side == OrderSide.SELL.value:
        return row.executed_quote_quantity
    if row.executed_quote_quantity > 0 or row.price is None:
        return negated(row.executed_quote_quantity)
    return negated(times(row.price, row.executed_quantity))
