"""Reads what the figures of trading are made of: the ledger by environment and account, and prices that the log has.

Prices are those that guardian itself saw: the books that an order was judged on, and what it bought and sold at.
"""

from __future__ import annotations

import sqlite3
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from guardian.domain.money import ONE, divided_down, times
from guardian.domain.order_states import UNRESOLVED_STATES
from guardian.errors import StoreCorrupt
from guardian.store.answers.average_cost import joined
from guardian.store.answers.past_prices import PricePoint, Rates
from guardian.store.answers.trades import AccountLedger, NotCounted
from guardian.store.log.read_only import database_path, read_only
from guardian.store.log.statements import (
    BEGIN_READING,
    CURRENCY_OF_NEWEST_ORDER,
    END_READING,
    FLOWS_IN_ORDER,
    JUDGED_BOOKS,
    NEWEST_POLICY_TEXT,
    ORDERS_NOT_COUNTED,
    PAIRS,
)
from guardian.store.schema.records import Scope
from guardian.store.schema.sqlite_errors import RESTORE_HINT
from guardian.store.transaction.ledger import Flow, FlowKind

_CURRENCY: Final = "USDT"
_CONVERSIONS: Final = {"BTC": "BTCUSDT", "ETH": "ETHUSDT", "BNB": "BNBUSDT"}
"""What a policy has that does not say it."""
_MAX_LEGS: Final = 3
_KINDS: Final = {kind.value: kind for kind in FlowKind}
_UNRESOLVED: Final = frozenset(state.value for state in UNRESOLVED_STATES)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Accounting:
    """The `[accounting]` table of the newest policy."""

    currency: str = _CURRENCY
    conversions: Mapping[str, str] = field(default_factory=lambda: _CONVERSIONS)


def read_ledgers(home: Path) -> tuple[AccountLedger, ...]:
    """Returns the ledger of each environment and account that has one, in their order. Raises StoreError."""
    with read_only(database_path(home)) as connection:
        connection.execute(BEGIN_READING)
        try:
            return _read(connection)
        except (InvalidOperation, KeyError):
            message = "the ledger of `guardian.db` holds amounts that guardian did not write"
            raise StoreCorrupt(message, hint=RESTORE_HINT) from None
        finally:
            connection.execute(END_READING)


def _read(connection: sqlite3.Connection) -> tuple[AccountLedger, ...]:
    flows: dict[Scope, list[Flow]] = defaultdict(list)
    scopes: dict[tuple[str, str], Scope] = {}
    for environment, account, number, symbol, source, time_ms, kind, asset, change in connection.execute(
        FLOWS_IN_ORDER
    ).fetchall():
        scope = scopes.setdefault((environment, account), Scope(environment=environment, account=account))
        flows[scope].append(
            Flow(
                number=number,
                symbol=symbol,
                source=source,
                time_ms=time_ms,
                kind=_KINDS[kind],
                asset=asset,
                change=Decimal(change),
            )
        )
    pairs: dict[Scope, dict[str, tuple[str, str]]] = defaultdict(dict)
    for environment, account, symbol, base, quote in connection.execute(PAIRS).fetchall():
        pairs[Scope(environment=environment, account=account)][symbol] = (base, quote)
    missing = _not_counted(connection)
    accounting = _accounting(connection)
    known = sorted({*flows, *missing}, key=lambda scope: (scope.environment, scope.account))
    return tuple(
        AccountLedger(
            scope=scope,
            flows=tuple(flows[scope]),
            pairs=pairs[scope],
            rates=_rates(connection, scope, flows[scope], pairs[scope], accounting),
            not_counted=tuple(missing.get(scope, ())),
        )
        for scope in known
    )


def _not_counted(connection: sqlite3.Connection) -> dict[Scope, list[NotCounted]]:
    found: dict[Scope, list[NotCounted]] = defaultdict(list)
    for environment, account, name, symbol, state, adopted in connection.execute(ORDERS_NOT_COUNTED).fetchall():
        if state in _UNRESOLVED:
            why = "whether it came to be at the exchange is not known yet"
        elif not adopted:
            why = "the log lacked it, and it counts after the owner's `guardian resume`"
        else:
            why = "its fees are not known, or not all of them"
        one = NotCounted(client_order_id=name, symbol=symbol, why=why)
        found[Scope(environment=environment, account=account)].append(one)
    return found


