"""What is in the account, what it pays, and what it gained. Signed reads."""

from __future__ import annotations

from typing import Final

from guardian.domain.accounts import ProfitAndLoss
from guardian.domain.market import Fee
from guardian.domain.requests import GetBalance, GetFeeInfo, GetFuturesPnl, GetPnl, Market
from guardian.gate.base.replies import AccountBalances
from guardian.gate.reads.profit_views import SpotProfit
from guardian.server.arguments import check_period
from guardian.server.parameter_types import (
    EndTime,
    IncludeZero,
    ProfitLimit,
    ProfitMarket,
    ProfitSymbol,
    StartTime,
    Symbol,
)
from guardian.server.registration import ToolSpec


def get_balance(include_zero: IncludeZero = False) -> GetBalance:
    """The spot account's assets now: `free` to use, and `locked` in open orders.

    `sell_back` is how much of it guardian bought and can sell back now; that needs no budget. `situation` has the
    orders that do so, what is left of each limit, what waits for a person, and whether trading is halted. Futures:
    get_position_info. The past: get_account_snapshot.
    """
    return GetBalance(include_zero=include_zero)


def get_fee_info(symbol: Symbol) -> GetFeeInfo:
    """This account's commission rates for a symbol: maker and taker as fractions, "0.001" is 0.1 %.

    Also the discount when commission is paid in another asset. It charges nothing.
    """
    return GetFeeInfo(symbol=symbol)


def get_pnl(
    market: ProfitMarket = Market.SPOT,
    symbol: ProfitSymbol | None = None,
    start_time: StartTime | None = None,
    end_time: EndTime | None = None,
    limit: ProfitLimit = 100,
) -> GetPnl | GetFuturesPnl:
    """What was bought, sold, paid in fees, gained and lost: "what did I spend today?" is start_time "today".

    "spot": what guardian traded, by symbol and in all; without a period since it began. `realised` is by average cost,
    `unrealised` is what is held now at the bid; coins that guardian did not buy are left out, see `note`.
    "futures": the owner's USD-M account, the last 7 days unless a period is given; `transfers` are no profit.
    Where `complete` is false, say what is missing.
    """
    check_period(start_time, end_time)
    kind = GetPnl if market is Market.SPOT else GetFuturesPnl
    return kind(symbol=symbol, start_time=start_time, end_time=end_time, limit=limit)


ACCOUNT_TOOLS: Final = (
    ToolSpec(build=get_balance, title="Spot balances", returns=(AccountBalances,)),
    ToolSpec(build=get_fee_info, title="Commission rates", returns=(Fee,)),
    ToolSpec(build=get_pnl, title="Profit and loss, spot or futures", returns=(SpotProfit, ProfitAndLoss)),
)
