"""Endpoints: a method, a path, who may call it, and a function from a call to JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from guardian.paper.engine.refusals import invalid_symbol
from guardian.paper.market.symbols import LISTINGS, Listing
from guardian.paper.rest.parameters import SYMBOL, Parameters
from guardian.paper.rest.rate_limits import Meter
from guardian.paper.venue import Venue


class Security(Enum):
    """Who may call an endpoint."""

    NONE = auto()
    """Everybody."""
    SIGNED = auto()
    """Whoever signs with a key."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request while it is answered: its parameters, the exchange, and the exchange's time in milliseconds."""

    params: Parameters
    venue: Venue
    now: int
    meter: Meter
    """The rate limits, and what has been counted against them."""

    def listing(self) -> Listing:
        """Returns the listing of the mandatory `symbol`.

        Raises:
            ExchangeRejected: -1102, -1100 or -1121.
        """
        listing = LISTINGS.get(self.params.needed("symbol", SYMBOL))
        if listing is None:
            raise invalid_symbol()
        return listing

    def optional_listing(self) -> Listing | None:
        """As `listing`, and None where no symbol was sent."""
        return self.listing() if self.params.text("symbol") is not None else None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of the requests that the exchange answers."""

    method: str
    path: str
    security: Security
    answer: Callable[[Call], object]
    strict: bool = True
    """Whether parameters that nobody read are refused, as `/api` does and `/sapi` and `/fapi` do not."""
