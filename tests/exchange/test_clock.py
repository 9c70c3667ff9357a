"""The skew of the local clock, and what is corrected by it."""

from __future__ import annotations

import time

import pytest

from guardian.errors import ExchangeRateLimited, ExchangeRejected, ExchangeUnavailable, NotSent
from guardian.exchange.clock import MEASURED_WITHIN_S, ExchangeClock
from guardian.exchange.session import MEASURED_HINT, NOT_MEASURED_HINT
from tests.exchange.http.test_error_mapping import ID
from tests.exchange.http.test_wire import limit_order
from tests.exchange.support.exchange_samples import ANSWERS, answer
from tests.exchange.support.exchange_setup import now_ms, served
from tests.exchange.support.loopback_exchange import LoopbackExchange, Seen, Told
from tests.support.clock import ClockOf
from tests.support.present import present

pytestmark = pytest.mark.anyio


class World:
    """A wall clock, a monotonic clock and an exchange, all moved by hand."""

    def __init__(self, skew_ms: int = 0, trips_s: tuple[float, ...] = (0.02,)) -> None:
        self.mono, self.wall_offset, self.skew_ms = 100.0, 1_700_000_000_000, skew_ms
        self.trips = list(trips_s)
        self.asked = 0

    def now_ms(self) -> int:
        return round(self.mono * 1000) + self.wall_offset

    def monotonic(self) -> float:
        return self.mono

    async def server_time(self) -> int:
        trip = self.trips[min(self.asked, len(self.trips) - 1)]
        self.asked += 1
        self.mono += trip / 2
        seen = self.now_ms() - self.skew_ms
        self.mono += trip / 2
        return seen

    def clock(self) -> ExchangeClock:
        return ExchangeClock(self.server_time, ClockOf(self.now_ms, self.monotonic))


@pytest.mark.parametrize("skew_ms", [0, 7, -90, 250, -5_000, 86_400_000])
async def test_skew_is_local_less_exchange(skew_ms: int) -> None:
    """The skew is measured against the middle of the round trip."""
    assert await World(skew_ms).clock().skew_ms() == skew_ms


async def test_measurement_is_kept_for_a_minute() -> None:
    """A minute's calls cost one request."""
    world = World()
    clock = world.clock()
    for _ in range(5):
        await clock.skew_ms()
        world.mono += 10
    assert world.asked == 1
    world.mono += 11
    await clock.skew_ms()
    assert world.asked == 2


@pytest.mark.parametrize("jump_ms", [-3_600_000, -300, 300, 3_600_000])
async def test_jump_of_the_wall_clock_is_noticed(jump_ms: int) -> None:
    """A clock that was set, or a machine that slept, is measured again at once."""
    world = World(skew_ms=5)
    clock = world.clock()
    await clock.skew_ms()
    world.wall_offset += jump_ms
    world.skew_ms += jump_ms
    assert await clock.skew_ms() == 5 + jump_ms


async def test_first_slow_round_trip_is_measured_again() -> None:
    """A first measurement that paid for connecting is replaced by a quicker one."""
    world = World(skew_ms=3, trips_s=(0.9, 0.05))
    assert await world.clock().skew_ms() == 3
    assert world.asked == 2


async def test_exchange_that_is_too_slow_cannot_be_told() -> None:
    """Where half of the round trip is about the bound that is judged, there is no answer."""
    world = World(trips_s=(2.0,))
    with pytest.raises(ExchangeUnavailable):
        await world.clock().skew_ms()
    assert world.clock().correction_ms() == 0


async def test_reads_and_cancels_are_corrected_and_orders_are_not() -> None:
    """With a clock that is 4 s ahead reads and cancels are stamped in the exchange's time, an order as it was fixed."""
    mono = [50.0]
    base: int = ANSWERS["/api/v3/time"]["serverTime"]

    def now_ms() -> int:
        return base + 4_000

    async with served(now=now_ms, monotonic=lambda: mono[0]) as (server, exchange):
        assert await exchange.clock_skew_ms() == 4_000
        await exchange.balances()
        await exchange.cancel_order("BTCUSDT", client_order_id=ID, timestamp_ms=now_ms())
        await exchange.place_order(limit_order(), client_order_id=ID, timestamp_ms=now_ms())
    stamps = [int(seen.parameters["timestamp"]) - base for seen in server.seen if "timestamp" in seen.parameters]
    assert stamps == [0, 0, 4_000]


