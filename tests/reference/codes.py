"""What to do about each code: first what the assistant can do, then what the owner can."""

from __future__ import annotations

from typing import Final

from guardian.domain.codes import Code

WHAT_TO_DO: Final[dict[Code, str]] = {
    Code.TRADING_HALTED: "Read the reason in `guardian status`, then run `guardian resume`. Reads and cancels work "
    "meanwhile.",
    Code.TRADING_REDUCING: "Sell no more than guardian bought and has not sold or offered; `guardian position` shows "
    "it. The owner ends it with `guardian resume`.",
    Code.POLICY_INVALID: "Run `guardian policy check`: it lists every mistake with its line. No restart is needed.",
    Code.POLICY_ENVIRONMENT_CHANGED: "Restart guardian (in Claude Desktop: quit and open it), or change `environment` "
    "back.",
    Code.POLICY_NOT_APPROVED: "The owner looks at what is looser and agrees with `guardian policy approve`, or changes "
    "the file back. Reads and cancels work meanwhile.",
    Code.LIVE_PROOF_MISSING: "The owner registers a passkey with `guardian passkey add NAME`, or sets a PIN with "
    "`guardian pin set`.",
    Code.LIVE_KEYS_UNCHECKED: "Try again: each order reads it again. The owner can run `guardian keys check live`.",
    Code.LIVE_KEYS_UNSAFE: "The owner switches off on Binance's page what the denial names, then runs "
    "`guardian keys check live`.",
    Code.LIVE_NOT_ARMED: "The owner can run `guardian arm`.",
    Code.TOOL_NOT_ALLOWED: "The owner can change `[tools]` in the policy.",
    Code.SYMBOL_NOT_LISTED: "Use a listed symbol, or add `[symbols.X]` with its three caps to the policy.",
    Code.SIDE_NOT_ALLOWED: "The owner can change `sides` of the symbol.",
    Code.ORDER_TYPE_NOT_ALLOWED: "Use a type that the denial lists, or change `order_types` of the symbol.",
    Code.ORDER_TYPE_UNPRICED: "Use STOP_LOSS_LIMIT or TAKE_PROFIT_LIMIT, with a price.",
    Code.TIME_IN_FORCE_NOT_ALLOWED: "Use one that the denial lists, or change `time_in_force` of the symbol.",
    Code.SYMBOL_UNKNOWN: "Look the symbol up with `get_available_assets`.",
    Code.SYMBOL_NOT_TRADING: "Wait until the exchange trades it again. Open orders can be cancelled.",
    Code.INSTRUMENT_UNAVAILABLE: "Try again in a moment.",
    Code.FILTER_ORDER_TYPE: "Use another order type.",
    Code.FILTER_PRICE: "Use the nearest valid price, which the denial names.",
    Code.FILTER_PERCENT_PRICE: "Use a price nearer to the market; the denial names the bound.",
    Code.FILTER_QUANTITY: "Use the nearest valid quantity, which the denial names.",
    Code.FILTER_NOTIONAL: "Use a quantity within the bounds that the denial names.",
    Code.FILTER_ORDER_COUNT: "Cancel an open order of the symbol. Orders that guardian did not place the owner cancels "
    "at the exchange.",
    Code.OPEN_ORDERS_UNKNOWN: "Try again in a moment.",
    Code.FILTER_POSITION: "Buy less, or sell some of the asset first.",
    Code.PRICE_UNAVAILABLE: "Try again when the symbol's book has both sides.",
    Code.PRICE_STALE: "Try again; if it repeats, the connection is slower than `prices.max_age`.",
    Code.TRADE_STALE: "Wait for a trade, or use a symbol that is traded more often.",
    Code.PRICE_DIVERGES: "Wait until the market has settled.",
    Code.PRICE_OUTSIDE_COLLAR: "Use a price within the bound that the denial names.",
    Code.STOP_PRICE_TOO_FAR: "Use a stop price within the bound that the denial names.",
    Code.NOTIONAL_UNKNOWN: "Nothing was sent. Try again; if it repeats, report it as a bug.",
    Code.CONVERSION_UNAVAILABLE: "Add the path to `[accounting] conversions`; where it exists, wait until its market "
    "has a usable price.",
    Code.NOTIONAL_EXCEEDS_MAX: "Use the largest quantity that would pass, which the denial names.",
    Code.SLICING_EXCEEDS_MAX: "Wait until `limits.anti_slicing_window` is over, or let a person approve an order on "
    "that side.",
    Code.QUANTITY_EXCEEDS_MAX: "If a value was meant, use a MARKET order with `quote_quantity`; else a smaller "
    "quantity.",
    Code.POSITION_EXCEEDS_MAX: "Buy less, or sell some first.",
    Code.OPEN_NOTIONAL_EXCEEDS_MAX: "Cancel an open order, or use a smaller one.",
    Code.OPEN_ORDERS_EXCEED_MAX: "Cancel an open order.",
    Code.ROLLING_NOTIONAL_EXCEEDS_MAX: "Use a smaller order, or wait until earlier orders have left the window.",
    Code.ORDER_COUNT_EXCEEDS_MAX: "Wait until earlier orders have left the window.",
    Code.DAILY_LOSS_UNKNOWN: "Try again when the named market has a price, or add the named conversion to the policy. "
    "Selling back what guardian bought passes.",
    Code.DAILY_LOSS_EXCEEDS_MAX: "Stop buying; the loss counts for 24 hours. Selling back what guardian bought passes.",
    Code.DUPLICATE_ORDER: "Look at the earlier order with `get_orders`. If a second one is wanted, request it after "
    "the window.",
    Code.ORDER_UNRESOLVED: "Wait: guardian keeps querying the exchange. The owner can end the wait with `guardian "
    "settle ID`.",
    Code.ORDERS_NOT_COMPARED: "Try again in a moment; each order tries the comparison again. `guardian audit "
    "reconcile` shows what stops it.",
    Code.FREE_QUOTE_BELOW_MIN: "Use a smaller order, or free some of the quote asset.",
    Code.FREE_BASE_BELOW_QUANTITY: "Sell no more than the quantity that the denial names.",
    Code.BALANCE_UNAVAILABLE: "Try again in a moment.",
    Code.CALLS_EXCEED_MAX: "Wait a minute.",
    Code.CLOCK_UNKNOWN: "Try again in a moment.",
    Code.CLOCK_SKEWED: "Set this machine's clock to synchronise with a time server.",
    Code.USAGE_UNKNOWN: "Set `[accounting] currency` back, or wait until the orders counted in the other currency have "
    "left the windows. Where the log cannot be read: `guardian audit verify`.",
    Code.CONFIRMATION_UNKNOWN: "Look with `get_orders` whether the order is there: a newer token may have placed it. "
    "Only if it is not, request it again without a token.",
    Code.CONFIRMATION_EXPIRED: "Request the order again.",
    Code.CONFIRMATION_REJECTED: "Request the order again only if the person wants it.",
    Code.CONFIRMATION_UNPROVEN: "Request the order again; the person approves it with `guardian approve`, with their "
    "passkey or PIN.",
    Code.CONFIRMATION_MISMATCH: "Call `create_order` with `confirmation_token` alone.",
    Code.CONFIRMATION_ENVIRONMENT: "Request the order again in the environment and account that are in force.",
    Code.CONFIRMATION_POLICY_CHANGED: "Request the order again: it is then judged by the policy as it is now.",
    Code.CONFIRMATION_PRICE_DRIFT: "Request the order again: the person then sees the new price.",
    Code.PROPOSALS_EXCEED_MAX: "Withdraw one with `cancel_order` and its `proposal_id`; or a person runs `guardian "
    "approve` or `guardian reject`.",
    Code.PROPOSAL_UNKNOWN: "Use the `proposal_id` of the reply, in the environment where it was proposed.",
    Code.PROPOSAL_ENDED: "Nothing, or cancel the order itself where the proposal was sent.",
    Code.ORDER_NOT_GUARDIANS: "The owner cancels it at the exchange, or sets `[tools] cancel_foreign = true`.",
    Code.ARGUMENTS_INVALID: "Correct the arguments that the message names.",
    Code.TOOL_UNKNOWN: "Use one of the tools that the server lists.",
    Code.EXCHANGE_REJECTED: "Read the exchange's code and the hint; nothing was changed there.",
    Code.EXCHANGE_RATE_LIMIT: "Wait `retry_after_s` seconds.",
    Code.CALL_BUDGET_SPENT: "Wait `retry_after_s` seconds.",
    Code.EXCHANGE_UNREACHABLE: "Try again; check the network connection.",
    Code.NOT_AVAILABLE_HERE: "Use an environment that has it; the hint names one.",
    Code.CREDENTIALS_MISSING: "Run `guardian keys add` for this environment.",
    Code.KEYRING_UNAVAILABLE: "Unlock the system's keyring, or give the vault's passphrase; then try again.",
    Code.REQUEST_REFUSED: "Nothing: this environment does not make that request.",
    Code.LOG_UNAVAILABLE: "Do what the hint says: usually free disk space, or the permissions of guardian's home.",
    Code.LOG_LOST: "Put `guardian.db` back into guardian's home, or begin a new log with `guardian init`.",
    Code.ORDER_NOT_SENT: "Do what the hint says, then try again.",
    Code.ORDER_UNKNOWN: "Do not request the order again. Look with `get_orders` and the client order id; guardian "
    "keeps querying until it is known.",
    Code.SERVER_STOPPING: "Wait until the client has started guardian again, then call again.",
    Code.READ_TAKEN_BACK: "Nothing: a read changes nothing. Call again where the answer is still wanted.",
    Code.CALL_TAKEN_BACK: "Look with `get_orders` or `guardian audit show` whether an order was placed.",
    Code.INTERNAL_ERROR: "Run `guardian audit show` with the call id, and report it as a bug.",
}
