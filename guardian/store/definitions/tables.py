"""The tables of `guardian.db`. Those of the owner are in `owner_tables`, its triggers in `sqlite_dialect`.

Decimals are plain TEXT and are summed exactly in Python; SQLite's own numbers would round.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Computed, Index, Integer, Text, text
from sqlmodel import Field

from guardian.domain.orders import CLIENT_ORDER_ID_PREFIX
from guardian.store.definitions.table_base import Table, blob_column, text_column
from guardian.store.schema.sqlite_dialect import (
    CALL_EVENT_SQL,
    CALL_PHASES_SQL,
    EVENT_SQL,
    MINUTE_SQL,
    NOT_ADOPTED_SQL,
    OUTSTANDING_SQL,
    PENDING_SQL,
    STATE_SQL,
    UNKNOWN_FEES_SQL,
)


class AuditTable(Table, table=True):
    """The log: one chained row for each phase of a call. Append-only, by trigger."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ux_audit_call_phase", "call_id", "phase", unique=True, sqlite_where=text(CALL_PHASES_SQL)),
        Index("ix_audit_event", "call_id", sqlite_where=text(CALL_EVENT_SQL)),
        Index("ux_audit_key", "key", unique=True, sqlite_where=text("key IS NOT NULL")),
        Index("ux_audit_order", "client_order_id", unique=True, sqlite_where=text("client_order_id IS NOT NULL")),
        Index("ix_audit_tool", "tool", "seq", sqlite_where=text("phase = 'call'")),
        Index("ix_audit_symbol", "symbol", "seq", sqlite_where=text("phase = 'call' AND symbol IS NOT NULL")),
        Index("ix_audit_outcome", "outcome", "seq", sqlite_where=text("phase = 'outcome'")),
        Index("ix_audit_minute", "ts_ms", sqlite_where=text(MINUTE_SQL)),
        Index("ix_audit_event_seq", "phase", "seq", sqlite_where=text(EVENT_SQL)),
        Index("ix_audit_state", "phase", "seq", sqlite_where=text(STATE_SQL)),
    )

    seq: int = Field(primary_key=True)
    prev_hash: bytes = blob_column(unique=True)
    digest: bytes = blob_column(unique=True)
    call_id: str | None = text_column(required=False)
    phase: str = text_column()
    ts_ms: int
    tool: str | None = text_column(required=False)
    symbol: str | None = text_column(required=False)
    outcome: str | None = text_column(required=False)
    environment: str | None = text_column(required=False)
    account: str | None = text_column(required=False)
    key: str | None = text_column(required=False)
    body: bytes = blob_column()
    client_order_id: str | None = Field(
        sa_column=Column(
            Text,
            Computed(
                f"CASE WHEN phase = 'intent' THEN '{CLIENT_ORDER_ID_PREFIX}' || lower(substr(hex(digest), 1, 32)) END",
                persisted=False,
            ),
        )
    )
    mac: bytes | None = blob_column(required=False)
    """Of the digest, under the key of a sealed log; None where a process without the key wrote the row."""


