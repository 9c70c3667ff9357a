"""The slot in the rate limits that an order takes before it is on disk.

It may be taken ahead, while the facts are fetched that the order is judged on, so that the order need not wait for it
then. One that was taken ahead counts for little: where it is not fresh, or the exchange has asked to be left alone
since, it is given back and another one is taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from guardian.errors import ExchangeRateLimited

if TYPE_CHECKING:
    from guardian.exchange.http.client import GuardedClient
    from guardian.exchange.limits.rate_limits import RateLimits, Slot

AFTER_TICKS: Final = 16
"""How many turns of the event loop a slot is taken after the requests of the facts: these are on their way by then."""


@asynccontextmanager
async def slot_ahead(client: GuardedClient, limits: RateLimits) -> AsyncIterator[Slot | None]:
    """Takes a slot for an order that may follow, after a few turns of the event loop; None where none is free now."""
    for _ in range(AFTER_TICKS):
        await asyncio.sleep(0)
    slot: Slot | None = None
    with suppress(ExchangeRateLimited):
        slot = await client.take_order_slot(waits=False)
    try:
        yield slot
    finally:
        if slot is not None:
            limits.give_back(slot)


@asynccontextmanager
async def order_slot(client: GuardedClient, limits: RateLimits, ahead: Slot | None) -> AsyncIterator[Slot]:
    """Yields the slot that was taken ahead where it still holds, else another one; it is given back where unused.

    Raises ExchangeRateLimited, as `RateLimits.take`.
    """
    slot = ahead
    if slot is None or not limits.still_holds(slot):
        if slot is not None:
            limits.give_back(slot)
        slot = await client.take_order_slot()
    try:
        yield slot
    finally:
        limits.give_back(slot)
