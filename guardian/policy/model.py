"""The policy: what the TOML file says, as frozen data. Field names follow the file's keys.

Durations are whole milliseconds (`_ms`), percentages are fractions (`3%` is `0.03`), every notional is in the
accounting currency. There is no value that means "unlimited", and nothing here is optional that limits something.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from guardian.domain.orders import OrderSide, OrderType, TimeInForce
from guardian.domain.owner.proof import Proof
from guardian.domain.secrets import Secret
from guardian.domain.trading import Environment
from guardian.policy.permissions import ExtraPermission


class Channel(StrEnum):
    """How a person confirms an order."""

    TERMINAL = "terminal"
    ELICIT = "elicit"
    CHAT = "chat"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSettings:
    """`[paper]`: a simulator that the user runs, or nothing for the embedded exchange."""

    endpoint: str | None = None
    api_key: Secret | None = None
    api_secret: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """`[accounting]`: the asset that notionals are counted in, and the symbol that prices another asset."""

    currency: str
    conversions: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRules:
    """`[tools]`: `allowed` is what is left after `deny` has won."""

    allowed: frozenset[str]
    cancel_foreign: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NotionalWindow:
    """At most `maximum` entered within any `window_ms`."""

    window_ms: int
    maximum: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CountWindow:
    """At most `maximum` orders within any `window_ms`."""

    window_ms: int
    maximum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`[limits]`: over all symbols together."""

    max_open_notional: Decimal
    rolling_notional: tuple[NotionalWindow, ...]
    max_orders: tuple[CountWindow, ...]
    max_open_orders: int
    max_daily_loss: Decimal
    duplicate_window_ms: int
    anti_slicing_window_ms: int
    absence_window_ms: int
    """How long queries must report an order as nonexistent before guardian accepts that."""
    halt_after_orders: int
    max_calls_per_minute: int
    min_free_quote: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRules:
    """`[prices]`: how fresh and how near the market a price must be."""

    max_age_ms: int
    max_trade_age_ms: int
    collar: Decimal
    stop_distance: Decimal
    market_buffer: Decimal
    max_divergence: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationRules:
    """`[confirmation]`: when and how a person confirms an order."""

    required_above: Decimal
    channel: Channel
    proof: Proof
    """What a person gives to prove that they agree; the home's own floor may demand more."""
    proposal_ttl_ms: int
    token_ttl_ms: int
    max_outstanding: int
    max_drift: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRules:
    """`[live]`: what holds on `live` alone."""

    loosening_delay_ms: int
    """How long after a person's yes a looser policy takes effect."""
    allow_permissions: frozenset[ExtraPermission] = frozenset()
    """What the key may do besides reading and trading spot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolLimits:
    """`[symbols.X]`: what is allowed for one symbol; a symbol without this is denied."""

    max_notional: Decimal
    max_quantity: Decimal
    max_position: Decimal
    sides: frozenset[OrderSide]
    order_types: frozenset[OrderType]
    time_in_force: frozenset[TimeInForce]
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """`[[examples]]`: a case and what must come of it, as the file gives them, already checked for shape.

    `given` and `order` keep the file's plain strings; `code` is the name of a code among the denials.
    """

    name: str
    given: Mapping[str, str]
    order: Mapping[str, str]
    decision: str
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A whole, valid policy. `digest` is the SHA-256 of the text it was read from, in hex."""

    environment: Environment
    paper: PaperSettings
    accounting: Accounting
    tools: ToolRules
    limits: Limits
    prices: PriceRules
    confirmation: ConfirmationRules
    live: LiveRules
    symbols: Mapping[str, SymbolLimits]
    examples: tuple[Example, ...] = ()
    digest: str = ""
    text: str = field(default="", repr=False)
    """The text itself, kept so that the last good policy can be stored."""
