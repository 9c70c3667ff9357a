"""Rate limits in virtual time: the endpoints, one process's limits, and ways to take from them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from guardian.domain.trading import Environment
from guardian.exchange.environments import ENDPOINTS, Endpoint, EnvironmentSpec
from guardian.exchange.limits.limits_file import SharedRows
from guardian.exchange.limits.rate_limits import RateLimits, Slot
from tests.exchange.support.virtual_time import VirtualTime

SPEC = EnvironmentSpec(environment=Environment.LIVE)
BY_NAME = {f"{one.method} {one.path}": one for one in ENDPOINTS}
ACCOUNT = BY_NAME["GET /api/v3/account"]
TIME = BY_NAME["GET /api/v3/time"]
ORDER = BY_NAME["POST /api/v3/order"]
CANCEL = BY_NAME["DELETE /api/v3/order"]
SNAPSHOT = BY_NAME["GET /sapi/v1/accountSnapshot"]
WITHDRAWALS = BY_NAME["GET /sapi/v1/capital/withdraw/history"]
POSITIONS = BY_NAME["GET /fapi/v3/positionRisk"]
USED = "X-MBX-USED-WEIGHT-1M"


def limits(world: VirtualTime, path: Path | None = None) -> RateLimits:
    shared = None if path is None else SharedRows(path, world)
    return RateLimits(SPEC, clock=world, shared=shared)


async def take(rates: RateLimits, endpoint: Endpoint, **parameters: str) -> Slot:
    return await rates.take(endpoint, parameters, "me")


async def fill(rates: RateLimits, endpoint: Endpoint = ACCOUNT, **parameters: str) -> int:
    """Take until the next one is refused or would have to wait; how many that were."""
    taken = 0
    while True:
        one = asyncio.create_task(take(rates, endpoint, **parameters))
        for _ in range(3):
            await asyncio.sleep(0)
        if not one.done():
            one.cancel()
        slot = (await asyncio.gather(one, return_exceptions=True))[0]
        if isinstance(slot, BaseException):
            return taken
        rates.settle(slot, {})
        taken += 1
