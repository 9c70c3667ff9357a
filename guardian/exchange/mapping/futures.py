"""The futures account: positions, profit and loss, forced orders. All reads."""

from __future__ import annotations

from decimal import Decimal

from guardian.domain.accounts import Income, Liquidation, Liquidations, Position, Positions, ProfitAndLoss
from guardian.domain.money import ZERO, plus
from guardian.exchange.mapping.rows import Row, rows


def positions(answer: object) -> Positions:
    """`/fapi/v3/positionRisk`. Rows that stand for open orders alone are left out."""
    return Positions(positions=tuple(_position(row) for row in rows(answer) if row.number("positionAmt") != 0))


def _position(row: Row) -> Position:
    quantity = row.number("positionAmt")
    side = row.text("positionSide")
    liquidation_price = row.optional_number("liquidationPrice")
    return Position(
        symbol=row.shown_name("symbol"),
        # BOTH is the one-way mode, where the sign tells.
        side=side if side in {"LONG", "SHORT"} else ("LONG" if quantity > 0 else "SHORT"),
        quantity=quantity,
        entry_price=row.number("entryPrice"),
        break_even_price=row.optional_number("breakEvenPrice"),
        mark_price=row.number("markPrice"),
        # Zero is "none".
        liquidation_price=liquidation_price or None,
        unrealized_profit=row.number("unRealizedProfit"),
        notional=row.number("notional"),
        margin_asset=row.optional_shown_name("marginAsset"),
        initial_margin=row.optional_number("initialMargin"),
        maintenance_margin=row.optional_number("maintMargin"),
        updated=row.optional_time("updateTime"),
    )


def profit_and_loss(account: object, income: object, *, limit: int) -> ProfitAndLoss:
    """`/fapi/v3/account` and `/fapi/v1/income`; a list as long as the limit may have been cut."""
    state = Row(account)
    entries = tuple(map(_income, rows(income)))
    sums: dict[str, Decimal] = {}
    for entry in entries:
        key = f"{entry.income_type}/{entry.asset}"
        sums[key] = plus(sums.get(key, ZERO), entry.income)
    return ProfitAndLoss(
        wallet_balance=state.number("totalWalletBalance"),
        unrealized_profit=state.number("totalUnrealizedProfit"),
        margin_balance=state.number("totalMarginBalance"),
        available_balance=state.number("availableBalance"),
        realized=sums,
        income=entries,
        complete=len(entries) < limit,
    )


def _income(row: Row) -> Income:
    return Income(
        time=row.time("time"),
        income_type=row.text("incomeType"),
        symbol=row.optional_shown_name("symbol"),
        income=row.number("income"),
        asset=row.shown_name("asset"),
    )


def liquidations(answer: object) -> Liquidations:
    """`/fapi/v1/forceOrders`: the account's own."""
    return Liquidations(
        liquidations=tuple(
            Liquidation(
                symbol=row.shown_name("symbol"),
                order_id=row.integer("orderId"),
                side=row.text("side"),
                status=row.text("status"),
                average_price=row.number("avgPrice"),
                quantity=row.number("origQty"),
                executed_quantity=row.number("executedQty"),
                time=row.optional_time("time"),
            )
            for row in rows(answer)
        )
    )
