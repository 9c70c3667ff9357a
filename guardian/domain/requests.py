"""The requests of the 17 tools: frozen types, the same object that is judged and sent.

They are built from arguments that the server has already checked for type, pattern and bounds; times are milliseconds
since the epoch, UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from guardian.domain.codes import CANCEL_ORDER, CREATE_ORDER
from guardian.domain.codes import TOOLS as TOOLS  # each has its request here
from guardian.domain.market import CandleSpan
from guardian.domain.orders import OrderSpec
from guardian.domain.secrets import Secret


class RequestScope(StrEnum):
    """What a request accesses, and so which keys and hosts it needs."""

    MARKET = "market"
    """Public data; no keys."""
    ACCOUNT = "account"
    """A signed read."""
    WALLET = "wallet"
    """A signed read under `/sapi`, which exists on `live` and `paper` only."""
    FUTURES = "futures"
    """A signed read on the futures host."""
    TRADE = "trade"
    """Writes an order."""
    CANCEL = "cancel"
    """Takes an order out of the book; never refused for a used-up budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What every request has: the name of its tool and its scope."""

    tool: ClassVar[str]
    scope: ClassVar[RequestScope]

    @property
    def subject(self) -> str | None:
        """The symbol that it is about, for the log."""
        symbol = getattr(self, "symbol", None)
        return symbol if isinstance(symbol, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetTickerPrice(Request):
    tool: ClassVar[str] = "get_ticker_price"
    scope: ClassVar[RequestScope] = RequestScope.MARKET
    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetTicker(Request):
    tool: ClassVar[str] = "get_ticker"
    scope: ClassVar[RequestScope] = RequestScope.MARKET
    symbol: str
    candles: CandleSpan | None = None
    """Instead of the statistics of 24 hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetOrderBook(Request):
    tool: ClassVar[str] = "get_order_book"
    scope: ClassVar[RequestScope] = RequestScope.MARKET
    symbol: str
    limit: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class GetAvailableAssets(Request):
    tool: ClassVar[str] = "get_available_assets"
    scope: ClassVar[RequestScope] = RequestScope.MARKET
    base_asset: str | None = None
    quote_asset: str | None = None
    limit: int = 50
    cursor: str | None = None
    """The last symbol of the page before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetBalance(Request):
    tool: ClassVar[str] = "get_balance"
    scope: ClassVar[RequestScope] = RequestScope.ACCOUNT
    include_zero: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GetAccountSnapshot(Request):
    tool: ClassVar[str] = "get_account_snapshot"
    scope: ClassVar[RequestScope] = RequestScope.WALLET
    account_type: str = "SPOT"
    start_time: int | None = None
    end_time: int | None = None
    limit: int = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class GetPositionInfo(Request):
    tool: ClassVar[str] = "get_position_info"
    scope: ClassVar[RequestScope] = RequestScope.FUTURES
    symbol: str | None = None


class Market(StrEnum):
    """Whose profit and loss `get_pnl` gives."""

    SPOT = "spot"
    """What guardian itself traded."""
    FUTURES = "futures"
    """The owner's futures account, which guardian only reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetPnl(Request):
    tool: ClassVar[str] = "get_pnl"
    scope: ClassVar[RequestScope] = RequestScope.ACCOUNT
    symbol: str | None = None
    start_time: int | None = None
    """None for everything that guardian ever traded."""
    end_time: int | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class GetFuturesPnl(Request):
    """The other use of `get_pnl`, with `market` "futures"."""

    tool: ClassVar[str] = "get_pnl"
    scope: ClassVar[RequestScope] = RequestScope.FUTURES
    symbol: str | None = None
    start_time: int | None = None
    end_time: int | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateOrder(Request):
    """An order, or the confirmation token of a stored one, or both."""

    tool: ClassVar[str] = CREATE_ORDER
    scope: ClassVar[RequestScope] = RequestScope.TRADE
    order: OrderSpec | None = None
    stated: tuple[tuple[str, str], ...] = ()
    """The order fields that were given with the token, in plain notation; each must equal the stored order's."""
    confirmation_token: Secret | None = None

    @property
    def subject(self) -> str | None:
        if self.order is not None:
            return self.order.symbol
        return dict(self.stated).get("symbol")


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder(Request):
    """One of the two ids is set."""

    tool: ClassVar[str] = CANCEL_ORDER
    scope: ClassVar[RequestScope] = RequestScope.CANCEL
    symbol: str
    order_id: int | None = None
    client_order_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawProposal(Request):
    """The other use of `cancel_order`: takes back an order that waits for a person, or for its token to be used."""

    tool: ClassVar[str] = CANCEL_ORDER
    scope: ClassVar[RequestScope] = RequestScope.CANCEL
    proposal_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAll(Request):
    """The third use of `cancel_order`: takes all of guardian's open orders out of the book, on one symbol or all."""

    tool: ClassVar[str] = CANCEL_ORDER
    scope: ClassVar[RequestScope] = RequestScope.CANCEL
    symbol: str | None = None


