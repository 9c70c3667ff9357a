"""The statements on the log and on the trading state."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, and_, bindparam, case, func, null, select, text, true, type_coerce, update
from sqlalchemy.types import NullType

from guardian.domain.requests import CreateOrder
from guardian.store.definitions.clauses import by_index, new_row
from guardian.store.definitions.tables import AUDIT, CONTROL
from guardian.store.schema.sqlite_dialect import MINUTE_SQL

APPEND_ROW: Final = new_row(AUDIT, without=("client_order_id",))

# The condition in literal words, so that SQLite sees that the partial index covers it.
_COUNT: Final = select(func.count().label("calls")).select_from(AUDIT)
_CALLS: Final = by_index(_COUNT, AUDIT, "ix_audit_minute").where(
    # None has a later time than now but those from before the owner set the time back.
    text(MINUTE_SQL),
    AUDIT.c.ts_ms > bindparam("since"),
    AUDIT.c.ts_ms <= bindparam("now"),
)
READS_SINCE: Final = _CALLS.where(AUDIT.c.tool != CreateOrder.tool)
# A call of the owner's has a key, which no call of the assistant's can have.
CREATES_SINCE: Final = _CALLS.where(AUDIT.c.tool == CreateOrder.tool, AUDIT.c.key.is_(None))

LAST_ROW: Final = (
    select(AUDIT.c.seq, AUDIT.c.digest, AUDIT.c.phase, AUDIT.c.call_id, AUDIT.c.ts_ms, AUDIT.c.client_order_id)
    .order_by(AUDIT.c.seq.desc())
    .limit(1)
)
BODY_AT: Final = select(AUDIT.c.body).where(AUDIT.c.seq == bindparam("seq"))
FIRST_DIGEST: Final = select(AUDIT.c.digest).where(AUDIT.c.seq == 1)
SEQ_OF_KEY: Final = select(AUDIT.c.seq).where(AUDIT.c.key == bindparam("key"))
BODIES_OF_KEYS: Final = select(AUDIT.c.body).where(AUDIT.c.key >= bindparam("low"), AUDIT.c.key < bindparam("high"))
NEWEST_BODY_OF_KEYS: Final = BODIES_OF_KEYS.order_by(AUDIT.c.seq.desc()).limit(1)
INTENT_OF_ORDER: Final = select(AUDIT.c.seq, AUDIT.c.call_id).where(AUDIT.c.client_order_id == bindparam("name"))

# The end of the log, see `guardian.store.log.tail`


def _as_stored(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Returns a column without its type: one that somebody changed may hold a value of another."""
    return type_coerce(column, NullType())


def _if_integer(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Returns a column's integer; NULL for a value of another type, of which a text may not even be readable."""
    return case((func.typeof(column) == "integer", _as_stored(column)))


_KNOWN: Final = AUDIT.alias("known")
_LAST: Final = (
    select(*(_as_stored(AUDIT.c[name]).label(name) for name in ("seq", "digest", "prev_hash", "ts_ms", "body")))
    .order_by(AUDIT.c.seq.desc())
    .limit(1)
    .subquery("last")
)
_IS_KNOWN: Final = and_(_LAST.c.seq == bindparam("seq"), _LAST.c.digest == bindparam("digest"))
LOG_TAIL: Final = (
    select(
        _if_integer(CONTROL.c.window_ms).label("window_ms"),
        _LAST.c.seq, _LAST.c.digest, _LAST.c.prev_hash, _if_integer(_LAST.c.ts_ms).label("ts_ms"),
        # The body of the newest row is read only where another process wrote it.
        case((_IS_KNOWN, null()), else_=_LAST.c.body).label("body"),
        _as_stored(_KNOWN.c.digest).label("known"),
    )
    .select_from(CONTROL.outerjoin(_LAST, true()).outerjoin(_KNOWN, _KNOWN.c.seq == bindparam("seq")))
    .where(CONTROL.c.id == 1)
)  # fmt: skip

# The trading state, which is the one row of its table

_CONTROL: Final = update(CONTROL).where(CONTROL.c.id == 1)
TRADING_STATUS: Final = select(CONTROL.c.state, CONTROL.c.reason, CONTROL.c.since_ms, CONTROL.c.by)
SET_TRADING: Final = _CONTROL.values(
    state=bindparam("state"), reason=bindparam("reason"), since_ms=bindparam("since_ms"), by=bindparam("by")
)
SET_TRADING_REASON: Final = _CONTROL.values(reason=bindparam("reason"))
SET_WINDOW: Final = _CONTROL.values(window_ms=bindparam("now"))
KEEP_WINDOW: Final = _CONTROL.where(CONTROL.c.window_ms < bindparam("now")).values(window_ms=bindparam("now"))
