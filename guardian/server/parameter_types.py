"""The types of the tools' parameters: what is accepted, and what the model reads about it.

Patterns are pydantic's, where `$` is the very end of the text and `[0-9]` is ASCII.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from guardian.domain.market import CandleInterval, CandleSpan
from guardian.domain.money import AMOUNT_PATTERN
from guardian.domain.orders import CLIENT_ORDER_ID_PREFIX, UNPRICED_STOP_TYPES, OrderSide, OrderType, TimeInForce
from guardian.domain.requests import Market, OrdersWanted
from guardian.domain.text.names import (
    LONGEST_NAME,
    NAME_RULE,
    is_listed_name,
    is_name,
)
from guardian.server.arguments import (
    DEFAULT_CANDLES,
    MAX_AMOUNT_LENGTH,
    MAX_CANDLES,
    MAX_TIME_LENGTH,
    parse_amount_argument,
    parse_candles_argument,
    parse_time_argument,
)
from guardian.store.log.redaction import TOKEN_LENGTH
from guardian.store.schema.records import PROPOSAL_ID_ALPHABET, PROPOSAL_ID_LENGTH

MAX_ORDER_ID: Final = 2**53 - 1
"""The largest whole number that every JSON reader keeps."""


def _amount_schema(description: str) -> WithJsonSchema:
    # Numbers are taken too, as some models send them; the schema offers text alone, which loses no digit.
    text: dict[str, Any] = {"type": "string", "pattern": AMOUNT_PATTERN, "maxLength": MAX_AMOUNT_LENGTH}
    return WithJsonSchema({**text, "description": description})


def _time_schema(description: str) -> WithJsonSchema:
    # Milliseconds since the epoch are taken too; a model need not count them.
    return WithJsonSchema({"type": "string", "maxLength": MAX_TIME_LENGTH, "description": description})


def _choice(options: Iterable[StrEnum], description: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": [option.value for option in options], "description": description})


class AccountType(StrEnum):
    """The account whose daily snapshots are requested."""

    SPOT = "SPOT"
    MARGIN = "MARGIN"
    FUTURES = "FUTURES"


def _checked_name(text: str) -> str:
    if is_name(text):
        return text
    # What is as long as a confirmation token may be one: in other letters no redaction would know it again.
    if is_listed_name(text) and text.isascii() and len(text) < TOKEN_LENGTH:
        raise ValueError(f'must be in capitals, exactly as the exchange lists it, such as "{text.upper()}"')
    raise ValueError(f"must be {NAME_RULE}")


def _checked_cursor(text: str) -> str:
    if not is_listed_name(text):
        raise ValueError("must be `next_cursor` of the page before, unaltered")
    return text


def _name_schema(description: str) -> WithJsonSchema:
    # Which characters a name may have, the check says in words; a pattern of them helps no model.
    return WithJsonSchema({"type": "string", "maxLength": LONGEST_NAME, "description": description})


Symbol = Annotated[
    str,
    AfterValidator(_checked_name),
    _name_schema('E.g. "BTCUSDT": base, then quote asset, in capitals.'),
]
FuturesSymbol = Annotated[
    str,
    AfterValidator(_checked_name),
    _name_schema('USD-M symbol, e.g. "BTCUSDT". Left out: all.'),
]
ProfitSymbol = Annotated[str, AfterValidator(_checked_name), _name_schema('E.g. "BTCUSDT". Left out: all.')]
BaseAsset = Annotated[str, AfterValidator(_checked_name), _name_schema('Only with this base asset, e.g. "BTC".')]
QuoteAsset = Annotated[str, AfterValidator(_checked_name), _name_schema('Only with this quote asset, e.g. "USDT".')]
Coin = Annotated[str, AfterValidator(_checked_name), _name_schema('Asset, in capitals, e.g. "BTC".')]
Network = Annotated[
    str,
    AfterValidator(_checked_name),
    _name_schema('E.g. "ETH", "BSC". Left out: the default network.'),
]
ListCursor = Annotated[
    str,
    AfterValidator(_checked_cursor),
    _name_schema("`next_cursor` of the page before."),
]
TransferType = Annotated[
    str,
    Field(
        pattern=r"^[A-Z_]{3,40}$",
        max_length=40,
        description='From wallet to wallet: "MAIN_UMFUTURE" (spot to USD-M futures), "UMFUTURE_MAIN", "MAIN_FUNDING".',
    ),
]
OrderId = Annotated[int, Field(ge=1, le=MAX_ORDER_ID, description="The exchange's id, e.g. 28457 (no string).")]
ClientOrderId = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_-]{1,36}$",
        max_length=36,
        description=f'Starts with "{CLIENT_ORDER_ID_PREFIX}" for orders placed through guardian.',
    ),
]
CallId = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f]{32}$",
        max_length=32,
        description="`meta.call_id` of an earlier create_order: explains that reply. Give it alone.",
    ),
]
ProposalId = Annotated[
    str,
    Field(
        pattern=f"^[{PROPOSAL_ID_ALPHABET}]{{{PROPOSAL_ID_LENGTH}}}$",
        max_length=PROPOSAL_ID_LENGTH,
        description='Alone: the `data.proposal_id` of an order that waits for a person, e.g. "K7QM2X".',
    ),
]
ConfirmationToken = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_-]{8,64}$",
        max_length=64,
        description="One-time token that a person handed you for a proposed order. Never make one up.",
    ),
]
Side = Annotated[OrderSide, _choice(OrderSide, "BUY or SELL, seen from the base asset.")]
Type = Annotated[
    OrderType,
    # STOP_LOSS and TAKE_PROFIT are accepted, so that their denial can name the limit form, and not offered.
    _choice(
        (one for one in OrderType if one not in UNPRICED_STOP_TYPES),
        "All but MARKET need price, stops also stop_price. A plain LIMIT is no stop: it may fill at once.",
    ),
]
OrderTimeInForce = Annotated[
    TimeInForce,
    _choice(
        TimeInForce,
        "GTC until cancelled (the default), IOC what fills at once, FOK all at once or nothing. Not for MARKET and "
        "LIMIT_MAKER.",
    ),
]
Quantity = Annotated[
    Decimal,
    PlainValidator(parse_amount_argument),
    _amount_schema('In the BASE asset, a decimal string: "0.001" of BTCUSDT is 0.001 BTC.'),
]
QuoteQuantity = Annotated[
    Decimal,
    PlainValidator(parse_amount_argument),
    _amount_schema('MARKET only, instead of quantity: how much of the QUOTE asset to spend or get, e.g. "25".'),
]
Price = Annotated[
    Decimal,
    PlainValidator(parse_amount_argument),
    _amount_schema('Limit price, quote per base asset, e.g. "60000.00". Not for MARKET.'),
]
StopPrice = Annotated[
    Decimal,
    PlainValidator(parse_amount_argument),
    _amount_schema('Stops only: the price that triggers it, e.g. "58000".'),
]
StartTime = Annotated[
    int,
    PlainValidator(parse_time_argument),
    _time_schema('"today", "monday", "2026-11-22" (local) or ISO 8601.'),
]
EndTime = Annotated[
    int,
    PlainValidator(partial(parse_time_argument, is_end=True)),
    _time_schema("Until; a day to its end."),
]
Status = Annotated[OrdersWanted, _choice(OrdersWanted, '"open": those in the book. "all": ended ones too.')]
ProfitMarket = Annotated[Market, _choice(Market, "Whose trading.")]
Account = Annotated[AccountType, _choice(AccountType, "Which account's snapshots.")]
Page = Annotated[int, Field(ge=1, le=1000, description="Page number; 1 is the newest.")]
Offset = Annotated[int, Field(ge=0, le=100_000, description="`next_offset` of the page before.")]


def _limit(most: int, what: str, least: int = 1) -> Any:  # noqa: ANN401 - pydantic's Field is typed so
    return Field(ge=least, le=most, description=f"{what}.")


CandlesWanted = Annotated[
    CandleSpan,
    PlainValidator(parse_candles_argument),
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                "interval": {"enum": [interval.value for interval in CandleInterval]},
                "count": {"type": "integer", "minimum": 1, "maximum": MAX_CANDLES, "default": DEFAULT_CANDLES},
            },
            "required": ["interval"],
            "additionalProperties": False,
            "description": 'The newest candles, e.g. {"interval": "1h", "count": 24}.',
        }
    ),
]
BookLimit = Annotated[int, _limit(100, "Price levels a side")]
ListLimit = Annotated[int, _limit(200, "Symbols a page")]
SnapshotLimit = Annotated[int, _limit(30, "Days", least=7)]
ProfitLimit = Annotated[int, _limit(500, "spot: symbols listed; futures: income entries summed")]
OrdersLimit = Annotated[int, _limit(500, "Orders")]
HistoryLimit = Annotated[int, _limit(200, "Entries a page")]
LiquidationLimit = Annotated[int, _limit(100, "Entries")]
TransferLimit = Annotated[int, _limit(100, "Transfers a page")]
OrdersCursor = Annotated[
    str, Field(pattern=r"^[a-z0-9.-]{1,64}$", max_length=64, description="`next_cursor` of the page before.")
]
CancelsAll = Annotated[bool, Field(description="true, without an id: all that guardian placed.")]
IncludeZero = Annotated[bool, Field(description="true: empty assets too.")]
