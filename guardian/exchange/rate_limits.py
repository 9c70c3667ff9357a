"""Waiting as long as the exchange asked to: asking on turns a 429 into a ban, and a ban into a longer one."""

from __future__ import annotations

import math
from collections.abc import Callable

from guardian.errors import ExchangeRateLimited
from guardian.exchange.environments import ApiFamily, Endpoint


class RateLimits:
    """Holds requests back until the time that the exchange named has passed, by the limit that they share."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._held: dict[str, tuple[float, bool]] = {}

    def check(self, endpoint: Endpoint) -> None:
        """Raises ExchangeRateLimited, before anything is signed, while the limit is spent.

        A cancel goes through a 429, since a cancel that succeeds weighs nothing there; a ban refuses it anyway.
        """
        for limit in (endpoint.family.value, _own_limit(endpoint)):
            until, banned = self._held.get(limit, (0.0, False))
            left = until - self._monotonic()
            if left > 0 and (banned or endpoint.method != "DELETE"):
                raise ExchangeRateLimited(math.ceil(left), banned=banned, hint="do not call again before that")

    def note(self, endpoint: Endpoint, limited: ExchangeRateLimited) -> None:
        """Remember what the exchange answered."""
        limit = endpoint.family.value if limited.banned else _own_limit(endpoint)
        self._held[limit] = (self._monotonic() + limited.retry_after_s, limited.banned)


def _own_limit(endpoint: Endpoint) -> str:
    """What a 429 is about: under /sapi the path's budget, for a POST maybe the account's orders, else the family's."""
    if endpoint.family is ApiFamily.WALLET:
        return endpoint.path
    return "POST" if endpoint.method == "POST" else endpoint.family.value
