"""Reads what the log and the store say of guardian's own orders, to be held against the exchange's lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path

from guardian.domain.money import minus
from guardian.domain.order_states import OrderState
from guardian.domain.report_match import SentOrder
from guardian.errors import StoreCorrupt
from guardian.store.log.read_only import database_path, read_only
from guardian.store.log.statements import BEGIN_READING, END_READING, INTENT_IDS, LOGGED_FEES, LOGGED_ORDERS
from guardian.store.schema.records import Scope
from guardian.store.schema.sqlite_errors import RESTORE_HINT


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOrder:
    """An order as the log and the store have it."""

    sent: SentOrder
    state: OrderState
    sent_ms: int
    updated_ms: int
    executed_quantity: Decimal
    executed_quote_quantity: Decimal
    fee_quantity: Decimal
    """Executed quantity whose fees are known."""
    fees: Mapping[str, Decimal]
    adopted: bool
    has_intent: bool
    """Whether the log has the row that its client order id is made of."""
    was_found: bool
    """Whether the log has the row of its being found at the exchange."""

    @property
    def name(self) -> str:
        """The client order id."""
        return self.sent.client_order_id


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOrders:
    """All orders of one environment and account, and the ids of every intent of the log."""

    orders: tuple[LoggedOrder, ...]
    intents: frozenset[str] = field(default_factory=frozenset)


def read_logged_orders(home: Path, scope: Scope) -> LoggedOrders:
    """Returns the orders of a scope as they are now. Raises StoreError."""
    values = {"environment": scope.environment, "account": scope.account}
    with read_only(database_path(home)) as connection:
        connection.execute(BEGIN_READING)
        try:
            orders = connection.execute(LOGGED_ORDERS, values).fetchall()
            intents = connection.execute(INTENT_IDS).fetchall()
            flows = connection.execute(LOGGED_FEES, values).fetchall()
        finally:
            connection.execute(END_READING)
    try:
        fees: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        for name, asset, change in flows:
            fees[name][asset] = minus(fees[name][asset], Decimal(change))
        found = tuple(_order(row, fees.get(row[0], {})) for row in orders)
    except (InvalidOperation, ValueError):
        message = "the orders of `guardian.db` hold values that guardian did not write"
        raise StoreCorrupt(message, hint=RESTORE_HINT) from None
    return LoggedOrders(orders=found, intents=frozenset(name for (name,) in intents))


def _order(row: tuple[object, ...], fees: Mapping[str, Decimal]) -> LoggedOrder:
    name, symbol, base, quote, side, wire_type, quantity, price, stop, order_id, created = row[:11]
    sent_ms, updated_ms, state, executed, executed_quote, fee_quantity, adopted, intent, found = row[11:]
    return LoggedOrder(
        sent=SentOrder(
            symbol=str(symbol),
            base_asset=str(base),
            quote_asset=str(quote),
            client_order_id=str(name),
            side=str(side),
            wire_type=str(wire_type),
            quantity=Decimal(str(quantity)),
            price=None if price is None else Decimal(str(price)),
            stop_price=None if stop is None else Decimal(str(stop)),
            order_id=order_id if isinstance(order_id, int) else None,
            created_ms=created if isinstance(created, int) else None,
        ),
        state=OrderState(str(state)),
        sent_ms=int(str(sent_ms)),
        updated_ms=int(str(updated_ms)),
        executed_quantity=Decimal(str(executed)),
        executed_quote_quantity=Decimal(str(executed_quote)),
        fee_quantity=Decimal(str(fee_quantity)),
        fees=dict(fees),
        adopted=bool(adopted),
        has_intent=intent is not None,
        was_found=found is not None,
    )
