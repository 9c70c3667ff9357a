"""Reads are asked again where only the way failed; orders and cancels never are."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

import pytest

from guardian.domain.requests import GetPositionInfo
from guardian.errors import ExchangeRateLimited, ExchangeRejected, ExchangeUnavailable, GuardianError, OutcomeUnknown
from guardian.exchange.environments import ApiFamily
from guardian.exchange.http.retrying import FIRST_PAUSE_S, LONGEST_PAUSE_S, MOST_TRIES, pauses
from tests.exchange.http.test_error_mapping import Act, cancel, place, read, refusal
from tests.exchange.support.exchange_samples import ANSWERS, answer
from tests.exchange.support.exchange_setup import exchange_at, served
from tests.exchange.support.loopback_exchange import Seen, Told

pytestmark = pytest.mark.anyio

PASSING = {
    "500": Told(status=500, body=b""),
    "502": Told(status=502, body=b"<html>", content_type="text/html"),
    "503": Told(status=503, body={"code": -1008, "msg": "x"}),
    "504": Told(status=504, body={"code": -1007, "msg": "x"}),
    "dropped": Told(close_first=True),
    "silent": Told(hang=True),
}
LASTING = {
    "400": refusal(400, -1121),
    "401": refusal(401, -2015),
    "403": Told(status=403, body=b"<html>"),
    "404": Told(status=404, body=b"<html>"),
    "not json": Told(body=b"not json"),
    "redirect": Told(status=302, body=b"", headers={"Location": "http://127.0.0.1:9/"}),
    "429": Told(status=429, body=b"", headers={"Retry-After": "30"}),
    "418": Told(status=418, body=b"", headers={"Retry-After": "30"}),
}


def first(number: int, told: Told) -> Callable[[Seen], object]:
    """The first N requests are answered with `told`, the others as they should be."""
    left = [told] * number

    def reply(seen: Seen) -> object:
        return left.pop() if left else answer(seen.method, seen.path)

    return reply


class Pauses:
    """Remembers the pauses, and takes no time."""

    def __init__(self) -> None:
        self.made: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.made.append(seconds)
        await asyncio.sleep(0)


@pytest.mark.parametrize("told", PASSING.values(), ids=PASSING)
async def test_read_is_asked_again_where_only_the_way_failed(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that fails twice on the way succeeds with the third try, each with a timestamp of its own."""
    now = [1_700_000_000_000]

    def next_ms() -> int:
        now[0] += 1
        return now[0]

    async with served(first(2, told), now=next_ms) as (server, exchange):
        exchange._client().SILENCE_S = 0.15
        assert (await exchange.balances()).balances
    assert len(server.seen) == 3
    assert len({seen.parameters["timestamp"] for seen in server.seen}) == 3


@pytest.mark.parametrize("told", PASSING.values(), ids=PASSING)
async def test_read_is_asked_three_times_at_most(told: Told) -> None:
    """After the third failure the read has failed."""
    async with served(lambda _: told) as (server, exchange):
        exchange._client().SILENCE_S = 0.15
        with pytest.raises(ExchangeUnavailable):
            await read(exchange)
    assert len(server.seen) == MOST_TRIES == 3


@pytest.mark.parametrize("told", LASTING.values(), ids=LASTING)
async def test_what_will_not_pass_is_asked_once(told: Told) -> None:
    """A refusal, a redirect, an answer that is no answer, and a request to slow down are not asked about again."""
    async with served(lambda _: told) as (server, exchange):
        with pytest.raises(GuardianError):
            await read(exchange)
    assert len(server.seen) == 1


@pytest.mark.parametrize("told", (PASSING | LASTING).values(), ids=PASSING | LASTING)
@pytest.mark.parametrize("write", [place, cancel])
async def test_writes_are_sent_once_whatever_happens(write: Act, told: Told) -> None:
    """The exchange sees exactly one request for an order or a cancel, whatever it answers, and no pause is made."""
    made = Pauses()
    async with served(lambda _: told, timeout_s=0.2, pause=made) as (server, exchange):
        with pytest.raises((OutcomeUnknown, ExchangeRejected, ExchangeRateLimited)):
            await write(exchange)
        await asyncio.sleep(0.05)
    assert [seen.method for seen in server.seen] == [server.seen[0].method]
    assert made.made == []


async def test_timestamp_refusal_of_a_write_is_not_asked_again() -> None:
    """-1021 on an order or a cancel is a rejection; nothing is sent again and no clock is asked on its way."""
    async with served(lambda _: refusal(400, -1021)) as (server, exchange):
        for write in (place, cancel):
            with pytest.raises(ExchangeRejected):
                await write(exchange)
    assert [seen.method for seen in server.seen] == ["POST", "DELETE"]


async def test_refused_connection_is_tried_again_for_reads_alone() -> None:
    """Where nobody listens a read pauses twice and fails; a write fails at once."""
    made = Pauses()
    async with exchange_at("http://127.0.0.1:1", pause=made) as exchange:
        with pytest.raises(ExchangeUnavailable):
            await read(exchange)
        assert len(made.made) == 2
        with pytest.raises(GuardianError):
            await place(exchange)
        assert len(made.made) == 2


@pytest.mark.parametrize("seed", range(20))
def test_jitter_is_bounded_and_spread(seed: int) -> None:
    """Each pause is between nothing and a bound that doubles and ends at 2 s, and no two draws are the same."""
    dice = random.Random(seed)
    made = [list(pauses(dice.random)) for _ in range(200)]
    for number in range(MOST_TRIES - 1):
        bound = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**number)
        column = [one[number] for one in made]
        assert 0 <= min(column) <= max(column) <= bound
        assert max(column) - min(column) > bound / 2


