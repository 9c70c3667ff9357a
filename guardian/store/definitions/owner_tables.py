"""The tables of the owner: passkeys, the PIN, changes of them that wait, session mandates, approved policies."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Index
from sqlmodel import Field

from guardian.store.definitions.table_base import Table, text_column


class PasskeyTable(Table, table=True):
    """The owner's passkeys, removed ones among them; see `guardian.store.owner.approvers`."""

    __tablename__ = "passkeys"

    credential_id: str = Field(primary_key=True)
    public_key: str = text_column()
    name: str = text_column()
    sign_count: int
    created_ms: int
    removed_ms: int | None


class OwnerTable(Table, table=True):
    """One row: the weakest proof that this home accepts, since when there is a PIN, and its wrong answers."""

    __tablename__ = "owner"

    id: int = Field(primary_key=True)
    floor: str = text_column()
    pin_since_ms: int | None
    pin_digest: str | None = text_column(required=False)
    pin_tries: int


class OwnerChangeTable(Table, table=True):
    """Changes of passkeys and PIN that wait, because nobody proved that they may make them."""

    __tablename__ = "owner_changes"

    id: int | None = Field(default=None, primary_key=True)
    kind: str = text_column()
    detail: str = text_column()
    requested_ms: int
    effective_ms: int
    state: str = text_column()


class MandateTable(Table, table=True):
    """Session mandates: what may be sent without asking for each order; see `guardian.store.owner.mandates`."""

    __tablename__ = "mandates"
    __table_args__ = (Index("ix_mandates_scope", "environment", "account", "ended_ms"),)

    ordinal: int | None = Field(default=None, primary_key=True)
    id: str = text_column(unique=True)
    environment: str = text_column()
    account: str = text_column()
    currency: str = text_column()
    budget: str = text_column()
    max_order: str | None = text_column(required=False)
    symbols: str = text_column()
    policy_digest: str = text_column()
    policy_text: str = text_column()
    approval_seq: int
    created_ms: int
    expires_ms: int
    ended_ms: int | None
    ended_reason: str | None = text_column(required=False)


class PolicyApprovalTable(Table, table=True):
    """Policies that are approved, by environment; the newest whose `effective_ms` has come is in force."""

    __tablename__ = "policy_approvals"
    __table_args__ = (Index("ix_policy_approvals", "environment", "ordinal"),)

    ordinal: int | None = Field(default=None, primary_key=True)
    environment: str = text_column()
    digest: str = text_column()
    text: str = text_column()
    approval_seq: int
    approved_ms: int
    effective_ms: int


PASSKEYS: Final = PasskeyTable.__table__  # type: ignore[attr-defined]  # SQLModel sets it on classes with table=True
OWNER: Final = OwnerTable.__table__  # type: ignore[attr-defined]  # as above
OWNER_CHANGES: Final = OwnerChangeTable.__table__  # type: ignore[attr-defined]  # as above
MANDATES: Final = MandateTable.__table__  # type: ignore[attr-defined]  # as above
POLICY_APPROVALS: Final = PolicyApprovalTable.__table__  # type: ignore[attr-defined]  # as above