async def test_timestamp_refusal_makes_the_clock_be_measured_again() -> None:
    """-1021 says that the kept skew is wrong."""
    refuse = [True]

    def reply(seen: Seen) -> object:
        if seen.path == "/api/v3/account" and refuse:
            return Told(
                status=400, body={"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
            )
        return answer(seen.method, seen.path)

    base: int = ANSWERS["/api/v3/time"]["serverTime"]
    async with served(reply, now=lambda: base, monotonic=lambda: 1.0) as (server, exchange):
        await exchange.clock_skew_ms()
        await exchange.clock_skew_ms()
        with pytest.raises(ExchangeRejected) as caught:
            await exchange.balances()
        assert "clock" in present(caught.value.hint)
        await exchange.clock_skew_ms()
    assert [seen.path for seen in server.seen].count("/api/v3/time") == 2


async def test_suspended_machine_does_not_send_what_it_had_fixed() -> None:
    """An order fixed before a suspend of an hour is NotSent on waking."""
    now = [1_700_000_000_000]
    async with served(now=lambda: now[0]) as (server, exchange):
        stamp = now[0]
        now[0] += 3_600_000
        with pytest.raises(NotSent):
            await exchange.place_order(limit_order(), client_order_id=ID, timestamp_ms=stamp)
    assert server.seen == []


REFUSED = {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
BASE = ANSWERS["/api/v3/time"]["serverTime"]


def strict(seen: Seen) -> object:
    """An exchange at `BASE` that refuses what is more than 5 s off."""
    stamp = seen.parameters.get("timestamp")
    if stamp is not None and not BASE - 5_000 <= int(stamp) <= BASE + 1_000:
        return Told(status=400, body=REFUSED)
    return answer(seen.method, seen.path)


def asked(server: LoopbackExchange) -> list[tuple[str, str]]:
    return [(seen.method, seen.path.rsplit("/", 1)[1]) for seen in server.seen]


TIME, DELETE = ("GET", "time"), ("DELETE", "order")


@pytest.mark.parametrize("off_ms", [-30_000, 30_000, 86_400_000])
async def test_first_cancel_of_a_process_is_stamped_in_the_exchanges_time(off_ms: int) -> None:
    """A process that has measured nothing yet measures before its first cancel, once, and the cancel is done."""
    async with served(strict, measures=True, now=lambda: BASE + off_ms, monotonic=lambda: 1.0) as (server, exchange):
        for _ in range(2):
            await exchange.cancel_order("BTCUSDT", client_order_id=ID, timestamp_ms=BASE + off_ms)
    assert asked(server) == [TIME, TIME, DELETE, DELETE]  # a great skew is measured twice


async def test_cancel_after_a_jump_of_the_clock_measures_first() -> None:
    """A measurement that is no longer good is not what a cancel is stamped by."""
    off = [0]
    async with served(strict, measures=True, now=lambda: BASE + off[0], monotonic=lambda: 1.0) as (server, exchange):
        await exchange.cancel_order("BTCUSDT", client_order_id=ID, timestamp_ms=BASE)
        off[0] = 60_000
        await exchange.cancel_order("BTCUSDT", client_order_id=ID, timestamp_ms=BASE + 60_000)
    assert asked(server) == [TIME, DELETE, TIME, TIME, DELETE]


@pytest.mark.parametrize("status", [500, 429, 418, 403])
async def test_cancel_is_sent_where_the_clock_cannot_be_measured(status: int) -> None:
    """What keeps the clock from being measured does not keep a cancel back, unless it is a ban of all requests."""

    def reply(seen: Seen) -> object:
        if seen.path == "/api/v3/time":
            return Told(status=status, body=b"", headers={"Retry-After": "30"})
        return answer(seen.method, seen.path)

    async with served(reply, measures=True, now=lambda: BASE, monotonic=lambda: 1.0) as (server, exchange):
        for _ in range(3):
            if status == 418:
                with pytest.raises(ExchangeRateLimited):
                    await exchange.cancel_order("BTCUSDT", client_order_id=ID, timestamp_ms=BASE)
            else:
                await exchange.cancel_order("BTCUSDT", client_order_id=ID, timestamp_ms=BASE)
        times = asked(server).count(TIME)
        assert asked(server)[times:] == [DELETE] * (0 if status == 418 else 3), "only the first waits for it"


async def test_cancel_waits_for_the_clock_no_longer_than_two_seconds() -> None:
    """An exchange whose clock hangs is sent the cancel all the same, the next one at once."""

    def reply(seen: Seen) -> object:
        return Told(hang=True) if seen.path == "/api/v3/time" else answer(seen.method, seen.path)

    async with served(reply, measures=True) as (server, exchange):
        started = time.monotonic()
        await exchange.cancel_order("BTCUSDT", client_order_id=ID, timestamp_ms=now_ms())
        assert time.monotonic() - started < MEASURED_WITHIN_S + 1
        started = time.monotonic()
        await exchange.cancel_order("BTCUSDT", client_order_id=ID, timestamp_ms=now_ms())
        assert time.monotonic() - started < 1
    assert asked(server).count(DELETE) == 2


@pytest.mark.parametrize("measured", [True, False])
async def test_refused_timestamp_of_a_cancel_says_that_nothing_was_cancelled(measured: bool) -> None:
    """A DELETE is never sent again by itself: the clock is measured again, and the hint says what to do."""
    refuse = [True]

    def reply(seen: Seen) -> object:
        if seen.path == "/api/v3/time" and not measured:
            return Told(status=500, body=b"")
        if seen.method == "DELETE" and refuse:
            refuse.clear()
            return Told(status=400, body=REFUSED)
        return answer(seen.method, seen.path)

    async with served(reply, measures=True, now=lambda: BASE, monotonic=lambda: 1.0) as (server, exchange):
        with pytest.raises(ExchangeRejected) as caught:
            await exchange.cancel_order("BTCUSDT", client_order_id=ID, timestamp_ms=BASE)
        assert caught.value.code == -1021
        assert caught.value.hint == (MEASURED_HINT if measured else NOT_MEASURED_HINT)
        assert "nothing was cancelled" in present(caught.value.hint)
        if measured:
            assert asked(server) == [TIME, DELETE, TIME]
        assert asked(server).count(DELETE) == 1
        await exchange.cancel_order("BTCUSDT", client_order_id=ID, timestamp_ms=BASE)
