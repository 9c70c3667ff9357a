"""Lists the orders of guardian's that are or may be open: from the store, else by their mark at the exchange."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from guardian.domain.order_states import OrderState
from guardian.domain.orders import CLIENT_ORDER_ID_PREFIX, OrderReport
from guardian.errors import StoreError
from guardian.gate.base.context import GateContext
from guardian.gate.base.journal import CANCEL_PATIENCE_S
from guardian.store.schema.records import OrderRow


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnOrder:
    """An order of guardian's that is or may be open."""

    symbol: str
    client_order_id: str
    side: str
    quantity: Decimal
    price: Decimal | None
    state: OrderState
    environment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnOrders:
    """The orders of guardian's that are or may be open, the unresolved ones first."""

    orders: tuple[OwnOrder, ...]
    unread: str | None = None
    """Why the store did not answer. Then these are the orders with guardian's mark in one environment alone."""


async def own_open_orders(context: GateContext, symbol: str | None = None, *, has_store: bool = True) -> OwnOrders:
    """Guardian's orders that are or may be open, on one symbol or all, in every environment and account.

    Without the store the exchange is asked, in the environment that the policy names.

    Raises CredentialsError and ExchangeError where the store does not answer and the exchange cannot be asked either,
    and PolicyInvalid where no policy says which one.
    """
    unread = "the log could not be written"
    if has_store:
        try:
            rows = await context.journal.transact(
                lambda tx: (*tx.orders.unresolved(None), *tx.orders.live(None)), patience_s=CANCEL_PATIENCE_S
            )
            return OwnOrders(orders=tuple(_own(row, row.environment) for row in rows if symbol in {None, row.symbol}))
        except StoreError as error:
            unread = error.message
    # Exits are never trapped: the exchange knows guardian's orders by the mark on their ids.
    there = context if context.is_chosen else context.for_environment(context.named_environment())
    connection = await there.connector.connect(needs_keys=True)
    reports = await connection.exchange.open_orders(symbol)
    environment = there.environment.value
    marked = [report for report in reports if report.client_order_id.startswith(CLIENT_ORDER_ID_PREFIX)]
    return OwnOrders(orders=tuple(_own(report, environment) for report in marked), unread=unread)


def _own(order: OrderRow | OrderReport, environment: str) -> OwnOrder:
    return OwnOrder(
        symbol=order.symbol,
        client_order_id=order.client_order_id,
        side=order.side,
        quantity=order.quantity,
        price=order.price,
        state=order.state,
        environment=environment,
    )
