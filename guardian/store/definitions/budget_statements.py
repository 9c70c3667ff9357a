"""The statements that count what the budgets are about."""

from __future__ import annotations

from typing import Final

from sqlalchemy import and_, bindparam, delete, func, or_, select, text, union_all, update

from guardian.store.definitions.clauses import before_the_end, by_index, in_scope, new_row
from guardian.store.definitions.tables import ACTS, ORDERS, SLICING
from guardian.store.schema.sqlite_dialect import DUPLICATED_SQL, PENDING_SQL, UNRESOLVED_SQL

_IN_SCOPE: Final = in_scope(ORDERS)
_SINCE: Final = ORDERS.c.intent_seq > bindparam("after")

# What an order counts for, see `guardian.store.budgets.worth`, and whether it does

_COUNTED: Final = select(
    ORDERS.c.currency, ORDERS.c.notional, ORDERS.c.quote_asset, ORDERS.c.quote_notional,
    ORDERS.c.base_asset, ORDERS.c.quantity,
    ORDERS.c.state, ORDERS.c.is_exit, ORDERS.c.confirmed, ORDERS.c.reserved_ms, ORDERS.c.sent_ms,
)  # fmt: skip
_RESERVED_IN_WINDOW: Final = ORDERS.c.reserved_ms > bindparam("after")
_SENT_IN_WINDOW: Final = ORDERS.c.sent_ms > bindparam("clock_after")
_BEFORE_THE_END: Final = before_the_end(ORDERS.c.reserved_ms, ORDERS.c.sent_ms)
COUNTED_IN_WINDOW: Final = _COUNTED.where(_IN_SCOPE, _RESERVED_IN_WINDOW | _SENT_IN_WINDOW, _BEFORE_THE_END)
COUNTED_SINCE: Final = _COUNTED.where(_IN_SCOPE, _SINCE)
COUNTED_ON_SIDE_SINCE: Final = COUNTED_SINCE.where(
    ORDERS.c.symbol == bindparam("symbol"), ORDERS.c.side == bindparam("side")
)
_SAME: Final = select(ORDERS.c.client_order_id, ORDERS.c.intent_seq).where(
    _IN_SCOPE, ORDERS.c.fingerprint == bindparam("fingerprint"), text(DUPLICATED_SQL)
)
# Three queries with an index each: as one with OR, it would look at each order that ever was.
_DUPLICATES: Final = union_all(
    by_index(_SAME, ORDERS, "ix_orders_fingerprint").where(_RESERVED_IN_WINDOW, _BEFORE_THE_END),
    by_index(_SAME, ORDERS, "ix_orders_sent").where(_SENT_IN_WINDOW, _BEFORE_THE_END),
    by_index(_SAME, ORDERS, "ix_orders_pending").where(text(PENDING_SQL), text(UNRESOLVED_SQL)),
).subquery("duplicates")
DUPLICATE_OF: Final = select(_DUPLICATES.c.client_order_id).order_by(_DUPLICATES.c.intent_seq.desc()).limit(1)
ORDERS_SINCE: Final = select(ORDERS).where(_IN_SCOPE, _SINCE).order_by(ORDERS.c.intent_seq)

# When a person acted

RECORD_ACT: Final = new_row(ACTS, without=("id",))
_SEQ: Final = select(func.max(ACTS.c.seq).label("seq"))
# Of each of the two SQLite reads one row of the index; with OR it would read all of them.
_NEWEST_ACTS: Final = union_all(
    _SEQ.where(ACTS.c.environment == "", ACTS.c.account == ""), _SEQ.where(in_scope(ACTS))
).subquery("newest")
NEWEST_ACT: Final = select(func.max(_NEWEST_ACTS.c.seq).label("seq"))

# Denials of orders over `max_notional`

_ON_SIDE: Final = and_(in_scope(SLICING), SLICING.c.symbol == bindparam("symbol"), SLICING.c.side == bindparam("side"))
ADD_MARK: Final = new_row(SLICING, without=("id",))
MARKS_ON_SIDE: Final = select(SLICING.c.since_ms, SLICING.c.since_seq).where(_ON_SIDE).order_by(SLICING.c.id)
CLEAR_MARKS: Final = delete(SLICING).where(_ON_SIDE)
BRING_BACK_MARKS: Final = update(SLICING).where(SLICING.c.since_ms > bindparam("now")).values(since_ms=bindparam("now"))
CLEAR_OTHER_MARKS: Final = CLEAR_MARKS.where(
    or_(SLICING.c.since_ms != bindparam("since_ms"), SLICING.c.since_seq != bindparam("since_seq"))
)
