"""The part of a transaction that remembers which account each key belongs to.

Orders, windows, budgets and proposals are kept under the account, so that they are still there after its key was
replaced. A key is known by its fingerprint; the account is what the exchange called it when the key was first used.
"""

from __future__ import annotations

from guardian.store.schema import sqlite_statements as sql
from guardian.store.transaction.unit import Unit


class KeyAccountsPart:
    """Keys and their accounts. What was once remembered of a key never changes."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def get(self, environment: str, fingerprint: str) -> str | None:
        """Returns the account of a key; None where the key was never used."""
        found = self._unit.value(sql.KEY_ACCOUNT, {"environment": environment, "fingerprint": fingerprint})
        return None if found is None else str(found)

    def remember(self, environment: str, fingerprint: str, account: str) -> str:
        """Stores the account of a key that has none yet; returns the account that is stored then."""
        known = self.get(environment, fingerprint)
        if known is not None:
            return known
        values = {"environment": environment, "fingerprint": fingerprint, "account": account}
        self._unit.write(sql.INSERT_KEY_ACCOUNT, {**values, "first_seen_ms": self._unit.now_ms})
        return account
