"""Facts: all that a rule may look at, read once. What is unavailable is None or absent, and never a default.

What nobody has fetched counts as unavailable, so that a forgotten fact is a denial: no default says that all is well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from guardian.domain.order_states import UNRESOLVED_STATES, OrderState

if TYPE_CHECKING:
    from guardian.domain.instruments import Instrument
    from guardian.domain.market import AveragePrice, BookTop, DayOpen
    from guardian.domain.trading import Environment, TradingState
    from guardian.policy.permissions import KeyJudgement

NOT_LOOKED_UP: Final = "this was not looked up"


class Fact(StrEnum):
    """What a rule can need. Only what the rules in force need is fetched."""

    INSTRUMENT = "instrument"
    """The trading rules of the symbol and of the conversion path's symbols."""
    STATUS = "status"
    """Whether each symbol trades now, where a price besides that of the order's own symbol is needed."""
    BOOK = "book"
    """The best bid and ask of the symbol."""
    RATES = "rates"
    """The best bid and ask of every symbol on the conversion path."""
    AVERAGE = "average"
    """The average price, and the time of the last trade, of every symbol whose book is needed."""
    BALANCES = "balances"
    OPEN_ORDERS = "open_orders"
    """The open orders of the symbol, whoever placed them, where the exchange limits their number."""
    CLOCK = "clock"
    DAY = "day"
    """The price of 24 hours ago of each symbol that was held then."""
    USAGE = "usage"
    """What guardian itself did before: from the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedOrders:
    """The open orders of one symbol as the exchange lists them: guardian's, and those placed by anybody else."""

    count: int = 0
    stops: int = 0
    """The stop orders among them, of any type."""
    client_order_ids: frozenset[str] = frozenset()
    order_ids: frozenset[int] = frozenset()
    acknowledged: frozenset[str] = frozenset()
    """Client order ids of guardian's orders that were open before the request; those not listed have ended."""

    def may_lack(self, client_order_id: str, order_id: int | None, state: OrderState) -> bool:
        """Whether an order of guardian's that has not ended may be open at the exchange and is not listed here."""
        if client_order_id in self.client_order_ids or order_id in self.order_ids:
            return False
        return state in UNRESOLVED_STATES or client_order_id not in self.acknowledged


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTrading:
    """What guardian holds of one symbol, and what its orders brought and cost within the last 24 hours."""

    symbol: str
    quote_asset: str
    position: Decimal
    """Base asset bought less sold less fees; below zero where the owner's own was sold."""
    position_before: Decimal
    """The same 24 hours ago."""
    cash: Mapping[str, Decimal]
    """By asset, the base asset aside: what came in less what was paid within the 24 hours, fees among it."""
    last_price: Decimal | None = None
    """What guardian's newest executed order of the symbol was executed at, in the quote asset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was entered, ordered, opened and bought through guardian in one environment and account.

    Everything is counted from the moment of the reservation, by the table in `store/budgets/usage.py`.
    Notionals are in the accounting currency; exits are in none of the sums and counts but `orders_since_person` and
    `unconfirmed_since_person`.
    """

    trading: TradingState
    traded: tuple[DayTrading, ...]
    """The symbols that guardian holds or has traded within 24 hours; it has no default, for none is nothing lost."""
    halt_reason: str | None = None
    entered: Mapping[int, Decimal] = field(default_factory=dict)
    """By window length in ms: the notional entered within it."""
    ordered: Mapping[int, int] = field(default_factory=dict)
    """By window length in ms: the orders within it."""
    open_notional: Decimal = Decimal(0)
    open_orders: int = 0
    open_orders_on_symbol: int = 0
    """Orders of the symbol, exits among them, that may be open at the exchange and are not in `Facts.listed_orders`."""
    open_stop_orders_on_symbol: int = 0
    """The stop orders among those."""
    duplicate_of: str | None = None
    """The client order id of the same order within the duplicate window, or of an unknown order."""
    unresolved_on_symbol: str | None = None
    """The client order id of the oldest order of the symbol whose fate is not known."""
    sliced_since_ms: int | None = None
    """When an order over `max_notional` was denied on this symbol and side, while that still counts."""
    sliced_entered: Decimal = Decimal(0)
    """What was entered on this symbol and side since."""
    position: Decimal = Decimal(0)
    """Base asset that guardian bought less what it sold, spent and paid as fees of it, on all symbols, as executed."""
    open_buys: Decimal = Decimal(0)
    """Base asset that open and unknown orders of all symbols may still bring, as BUYs or by being paid in it."""
    offered: Decimal = Decimal(0)
    """Base asset that open and unknown orders of all symbols may still take, as SELLs or to pay with."""
    taken: Mapping[str, Decimal] = field(default_factory=dict)
    """By asset: what orders may have taken of the free balance that are not known to be in `Facts.free`."""
    bought_since: Decimal = Decimal(0)
    """Base asset that orders brought and that is not known to be in `Facts.held`."""
    orders_since_person: int = 0
    unconfirmed_since_person: Decimal = Decimal(0)
    """Notional that was sent without a person's confirmation since a person last acted, exits included."""
    is_unconfirmed_known: bool = True
    """False where some of that was judged in another currency and has no worth in this one."""
    uncounted: tuple[str, ...] = ()
    """Currencies in which orders were judged that the sums above lack, for they have no worth in this one."""
    calls_last_minute: int = 0
    """The assistant's calls of `create_order`, this one included; none for a call of the owner's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """What a person confirmed: the order's protected price, what it counted for, and the market they were shown."""

    policy_digest: str
    shown_bid: Decimal
    shown_ask: Decimal
    protected_price: Decimal
    """The price that the proposal fixed; a MARKET order is never sent at a worse one."""
    notional: Decimal
    """In the accounting currency, as it was shown."""
    quote_notional: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MandateFacts:
    """A session mandate that is in force, and what is left of it."""

    id: str
    symbols: frozenset[str]
    currency: str
    left: Decimal | None
    """What its orders may still count as together, in `currency`; None where that is unknown."""
    max_order: Decimal | None
    """The most that one order may count as; None where `left` alone bounds it."""
    expires_ms: int
    """Window time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFacts:
    """What an order on `live` needs besides. Each field says why it is missing unless it was looked up."""

    keys: KeyJudgement | None = None
    """What follows from the permissions of the key; None where they are not known, or were read too long ago."""
    why_unchecked: str = NOT_LOOKED_UP
    """Why the permissions are not known."""
    unproven: str | None = NOT_LOOKED_UP
    """Why the owner cannot prove that they agree; None where they can."""
    unarmed: str | None = NOT_LOOKED_UP
    """Why no session mandate is active; None where one is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that a judgement looks at, besides the request and the policy."""

    now_ms: int
    """Window time: it never goes back, so it may be ahead of the clock after the clock was set back."""
    clock_ms: int
    """The local clock at the judgement, in milliseconds: prices' ages are measured against it."""
    environment: Environment
    """The environment that this process runs in."""
    policy_problems: tuple[str, ...]
    """The mistakes of the policy file, while the last good policy is used instead."""
    unapproved: str | None = NOT_LOOKED_UP
    """Why the policy is not approved; None where it is, or where this home takes every edit of it."""
    live: LiveFacts | None = None
    """On `live`; what nobody has looked up is missing there too."""
    uncompared: str | None = NOT_LOOKED_UP
    """Why guardian's orders were not compared with the exchange's since this process started; None where they were."""
    instruments: Mapping[str, Instrument] = field(default_factory=dict)
    """By symbol. A symbol that the exchange does not list is absent and in `unlisted`."""
    unlisted: frozenset[str] = frozenset()
    statuses_known: bool = False
    """Whether the `is_trading` of these instruments is current, as far as rules look at it; else no price is used.

    An instrument is kept for up to an hour, so that having one says nothing about now.
    """
    books: Mapping[str, BookTop] = field(default_factory=dict)
    averages: Mapping[str, AveragePrice] = field(default_factory=dict)
    """By symbol."""
    day_opens: Mapping[str, DayOpen] = field(default_factory=dict)
    """By symbol."""
    free: Mapping[str, Decimal] | None = None
    """By asset: the free balance; an asset that is absent is zero."""
    held: Mapping[str, Decimal] | None = None
    """By asset: free plus locked."""
    listed_orders: ListedOrders | None = None
    """Of the order's symbol."""
    clock_skew_ms: int | None = None
    """The local clock less the exchange's."""
    usage: Usage | None = None
    confirmed: Confirmed | None = None
    """Set when the request came with a token that fits."""
    mandate: MandateFacts | None = None
    """What a person allowed without a question for each order; None where nothing is in force."""
    missing: Mapping[Fact, str] = field(default_factory=dict)
    """Why a fact is missing, in guardian's words."""
    missing_of: Mapping[tuple[Fact, str], str] = field(default_factory=dict)
    """The same for a fact of one symbol."""

    def why_missing(self, fact: Fact, symbol: str = "") -> str:
        """Returns why a fact, or that fact of one symbol, is missing; a sentence for all that gives no reason."""
        reason = self.missing_of.get((fact, symbol)) or self.missing.get(fact)
        return reason or "the exchange did not answer"
