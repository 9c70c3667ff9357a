"""The codes of everything that guardian answers but `done`: stable, `CATEGORY_CONDITION`, one enum.

The table of codes in `policies/README.md` is generated from here. The names of the tools are here too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

CREATE_ORDER: Final = "create_order"
CANCEL_ORDER: Final = "cancel_order"

TOOLS: Final = (
    "get_ticker_price",
    "get_ticker",
    "get_order_book",
    "get_available_assets",
    "get_balance",
    "get_account_snapshot",
    "get_position_info",
    "get_pnl",
    CREATE_ORDER,
    CANCEL_ORDER,
    "get_orders",
    "get_deposit_history",
    "get_deposit_address",
    "get_withdraw_history",
    "get_fee_info",
    "get_liquidation_history",
    "get_universal_transfer_history",
)
"""The names of the 17 tools, in the order of their requests in `guardian.domain.requests`.

They are here because most of guardian needs the names alone, and the classes of the requests take time to make.
"""


class Outcome(StrEnum):
    """The outcome of a call; `is_error` is what MCP reports."""

    DONE = "done"
    CONFIRMATION_REQUIRED = "confirmation_required"
    DENIED = "denied"
    INVALID = "invalid"
    REJECTED = "rejected"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"
    FAILED = "failed"

    @property
    def is_error(self) -> bool:
        """Whether the call neither did what was requested nor waits for a person's confirmation."""
        return self not in {Outcome.DONE, Outcome.CONFIRMATION_REQUIRED}


@dataclass(frozen=True, slots=True)
class CodeMeaning:
    """The outcome that a code comes with, and what it means in one sentence."""

    outcome: Outcome
    meaning: str


