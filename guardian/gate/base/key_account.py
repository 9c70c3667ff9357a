"""Finds the account that an API key belongs to, and remembers it in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardian.domain.secrets import ApiKeyPair
from guardian.errors import StoreError
from guardian.gate.base.journal import CANCEL_PATIENCE_S, Journal

if TYPE_CHECKING:
    from guardian.exchange.exchange import Exchange


async def account_of(journal: Journal, pair: ApiKeyPair, exchange: Exchange) -> str:
    """Returns the account of a key: the one that the log remembers, else the one that the exchange reports.

    What the exchange reports is remembered. All keys of one account return the same name, so that orders placed with
    one key are still found after it was replaced. Where the exchange reports no account (a simulator may not), each
    key has an account of its own. Where the store cannot be read the exchange is queried: a cancel does not wait for
    the store.

    Raises ExchangeError: the key is not remembered and the exchange could not be queried. Nothing is guessed.
    """
    account = await known_account(journal, pair)
    if account is None:
        reported = await exchange.account_name() or pair.fingerprint
        account = await _remember(journal, pair, reported)
    exchange.expect_account(account)
    return account


def log_name(journal: Journal) -> str | None:
    """Returns the name of this home's log, empty for a log without rows; None where it cannot be read."""
    try:
        with journal.transaction(patience_s=CANCEL_PATIENCE_S) as tx:
            return tx.audit.log_name() or ""
    except StoreError:
        return None


async def known_account(journal: Journal, pair: ApiKeyPair) -> str | None:
    """Returns the account of a key that the log remembers; None where it does not, or cannot be read."""
    try:
        return await journal.transact(
            lambda tx: tx.accounts.get(pair.environment, pair.fingerprint), patience_s=CANCEL_PATIENCE_S
        )
    except StoreError:
        return None


async def _remember(journal: Journal, pair: ApiKeyPair, account: str) -> str:
    """Remembers the account and returns the one to use: where two processes write at once, the first one's."""
    try:
        return await journal.transact(
            lambda tx: tx.accounts.remember(pair.environment, pair.fingerprint, account), patience_s=CANCEL_PATIENCE_S
        )
    except StoreError:
        return account  # good for this connection; it is queried again at the next start
