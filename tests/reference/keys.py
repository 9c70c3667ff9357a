"""What each key of a policy is: its type, what it does, and which way is tighter. Defaults come from the loader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyType:
    """A type of values, with TOML literals that the loader accepts and refuses for a key of this type."""

    words: str
    accepted: tuple[str, ...]
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """One row of the reference."""

    kind: KeyType
    does: str
    tighter: str


def _one_of(*words: str) -> KeyType:
    quoted = tuple(f'"{word}"' for word in words)
    return KeyType(
        words="one of " + ", ".join(f"`{word}`" for word in quoted), accepted=quoted, refused=('"other"', "1")
    )


def _duration(words: str, least: str, most: str, *, below: str, above: str) -> KeyType:
    return KeyType(
        words=f"duration, {words}", accepted=(f'"{least}"', f'"{most}"'), refused=("60", f'"{below}"', f'"{above}"')
    )


POSITIVE: Final = KeyType(words="amount above zero", accepted=('"0.001"', "5"), refused=('"0"', "0.5", '"-1"'))
AMOUNT: Final = KeyType(words="amount, zero or more", accepted=('"0"', '"0.001"', "5"), refused=("0.5", '"-1"'))
COUNT: Final = KeyType(
    words="whole number from 1 to 1000000", accepted=("1", '"7"', "1000000"), refused=("0", "1000001")
)
PERCENTAGE: Final = KeyType(
    words="percentage from 0% to 100%", accepted=('"0%"', '"0.5%"', '"100%"'), refused=("3", '"3"', '"101%"')
)
FLAG: Final = KeyType(words="`true` or `false`", accepted=("true", "false"), refused=('"true"', "1"))
HOUR: Final = _duration("at most 1 hour", "1ms", "1h", below="0s", above="2h")
DAY: Final = _duration("at most 24 hours", "1ms", "24h", below="0s", above="25h")
MINUTE_TO_DAY: Final = _duration("from 1 minute to 24 hours", "60s", "24h", below="59s", above="25h")
ASSET: Final = KeyType(words="asset", accepted=('"EUR"',), refused=('""', '"U S"', "1"))
CONVERSIONS: Final = KeyType(
    words="table from an asset to a symbol that trades it",
    accepted=("{}", '{ BTC = "BTCUSDT" }'),
    refused=('{ BTC = "ETHUSDT" }', '"BTCUSDT"'),
)
TOOLS_OR_ALL: Final = KeyType(
    words='`"all"` or a list of tools', accepted=('"all"', '["get_balance"]', "[]"), refused=('"none"', '["withdraw"]')
)
TOOLS: Final = KeyType(words="list of tools", accepted=("[]", '["get_balance"]'), refused=('"get_balance"', '["all"]'))
NOTIONAL_WINDOWS: Final = KeyType(
    words="list of `{ window, max }`: a duration of at most 31 days, and an amount above zero",
    accepted=('[{ window = "744h", max = "1" }]',),
    refused=("[]", '[{ window = "745h", max = "1" }]', '[{ window = "5m", max = "0" }]'),
)
COUNT_WINDOWS: Final = KeyType(
    words="list of `{ window, max }`: a duration of at most 31 days, and a whole number from 1",
    accepted=('[{ window = "744h", max = 1 }]',),
    refused=("[]", '[{ window = "745h", max = 1 }]', '[{ window = "5m", max = 0 }]'),
)
SIDES: Final = KeyType(
    words='list of `"BUY"`, `"SELL"`', accepted=('["SELL"]', '["BUY", "SELL"]'), refused=("[]", '"BUY"', '["HOLD"]')
)
ORDER_TYPES: Final = KeyType(
    words='list of `"LIMIT"`, `"LIMIT_MAKER"`, `"MARKET"`, `"STOP_LOSS_LIMIT"`, `"TAKE_PROFIT_LIMIT"`',
    accepted=('["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"]',),
    refused=("[]", '["STOP_LOSS"]', '"LIMIT"'),
)
TIMES_IN_FORCE: Final = KeyType(
    words='list of `"GTC"`, `"IOC"`, `"FOK"`', accepted=('["GTC", "IOC", "FOK"]',), refused=("[]", '["GTX"]', '"GTC"')
)
PERMISSIONS: Final = KeyType(
    words='list of `"margin"`, `"futures"`, `"options"`, `"portfolio_margin"`, `"fix_trading"`',
    accepted=("[]", '["margin", "futures"]'),
    refused=('"margin"', '["withdrawals"]', '["internal_transfer"]'),
)
TEXT: Final = KeyType(words="text, at most 500 characters", accepted=('"why"',), refused=("1", f'"{"x" * 501}"'))
SCHEMA: Final = KeyType(words="the number 1", accepted=("1",), refused=("2", '"1"'))
LOOPBACK: Final = KeyType(
    words='`"http://127.0.0.1:PORT"` or `"http://[::1]:PORT"`',
    accepted=('"http://127.0.0.1:18080"', '"http://[::1]:18080"'),
    refused=('"http://localhost:18080"', '"https://127.0.0.1:18080"', '"http://127.0.0.1:18080/api"'),
)
KEY_TEXT: Final = KeyType(words="text", accepted=('"any"',), refused=("1", '""'))

KEYS: Final[dict[str, KeyEntry]] = {
    "schema": KeyEntry(kind=SCHEMA, does="The version of this format.", tighter="neither: another number is a mistake"),
    "environment": KeyEntry(
        kind=_one_of("paper", "testnet", "demo", "live"),
        does="Where requests go. An edit takes effect at the next start. What `live` needs besides is in the README.",
        tighter="`paper` reaches no network; only `live` is real money",
    ),
    "paper.endpoint": KeyEntry(
        kind=LOOPBACK,
        does='With `environment = "paper"`: a Binance-compatible simulator that you run. Without it guardian starts '
        "its own paper exchange. The three `paper` keys are given together or not at all.",
        tighter="neither: only this machine is accepted",
    ),
    "paper.api_key": KeyEntry(
        kind=KEY_TEXT, does="The API key for that simulator. It guards nothing.", tighter="neither"
    ),
    "paper.api_secret": KeyEntry(
        kind=KEY_TEXT, does="The secret for that simulator. It guards nothing.", tighter="neither"
    ),
    "accounting.currency": KeyEntry(
        kind=ASSET,
        does="The asset in which every notional and every cap in money is counted.",
        tighter="neither: change every cap in money with it",
    ),
    "accounting.conversions": KeyEntry(
        kind=CONVERSIONS,
        does="How another asset is converted to the accounting currency: the symbol that trades it, one step after "
        "another. Fees are converted too; without BNB, a fee in BNB stops all buying.",
        tighter="fewer paths: an order in an asset without a path is denied",
    ),
    "tools.allow": KeyEntry(
        kind=TOOLS_OR_ALL,
        does="The tools that the assistant may call. All others are hidden and refused. A list that has `create_order` "
        "must have `cancel_order`.",
        tighter="a shorter list",
    ),
    "tools.deny": KeyEntry(
        kind=TOOLS, does="Tools taken away from `allow`. `deny` wins over `allow`.", tighter="a longer list"
    ),
    "tools.cancel_foreign": KeyEntry(
        kind=FLAG,
        does="Whether the assistant may cancel orders that guardian did not place.",
        tighter="`false`",
    ),
    "limits.max_open_notional": KeyEntry(
        kind=POSITIVE,
        does="Maximum worth of all open orders together, the new one included, in the accounting currency.",
        tighter="smaller",
    ),
    "limits.rolling_notional": KeyEntry(
        kind=NOTIONAL_WINDOWS,
        does="Maximum worth of the orders entered within each rolling window, each at its worst case, whether it fills "
        "or not.",
        tighter="smaller `max`, longer `window`, more rows",
    ),
    "limits.max_orders": KeyEntry(
        kind=COUNT_WINDOWS,
        does="Maximum number of orders entered within each rolling window.",
        tighter="smaller `max`, longer `window`, more rows",
    ),
    "limits.max_open_orders": KeyEntry(
        kind=COUNT, does="Maximum number of orders that are open at once.", tighter="smaller"
    ),
    "limits.max_daily_loss": KeyEntry(
        kind=POSITIVE,
        does="Maximum loss within a rolling 24 hours, realised and at today's prices. Past it trading is reducing: "
        "only selling back what guardian bought passes.",
        tighter="smaller",
    ),
    "limits.duplicate_window": KeyEntry(
        kind=DAY,
        does="How long an order with the same symbol, side, type, quantity and prices is denied as a duplicate.",
        tighter="longer",
    ),
    "limits.anti_slicing_window": KeyEntry(
        kind=DAY,
        does="How long, after an order over `max_notional` was denied, the sum of what is entered on that symbol and "
        "side is held to `max_notional`.",
        tighter="longer",
    ),
    "limits.absence_window": KeyEntry(
        kind=MINUTE_TO_DAY,
        does="How long an order whose reply was lost counts in full while the exchange answers that it does not have "
        "it.",
        tighter="longer",
    ),
    "limits.halt_after_orders": KeyEntry(
        kind=COUNT,
        does="Number of orders since a person last acted (an approval, a resume) after which trading is reducing.",
        tighter="smaller",
    ),
    "limits.max_calls_per_minute": KeyEntry(
        kind=COUNT,
        does="Maximum number of reads within a minute; `create_order` has a second budget of this size. Cancels are "
        "not counted.",
        tighter="smaller",
    ),
    "limits.min_free_quote": KeyEntry(
        kind=AMOUNT,
        does="What a BUY must leave free of its own quote asset, in that asset. With `0` it may spend the whole "
        "balance.",
        tighter="larger",
    ),
    "prices.max_age": KeyEntry(kind=HOUR, does="Maximum time since guardian fetched a price.", tighter="shorter"),
    "prices.max_trade_age": KeyEntry(
        kind=DAY,
        does="Maximum time since the exchange last saw a trade of the symbol. Not applied to selling back what "
        "guardian bought.",
        tighter="shorter",
    ),
    "prices.collar": KeyEntry(
        kind=PERCENTAGE,
        does="Maximum distance of the order's price from the market: a BUY at most the ask plus this, a SELL at least "
        "the bid less this. For a stop order its limit price from its stop price.",
        tighter="smaller",
    ),
    "prices.stop_distance": KeyEntry(
        kind=PERCENTAGE, does="Maximum distance of a stop price from the market.", tighter="smaller"
    ),
    "prices.market_buffer": KeyEntry(
        kind=PERCENTAGE,
        does="A MARKET order is sent as LIMIT IOC at the ask plus this (a SELL: the bid less this). It is counted at "
        "that price.",
        tighter="smaller: a better worst price, and a greater chance that the order does not fill",
    ),
    "prices.max_divergence": KeyEntry(
        kind=PERCENTAGE,
        does="Maximum distance between the middle of the book and the average price; between the two sides of the "
        "book, twice that. Not applied to selling back what guardian bought.",
        tighter="smaller",
    ),
    "confirmation.required_above": KeyEntry(
        kind=AMOUNT,
        does="A person is asked where this order, plus what was sent unasked since a person last acted, is worth more. "
        "With `0` before every order.",
        tighter="smaller",
    ),
    "confirmation.channel": KeyEntry(
        kind=_one_of("terminal", "elicit", "chat"),
        does="`terminal`: you run `guardian approve`. `elicit`: the assistant's client puts the order to you, where it "
        'can; else as `terminal`. A client could answer by itself, so it needs `proof = "terminal"`, and `live` '
        "refuses it. `chat`: the assistant gets the token; this guards against slips only, and `live` refuses it.",
        tighter="`terminal`; `elicit` and `chat` are looser",
    ),
    "confirmation.proof": KeyEntry(
        kind=_one_of("terminal", "pin", "passkey"),
        does="What you give when you agree to something: an answer at a terminal, your PIN, or your passkey's "
        "signature over exactly that. Once a home has demanded a PIN or a passkey that is set up, no edit here "
        "weakens that.",
        tighter="`passkey`; `terminal` stops accidents alone",
    ),
    "confirmation.proposal_ttl": KeyEntry(kind=DAY, does="How long an order waits for a person.", tighter="shorter"),
    "confirmation.token_ttl": KeyEntry(
        kind=DAY, does="How long an approval is valid, from the moment it was given.", tighter="shorter"
    ),
    "confirmation.max_outstanding": KeyEntry(
        kind=COUNT, does="Maximum number of orders that wait for a person at once.", tighter="smaller"
    ),
    "confirmation.max_drift": KeyEntry(
        kind=PERCENTAGE,
        does="For MARKET: the confirmed order is denied where the market has moved against it by more than this since "
        "the person saw the price.",
        tighter="smaller",
    ),
    "live.loosening_delay": KeyEntry(
        kind=DAY,
        does="On `live`: how long after your yes a looser policy takes effect.",
        tighter="longer",
    ),
    "live.allow_permissions": KeyEntry(
        kind=PERMISSIONS,
        does="On `live`: what your API key may do besides reading and trading spot. Guardian uses none of it. A key "
        "that may do more creates no orders; one that may withdraw or transfer never does.",
        tighter="a shorter list",
    ),
    "symbols.X.max_notional": KeyEntry(
        kind=POSITIVE,
        does="Maximum worth of one order at its worst case, in the accounting currency.",
        tighter="smaller",
    ),
    "symbols.X.max_quantity": KeyEntry(
        kind=POSITIVE,
        does="Maximum quantity of one order, in the base asset. It catches a value that was typed in the quantity "
        "field.",
        tighter="smaller",
    ),
    "symbols.X.max_position": KeyEntry(
        kind=POSITIVE,
        does="Maximum of the base asset bought less sold through guardian, with what open orders may bring. "
        "Judged for BUY only.",
        tighter="smaller",
    ),
    "symbols.X.sides": KeyEntry(
        kind=SIDES, does="The sides that are allowed.", tighter='a shorter list; `["SELL"]` lets guardian only sell'
    ),
    "symbols.X.order_types": KeyEntry(
        kind=ORDER_TYPES, does="The order types that are allowed.", tighter="a shorter list"
    ),
    "symbols.X.time_in_force": KeyEntry(
        kind=TIMES_IN_FORCE,
        does="The times in force that are allowed: until cancelled, immediate or cancel, fill or kill.",
        tighter="a shorter list",
    ),
    "symbols.X.reason": KeyEntry(
        kind=TEXT, does="Why the caps are what they are.", tighter="neither: it limits nothing"
    ),
}
"""By the key's name, `X` for any symbol, in the order of the page."""

