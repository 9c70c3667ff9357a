"""The part of a transaction that remembers which account each key is of.

Orders, windows, budgets and proposals are kept under the account, so that they are still there after its key was
replaced. A key is known by its fingerprint; the account is what the exchange called it when the key was first used.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, insert, select

from guardian.store.schema.tables import ACCOUNTS
from guardian.store.transaction.base import Unit

_BY_KEY: Final = select(ACCOUNTS.c.account).where(
    ACCOUNTS.c.environment == bindparam("environment"), ACCOUNTS.c.fingerprint == bindparam("fingerprint")
)


class AccountsPart(Unit):
    """Keys and their accounts. What was once remembered of a key never changes."""

    def account_of(self, environment: str, fingerprint: str) -> str | None:
        """The account of a key; None where the key was never used."""
        return self._run(_BY_KEY, {"environment": environment, "fingerprint": fingerprint}).scalar_one_or_none()

    def remember_account(self, environment: str, fingerprint: str, account: str) -> str:
        """Remember whose a key is, where nothing is remembered of it yet; the account that it is of from now on."""
        known = self.account_of(environment, fingerprint)
        if known is not None:
            return known
        values = {"environment": environment, "fingerprint": fingerprint, "account": account}
        self._write(insert(ACCOUNTS), {**values, "first_seen_ms": self.now_ms})
        return account
