"""Somebody who looks on while guardian's processes trade: at every order that arrives, and at what is open meanwhile.

What is found after a run can have put itself right by then; what is seen in the middle of it has happened.
"""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from guardian.domain.order_states import LIVE_STATES, UNRESOLVED_STATES
from guardian.errors import StoreError
from guardian.paper.rest import app
from guardian.store.log.read_only import database_path, read_only
from tests.longrun.desk import OPEN_AT_EXCHANGE, held
from tests.support.world import World

Standing = Mapping[str, Mapping[str, str]]
EVERY_S = 0.02
_RESERVED = "SELECT audit.phase FROM audit JOIN orders USING (client_order_id) WHERE client_order_id = ?"
_ORDERS = "SELECT client_order_id, state, quantity, executed_quantity FROM orders"
_LIVE = frozenset(state.value for state in LIVE_STATES)
_UNRESOLVED = frozenset(state.value for state in UNRESOLVED_STATES)


class Witness:
    """What was seen. `wrong` is what must not be."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._began = held(world)
        self._over = threading.Event()
        self.wrong: list[str] = []
        self.arrivals = 0
        self.looks = 0
        self.most_open = Decimal(0)
        """The highest that open orders were worth at the exchange, seen at any moment."""
        self.most_orders = 0
        self.most_held = Decimal(0)
        """The highest that was held and on order of the base asset."""

    def arrival(self, name: str | None) -> None:
        """An order comes in: its intent and its reservation are on disk by now, or this is wrong."""
        self.arrivals += 1
        try:
            with read_only(database_path(self._world.home)) as connection:
                found = connection.execute(_RESERVED, (name,)).fetchall()
        except Exception as error:  # noqa: BLE001 - whatever the reason, there was nothing to be seen
            found = [(repr(error),)]
        if found != [("intent",)]:
            self.wrong.append(f"{name} arrived with {found} on disk")

    def watch(self) -> None:
        while not self._over.wait(EVERY_S):
            try:
                self.look()
            except (sqlite3.OperationalError, StoreError) as error:
                if self.looks:  # before the first look it may be that the store is only being made
                    self.wrong.append(f"the store could not be read: {error!r}")

    def look(self) -> None:
        """Hold the store against what was there before and still is after it was read."""
        if not database_path(self._world.home).exists():
            return
        owned = held(self._world) - self._began  # before the orders: what fills in between is counted once
        before = self._standing()
        with read_only(database_path(self._world.home)) as connection:
            rows = connection.execute(_ORDERS).fetchall()
        after = self._standing()
        stood = {
            name: Decimal(quantity) if state in _UNRESOLVED else Decimal(quantity) - Decimal(executed)
            for name, state, quantity, executed in rows
            if state in _LIVE | _UNRESOLVED
        }
        for name in before.keys() & after.keys():
            left = _left(after[name])
            if stood.get(name, Decimal(0)) < left:
                self.wrong.append(f"{name} had {left} open at the exchange and {stood.get(name)} in the store")
        self.looks += 1
        worth = sum((Decimal(order["price"]) * _left(order) for order in before.values()), Decimal(0))
        self.most_open = max(self.most_open, worth)
        self.most_orders = max(self.most_orders, len(before))
        self.most_held = max(self.most_held, owned + sum(map(_left, before.values()), Decimal(0)))

    def _standing(self) -> Standing:
        taken = self._world.controls.orders()
        return {order["clientOrderId"]: order for order in taken if order["status"] in OPEN_AT_EXCHANGE}

    def end(self) -> None:
        self._over.set()


def _left(order: Mapping[str, str]) -> Decimal:
    return Decimal(order["origQty"]) - Decimal(order["executedQty"])


@contextmanager
def witnessed(world: World) -> Iterator[Witness]:
    """Somebody looks on for as long as this lasts."""
    witness = Witness(world)
    real = app.Received

    def received(**fields: Any) -> app.Received:
        if (fields["method"], fields["path"]) == ("POST", "/api/v3/order"):
            witness.arrival(fields["params"].get("newClientOrderId"))
        return real(**fields)

    thread = threading.Thread(target=witness.watch, daemon=True)
    with patch.object(app, "Received", received):
        thread.start()
        try:
            yield witness
        finally:
            witness.end()
            thread.join()
            if witness.looks:
                witness.look()


@contextmanager
def restless_market(world: World, seed: int, every_s: float = 0.03) -> Iterator[None]:
    """Prices that move and books that are thin, so that what rests is filled now and then, and in part."""
    dice, over = random.Random(seed), threading.Event()

    def move() -> None:
        while not over.wait(every_s):
            bid = dice.randrange(59_600, 60_300)
            world.controls.set_book("BTCUSDT", str(bid), str(bid + 1), f"0.00{dice.randrange(1, 60):02}")

    thread = threading.Thread(target=move, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        world.market("60000", "60001")