class OrderTable(Table, table=True):
    """Every order that was reserved, and every one found at the exchange that the log lacked.

    What it counts for never changes; its state only moves on.
    """

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_window", "environment", "account", "reserved_ms"),
        Index("ix_orders_sent", "environment", "account", "sent_ms"),
        Index("ix_orders_seq", "environment", "account", "intent_seq"),
        Index("ix_orders_symbol", "environment", "account", "symbol", "order_id"),
        Index("ix_orders_fingerprint", "environment", "account", "fingerprint", "reserved_ms"),
        Index("ix_orders_pending", "environment", "account", sqlite_where=text(PENDING_SQL)),
        Index("ix_orders_fees", "environment", "account", sqlite_where=text(UNKNOWN_FEES_SQL)),
        Index("ix_orders_found", "adopted", sqlite_where=text(NOT_ADOPTED_SQL)),
        Index("ix_orders_mandate", "mandate_id", sqlite_where=text("mandate_id IS NOT NULL")),
    )

    client_order_id: str = Field(primary_key=True)
    intent_seq: int = Field(sa_column=Column(Integer, nullable=False, unique=True))
    environment: str = text_column()
    account: str = text_column()
    call_id: str | None = text_column(required=False, unique=True)
    proposal_id: str | None = text_column(required=False, unique=True)
    symbol: str = text_column()
    base_asset: str = text_column()
    quote_asset: str = text_column()
    side: str = text_column()
    order_type: str = text_column()
    wire_type: str = text_column()
    time_in_force: str | None = text_column(required=False)
    price: str | None = text_column(required=False)
    stop_price: str | None = text_column(required=False)
    quantity: str = text_column()
    quote_quantity: str | None = text_column(required=False)
    fingerprint: str = text_column()
    notional: str = text_column()
    quote_notional: str = text_column()
    currency: str = text_column()
    is_exit: bool
    confirmed: bool
    mandate_id: str | None = text_column(required=False)
    reserved_ms: int
    sent_ms: int
    state: str = text_column()
    order_id: int | None
    executed_quantity: str = text_column()
    executed_quote_quantity: str = text_column()
    fee_quantity: str = text_column()
    updated_ms: int
    corrections: int
    created_ms: int | None
    exchange_status: str | None = text_column(required=False)
    amended_quantity: str | None = text_column(required=False)
    absent_ms: int
    given_up: bool
    adopted: bool


