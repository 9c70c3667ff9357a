"""The limits hold under far too much load."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from pathlib import Path

import pytest

from guardian.errors import ExchangeRateLimited
from guardian.exchange.environments import ApiFamily, Endpoint
from guardian.exchange.limits.rate_limits import RateLimits, Slot
from guardian.exchange.limits.weights import Priority
from tests.exchange.support.limits_setup import ACCOUNT, CANCEL, ORDER, TIME, USED, limits, take
from tests.exchange.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio


@dataclasses.dataclass
class Counting:
    """An exchange that counts in its own windows, on a clock that is off by `skew_ms`."""

    world: VirtualTime
    skew_ms: int
    weights: dict[int, int] = dataclasses.field(default_factory=dict)
    orders: dict[int, int] = dataclasses.field(default_factory=dict)

    def ask(self, slot: Slot, *, is_free: bool) -> dict[str, int]:
        now = self.world.now_ms() + self.skew_ms
        minute, tens = now // 60_000, now // 10_000
        weight = self.weights[minute] = self.weights.get(minute, 0) + (0 if is_free else slot.charges[0].amount)
        said = {USED: weight}
        if len(slot.charges) > 1:
            count = self.orders[tens] = self.orders.get(tens, 0) + 1
            said |= {"X-MBX-ORDER-COUNT-10S": count}
        return said


@pytest.mark.parametrize("seed", range(6))
async def test_nothing_is_asked_past_the_limit_under_heavy_mixed_load(seed: int, tmp_path: Path) -> None:
    """In three minutes of far too much load from two processes, with clocks apart, answers lost and orders refused,
    the exchange counts no window over its limit, and no cancel is refused."""
    dice = random.Random(seed)
    world = VirtualTime()
    exchange = Counting(world, skew_ms=dice.choice([-400, -150, 0, 150, 400]))
    processes = [limits(world, tmp_path / "limits.db") for _ in range(2)]
    listing = {
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 600},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 10},
        ]
    }
    refused = {Priority.READ: 0, Priority.ORDER: 0, Priority.CANCEL: 0}
    for rates in processes:
        rates.learn(ApiFamily.SPOT, "me", listing)

    async def request(rates: RateLimits, endpoint: Endpoint) -> None:
        try:
            slot = await take(rates, endpoint)
        except ExchangeRateLimited:
            refused[Priority.of(endpoint)] += 1
            return
        await world.pause(dice.uniform(0, 0.25))
        is_free = endpoint.method != "GET" and dice.random() < 0.7
        said = exchange.ask(slot, is_free=is_free)
        await world.pause(dice.uniform(0, 0.25))
        rates.settle(slot, said if dice.random() < 0.9 else {})

    tasks = []
    for step in range(1800):
        for _ in range(dice.choice([0, 1, 1, 2, 5])):
            endpoint = dice.choice([ACCOUNT, ACCOUNT, TIME, ORDER])
            tasks.append(asyncio.create_task(request(dice.choice(processes), endpoint)))
        if step % 40 == 0:
            tasks.append(asyncio.create_task(request(dice.choice(processes), CANCEL)))
        await world.until(step / 10)
    await world.until(200)
    await asyncio.gather(*tasks)
    for rates in processes:
        rates.close()
    assert max(exchange.weights.values()) <= 600
    assert max(exchange.orders.values()) <= 10
    assert refused[Priority.CANCEL] == 0
    assert refused[Priority.READ] > 100
    assert sorted(exchange.weights.values())[-2] > 300, "the budget is used, not only kept"
