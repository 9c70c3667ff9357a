"""The statements on flows and holdings."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, select, update

from guardian.store.definitions.clauses import before_the_end, in_scope, new_row
from guardian.store.definitions.tables import FLOWS, HOLDINGS

ADD_FLOW: Final = new_row(FLOWS, without=("id",))
FLOWS_OF_ORDER: Final = select(FLOWS.c.kind, FLOWS.c.asset, FLOWS.c.change).where(
    FLOWS.c.client_order_id == bindparam("name")
)
FLOWS_IN_WINDOW: Final = select(FLOWS.c.symbol, FLOWS.c.asset, FLOWS.c.change).where(
    in_scope(FLOWS),
    (FLOWS.c.ts_ms > bindparam("after")) | (FLOWS.c.clock_ms > bindparam("clock_after")),
    before_the_end(FLOWS.c.ts_ms, FLOWS.c.clock_ms),
)
FLOWS_AFTER: Final = (
    select(
        FLOWS.c.id, FLOWS.c.symbol, FLOWS.c.client_order_id, FLOWS.c.clock_ms,
        FLOWS.c.kind, FLOWS.c.asset, FLOWS.c.change,
    )
    .with_hint(FLOWS, "NOT INDEXED", dialect_name="sqlite")  # along the key: an index would be sorted for each page
    .where(in_scope(FLOWS), FLOWS.c.id > bindparam("after_id"))
    .order_by(FLOWS.c.id)
    .limit(bindparam("most"))
)  # fmt: skip

_IN_SCOPE: Final = in_scope(HOLDINGS)
_OF_ASSET: Final = HOLDINGS.c.asset == bindparam("asset")
_THIS: Final = (_IN_SCOPE, HOLDINGS.c.symbol == bindparam("symbol"), _OF_ASSET)
INSERT_HOLDING: Final = new_row(HOLDINGS, without=("last_price",))
SET_HELD_QUANTITY: Final = update(HOLDINGS).where(*_THIS).values(quantity=bindparam("quantity"))
SET_LAST_PRICE: Final = update(HOLDINGS).where(*_THIS).values(last_price=bindparam("last_price"))
HELD_QUANTITY: Final = select(HOLDINGS.c.quantity).where(*_THIS)
HELD_QUANTITIES_OF_ASSET: Final = select(HOLDINGS.c.quantity).where(_IN_SCOPE, _OF_ASSET)
HOLDINGS_IN_SCOPE: Final = select(HOLDINGS).where(_IN_SCOPE).order_by(HOLDINGS.c.symbol)
HOLDINGS_AS_BASE: Final = HOLDINGS_IN_SCOPE.where(HOLDINGS.c.base_asset == bindparam("asset"), _OF_ASSET)
ASSETS_BY_SYMBOL: Final = (
    select(HOLDINGS.c.symbol, HOLDINGS.c.base_asset, HOLDINGS.c.quote_asset)
    .where(_IN_SCOPE, HOLDINGS.c.symbol != "")
    .distinct()
)
