"""The spot account: what is in it and what it pays. Signed reads."""

from __future__ import annotations

from typing import Final

from guardian.domain.market import Fee
from guardian.domain.requests import GetBalance, GetFeeInfo
from guardian.gate.base.replies import AccountBalances
from guardian.server.parameter_types import IncludeZero, Symbol
from guardian.server.registration import ToolSpec


def get_balance(include_zero: IncludeZero = False) -> GetBalance:
    """The spot account's assets now: `free` to use, and `locked` in open orders, each in units of the asset itself.

    `sell_back` is how much of it guardian bought and can sell back now; that needs no budget.
    Not the futures account (get_position_info, get_pnl) and not the past (get_account_snapshot).
    """
    return GetBalance(include_zero=include_zero)


def get_fee_info(symbol: Symbol) -> GetFeeInfo:
    """This account's commission rates for a symbol: maker and taker as fractions, "0.001" is 0.1 %.

    Also the discount when commission is paid in another asset. It charges nothing.
    """
    return GetFeeInfo(symbol=symbol)


ACCOUNT_TOOLS: Final = (
    ToolSpec(build=get_balance, title="Spot balances", returns=(AccountBalances,)),
    ToolSpec(build=get_fee_info, title="Commission rates", returns=(Fee,)),
)
