"""What the account and wallet tools return. Times are ISO 8601 in UTC; amounts are in the asset that is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What an account has of an asset: free to use, and locked in open orders."""

    asset: str
    free: Decimal
    locked: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Balances:
    """All balances of the spot account."""

    balances: tuple[Balance, ...]
    can_trade: bool
    updated: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotDay:
    """One day's end of an account."""

    time: str
    total_in_btc: Decimal | None
    balances: tuple[Balance, ...]
    positions: tuple[SnapshotPosition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPosition:
    """A futures position at a day's end."""

    symbol: str
    quantity: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealized_profit: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSnapshot:
    """Daily snapshots of an account, newest last."""

    account_type: str
    days: tuple[SnapshotDay, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FuturesPosition:
    """A futures position; a negative quantity is short."""

    symbol: str
    side: str
    quantity: Decimal
    entry_price: Decimal
    break_even_price: Decimal | None
    mark_price: Decimal
    liquidation_price: Decimal | None
    unrealized_profit: Decimal
    notional: Decimal
    margin_asset: str | None
    initial_margin: Decimal | None
    maintenance_margin: Decimal | None
    updated: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FuturesPositions:
    """The futures positions that are open."""

    positions: tuple[FuturesPosition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfitAndLoss:
    """The futures account's wallet and unrealised profit, and the income in the requested period.

    Amounts of different assets are never added.
    """

    market: str = "futures"
    wallet_balance: Decimal
    unrealized_profit: Decimal
    margin_balance: Decimal
    available_balance: Decimal
    profit: dict[str, Decimal]
    """By asset: what trading brought in the period, the sum of `realized`. Transfers are no profit."""
    realized: dict[str, Decimal]
    """The income from trading by `TYPE/ASSET`, for instance `REALIZED_PNL/USDT`, fees and funding included."""
    transfers: dict[str, Decimal]
    """What was moved in and out by `TYPE/ASSET`, for instance `TRANSFER/USDT`: bonuses and conversions as well."""
    other: dict[str, Decimal]
    """Income of types that guardian does not know, by `TYPE/ASSET`: it is not known whether it is profit."""
    entries: int
    """How many entries of the income history the sums are of."""
    complete: bool
    """False where that list was cut at the limit, so that the sums are of a part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """A deposit: amount in `coin`."""

    coin: str
    network: str | None
    amount: Decimal
    status: str
    address: str | None
    address_tag: str | None
    transaction_id: str | None
    time: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposits:
    """A page of deposits, newest first; `next_offset` is the offset of the next page."""

    deposits: tuple[Deposit, ...]
    next_offset: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositAddress:
    """Where to send `coin`. A wrong network loses the funds, so the requested network is stated."""

    coin: str
    network: str | None
    address: str
    tag: str | None
    url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A withdrawal: amount and fee in `coin`."""

    coin: str
    network: str | None
    amount: Decimal
    fee: Decimal | None
    status: str
    address: str | None
    transaction_id: str | None
    time: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawals:
    """A page of withdrawals, newest first; `next_offset` is the offset of the next page."""

    withdrawals: tuple[Withdrawal, ...]
    next_offset: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidation:
    """One of the account's own forced orders on futures."""

    symbol: str
    order_id: int
    side: str
    status: str
    average_price: Decimal
    quantity: Decimal
    executed_quantity: Decimal
    time: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidations:
    """The account's own forced orders."""

    liquidations: tuple[Liquidation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A transfer between the owner's wallets."""

    asset: str
    amount: Decimal
    transfer_type: str
    status: str
    transfer_id: str
    time: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfers:
    """A page of transfers; `total` counts all pages."""

    transfers: tuple[Transfer, ...]
    total: int
    next_page: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPermissions:
    """What an API key may do, as the exchange answers it. What that means is for the policy's judgement."""

    flags: Mapping[str, bool]
    """Every boolean of the answer, under the exchange's own name for it: `enableWithdrawals`, `ipRestrict`."""
    unreadable: frozenset[str]
    """Names of the answer whose value is neither a boolean nor a number nor text, or should be a boolean and is not."""
    expires_ms: int | None
    """When the permission to trade ends by itself, in ms since the epoch; None where the answer has no such time."""
