"""What goes into the store and what comes out of it, as frozen data. Nothing heavy is imported here.

Times are milliseconds of window time (see `Transaction.now_ms`), amounts are Decimal, notionals are in `currency`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final

from guardian.domain.money import ZERO
from guardian.domain.order_states import UNRESOLVED_STATES, OrderState
from guardian.domain.owner.proof import Proof
from guardian.domain.report_match import SentOrder
from guardian.domain.trading import TradingState

FOUND: Final = "found/"
"""The prefix of the key of the log's row of an order that the log lacked; environment and order follow."""
FLOOR: Final = "floor/"
"""How the key of a row about the weakest proof that the home accepts begins; the number of the row follows."""
FLOOR_END: Final = "floor0"
"""After all of these keys, in order."""
CHECKPOINT_ORIGIN: Final = "guardian/audit/chain/v1"
"""What the line of a checkpoint without a signature begins with."""
CORRECTION: Final = "position/"
"""How the key of the log's row of a corrected position begins."""


def found_key(environment: str, client_order_id: str) -> str:
    """Returns the key of the log's row of an order that the log lacked."""
    return f"{FOUND}{environment}/{client_order_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Orders, windows, budgets and proposals are kept apart by environment and account."""

    environment: str
    account: str


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log ends: the last row's number and digest; 0 and 32 zero bytes for an empty log."""

    seq: int
    digest: bytes