def _accounting(connection: sqlite3.Connection) -> _Accounting:
    """The currency of the newest policy and its conversions; of the newest order where no policy was stored."""
    stored = connection.execute(NEWEST_POLICY_TEXT).fetchone()
    if stored is None:
        newest = connection.execute(CURRENCY_OF_NEWEST_ORDER).fetchone()
        return _Accounting() if newest is None else _Accounting(currency=str(newest[0]))
    try:
        table = tomllib.loads(str(stored[0])).get("accounting", {})
    except (tomllib.TOMLDecodeError, RecursionError):
        return _Accounting()
    conversions = table.get("conversions", _CONVERSIONS) if isinstance(table, dict) else _CONVERSIONS
    if not isinstance(table, dict) or not isinstance(conversions, dict):
        return _Accounting()
    return _Accounting(
        currency=str(table.get("currency", _CURRENCY)),
        conversions={str(asset): str(symbol) for asset, symbol in conversions.items()},
    )


def _rates(
    connection: sqlite3.Connection,
    scope: Scope,
    flows: Iterable[Flow],
    pairs: Mapping[str, tuple[str, str]],
    accounting: _Accounting,
) -> Rates:
    """The prices of all assets that are converted."""
    flows = list(flows)
    wanted = {flow.asset for flow in flows if flow.kind is FlowKind.FEE} | {quote for _, quote in pairs.values()}
    found: dict[str, list[PricePoint]] = defaultdict(list)
    for asset in sorted(wanted - {accounting.currency}):
        found[asset] += _of_books(connection, scope, asset, accounting, _MAX_LEGS)
        traded = (name for name, pair in pairs.items() if pair == (asset, accounting.currency))
        for symbol in traded:
            found[asset] += _of_fills([flow for flow in flows if flow.symbol == symbol], accounting.currency)
        found[asset].sort(key=lambda point: point.time_ms)
    return Rates(currency=accounting.currency, points=found)


def _of_fills(flows: list[Flow], quote: str) -> list[PricePoint]:
    """At which prices guardian bought and sold."""
    fills = ((flow, paid) for flow, paid in joined(flows, quote) if flow.kind is FlowKind.TRADE and paid)
    return [
        PricePoint(flow.time_ms, divided_down(paid.copy_abs(), flow.change.copy_abs()))
        for flow, paid in fills
        if flow.asset != quote and flow.change
    ]


def _of_books(
    connection: sqlite3.Connection, scope: Scope, asset: str, accounting: _Accounting, legs: int
) -> list[PricePoint]:
    """The prices of an asset along the declared conversions, at the side of each book that gives less for it."""
    symbol = accounting.conversions.get(asset)
    if symbol is None or legs == 0:
        return []
    sells = symbol.startswith(asset)
    other = symbol.removeprefix(asset) if sells else symbol.removesuffix(asset)
    if other == symbol:
        return []
    values = {**_values(scope), "path": f'$.data.judged.books."{symbol}".{"bid" if sells else "ask"}'}
    points = []
    for time_ms, price in connection.execute(JUDGED_BOOKS, values).fetchall():
        known = _price(price)
        if known is not None:
            points.append(PricePoint(time_ms, known if sells else divided_down(ONE, known)))
    if other == accounting.currency:
        return points
    onward = Rates(
        currency=accounting.currency, points={other: _of_books(connection, scope, other, accounting, legs - 1)}
    )
    priced = ((point, onward.rate(other, point.time_ms)) for point in points)
    return [PricePoint(point.time_ms, times(point.price, rate)) for point, rate in priced if rate is not None]


def _values(scope: Scope) -> dict[str, object]:
    return {"environment": scope.environment, "account": scope.account}


def _price(value: object) -> Decimal | None:
    """A price of the log; None for anything else."""
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        return None
    return price if price.is_finite() and price > 0 and -30 < price.adjusted() < 30 else None