class OrdersWanted(StrEnum):
    """Which orders `get_orders` lists."""

    ALL = "all"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class GetOrders(Request):
    tool: ClassVar[str] = "get_orders"
    scope: ClassVar[RequestScope] = RequestScope.ACCOUNT
    symbol: str | None = None
    """None for the open orders of all symbols, for what guardian placed on any of them (status `all`), and for a call.

    Also for an order of guardian's by its client order id.
    """
    status: OrdersWanted = OrdersWanted.ALL
    is_status_assumed: bool = False
    """Status was left out, and the reply says what it was taken for."""
    is_start_assumed: bool = False
    """Only the end of the period was given, and the reply says where it was taken to begin."""
    order_id: int | None = None
    client_order_id: str | None = None
    call_id: str | None = None
    """An earlier call of `create_order`, which guardian's log explains; nothing is asked of the exchange."""
    start_time: int | None = None
    end_time: int | None = None
    limit: int = 50
    cursor: str | None = None
    """The end of the page before, which the gate made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetDepositHistory(Request):
    tool: ClassVar[str] = "get_deposit_history"
    scope: ClassVar[RequestScope] = RequestScope.WALLET
    coin: str | None = None
    start_time: int | None = None
    end_time: int | None = None
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GetDepositAddress(Request):
    tool: ClassVar[str] = "get_deposit_address"
    scope: ClassVar[RequestScope] = RequestScope.WALLET
    coin: str
    network: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetWithdrawHistory(Request):
    tool: ClassVar[str] = "get_withdraw_history"
    scope: ClassVar[RequestScope] = RequestScope.WALLET
    coin: str | None = None
    start_time: int | None = None
    end_time: int | None = None
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GetFeeInfo(Request):
    tool: ClassVar[str] = "get_fee_info"
    scope: ClassVar[RequestScope] = RequestScope.ACCOUNT
    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetLiquidationHistory(Request):
    tool: ClassVar[str] = "get_liquidation_history"
    scope: ClassVar[RequestScope] = RequestScope.FUTURES
    symbol: str | None = None
    start_time: int | None = None
    end_time: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class GetUniversalTransferHistory(Request):
    tool: ClassVar[str] = "get_universal_transfer_history"
    scope: ClassVar[RequestScope] = RequestScope.WALLET
    transfer_type: str
    start_time: int | None = None
    end_time: int | None = None
    page: int = 1
    limit: int = 50


REQUESTS: Final[dict[str, type[Request]]] = {
    request.tool: request
    for request in (
        GetTickerPrice,
        GetTicker,
        GetOrderBook,
        GetAvailableAssets,
        GetBalance,
        GetAccountSnapshot,
        GetPositionInfo,
        GetPnl,
        CreateOrder,
        CancelOrder,
        GetOrders,
        GetDepositHistory,
        GetDepositAddress,
        GetWithdrawHistory,
        GetFeeInfo,
        GetLiquidationHistory,
        GetUniversalTransferHistory,
    )
}
"""Every request by its tool's name.

`cancel_order` has two more, `WithdrawProposal` and `CancelAll`, and `get_pnl` has `GetFuturesPnl`.
"""

WRITING_TOOLS: Final = frozenset({CreateOrder.tool, CancelOrder.tool})
"""The tools that change anything at the exchange."""
