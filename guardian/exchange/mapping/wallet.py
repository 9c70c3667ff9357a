"""The wallet tools under `/sapi`: snapshots, deposits, withdrawals, transfers. All reads."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from guardian.domain.accounts import (
    AccountSnapshot,
    Balance,
    Deposit,
    DepositAddress,
    Deposits,
    SnapshotDay,
    SnapshotPosition,
    Transfer,
    Transfers,
    Withdrawal,
    Withdrawals,
)
from guardian.domain.money import ZERO
from guardian.domain.requests import (
    GetDepositAddress,
    GetDepositHistory,
    GetUniversalTransferHistory,
    GetWithdrawHistory,
)
from guardian.exchange.mapping.rows import Row, iso_from_text, malformed, rows

ADDRESS_LIMIT: Final = 256
URL_LIMIT: Final = 512

DEPOSIT_STATUSES: Final = MappingProxyType(
    {
        0: "pending",
        1: "success",
        2: "rejected",
        6: "credited, not withdrawable yet",
        7: "wrong deposit",
        8: "waiting for the user's confirmation",
    }
)
WITHDRAWAL_STATUSES: Final = MappingProxyType(
    {
        0: "confirmation e-mail sent",
        1: "cancelled",
        2: "awaiting approval",
        3: "rejected",
        4: "processing",
        5: "failed",
        6: "completed",
    }
)


def account_snapshot(answer: object, account_type: str) -> AccountSnapshot:
    """`/sapi/v1/accountSnapshot` of a SPOT, MARGIN or FUTURES account, newest last."""
    row = Row(answer)
    if row.has("code") and row.integer("code") not in {0, 200}:
        raise malformed("code")
    days = sorted((_day(one, account_type) for one in map(Row, row.values("snapshotVos"))), key=lambda day: day.time)
    return AccountSnapshot(account_type=account_type, days=tuple(days))


def _day(row: Row, account_type: str) -> SnapshotDay:
    if row.text("type").upper() != account_type:
        raise malformed("another account type")
    data, time = row.row("data"), row.time("updateTime")
    if account_type == "FUTURES":
        held = tuple(
            Balance(asset=one.shown_name("asset"), free=one.number("walletBalance"), locked=ZERO)
            for one in map(Row, data.values("assets"))
        )
        return SnapshotDay(
            time=time, total_in_btc=None, balances=held, positions=tuple(map(_snapshot_position, data.rows("position")))
        )
    assets, total = (
        ("userAssets", "totalNetAssetOfBtc") if account_type == "MARGIN" else ("balances", "totalAssetOfBtc")
    )
    return SnapshotDay(
        time=time,
        total_in_btc=data.optional_number(total),
        balances=tuple(
            Balance(asset=one.shown_name("asset"), free=one.number("free"), locked=one.number("locked"))
            for one in map(Row, data.values(assets))
        ),
    )


def _snapshot_position(row: Row) -> SnapshotPosition:
    return SnapshotPosition(
        symbol=row.shown_name("symbol"),
        quantity=row.number("positionAmt"),
        entry_price=row.number("entryPrice"),
        mark_price=row.number("markPrice"),
        unrealized_profit=row.number("unRealizedProfit"),
    )


def deposits(answer: object, request: GetDepositHistory) -> Deposits:
    """`/sapi/v1/capital/deposit/hisrec`."""
    found = tuple(map(_deposit, rows(answer)))
    return Deposits(deposits=found, next_offset=_next_offset(len(found), request))


def _deposit(row: Row) -> Deposit:
    return Deposit(
        coin=row.shown_name("coin"),
        network=row.optional_text("network"),
        amount=row.number("amount"),
        status=_status(row, DEPOSIT_STATUSES),
        address=row.optional_text("address", ADDRESS_LIMIT),
        address_tag=row.optional_text("addressTag", ADDRESS_LIMIT),
        transaction_id=row.optional_text("txId", ADDRESS_LIMIT),
        time=row.optional_time("insertTime"),
    )


def deposit_address(answer: object, request: GetDepositAddress) -> DepositAddress:
    """`/sapi/v1/capital/deposit/address`. An address or tag that could not be shown unaltered is not shown at all."""
    row = Row(answer)
    address = row.exact_text("address", ADDRESS_LIMIT)
    if address is None or row.listed_name("coin") != request.coin:
        raise malformed("address")
    return DepositAddress(
        coin=request.coin,
        network=request.network,
        address=address,
        tag=row.exact_text("tag", ADDRESS_LIMIT),
        url=row.optional_text("url", URL_LIMIT),
    )


def withdrawals(answer: object, request: GetWithdrawHistory) -> Withdrawals:
    """`/sapi/v1/capital/withdraw/history`."""
    found = tuple(map(_withdrawal, rows(answer)))
    return Withdrawals(withdrawals=found, next_offset=_next_offset(len(found), request))


def _withdrawal(row: Row) -> Withdrawal:
    applied = row.optional_text("applyTime")
    return Withdrawal(
        coin=row.shown_name("coin"),
        network=row.optional_text("network"),
        amount=row.number("amount"),
        fee=row.optional_number("transactionFee"),
        status=_status(row, WITHDRAWAL_STATUSES),
        address=row.optional_text("address", ADDRESS_LIMIT),
        transaction_id=row.optional_text("txId", ADDRESS_LIMIT),
        time=None if applied is None else iso_from_text(applied, "applyTime"),
    )


def transfers(answer: object, request: GetUniversalTransferHistory) -> Transfers:
    """`/sapi/v1/asset/transfer`. The exchange leaves `rows` out where there are none."""
    row = Row(answer)
    total = row.integer("total")
    if total > 0 and not row.has("rows"):
        raise malformed("rows")
    more = request.page * request.limit < total
    return Transfers(
        transfers=tuple(
            Transfer(
                asset=one.shown_name("asset"),
                amount=one.number("amount"),
                transfer_type=one.text("type"),
                status=one.text("status"),
                transfer_id=one.identifier("tranId"),
                time=one.optional_time("timestamp"),
            )
            for one in row.rows("rows")
        ),
        total=total,
        next_page=request.page + 1 if more else None,
    )


def _status(row: Row, words: MappingProxyType[int, str]) -> str:
    number = row.integer("status")
    return words.get(number, f"status {number}")


def _next_offset(count: int, request: GetDepositHistory | GetWithdrawHistory) -> int | None:
    return request.offset + count if count >= request.limit else None
