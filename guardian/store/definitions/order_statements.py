"""The statements that reserve, change and find orders."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, func, or_, select, text, union, update

from guardian.domain.order_states import OrderState
from guardian.store.definitions.clauses import by_index, in_scope, new_row
from guardian.store.definitions.tables import CHANGING_ORDER_COLUMNS, ORDERS
from guardian.store.schema.sqlite_dialect import NOT_ADOPTED_SQL, PENDING_SQL, UNKNOWN_FEES_SQL

_IN_SCOPE: Final = in_scope(ORDERS)
_THIS: Final = ORDERS.c.client_order_id == bindparam("name")
_OF_SYMBOL: Final = ORDERS.c.symbol == bindparam("symbol")
_OLDEST_FIRST: Final = select(ORDERS).order_by(ORDERS.c.intent_seq)
_NEWEST_FIRST: Final = select(ORDERS).order_by(ORDERS.c.intent_seq.desc())

INSERT_ORDER: Final = new_row(ORDERS)
_CHANGE: Final = update(ORDERS).where(_THIS)
MOVE_ORDER: Final = _CHANGE.values(
    {name: bindparam(name) for name in sorted(CHANGING_ORDER_COLUMNS - {"absent_ms", "adopted"})}
)
"""Sets all that a move may change; what it leaves as it was is given as it was."""
SET_ABSENT: Final = _CHANGE.values(absent_ms=bindparam("absent_ms"))
ADOPT_ORDER: Final = _CHANGE.values(adopted=True)
ORDER_BY_NAME: Final = select(ORDERS).where(_THIS)
# order ids start again when a testnet is wiped: the newest is meant
_BY_EXCHANGE_ID: Final = by_index(_NEWEST_FIRST, ORDERS, "ix_orders_symbol").where(
    _IN_SCOPE, _OF_SYMBOL, ORDERS.c.order_id == bindparam("number")
)
ORDER_BY_EXCHANGE_ID: Final = _BY_EXCHANGE_ID.limit(1)
TWO_ORDERS_BY_EXCHANGE_ID: Final = _BY_EXCHANGE_ID.limit(2)
# The scopes that have orders are found one after the other: to list them at once would look at each order.
ENVIRONMENT_AFTER: Final = (
    by_index(select(ORDERS.c.environment), ORDERS, "ix_orders_symbol")
    .where(ORDERS.c.environment > bindparam("environment"))
    .order_by(ORDERS.c.environment)
    .limit(1)
)
ACCOUNT_AFTER: Final = (
    by_index(select(ORDERS.c.account), ORDERS, "ix_orders_symbol")
    .where(ORDERS.c.environment == bindparam("environment"), ORDERS.c.account > bindparam("account"))
    .order_by(ORDERS.c.account)
    .limit(1)
)
NEWEST_ENVIRONMENT: Final = select(ORDERS.c.environment).order_by(ORDERS.c.intent_seq.desc()).limit(1)
_RESERVED_AFTER: Final = ORDERS.c.reserved_ms > bindparam("after")
RESERVED_SINCE: Final = select(func.count().label("orders")).where(
    _IN_SCOPE, _RESERVED_AFTER, ORDERS.c.reserved_ms <= bindparam("now")
)

# Orders that have not ended, or whose end has something left to do

_PENDING: Final = text(PENDING_SQL)
_IN_ENVIRONMENT: Final = ORDERS.c.environment == bindparam("environment")
NOT_ADOPTED_ORDERS: Final = _OLDEST_FIRST.where(text(NOT_ADOPTED_SQL))
PENDING_ORDERS: Final = by_index(_OLDEST_FIRST, ORDERS, "ix_orders_pending").where(_PENDING)
PENDING_ORDERS_IN_SCOPE: Final = PENDING_ORDERS.where(_IN_SCOPE)
ANY_PENDING_ORDER: Final = (
    by_index(select(ORDERS.c.client_order_id), ORDERS, "ix_orders_pending").where(_PENDING, _IN_ENVIRONMENT).limit(1)
)
_UNKNOWN_FEES: Final = text(UNKNOWN_FEES_SQL)
ORDERS_WITH_UNKNOWN_FEES: Final = by_index(_OLDEST_FIRST, ORDERS, "ix_orders_fees").where(
    _UNKNOWN_FEES, _IN_SCOPE, _RESERVED_AFTER
)
ANY_UNKNOWN_FEES: Final = (
    by_index(select(ORDERS.c.client_order_id), ORDERS, "ix_orders_fees")
    .where(_UNKNOWN_FEES, _IN_ENVIRONMENT, _RESERVED_AFTER)
    .limit(1)
)
_SYMBOLS: Final = select(ORDERS.c.symbol).where(_IN_SCOPE)
KNOWN_SYMBOLS: Final = union(
    by_index(_SYMBOLS, ORDERS, "ix_orders_window").where(_RESERVED_AFTER),
    by_index(_SYMBOLS, ORDERS, "ix_orders_pending").where(_PENDING),
).order_by("symbol")

# Pages of orders. Whatever states are wanted, there is a parameter for as many as exist; `filled` gives their values.

_IN_STATES: Final = ORDERS.c.state.in_([bindparam(f"state_{number}") for number, _ in enumerate(OrderState)])
_NEWEST: Final = _NEWEST_FIRST.where(_IN_SCOPE, _IN_STATES).limit(bindparam("most"))
NEWEST_ORDERS: Final = _NEWEST
NEWEST_ORDERS_OF_SYMBOL: Final = _NEWEST.where(_OF_SYMBOL)
ORDERS_SENT_WITHIN: Final = (
    by_index(_OLDEST_FIRST, ORDERS, "ix_orders_sent")
    .where(
        _IN_SCOPE,
        ORDERS.c.sent_ms >= bindparam("start_ms"),
        ORDERS.c.sent_ms <= bindparam("end_ms"),
        ORDERS.c.intent_seq > bindparam("after"),
        _IN_STATES,
        or_(ORDERS.c.order_id.is_(None), ORDERS.c.order_id.between(bindparam("first_id"), bindparam("last_id"))),
    )
    .limit(bindparam("most"))
)
ORDERS_OF_SYMBOL_SENT_WITHIN: Final = ORDERS_SENT_WITHIN.where(_OF_SYMBOL)
