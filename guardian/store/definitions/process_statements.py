"""The statements on what processes keep for one another: leases, timestamps, accounts of keys, valid policies."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, delete, func, select, update

from guardian.store.definitions.clauses import new_row
from guardian.store.definitions.tables import ACCOUNTS, CHECKPOINTS, LEASES, MARKS, POLICIES

_THIS_LEASE: Final = LEASES.c.name == bindparam("lease")
INSERT_LEASE: Final = new_row(LEASES)
LEASE_BY_NAME: Final = select(LEASES).where(_THIS_LEASE)
RENEW_LEASE: Final = (
    update(LEASES)
    .where(_THIS_LEASE)
    .values(holder=bindparam("holder"), expires_ms=bindparam("expires_ms"), renewals=bindparam("renewals"))
)
BRING_BACK_LEASES: Final = (
    update(LEASES).where(LEASES.c.expires_ms > bindparam("now")).values(expires_ms=bindparam("now"))
)
DELETE_LEASE: Final = delete(LEASES).where(_THIS_LEASE, LEASES.c.holder == bindparam("holder"))

_THIS_TIMESTAMP: Final = MARKS.c.name == bindparam("name")
INSERT_TIMESTAMP: Final = new_row(MARKS)
TIMESTAMP_BY_NAME: Final = select(MARKS.c.ts_ms).where(_THIS_TIMESTAMP)
BRING_BACK_TIMESTAMPS: Final = update(MARKS).where(MARKS.c.ts_ms > bindparam("now")).values(ts_ms=bindparam("now"))
DELETE_TIMESTAMP: Final = delete(MARKS).where(_THIS_TIMESTAMP)

INSERT_CHECKPOINT: Final = new_row(CHECKPOINTS)
NEWEST_CHECKPOINT: Final = select(func.max(CHECKPOINTS.c.seq).label("seq")).select_from(CHECKPOINTS)
DELETE_CHECKPOINTS: Final = delete(CHECKPOINTS)

INSERT_KEY_ACCOUNT: Final = new_row(ACCOUNTS)
KEY_ACCOUNT: Final = select(ACCOUNTS.c.account).where(
    ACCOUNTS.c.environment == bindparam("environment"), ACCOUNTS.c.fingerprint == bindparam("fingerprint")
)

INSERT_POLICY: Final = new_row(POLICIES, without=("ordinal",))
NEWEST_POLICIES: Final = (
    select(POLICIES.c.digest, POLICIES.c.text, POLICIES.c.stored_ms)
    .order_by(POLICIES.c.ordinal.desc())
    .limit(bindparam("most"))
)
