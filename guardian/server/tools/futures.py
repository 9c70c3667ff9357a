"""The USD-M futures account, to look at: guardian never trades futures. Signed reads on the futures host."""

from __future__ import annotations

from typing import Final

from guardian.domain.accounts import FuturesPositions, Liquidations
from guardian.domain.requests import GetLiquidationHistory, GetPositionInfo
from guardian.server.arguments import check_period
from guardian.server.parameter_types import EndTime, FuturesSymbol, LiquidationLimit, StartTime
from guardian.server.registration import ToolSpec

LIQUIDATION_DAYS: Final = 7


def get_position_info(symbol: FuturesSymbol | None = None) -> GetPositionInfo:
    """The open USD-M futures positions: quantity (negative is short), entry, mark and liquidation price, open profit.

    Spot holdings: get_balance. Guardian trades no futures.
    """
    return GetPositionInfo(symbol=symbol)


def get_liquidation_history(
    symbol: FuturesSymbol | None = None,
    start_time: StartTime | None = None,
    end_time: EndTime | None = None,
    limit: LiquidationLimit = 50,
) -> GetLiquidationHistory:
    """This account's own forced orders on USD-M futures (liquidations and auto-deleveraging); 7 days at most.

    Not the liquidations of the whole market.
    """
    check_period(start_time, end_time, most_days=LIQUIDATION_DAYS)
    return GetLiquidationHistory(symbol=symbol, start_time=start_time, end_time=end_time, limit=limit)


FUTURES_TOOLS: Final = (
    ToolSpec(build=get_position_info, title="Futures positions", returns=(FuturesPositions,)),
    ToolSpec(build=get_liquidation_history, title="Forced orders", returns=(Liquidations,)),
)
