"""What most tests of the gate need, in one import: the room, its exchange, and the words of a script."""

from __future__ import annotations

from tests.gate.support.fake_clock import START_MS, FakeClock
from tests.gate.support.fake_exchange import Act, D, FakeExchange, Lost, Placed, instrument
from tests.gate.support.room import ACCOUNT, FakeConnector, Room, denials, limit

__all__ = [
    "ACCOUNT",
    "START_MS",
    "Act",
    "D",
    "FakeClock",
    "FakeConnector",
    "FakeExchange",
    "Lost",
    "Placed",
    "Room",
    "denials",
    "instrument",
    "limit",
]
