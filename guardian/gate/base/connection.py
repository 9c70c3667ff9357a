"""How the gate gets at the exchange: a connection that is made when it is first needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from guardian.domain.secrets import ApiKeyPair
from guardian.domain.trading import Environment
from guardian.errors import StoreError
from guardian.exchange.exchange import Exchange
from guardian.gate.base.journal import CANCEL_PATIENCE_S, Journal

NO_ACCOUNT: Final = "none"
"""The account of a connection without a spot key, and of one whose key's account is not known yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """An exchange and the account that its keys are of; budgets and orders are kept under that account."""

    exchange: Exchange
    account: str
    has_keys: bool
    """False also where there is a key and it is not known whose: then nothing is done that is kept under an account."""


async def account_of(pair: ApiKeyPair, exchange: Exchange, journal: Journal) -> str:
    """The account that a key is of: as the store remembers it, else as the exchange tells, which is remembered then.

    All keys of one account have one answer, so that what was ordered with one is still there after it was replaced. An
    exchange that does not tell (a simulator may not) has an account for each key. Where the store cannot be read, the
    exchange is asked: a cancel does not wait for the store.

    Raises ExchangeError: the key is not remembered and the exchange could not be asked. Nothing is guessed.
    """
    account = await journal.run(lambda: _remembered(pair, journal))
    if account is None:
        told = await exchange.account_name() or pair.fingerprint
        account = await journal.run(lambda: _remember(pair, told, journal))
    exchange.expect_account(account)
    return account


def _remembered(pair: ApiKeyPair, journal: Journal) -> str | None:
    try:
        with journal.transaction(patience_s=CANCEL_PATIENCE_S) as tx:
            return tx.accounts.get(pair.environment, pair.fingerprint)
    except StoreError:
        return None


def _remember(pair: ApiKeyPair, account: str, journal: Journal) -> str:
    """Two processes may have asked at once: what the first of them wrote holds for both."""
    try:
        with journal.transaction(patience_s=CANCEL_PATIENCE_S) as tx:
            return tx.accounts.remember(pair.environment, pair.fingerprint, account)
    except StoreError:
        return account  # it is known now all the same, and asked for again at the next start


class Connector(Protocol):
    """Makes connections. One implementation reads the keyring and finds the paper exchange; tests have another."""

    @property
    def environment(self) -> Environment:
        """Where it connects to."""
        ...

    @property
    def has_wallet(self) -> bool:
        """Whether the environment has the wallet's endpoints at all."""
        ...

    async def connect(self, *, needs_keys: bool) -> Connection:
        """The connection, made at the first call; where keys are needed and were missing, they are looked for again.

        Raises:
            NoCredentials: keys are needed and none is stored.
            KeyringUnavailable: keys are needed and the keyring did not answer.
            ExchangeUnavailable: the paper exchange could not be started.
            ExchangeError: keys are needed, and the exchange could not be asked whose they are; it is asked once for
                each key.
        """
        ...

    async def lost(self) -> None:
        """Says that the exchange could not be reached: the next `connect` looks for it anew."""
        ...

    async def close(self) -> None:
        """Closes what was opened."""
        ...
