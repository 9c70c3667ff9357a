"""What the store knows of the owner, as frozen data. Times are milliseconds of window time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final

from guardian.domain.milliseconds import DAY_MS
from guardian.domain.owner.proof import Proof
from guardian.store.schema.records import Scope

CHANGE_OPEN_MS: Final = DAY_MS
"""How long a change that has waited can be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerStatus:
    """The weakest proof that this home accepts, whatever its policy says, and the state of the PIN."""

    floor: Proof
    pin_since_ms: int | None
    """When the PIN was set; None where no PIN is set."""
    pin_digest: str | None = None
    """The digest of the PIN's hash, which is in the keyring: another hash there is not the PIN's."""
    pin_tries: int
    """Wrong answers since a right one."""


class ChangeKind(StrEnum):
    """A change of what proves that the owner agrees."""

    PASSKEY_ADD = "passkey_add"
    PASSKEY_REMOVE = "passkey_remove"
    PIN_SET = "pin_set"
    PIN_REMOVE = "pin_remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerChange:
    """A change that waits. `detail` is what it needs once it takes effect; it holds no secret."""

    id: int
    kind: ChangeKind
    detail: Mapping[str, object]
    requested_ms: int
    effective_ms: int

    def is_waiting(self, now_ms: int) -> bool:
        """Whether it waits for its time, or can be made now; afterwards it has lapsed."""
        return now_ms < self.effective_ms + CHANGE_OPEN_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMandate:
    """What a person allows to be sent without asking for each order."""

    scope: Scope
    currency: str
    budget: Decimal
    """The most that all its orders together may count as, in `currency`."""
    max_order: Decimal | None
    """The most that one order may count as; None where the budget alone bounds it."""
    symbols: frozenset[str]
    policy_digest: str
    policy_text: str = field(repr=False)
    """The policy that it was given under; a looser one ends it."""
    approval_seq: int
    """The log's row of the person's yes."""
    created_ms: int
    expires_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mandate(NewMandate):
    """A mandate as the store knows it."""

    id: str
    ended_ms: int | None = None
    ended_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedPolicy:
    """A policy that a person approved, or that is tighter than the one before; in force from `effective_ms` on."""

    environment: str
    digest: str
    text: str
    approval_seq: int
    approved_ms: int
    effective_ms: int
