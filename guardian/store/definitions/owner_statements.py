"""The statements on passkeys, the PIN, changes that wait, session mandates and approved policies."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, select, text, update

from guardian.store.definitions.clauses import in_scope, new_row
from guardian.store.definitions.owner_tables import MANDATES, OWNER, OWNER_CHANGES, PASSKEYS, POLICY_APPROVALS
from guardian.store.definitions.tables import ORDERS
from guardian.store.schema.sqlite_dialect import VOID_SQL

# The one row of the owner

_OWNER: Final = update(OWNER).where(OWNER.c.id == 1)
OWNER_STATUS: Final = select(OWNER.c.floor, OWNER.c.pin_since_ms, OWNER.c.pin_digest, OWNER.c.pin_tries)
SET_FLOOR: Final = _OWNER.values(floor=bindparam("floor"))
SET_PIN: Final = _OWNER.values(pin_since_ms=bindparam("pin_since_ms"), pin_digest=bindparam("pin_digest"), pin_tries=0)
COUNT_PIN_TRY: Final = _OWNER.values(pin_tries=OWNER.c.pin_tries + 1)
RESET_PIN_TRIES: Final = _OWNER.values(pin_tries=0)

# Passkeys

_REGISTERED: Final = PASSKEYS.c.removed_ms.is_(None)
_THIS_PASSKEY: Final = PASSKEYS.c.credential_id == bindparam("credential")
INSERT_PASSKEY: Final = new_row(PASSKEYS, without=("removed_ms",))
PASSKEYS_NOW: Final = select(PASSKEYS).where(_REGISTERED).order_by(PASSKEYS.c.created_ms, PASSKEYS.c.name)
PASSKEY_BY_ID: Final = select(PASSKEYS.c.credential_id).where(_THIS_PASSKEY)
REMOVE_PASSKEY: Final = update(PASSKEYS).where(_THIS_PASSKEY, _REGISTERED).values(removed_ms=bindparam("now"))
COUNT_ASSERTION: Final = (
    update(PASSKEYS)
    .where(
        _THIS_PASSKEY,
        _REGISTERED,
        (PASSKEYS.c.sign_count < bindparam("counter")) | ((PASSKEYS.c.sign_count == 0) & (bindparam("counter") == 0)),
    )
    .values(sign_count=bindparam("counter"))
)

# Changes that wait

_WAITS: Final = OWNER_CHANGES.c.state == "waiting"
INSERT_OWNER_CHANGE: Final = new_row(OWNER_CHANGES, without=("id",))
WAITING_OWNER_CHANGES: Final = select(OWNER_CHANGES).where(_WAITS).order_by(OWNER_CHANGES.c.id)
END_OWNER_CHANGE: Final = (
    update(OWNER_CHANGES).where(OWNER_CHANGES.c.id == bindparam("change_id"), _WAITS).values(state=bindparam("state"))
)

# Session mandates

_OPEN: Final = MANDATES.c.ended_ms.is_(None)
_END: Final = (
    update(MANDATES).where(_OPEN).values(ended_ms=bindparam("ended_ms"), ended_reason=bindparam("ended_reason"))
)
INSERT_MANDATE: Final = new_row(MANDATES, without=("ordinal", "ended_ms", "ended_reason"))
NEWEST_MANDATE: Final = select(MANDATES).where(in_scope(MANDATES)).order_by(MANDATES.c.ordinal.desc()).limit(1)
OPEN_MANDATES: Final = select(MANDATES).where(_OPEN).order_by(MANDATES.c.ordinal)
MANDATE_BY_ID: Final = select(MANDATES).where(MANDATES.c.id == bindparam("mandate_id"))
COUNTED_UNDER_MANDATE: Final = select(ORDERS.c.notional, ORDERS.c.currency).where(
    ORDERS.c.mandate_id == bindparam("mandate_id"), ORDERS.c.is_exit.is_(False), text(f"NOT ({VOID_SQL})")
)
END_MANDATES: Final = _END
END_MANDATES_IN_SCOPE: Final = _END.where(in_scope(MANDATES))
KEEP_MANDATE: Final = (
    update(MANDATES)
    .where(MANDATES.c.id == bindparam("mandate_id"), _OPEN)
    .values(policy_digest=bindparam("policy_digest"), policy_text=bindparam("policy_text"))
)

# Approved policies

_NEWEST_FIRST: Final = (
    select(POLICY_APPROVALS)
    .where(POLICY_APPROVALS.c.environment == bindparam("environment"))
    .order_by(POLICY_APPROVALS.c.ordinal.desc())
    .limit(1)
)
INSERT_POLICY_APPROVAL: Final = new_row(POLICY_APPROVALS, without=("ordinal",))
NEWEST_POLICY_APPROVAL: Final = _NEWEST_FIRST
POLICY_APPROVAL_IN_FORCE: Final = _NEWEST_FIRST.where(POLICY_APPROVALS.c.effective_ms <= bindparam("now"))
