"""A room whose exchange is the real client in front of a paper exchange, both by the clock of the test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind
from guardian.domain.trading import Environment
from guardian.exchange.environments import EnvironmentSpec
from guardian.exchange.exchange import Exchange
from guardian.gate.recovery.background import RecoveryTask
from guardian.paper.engine.orders import CancelOne, OrderChanged
from guardian.paper.host.standalone import PaperServer
from guardian.paper.rest.weights import cost_of
from tests.gate.support.fake_clock import FakeClock
from tests.gate.support.room import Room


class PaperRoom(Room):
    """Room with a paper exchange, the background task of its process, and what the owner does at the exchange."""

    def __init__(self, folder: Path, paper: PaperServer, clock: FakeClock, *changes: Mapping[str, Any]) -> None:
        super().__init__(folder, *changes, clock=clock)
        self.paper = paper
        self.reconnect()

    def reconnect(self) -> None:
        """A process of its own: another client, gate and background task."""
        keys = ApiKeyPair(
            environment="paper",
            family=KeyFamily.SPOT,
            kind=KeyKind.HMAC,
            api_key=self.paper.api_key,
            signing_key=self.paper.api_secret,
        )
        spec = EnvironmentSpec(environment=Environment.PAPER, paper_endpoint=self.paper.url)
        if isinstance(self.connector.exchange, Exchange):
            self.run(self.connector.exchange.close())
        made: Any = Exchange(spec, spot=keys, futures=None, clock=self.clock)
        self.connector.exchange = self.exchange = made
        self.again()
        self.task = RecoveryTask(context=self.context)

    def close(self) -> None:
        exchange: Any = self.exchange
        self.run(exchange.close())
        super().close()

    def pass_minutes(self, minutes: float) -> None:
        """The background does what is due, as `run_forever` repeats it, for so long by the clock."""
        ends = self.clock.mono + minutes * 60
        while self.clock.mono < ends:
            self.clock.forward(self.run(self.task._guarded_tick()))

    def weights(self, since_ms: int) -> Counter[int]:
        """The weight of what the paper exchange received, by its own table, in each minute from then on."""
        found: Counter[int] = Counter()
        for one in list(self.paper.controls.journal):
            if one.time >= since_ms:
                found[(one.time - since_ms) // 60_000] += cost_of(one.method, one.path, one.params).weight
        return found

    # -- what the owner does at the exchange

    def owner_cancels(self, order_id: int) -> None:
        """The order is cancelled there."""
        with self.paper.venue.at_work() as now:
            order = self.paper.venue.state.orders[order_id]
            self.paper.venue.execute(CancelOne(symbol=order.symbol, order_id=order_id, client_order_id=None), now)

    def expires(self, order_id: int) -> None:
        """The order expires there, as in a maintenance."""
        self.owner_cancels(order_id)
        self._file(order_id, status="EXPIRED")

    def owner_amends(self, order_id: int, name: str) -> None:
        """The order is amended there: it keeps its order id and has another client order id."""
        venue = self.paper.venue
        with venue.at_work():
            venue.state._open_ids.pop(venue.state.orders[order_id].client_order_id)
        self._file(order_id, client_order_id=name)

    def _file(self, order_id: int, **changes: Any) -> None:
        venue = self.paper.venue
        with venue.at_work():
            changed = replace(venue.state.orders[order_id], **changes)
            if changed.is_open:
                venue.state.keep(changed)
                venue.engine.book(changed.symbol).changed(changed)
            else:
                venue.state.orders[order_id] = changed
            venue.history.commit((OrderChanged(changed),), venue.state.checked)


@contextmanager
def a_paper_room(folder: Path, *changes: Mapping[str, Any]) -> Iterator[PaperRoom]:
    """A paper exchange with its room, both by one clock."""
    clock = FakeClock()
    with PaperServer(clock=clock.now_ms, balances={"USDT": "100000000", "BTC": "100", "ETH": "1000"}) as paper:
        for symbol, bid, ask in (("BTCUSDT", "60000", "60001"), ("ETHUSDT", "3000", "3000.10")):
            paper.controls.set_book(symbol, bid, ask)
        room = PaperRoom(folder, paper, clock, *changes)
        try:
            yield room
        finally:
            room.close()