class FlowTable(Table, table=True):
    """What orders brought and cost, by asset, appended when it becomes known; see `store.transaction.ledger`."""

    __tablename__ = "flows"
    __table_args__ = (
        Index("ix_flows_window", "environment", "account", "ts_ms"),
        Index("ix_flows_clock", "environment", "account", "clock_ms"),
        Index("ix_flows_order", "client_order_id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    environment: str = text_column()
    account: str = text_column()
    symbol: str = text_column()
    client_order_id: str = text_column()
    ts_ms: int
    clock_ms: int
    kind: str = text_column()
    asset: str = text_column()
    change: str = text_column()


class HoldingTable(Table, table=True):
    """By symbol and asset: the sum of all flows. The sum over all symbols is guardian's position in the asset.

    `last_price` is that of the symbol's newest executed order, in the row of its base asset.
    """

    __tablename__ = "holdings"
    __table_args__ = (Index("ix_holdings_asset", "environment", "account", "asset"),)

    environment: str = Field(primary_key=True)
    account: str = Field(primary_key=True)
    symbol: str = Field(primary_key=True)
    asset: str = Field(primary_key=True)
    base_asset: str = text_column()
    quote_asset: str = text_column()
    quantity: str = text_column()
    last_price: str | None = text_column(required=False)


class ProposalTable(Table, table=True):
    """Orders that wait, or waited, for a person."""

    __tablename__ = "proposals"
    __table_args__ = (
        Index("ix_proposals_order", "environment", "account", "order_key"),
        Index("ix_proposals_waiting", "state", sqlite_where=text(OUTSTANDING_SQL)),
    )

    ordinal: int | None = Field(default=None, primary_key=True)
    id: str = text_column(unique=True)
    environment: str = text_column()
    account: str = text_column()
    order_key: str = text_column()
    symbol: str = text_column()
    side: str = text_column()
    spec: str = text_column()
    resolved: str = text_column()
    policy_digest: str = text_column()
    policy_source: str = text_column()
    token_ttl_ms: int
    notional: str = text_column()
    quote_notional: str = text_column()
    quote_asset: str = text_column()
    currency: str = text_column()
    shown_bid: str = text_column()
    shown_ask: str = text_column()
    created_ms: int
    expires_ms: int
    state: str = text_column()
    token_digest: str | None = text_column(required=False, unique=True)
    token_expires_ms: int | None
    approved_ms: int | None
    proof: str | None = text_column(required=False)
    approval_seq: int | None
    reason: str | None = text_column(required=False)
    client_order_id: str | None = text_column(required=False, unique=True)


class RedemptionTable(Table, table=True):
    """Tokens that were used. That each can be used once is in the keys of this table."""

    __tablename__ = "redemptions"

    proposal_id: str = Field(primary_key=True)
    token_digest: str = text_column(unique=True)
    client_order_id: str = text_column(unique=True)
    ts_ms: int


class ControlTable(Table, table=True):
    """One row: the trading state, and the latest window time."""

    __tablename__ = "control"

    id: int = Field(primary_key=True)
    state: str = text_column()
    reason: str | None = text_column(required=False)
    since_ms: int | None
    by: str | None = text_column(required=False)
    window_ms: int


class ActTable(Table, table=True):
    """When a person acted, by the place in the log; empty environment and account mean all."""

    __tablename__ = "acts"
    __table_args__ = (Index("ix_acts_scope", "environment", "account", "seq"),)

    id: int | None = Field(default=None, primary_key=True)
    environment: str = text_column()
    account: str = text_column()
    seq: int
    ts_ms: int
    what: str = text_column()


class SlicingTable(Table, table=True):
    """Denials of orders over `max_notional`, by symbol and side; see `guardian.store.budgets.slicing`."""

    __tablename__ = "slicing"
    __table_args__ = (Index("ix_slicing_scope", "environment", "account", "symbol", "side"),)

    id: int | None = Field(default=None, primary_key=True)
    environment: str = text_column()
    account: str = text_column()
    symbol: str = text_column()
    side: str = text_column()
    since_ms: int
    since_seq: int


class LeaseTable(Table, table=True):
    """Which process holds which lease, and until when; see `guardian.store.transaction.leases`."""

    __tablename__ = "leases"

    name: str = Field(primary_key=True)
    holder: str = text_column()
    expires_ms: int
    renewals: int


class CheckpointTable(Table, table=True):
    """The newest signed checkpoint of a sealed log, as it is beside the database too."""

    __tablename__ = "checkpoints"

    seq: int = Field(primary_key=True)
    note: str = text_column()


class AccountTable(Table, table=True):
    """The account of each key, by its fingerprint, as the exchange reported it when the key was first used."""

    __tablename__ = "accounts"

    environment: str = Field(primary_key=True)
    fingerprint: str = Field(primary_key=True)
    account: str = text_column()
    first_seen_ms: int


class MarkTable(Table, table=True):
    """Named timestamps; see `guardian.store.transaction.timestamps`."""

    __tablename__ = "marks"

    name: str = Field(primary_key=True)
    ts_ms: int


class PolicyTable(Table, table=True):
    """Policies that were valid; the newest is the one with the highest ordinal."""

    __tablename__ = "policies"

    ordinal: int | None = Field(default=None, primary_key=True)
    digest: str = text_column()
    text: str = text_column()
    stored_ms: int


AUDIT: Final = AuditTable.__table__  # type: ignore[attr-defined]  # SQLModel sets it on classes with table=True
ORDERS: Final = OrderTable.__table__  # type: ignore[attr-defined]  # as above
FLOWS: Final = FlowTable.__table__  # type: ignore[attr-defined]  # as above
HOLDINGS: Final = HoldingTable.__table__  # type: ignore[attr-defined]  # as above
PROPOSALS: Final = ProposalTable.__table__  # type: ignore[attr-defined]  # as above
REDEMPTIONS: Final = RedemptionTable.__table__  # type: ignore[attr-defined]  # as above
CONTROL: Final = ControlTable.__table__  # type: ignore[attr-defined]  # as above
ACTS: Final = ActTable.__table__  # type: ignore[attr-defined]  # as above
SLICING: Final = SlicingTable.__table__  # type: ignore[attr-defined]  # as above
CHECKPOINTS: Final = CheckpointTable.__table__  # type: ignore[attr-defined]  # as above
LEASES: Final = LeaseTable.__table__  # type: ignore[attr-defined]  # as above
ACCOUNTS: Final = AccountTable.__table__  # type: ignore[attr-defined]  # as above
MARKS: Final = MarkTable.__table__  # type: ignore[attr-defined]  # as above
POLICIES: Final = PolicyTable.__table__  # type: ignore[attr-defined]  # as above

CHANGING_ORDER_COLUMNS: Final = frozenset(
    {
        "state", "order_id", "executed_quantity", "executed_quote_quantity", "fee_quantity", "updated_ms",
        "corrections", "created_ms", "exchange_status", "amended_quantity", "absent_ms", "given_up", "adopted",
    }
)  # fmt: skip
"""All other columns of an order stay as they were when it was reserved: what it counts for never changes."""
