"""A clock that was far ahead for a moment: a dead battery before NTP, two systems on one machine, a resumed VM."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardian.domain.codes import Outcome
from guardian.domain.requests import GetTickerPrice
from tests.faults.support.owner import resumes
from tests.gate.support.fakes import Room, denials

GLITCH_S = 25 * 3600


def glitch(room: Room, seconds: int) -> None:
    """The clock is ahead for a moment, and somebody looks; then it is right again, as the exchange's always was."""
    room.clock.wall += seconds * 1000
    room.run(room.resolver.run_once())
    room.call(GetTickerPrice(symbol="BTCUSDT"))
    room.clock.wall -= seconds * 1000


@pytest.mark.parametrize("seconds", [GLITCH_S, 366 * 86_400])
def test_clock_that_was_ahead_for_a_moment_refunds_no_cap(tmp_path: Path, seconds: int) -> None:
    """Of 24 h: what was entered before counts as it did, and what is entered after counts with it.

    Trading halts for it, since it is more than a day: until the owner resumes, nothing is sent.
    """
    caps = {"rolling_notional": [{"window": "24h", "max": "200"}], "max_orders": [{"window": "24h", "max": 4}]}
    room = Room(tmp_path, {"limits": caps, "confirmation": {"required_above": "1000000"}})
    done = [room.ask(price=str(60000 - number)).outcome for number in range(2)]
    glitch(room, seconds)
    assert denials(room.ask(price="59500")) == {"TRADING_HALTED"}
    assert "ahead of this machine's clock" in resumes(room)
    done += [room.ask(price=str(59000 - number)).outcome for number in range(4)]
    assert done == [Outcome.DONE] * 3 + [Outcome.DENIED] * 3
    room.clock.forward(86_401)
    assert room.ask().outcome is Outcome.DONE
    room.close()


def test_clock_that_was_in_another_zone_for_a_moment_refunds_no_cap_and_halts_nothing(tmp_path: Path) -> None:
    """Up to a day ahead, nobody has to do anything."""
    caps = {"rolling_notional": [{"window": "24h", "max": "200"}], "max_orders": [{"window": "24h", "max": 4}]}
    room = Room(tmp_path, {"limits": caps, "confirmation": {"required_above": "1000000"}})
    done = [room.ask(price=str(60000 - number)).outcome for number in range(2)]
    glitch(room, 86_400)
    done += [room.ask(price=str(59000 - number)).outcome for number in range(4)]
    assert done == [Outcome.DONE] * 3 + [Outcome.DENIED] * 3
    room.close()


def test_clock_that_was_ahead_for_a_moment_wedges_nothing(room: Room) -> None:
    """Reads go on for longer than a minute's budget, and once the owner has resumed, tokens run out in their time."""
    room.policy({"limits": {"max_calls_per_minute": 5}}, {"confirmation": {"channel": "chat", "required_above": "0"}})
    glitch(room, 366 * 86_400)
    for _ in range(20):
        room.clock.forward(20)
        assert room.call(GetTickerPrice(symbol="BTCUSDT")).outcome is Outcome.DONE
    resumes(room)
    token = room.propose().confirmation_token
    assert token is not None
    room.clock.forward(301)
    assert denials(room.use(token)) == {"CONFIRMATION_EXPIRED"}