class Phase(StrEnum):
    """What a row of the log is about."""

    CALL = "call"
    INTENT = "intent"
    """An order is about to be sent; its client order id is made of this row's digest."""
    OUTCOME = "outcome"
    EVENT = "event"
    STATE = "state"
    """What a transaction changed in the other tables: each row as it is now; of no call, and not listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A row to append. A call has at most one `call`, one `intent` and one `outcome` row, and any number of events."""

    phase: Phase
    call_id: str | None = None
    tool: str | None = None
    symbol: str | None = None
    outcome: str | None = None
    environment: str | None = None
    account: str | None = None
    key: str | None = None
    """A name that only one row of the log can have."""
    body: Mapping[str, object] = field(default_factory=dict)
    """JSON data. What JSON lacks, or what is too long, is written as text that says so."""

    @classmethod
    def event(
        cls,
        scope: Scope | None,
        body: Mapping[str, object],
        *,
        call_id: str | None = None,
        symbol: str | None = None,
        key: str | None = None,
    ) -> Record:
        """Returns a row of something that happened, in one scope or (None) in none."""
        return cls(
            phase=Phase.EVENT,
            call_id=call_id,
            symbol=symbol,
            environment=None if scope is None else scope.environment,
            account=None if scope is None else scope.account,
            key=key,
            body=body,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How far the log went: a row's number and its digest in hex."""

    seq: int
    digest: str

    @property
    def line(self) -> str:
        """The text of a checkpoint file."""
        return f"{CHECKPOINT_ORIGIN} {self.seq} {self.digest}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A row as it was appended. `digest` is in hex; `client_order_id` is set for an intent."""

    seq: int
    digest: str
    phase: Phase
    call_id: str | None
    ts_ms: int
    client_order_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingStatus:
    """The kill switch: its state, why, since when and by whom. `since_ms` is None until somebody sets it."""

    state: TradingState = TradingState.ACTIVE
    reason: str | None = None
    since_ms: int | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedCall:
    """A `call` row, the calls of all tools but `cancel_order` within the last minute, and the trading state."""

    entry: Entry
    calls_last_minute: int
    """This one included."""
    trading: TradingStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order to reserve: what is sent, what it counts for, and whose it is."""

    client_order_id: str
    """That of an `intent` row of the same call."""
    environment: str
    account: str
    call_id: str | None
    """None for an order that was found at the exchange and that the log lacked."""
    proposal_id: str | None = None
    symbol: str
    base_asset: str
    quote_asset: str
    side: str
    order_type: str
    """As it was requested."""
    wire_type: str
    """As it is sent: MARKET goes as LIMIT."""
    time_in_force: str | None = None
    price: Decimal | None
    stop_price: Decimal | None = None
    quantity: Decimal
    quote_quantity: Decimal | None = None
    """As it was requested, if it was."""
    fingerprint: str
    notional: Decimal
    """The worst case in `currency`."""
    quote_notional: Decimal
    currency: str
    is_exit: bool = False
    confirmed: bool = False
    """A person agreed to this very order."""
    mandate_id: str | None = None
    """The session mandate that it was sent under instead of a question."""
    reserved_ms: int
    sent_ms: int
    """The timestamp of the request."""

    @property
    def scope(self) -> Scope:
        """Whose order it is."""
        return Scope(environment=self.environment, account=self.account)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow(NewOrder):
    """An order as the store knows it."""

    intent_seq: int
    state: OrderState
    order_id: int | None = None
    """The exchange's."""
    executed_quantity: Decimal = ZERO
    executed_quote_quantity: Decimal = ZERO
    fee_quantity: Decimal = ZERO
    """Executed quantity whose fees are known."""
    updated_ms: int
    corrections: int = 0
    """How many times its final state was corrected, because the exchange still had it."""
    created_ms: int | None = None
    """When the exchange created it, by its own clock; None while it was never acknowledged."""
    exchange_status: str | None = None
    """The exchange's last word for its state."""
    amended_quantity: Decimal | None = None
    """The smaller quantity that its owner amended it to at the exchange."""
    absent_ms: int = 0
    """Total time, in ms, in which it was polled and the exchange did not know it, since it was last known there."""
    given_up: bool = False
    """It is `not_placed` only because the exchange did not know it, so the same order is still a duplicate of it."""
    adopted: bool = True
    """False while an order that the log lacked waits for the owner: it counts, and is not in the ledger."""

    @property
    def remaining(self) -> Decimal:
        """Base asset that is not executed yet; an amended quantity is believed while the order is known."""
        quantity = self.quantity
        if self.amended_quantity is not None and self.state not in UNRESOLVED_STATES:
            quantity = self.amended_quantity
        return max(quantity - self.executed_quantity, ZERO)

    @property
    def sent(self) -> SentOrder:
        """The order as it was sent, to hold a report against."""
        return SentOrder(
            symbol=self.symbol,
            base_asset=self.base_asset,
            quote_asset=self.quote_asset,
            client_order_id=self.client_order_id,
            side=self.side,
            wire_type=self.wire_type,
            quantity=self.quantity,
            price=self.price,
            stop_price=self.stop_price,
            order_id=self.order_id,
            created_ms=self.created_ms,
        )


PROPOSAL_ID_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's without 0 and 1: nothing that is mistaken for something else when read aloud."""
PROPOSAL_ID_LENGTH: Final = 6


class ProposalState(StrEnum):
    """Whether a proposal has expired follows from the time and is not stored."""

    WAITING = "waiting"
    APPROVED = "approved"
    SENT = "sent"
    REJECTED = "rejected"
    """By a person."""
    BURNT = "burnt"
    """Denied when its token was redeemed."""
    WITHDRAWN = "withdrawn"
    """By the assistant that had requested it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProposal:
    """An order that waits for a person, with all that they are shown."""

    scope: Scope
    order_key: str
    """The order as it was requested, as one canonical line."""
    symbol: str
    side: str
    spec: Mapping[str, str]
    """The order as it was requested."""
    resolved: Mapping[str, str]
    """The order as it would be sent, its protected price and quantity among it."""
    policy_digest: str
    policy_source: str
    """The file that the policy was read from: only a process that reads the same can send the order."""
    token_ttl_ms: int
    """How long an approval holds, under that policy."""
    notional: Decimal
    quote_notional: Decimal
    quote_asset: str
    currency: str
    shown_bid: Decimal
    shown_ask: Decimal
    created_ms: int
    expires_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal(NewProposal):
    """A proposal as the store knows it."""

    id: str
    """Short, for people: to be read aloud and typed."""
    state: ProposalState = ProposalState.WAITING
    token_digest: str | None = field(default=None, repr=False)
    token_expires_ms: int | None = None
    approved_ms: int | None = None
    """When a person approved it; a token in the chat is no approval."""
    proof: Proof | None = None
    """What proved that they agreed; None for an answer in the client."""
    approval_seq: int | None = None
    """The log's row of that, with the proof itself."""
    reason: str | None = None
    """Why it was rejected or burnt."""
    client_order_id: str | None = None
    """The order that it became."""

    def is_outstanding(self, now_ms: int) -> bool:
        """Whether it still waits for a person or for its token to be used."""
        if self.state is ProposalState.WAITING:
            return now_ms < self.expires_ms
        approved = self.state is ProposalState.APPROVED
        return approved and self.token_expires_ms is not None and now_ms < self.token_expires_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusUsage:
    """How much of the budgets of one scope is used; counted as `guardian.policy.facts.Usage` is."""

    trading: TradingStatus
    entered: Mapping[int, Decimal]
    """By window length in ms."""
    ordered: Mapping[int, int]
    """By window length in ms."""
    open_notional: Decimal
    open_orders: int
    unresolved: int
    orders_since_person: int
    unconfirmed_since_person: Decimal
    is_unconfirmed_known: bool = True
    uncounted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who does what only one process does at a time. A dead holder's lease runs out, in window time."""

    name: str
    holder: str
    expires_ms: int
    renewals: int
    """How many times it was taken or renewed: shows that the holder is alive even while window time does not move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPolicy:
    """The last good policy: the digest and the text that it was read from."""

    digest: str
    text: str
    stored_ms: int