class Code(Enum):
    """Every code, with the outcome it comes with and its meaning, in the order in which rules are listed."""

    # -- denied: by the state that trading is in
    TRADING_HALTED = CodeMeaning(Outcome.DENIED, "trading is halted; a person resumes it with `guardian resume`")
    TRADING_REDUCING = CodeMeaning(Outcome.DENIED, "only selling what guardian bought is let through")
    POLICY_INVALID = CodeMeaning(
        Outcome.DENIED, "the policy file is missing or has mistakes; no order is created under it"
    )
    POLICY_ENVIRONMENT_CHANGED = CodeMeaning(
        Outcome.DENIED,
        "the policy names another environment than this process runs in; it takes effect at the next start",
    )
    POLICY_NOT_APPROVED = CodeMeaning(
        Outcome.DENIED, "the policy is looser than the one that a person approved, or none was approved for `live`"
    )
    LIVE_PROOF_MISSING = CodeMeaning(
        Outcome.DENIED, "on `live` a person agrees with a PIN or a passkey, and neither is set up"
    )
    LIVE_KEYS_UNCHECKED = CodeMeaning(
        Outcome.DENIED, "on `live` what the API key may do was not read within the last six hours"
    )
    LIVE_KEYS_UNSAFE = CodeMeaning(
        Outcome.DENIED, "on `live` the API key may do more than the policy admits, or too little to trade"
    )
    LIVE_NOT_ARMED = CodeMeaning(
        Outcome.DENIED, "on `live` no session mandate is active: nobody armed it, or it lapsed"
    )
    # -- denied: by what the policy lists
    TOOL_NOT_ALLOWED = CodeMeaning(Outcome.DENIED, "the policy does not allow this tool")
    SYMBOL_NOT_LISTED = CodeMeaning(
        Outcome.DENIED, "the policy has no `[symbols.X]` for it, so no order for it is created"
    )
    SIDE_NOT_ALLOWED = CodeMeaning(Outcome.DENIED, "the policy does not list this side for the symbol")
    ORDER_TYPE_NOT_ALLOWED = CodeMeaning(Outcome.DENIED, "the policy does not list this order type for the symbol")
    ORDER_TYPE_UNPRICED = CodeMeaning(
        Outcome.DENIED, "STOP_LOSS and TAKE_PROFIT have no worst price; their limit forms have"
    )
    TIME_IN_FORCE_NOT_ALLOWED = CodeMeaning(
        Outcome.DENIED, "the policy does not list this time in force for the symbol"
    )
    # -- denied: by the exchange's own rules, checked before sending
    SYMBOL_UNKNOWN = CodeMeaning(Outcome.DENIED, "the exchange does not list this symbol")
    SYMBOL_NOT_TRADING = CodeMeaning(Outcome.DENIED, "the exchange takes no new orders for this symbol now")
    INSTRUMENT_UNAVAILABLE = CodeMeaning(Outcome.DENIED, "the symbol's trading rules are unavailable")
    FILTER_ORDER_TYPE = CodeMeaning(Outcome.DENIED, "the exchange does not take this order type for the symbol")
    FILTER_PRICE = CodeMeaning(Outcome.DENIED, "a price is outside the exchange's bounds or between its ticks")
    FILTER_PERCENT_PRICE = CodeMeaning(Outcome.DENIED, "the price is outside the exchange's own band")
    FILTER_QUANTITY = CodeMeaning(Outcome.DENIED, "the quantity is outside the exchange's bounds or between its steps")
    FILTER_NOTIONAL = CodeMeaning(
        Outcome.DENIED, "price times quantity is below the exchange's least or above its most"
    )
    FILTER_ORDER_COUNT = CodeMeaning(Outcome.DENIED, "the exchange takes no more open orders for this symbol")
    OPEN_ORDERS_UNKNOWN = CodeMeaning(
        Outcome.DENIED, "the symbol's open orders, whose number the exchange limits, could not be listed"
    )
    FILTER_POSITION = CodeMeaning(
        Outcome.DENIED, "the exchange lets nobody hold more of this asset than its MAX_POSITION"
    )
    # -- denied: by prices
    PRICE_UNAVAILABLE = CodeMeaning(Outcome.DENIED, "no usable price: unavailable, one-sided, or crossed")
    PRICE_STALE = CodeMeaning(Outcome.DENIED, "the price was fetched longer ago than `prices.max_age`")
    TRADE_STALE = CodeMeaning(Outcome.DENIED, "the exchange saw no trade for longer than `prices.max_trade_age`")
    PRICE_DIVERGES = CodeMeaning(
        Outcome.DENIED, "the book and the average price, or the two sides of the book, are further apart than allowed"
    )
    PRICE_OUTSIDE_COLLAR = CodeMeaning(Outcome.DENIED, "the price is further from the market than `prices.collar`")
    STOP_PRICE_TOO_FAR = CodeMeaning(
        Outcome.DENIED, "the stop price is further from the market than `prices.stop_distance`"
    )
    # -- denied: by sizes and budgets
    NOTIONAL_UNKNOWN = CodeMeaning(Outcome.DENIED, "the worst-case cost of the order is unknown")
    CONVERSION_UNAVAILABLE = CodeMeaning(
        Outcome.DENIED, "no declared path, or no usable price on it, from the quote asset to the accounting currency"
    )
    NOTIONAL_EXCEEDS_MAX = CodeMeaning(Outcome.DENIED, "the order costs more at worst than the symbol's `max_notional`")
    SLICING_EXCEEDS_MAX = CodeMeaning(
        Outcome.DENIED, "after an order over `max_notional`, the sum of what follows is held to it for a while"
    )
    QUANTITY_EXCEEDS_MAX = CodeMeaning(
        Outcome.DENIED, "more than the symbol's `max_quantity`: a value in the quantity field?"
    )
    POSITION_EXCEEDS_MAX = CodeMeaning(Outcome.DENIED, "guardian would hold more than the symbol's `max_position`")
    OPEN_NOTIONAL_EXCEEDS_MAX = CodeMeaning(
        Outcome.DENIED, "open orders would be worth more than `limits.max_open_notional`"
    )
    OPEN_ORDERS_EXCEED_MAX = CodeMeaning(Outcome.DENIED, "more open orders than `limits.max_open_orders`")
    ROLLING_NOTIONAL_EXCEEDS_MAX = CodeMeaning(
        Outcome.DENIED, "more entered within a window than `limits.rolling_notional` allows"
    )
    ORDER_COUNT_EXCEEDS_MAX = CodeMeaning(Outcome.DENIED, "more orders within a window than `limits.max_orders` allows")
    DAILY_LOSS_UNKNOWN = CodeMeaning(
        Outcome.DENIED, "the loss within 24 hours is unknown: a price or a conversion is missing"
    )
    DAILY_LOSS_EXCEEDS_MAX = CodeMeaning(
        Outcome.DENIED,
        "more lost within 24 hours, marked to market, than `limits.max_daily_loss`; trading is then reducing",
    )
    DUPLICATE_ORDER = CodeMeaning(
        Outcome.DENIED, "the same order was sent within `limits.duplicate_window`, or is unknown"
    )
    ORDER_UNRESOLVED = CodeMeaning(
        Outcome.DENIED,
        "the fate of an earlier order of the symbol is not known; until it is, the symbol takes no new ones",
    )
    ORDERS_NOT_COMPARED = CodeMeaning(
        Outcome.DENIED, "guardian's orders were not compared with the exchange's since this process started"
    )
    FREE_QUOTE_BELOW_MIN = CodeMeaning(
        Outcome.DENIED, "less of the quote asset would be left free than `limits.min_free_quote`"
    )
    FREE_BASE_BELOW_QUANTITY = CodeMeaning(
        Outcome.DENIED, "the account has less of the base asset free than the order sells"
    )
    BALANCE_UNAVAILABLE = CodeMeaning(Outcome.DENIED, "the account's balances are unavailable")
    CALLS_EXCEED_MAX = CodeMeaning(Outcome.DENIED, "more calls within a minute than `limits.max_calls_per_minute`")
    CLOCK_UNKNOWN = CodeMeaning(Outcome.DENIED, "the exchange's clock is unavailable")
    CLOCK_SKEWED = CodeMeaning(Outcome.DENIED, "this machine's clock is more than 1 s from the exchange's")
    USAGE_UNKNOWN = CodeMeaning(
        Outcome.DENIED, "what was entered before could not be read, or was counted in another currency"
    )
    # -- denied: by the confirmation
    CONFIRMATION_UNKNOWN = CodeMeaning(Outcome.DENIED, "no proposal has this confirmation token")
    CONFIRMATION_EXPIRED = CodeMeaning(Outcome.DENIED, "the proposal or its confirmation token has expired")
    CONFIRMATION_REJECTED = CodeMeaning(
        Outcome.DENIED, "the proposal was turned down, or an earlier denial burnt its token"
    )
    CONFIRMATION_UNPROVEN = CodeMeaning(
        Outcome.DENIED, "the approval lacks the proof that this home demands: the owner's passkey or PIN"
    )
    CONFIRMATION_MISMATCH = CodeMeaning(
        Outcome.DENIED,
        "a field beside the token differs from the order that was confirmed; the token is left as it was",
    )
    CONFIRMATION_ENVIRONMENT = CodeMeaning(Outcome.DENIED, "the token belongs to another environment or account")
    CONFIRMATION_POLICY_CHANGED = CodeMeaning(Outcome.DENIED, "the policy was changed since the order was proposed")
    CONFIRMATION_PRICE_DRIFT = CodeMeaning(
        Outcome.DENIED, "the market moved against the order by more than `confirmation.max_drift` since it was shown"
    )
    PROPOSALS_EXCEED_MAX = CodeMeaning(Outcome.DENIED, "more proposals wait than `confirmation.max_outstanding`")
    # -- denied: cancels
    PROPOSAL_UNKNOWN = CodeMeaning(Outcome.DENIED, "there is no such proposal in this environment")
    PROPOSAL_ENDED = CodeMeaning(
        Outcome.DENIED, "the proposal was sent, turned down, withdrawn, or has expired: nothing of it can be withdrawn"
    )
    ORDER_NOT_GUARDIANS = CodeMeaning(Outcome.DENIED, "guardian did not place this order, and may not cancel it")
    # -- the rest
    ARGUMENTS_INVALID = CodeMeaning(Outcome.INVALID, "the arguments do not fit the tool's schema, or one another")
    TOOL_UNKNOWN = CodeMeaning(Outcome.INVALID, "there is no such tool")
    EXCHANGE_REJECTED = CodeMeaning(Outcome.REJECTED, "the exchange said no; its code and its text are given")
    EXCHANGE_RATE_LIMIT = CodeMeaning(Outcome.RATE_LIMITED, "the exchange asked to slow down")
    CALL_BUDGET_SPENT = CodeMeaning(
        Outcome.RATE_LIMITED, "more reads within a minute than `limits.max_calls_per_minute`"
    )
    EXCHANGE_UNREACHABLE = CodeMeaning(Outcome.UNAVAILABLE, "the exchange gave no usable answer; nothing happened")
    NOT_AVAILABLE_HERE = CodeMeaning(Outcome.UNAVAILABLE, "this environment does not have it")
    CREDENTIALS_MISSING = CodeMeaning(Outcome.UNAVAILABLE, "no key is stored for this environment")
    KEYRING_UNAVAILABLE = CodeMeaning(Outcome.UNAVAILABLE, "the keyring is locked, absent, or did not answer")
    REQUEST_REFUSED = CodeMeaning(Outcome.UNAVAILABLE, "the request is not on this environment's list; it was not sent")
    LOG_UNAVAILABLE = CodeMeaning(Outcome.UNAVAILABLE, "the audit log cannot be written; without it nothing is done")
    LOG_LOST = CodeMeaning(
        Outcome.UNAVAILABLE, "the home has a policy and its log is gone; the owner restores it or begins a new one"
    )
    ORDER_NOT_SENT = CodeMeaning(Outcome.UNAVAILABLE, "the order was given up before it left this machine")
    ORDER_UNKNOWN = CodeMeaning(
        Outcome.UNKNOWN, "the order or the cancel may have reached the exchange, which is being queried"
    )
    SERVER_STOPPING = CodeMeaning(
        Outcome.UNAVAILABLE, "guardian is being stopped and takes no calls any more; nothing was done or written down"
    )
    READ_TAKEN_BACK = CodeMeaning(
        Outcome.UNAVAILABLE,
        "the client took a read back, or went away, before there was an answer; it is in the log alone",
    )
    CALL_TAKEN_BACK = CodeMeaning(
        Outcome.FAILED,
        "the client took an order or a cancel back, or went away, before there was an answer; it is in the log alone",
    )
    INTERNAL_ERROR = CodeMeaning(Outcome.FAILED, "a fault of guardian's; the log has the whole of it")

    @property
    def outcome(self) -> Outcome:
        """The outcome that a reply with this code has."""
        return self.value.outcome

    @property
    def meaning(self) -> str:
        """What the code means, in one sentence."""
        return self.value.meaning
