"""The futures account: positions, profit and loss, forced orders. All reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from guardian.domain.accounts import FuturesPosition, FuturesPositions, Liquidation, Liquidations, ProfitAndLoss
from guardian.domain.money import ZERO, plus
from guardian.exchange.mapping.rows import Row, rows


def positions(answer: object) -> FuturesPositions:
    """`/fapi/v3/positionRisk`. Rows that stand for open orders alone are left out."""
    return FuturesPositions(positions=tuple(_position(row) for row in rows(answer) if row.number("positionAmt") != 0))


def _position(row: Row) -> FuturesPosition:
    quantity = row.number("positionAmt")
    side = row.text("positionSide")
    liquidation_price = row.optional_number("liquidationPrice")
    return FuturesPosition(
        symbol=row.shown_name("symbol"),
        # BOTH is the one-way mode, where the sign decides.
        side=side if side in {"LONG", "SHORT"} else ("LONG" if quantity > 0 else "SHORT"),
        quantity=quantity,
        entry_price=row.number("entryPrice"),
        break_even_price=row.optional_number("breakEvenPrice"),
        mark_price=row.number("markPrice"),
        # Zero means that it has no such price.
        liquidation_price=liquidation_price or None,
        unrealized_profit=row.number("unRealizedProfit"),
        notional=row.number("notional"),
        margin_asset=row.optional_shown_name("marginAsset"),
        initial_margin=row.optional_number("initialMargin"),
        maintenance_margin=row.optional_number("maintMargin"),
        updated=row.optional_time("updateTime"),
    )


_FROM_TRADING: Final = frozenset(
    {
        "REALIZED_PNL", "FUNDING_FEE", "COMMISSION", "INSURANCE_CLEAR", "REFERRAL_KICKBACK", "COMMISSION_REBATE",
        "API_REBATE", "FEE_RETURN", "OPTIONS_PREMIUM_FEE", "OPTIONS_SETTLE_PROFIT", "DELIVERED_SETTELMENT",
        "POSITION_LIMIT_INCREASE_FEE",
    }
)  # fmt: skip
_MOVED: Final = frozenset(
    {
        "TRANSFER", "INTERNAL_TRANSFER", "CROSS_COLLATERAL_TRANSFER", "STRATEGY_UMFUTURES_TRANSFER",
        "COIN_SWAP_DEPOSIT", "COIN_SWAP_WITHDRAW", "AUTO_EXCHANGE", "WELCOME_BONUS", "CONTEST_REWARD", "BFUSD_REWARD",
    }
)  # fmt: skip
"""The types of income of Binance's "Get Income History", its spelling included. Gifts are not from trading either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Income:
    """One entry of the income history, such as realised profit, a commission or a funding fee."""

    income_type: str
    income: Decimal
    asset: str


def profit_and_loss(account: object, income: object, *, limit: int) -> ProfitAndLoss:
    """`/fapi/v3/account` and `/fapi/v1/income`; a list as long as the limit may have been cut."""
    state = Row(account)
    entries = tuple(map(_income, rows(income)))
    traded = [entry for entry in entries if entry.income_type in _FROM_TRADING]
    moved = [entry for entry in entries if entry.income_type in _MOVED]
    other = [entry for entry in entries if entry.income_type not in _FROM_TRADING | _MOVED]
    return ProfitAndLoss(
        wallet_balance=state.number("totalWalletBalance"),
        unrealized_profit=state.number("totalUnrealizedProfit"),
        margin_balance=state.number("totalMarginBalance"),
        available_balance=state.number("availableBalance"),
        profit=_sums((entry.asset, entry.income) for entry in traded),
        realized=_by_type(traded),
        transfers=_by_type(moved),
        other=_by_type(other),
        entries=len(entries),
        complete=len(entries) < limit,
    )


def _by_type(entries: Iterable[_Income]) -> dict[str, Decimal]:
    return _sums((f"{entry.income_type}/{entry.asset}", entry.income) for entry in entries)


def _sums(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for name, amount in amounts:
        sums[name] = plus(sums.get(name, ZERO), amount)
    return sums


def _income(row: Row) -> _Income:
    return _Income(income_type=row.text("incomeType"), income=row.number("income"), asset=row.shown_name("asset"))


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
