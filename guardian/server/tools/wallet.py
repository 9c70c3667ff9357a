"""The wallet: snapshots, deposits, withdrawals, transfers. Signed reads that exist on `live` and `paper` only."""

from __future__ import annotations

from typing import Final

from guardian.domain.accounts import AccountSnapshot, DepositAddress, Deposits, Transfers, Withdrawals
from guardian.domain.requests import (
    GetAccountSnapshot,
    GetDepositAddress,
    GetDepositHistory,
    GetUniversalTransferHistory,
    GetWithdrawHistory,
)
from guardian.server.arguments import check_period
from guardian.server.parameter_types import (
    Account,
    AccountType,
    Coin,
    EndTime,
    HistoryLimit,
    Network,
    Offset,
    Page,
    SnapshotLimit,
    StartTime,
    TransferLimit,
    TransferType,
)
from guardian.server.registration import ToolSpec

SNAPSHOT_DAYS: Final = 30
HISTORY_DAYS: Final = 90


def get_account_snapshot(
    account_type: Account = AccountType.SPOT,
    start_time: StartTime | None = None,
    end_time: EndTime | None = None,
    limit: SnapshotLimit = 7,
) -> GetAccountSnapshot:
    """What an account held at the end of past days, newest last; 30 days at most.

    For what it holds now use get_balance. Not on testnet and demo.
    """
    check_period(start_time, end_time, most_days=SNAPSHOT_DAYS)
    return GetAccountSnapshot(account_type=account_type.value, start_time=start_time, end_time=end_time, limit=limit)


def get_deposit_history(
    coin: Coin | None = None,
    start_time: StartTime | None = None,
    end_time: EndTime | None = None,
    limit: HistoryLimit = 50,
    offset: Offset = 0,
) -> GetDepositHistory:
    """Deposits into the account, newest first: amount in `coin`, network, status, time.

    The period may be 90 days at most (the default); `next_offset` as offset gives the next page.
    Not on testnet and demo.
    """
    check_period(start_time, end_time, most_days=HISTORY_DAYS)
    return GetDepositHistory(coin=coin, start_time=start_time, end_time=end_time, limit=limit, offset=offset)


def get_deposit_address(coin: Coin, network: Network | None = None) -> GetDepositAddress:
    """The address for sending `coin` into this account. Sending over another network loses the funds.

    State coin, network, address and tag together, and let the person check them. It moves nothing.
    Not on testnet and demo.
    """
    return GetDepositAddress(coin=coin, network=network)


def get_withdraw_history(
    coin: Coin | None = None,
    start_time: StartTime | None = None,
    end_time: EndTime | None = None,
    limit: HistoryLimit = 50,
    offset: Offset = 0,
) -> GetWithdrawHistory:
    """Withdrawals out of the account, newest first: amount and fee in `coin`, network, status, time.

    The period may be 90 days at most (the default); `next_offset` as offset gives the next page. Guardian cannot
    withdraw. Not on testnet and demo.
    """
    check_period(start_time, end_time, most_days=HISTORY_DAYS)
    return GetWithdrawHistory(coin=coin, start_time=start_time, end_time=end_time, limit=limit, offset=offset)


def get_universal_transfer_history(
    transfer_type: TransferType,
    start_time: StartTime | None = None,
    end_time: EndTime | None = None,
    page: Page = 1,
    limit: TransferLimit = 50,
) -> GetUniversalTransferHistory:
    """Transfers between the owner's own wallets, of one type; the last 7 days unless a period is given.

    `total` counts all pages, `next_page` asks for the next. Guardian cannot transfer. Not on testnet and demo.
    """
    check_period(start_time, end_time)
    return GetUniversalTransferHistory(
        transfer_type=transfer_type, start_time=start_time, end_time=end_time, page=page, limit=limit
    )


WALLET_TOOLS: Final = (
    ToolSpec(build=get_account_snapshot, title="Account snapshots", returns=(AccountSnapshot,)),
    ToolSpec(build=get_deposit_history, title="Deposits", returns=(Deposits,)),
    ToolSpec(build=get_deposit_address, title="Deposit address", returns=(DepositAddress,)),
    ToolSpec(build=get_withdraw_history, title="Withdrawals", returns=(Withdrawals,)),
    ToolSpec(build=get_universal_transfer_history, title="Transfers between wallets", returns=(Transfers,)),
)
