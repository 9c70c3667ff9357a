"""Trades for an accountant: one line for each time that guardian learnt of more fills of an order.

An order that filled at once is one line, one that filled in parts has as many as guardian saw. A fee that became known
later is on the line of its trade. A second fee of a trade, in another asset, has a line of its own, of type `fee`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Final

from guardian.cli.audit.export.left_out import LEFT_OUT
from guardian.cli.audit.export.log_lines import zoned_time
from guardian.cli.audit.export.spreadsheet_cells import spreadsheet_cell
from guardian.cli.support.times import utc_time
from guardian.domain.money import divided_up, negated, plain, plus, round_up
from guardian.errors import StoreCorrupt
from guardian.store.log.order_rows import OrderFlow
from guardian.store.schema.sqlite_errors import RESTORE_HINT

TRADE_CSV_COLUMNS: Final = (
    "time_utc", "time_local", "type", "symbol", "side", "quantity", "base_asset", "price", "value", "quote_asset",
    "fee", "fee_asset", "environment", "account", "order_type", "order_id", "client_order_id", "proposal_id", "call_id",
)  # fmt: skip


@dataclass(slots=True)
class TradeLine:
    """Fills of one order that became known together. Quantity and value are above zero; `fees` are by asset."""

    flow: OrderFlow
    quantity: Decimal = Decimal(0)
    value: Decimal = Decimal(0)
    fees: dict[str, Decimal] = field(default_factory=dict)

    @property
    def price(self) -> Decimal | None:
        """The average price, rounded up at the eighth digit; None where the fills or their value are not known."""
        if self.quantity <= 0 or self.value <= 0:
            return None
        return round_up(divided_up(self.value, self.quantity))

    def cells(self, *, redact: bool) -> list[list[str]]:
        """Returns the line of the trade, and one for each fee after its first."""
        fees = sorted(self.fees.items())
        first = self._cells(fees[0] if fees else None, is_trade=True, redact=redact)
        return [first, *(self._cells(fee, is_trade=False, redact=redact) for fee in fees[1:])]

    def _cells(self, fee: tuple[str, Decimal] | None, *, is_trade: bool, redact: bool) -> list[str]:
        flow = self.flow
        named: dict[str, object] = {
            **{name: getattr(flow, name) for name in TRADE_CSV_COLUMNS if hasattr(flow, name)},
            "time_utc": utc_time(flow.clock_ms),
            "time_local": zoned_time(flow.clock_ms),
            "type": "trade" if is_trade else "fee",
            "quantity": plain(self.quantity) if is_trade else None,
            "price": plain(self.price) if is_trade and self.price is not None else None,
            "value": plain(self.value) if is_trade else None,
            "fee": None if fee is None else plain(fee[1]),
            "fee_asset": None if fee is None else fee[0],
        }
        if redact:
            named["account"] = LEFT_OUT
        return [spreadsheet_cell(named[name]) for name in TRADE_CSV_COLUMNS]


def trade_lines(flows: Iterable[OrderFlow], since_ms: int | None, until_ms: int | None) -> list[TradeLine]:
    """Returns the trades of the window, in the order in which they became known; `until_ms` is exclusive.

    Raises StoreCorrupt where a flow has no number.
    """
    lines: list[TradeLine] = []
    newest: dict[str, TradeLine] = {}
    for flow in flows:
        line = newest.get(flow.client_order_id)
        if line is None or (flow.kind == "trade" and flow.clock_ms != line.flow.clock_ms):
            line = newest[flow.client_order_id] = TradeLine(flow)
            lines.append(line)
        _add(line, flow)
    return [line for line in lines if _is_within(line.flow.clock_ms, since_ms, until_ms)]


def _add(line: TradeLine, flow: OrderFlow) -> None:
    try:
        change = Decimal(flow.change)
    except (InvalidOperation, TypeError, ValueError):
        raise StoreCorrupt(f"flow {flow.id} has no number", hint=RESTORE_HINT) from None
    sold = flow.side == "SELL"
    if flow.kind == "fee":
        line.fees[flow.asset] = plus(line.fees.get(flow.asset, Decimal(0)), negated(change))
    elif flow.asset == flow.base_asset:
        line.quantity = plus(line.quantity, negated(change) if sold else change)
    else:
        line.value = plus(line.value, change if sold else negated(change))


def _is_within(time_ms: int, since_ms: int | None, until_ms: int | None) -> bool:
    return (since_ms is None or time_ms >= since_ms) and (until_ms is None or time_ms < until_ms)
