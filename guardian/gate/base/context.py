"""What the gate is made of; handed in by the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final

from guardian.connector import Connector
from guardian.domain.trading import Environment
from guardian.gate.base.comparison import Compared
from guardian.gate.base.journal import Journal
from guardian.gate.base.open_orders import KeptLists, OpenOrderLister
from guardian.gate.base.policy_file import PolicyFile
from guardian.store.schema.records import Scope

RECEIVE_WINDOW_MS: Final = 5000
"""How old a request may be when it leaves: Binance's default `recvWindow`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateContext:
    """Everything the gate works with. Time and randomness come in here and nowhere else."""

    environment: Environment
    """Where orders are created; of no meaning while `is_chosen` is False."""
    connector: Connector
    journal: Journal
    policy_file: PolicyFile
    now_ms: Callable[[], int]
    """The wall clock, in milliseconds since the epoch."""
    monotonic: Callable[[], float]
    """Seconds on a clock that only goes forward."""
    pause: Callable[[float], Awaitable[None]]
    """An awaitable pause of so many seconds."""
    random_bytes: Callable[[int], bytes]
    """So many bytes that nobody can guess."""
    compared: Compared = field(default_factory=Compared)
    """What this process has compared with the exchange since it started."""
    open_order_lists: KeptLists = field(default_factory=KeptLists)
    """The lists of open orders that this process keeps for a moment."""
    is_chosen: bool = True
    """False while no good policy has named an environment: then only cancels of guardian's own orders go anywhere."""
    connector_to: Callable[[Environment], Connector] | None = None
    """The connector to another environment, for cancels of orders that guardian placed there."""

    def lister(self, scope: Scope) -> OpenOrderLister:
        """What lists the open orders of an account."""
        return OpenOrderLister(kept=self.open_order_lists, scope=scope, monotonic=self.monotonic)

    def elsewhere(self, environment: Environment) -> GateContext | None:
        """The same parts in another environment; None where there is no way to it."""
        if self.connector_to is None:
            return None
        return replace(self, environment=environment, connector=self.connector_to(environment), is_chosen=True)