GIVEN: Final[dict[str, str]] = {
    "bid": "the best bid; given together with `ask`",
    "ask": "the best ask; given together with `bid`",
    "average": "the exchange's average price; without it the middle of `bid` and `ask`",
    "price_age": "time since guardian fetched the prices",
    "average_age": "time since the last trade",
    "tick": "the exchange's price step",
    "step": "the exchange's quantity step",
    "min_notional": "the least notional that the exchange accepts",
    "base": "the symbol's base asset; without it taken from the spelling of the symbol",
    "quote": "the symbol's quote asset; without it taken from the spelling of the symbol",
    "entered": "worth of what was entered within each rolling window",
    "ordered": "number of orders within each rolling window",
    "open": "worth of the open orders",
    "open_orders": "number of open orders",
    "sliced": "an order over the cap was denied, and this much was entered since; without it none was denied",
    "position": "of the base asset, bought less sold through guardian",
    "open_buys": "of the base asset, that open orders may still bring",
    "offered": "of the base asset, in open SELLs",
    "free": "free balance of the quote asset",
    "since_person": "number of orders since a person last acted",
    "unconfirmed": "worth of what was sent unasked since a person last acted",
    "calls": "calls within the last minute, this one included",
    "loss": "loss within the last 24 hours, in the accounting currency",
    "trading": "the trading state: `active`, `reducing` or `halted`",
}
"""What an example may be given, and what each value is."""
