"""How the gate gets at the exchange: a connection that is made when it is first needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from guardian.domain.trading import Environment
from guardian.exchange.exchange import Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """An exchange and the account that its keys are of; budgets and orders are kept under that account."""

    exchange: Exchange
    account: str
    has_keys: bool


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
        """
        ...

    async def lost(self) -> None:
        """Says that the exchange could not be reached: the next `connect` looks for it anew."""
        ...

    async def close(self) -> None:
        """Closes what was opened."""
        ...
