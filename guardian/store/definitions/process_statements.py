"""The statements on what processes keep for one another: leases, timestamps, accounts of keys, valid policies."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, delete, select, update

from guardian.store.definitions.clauses import new_row
from guardian.store.definitions.tables import ACCOUNTS, LEASES, MARKS, POLICIES

_THIS_LEASE: Final = LEASES.c.name == bindparam("lease")
INSERT_LEASE: Final = new_row(LEASES)
LEASE_BY_NAME: Final = select(LEASES).where(_THIS_LEASE)
RENEW_LEASE: Final = (
    update(LEASES)
    .where(_THIS_LEASE)
    .values(holder=bindparam("holder"), expires_ms=bindparam("expires_ms"), renewals=bindparam("renewals"))
)
DELETE_LEASE: Final = delete(LEASES).where(_THIS_LEASE, LEASES.c.holder == bindparam("holder"))

_THIS_TIMESTAMP: Final = MARKS.c.name == bindparam("name")
INSERT_TIMESTAMP: Final = new_row(MARKS)
TIMESTAMP_BY_NAME: Final = select(MARKS.c.ts_ms).where(_THIS_TIMESTAMP)
DELETE_TIMESTAMP: Final = delete(MARKS).where(_THIS_TIMESTAMP)

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