async def test_pauses_are_drawn_from_the_dice_that_are_handed_in() -> None:
    """The pauses between tries follow the randomness that came in."""
    made = Pauses()
    async with served(lambda _: Told(status=503, body=b""), pause=made, random_fraction=lambda: 0.5) as (_, exchange):
        with pytest.raises(ExchangeUnavailable):
            await read(exchange)
    assert made.made == [FIRST_PAUSE_S / 2, FIRST_PAUSE_S]


async def test_tries_end_with_the_time_out_of_the_read() -> None:
    """No try begins after the read's 10 s are over, and none lasts beyond them."""
    elapsed = [0.0]

    def reply(_: Seen) -> object:
        elapsed[0] += 4
        return Told(status=503, body=b"")

    async def pause(seconds: float) -> None:
        elapsed[0] += 3

    async with served(reply, monotonic=lambda: elapsed[0], pause=pause) as (server, exchange):
        with pytest.raises(ExchangeUnavailable):
            await read(exchange)
    assert len(server.seen) == 2
    started = time.perf_counter()
    async with served(lambda _: Told(hang=True), timeout_s=0.3) as (server, exchange):
        with pytest.raises(ExchangeUnavailable):
            await read(exchange)
    assert time.perf_counter() - started < 2
    assert len(server.seen) == 1


# -- the clock


@pytest.mark.parametrize("family", [ApiFamily.SPOT, ApiFamily.FUTURES])
async def test_timestamp_refusal_of_a_read_measures_that_hosts_clock_and_asks_once_more(family: ApiFamily) -> None:
    """-1021 on a signed read measures the clock of its own host, once, and the second try is stamped by it."""
    base: int = ANSWERS["/api/v3/time"]["serverTime"]
    path = "/fapi/v3/positionRisk" if family is ApiFamily.FUTURES else "/api/v3/account"

    def reply(seen: Seen) -> object:
        if seen.path == path and abs(int(seen.parameters["timestamp"]) - base) > 1_000:
            return refusal(400, -1021)
        return answer(seen.method, seen.path)

    async with served(reply, now=lambda: base + 7_000, monotonic=lambda: 5.0) as (server, exchange):
        ask = read if family is ApiFamily.SPOT else (lambda e: e.positions(GetPositionInfo()))
        await ask(exchange)
        await ask(exchange)
    time_path = "/fapi/v1/time" if family is ApiFamily.FUTURES else "/api/v3/time"
    # A skew of 7 s is measured twice, since a first measurement may have paid for connecting.
    assert [seen.path for seen in server.seen] == [path, time_path, time_path, path, path]


async def test_timestamp_refusal_that_lasts_is_told() -> None:
    """Where the exchange refuses the timestamp again the read has failed, after two tries."""

    def reply(seen: Seen) -> object:
        return refusal(400, -1021) if seen.path == "/api/v3/account" else answer(seen.method, seen.path)

    async with served(reply) as (server, exchange):
        with pytest.raises(ExchangeRejected):
            await read(exchange)
    assert [seen.path for seen in server.seen].count("/api/v3/account") == 2


async def test_timestamp_refusal_to_everything_ends() -> None:
    """An exchange that answers -1021 even to the question for its time is asked no more than twice."""
    async with served(lambda _: refusal(400, -1021)) as (server, exchange):
        with pytest.raises(ExchangeRejected):
            await read(exchange)
    assert len(server.seen) == 2


async def test_clocks_of_the_hosts_are_apart() -> None:
    """The skew to the futures host says nothing about the spot host."""
    base: int = ANSWERS["/api/v3/time"]["serverTime"]

    def reply(seen: Seen) -> object:
        return {"serverTime": base + 3_000} if seen.path == "/fapi/v1/time" else answer(seen.method, seen.path)

    async with served(reply, now=lambda: base, monotonic=lambda: 1.0) as (server, exchange):
        assert await exchange.clock_skew_ms() == 0
        assert await exchange.clock_skew_ms(ApiFamily.FUTURES) == -3_000
        await read(exchange)
        await exchange.positions(GetPositionInfo())
    stamps = {seen.path: int(seen.parameters["timestamp"]) - base for seen in server.seen if "timestamp" in seen.target}
    assert stamps == {"/api/v3/account": 0, "/fapi/v3/positionRisk": 3_000}


async def test_many_at_once_measure_the_clock_once() -> None:
    """Ten callers at once wait for one measurement."""
    async with served(now=lambda: ANSWERS["/api/v3/time"]["serverTime"], monotonic=lambda: 1.0) as (server, exchange):
        await asyncio.gather(*(exchange.clock_skew_ms() for _ in range(10)))
    assert len(server.seen) == 1


async def test_measurement_corrects_cancels_for_ten_minutes() -> None:
    """A cancel is stamped by a measurement that is too old to judge an order by, for it drifts by little."""
    base: int = ANSWERS["/api/v3/time"]["serverTime"]
    elapsed = [0.0]

    def now() -> int:
        return base + 4_000 + round(elapsed[0] * 1000)

    async with served(now=now, monotonic=lambda: elapsed[0]) as (server, exchange):
        await exchange.clock_skew_ms()
        for later in (300.0, 599.0, 601.0):
            elapsed[0] = later
            await exchange.cancel_order("BTCUSDT", order_id=28, timestamp_ms=now())
    stamps = [int(seen.parameters["timestamp"]) - base for seen in server.seen if seen.method == "DELETE"]
    assert stamps == [300_000, 599_000, 605_000]
