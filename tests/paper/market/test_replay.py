"""A recorded market played again: complete, uncrossed, equal to every recorded best price, and traded on."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice, pairwise
from pathlib import Path

import pytest

from guardian.errors import ExchangeUnavailable
from guardian.paper.host.standalone import PaperServer
from guardian.paper.market.capture import Capture, Change, RecordedBook, Top, read_capture
from guardian.paper.market.feed import Level
from guardian.paper.market.replay import ReplayFeed
from guardian.paper.market.seeded import SeededFeed
from guardian.paper.rest.rate_limits import WIDE
from tests.paper.support.client import ClientFor
from tests.support.fixtures import RECORDINGS

START = 1_795_000_000_000
BTC = "BTCUSDT"


@dataclass(frozen=True, slots=True)
class Recording:
    """A capture's file, and what is known of it."""

    path: Path
    tickers: int
    """How many bookTickers came after the snapshot."""
    agreed: int
    """How many of them have the update id at which a diff ends."""
    length_ms: tuple[int, int]
    last_price: str
    levels: int
    """Fewer levels a side than the book has at any time."""
    far: str
    """A price that the market never comes near to."""


@pytest.fixture(scope="module", params=["made", pytest.param("recorded", marks=pytest.mark.recorded)])
def recording(request: pytest.FixtureRequest, made_capture: Path) -> Recording:
    """The market made for the tests, and a real one where it is kept."""
    if request.param == "made":
        return Recording(made_capture, 3_287, 658, (131_000, 132_000), "48038.29", 60, "47000")
    real = RECORDINGS / "streams" / "btcusdt_20240808.gz"
    return Recording(real, 28_039, 564, (340_000, 350_000), "61685.99", 500, "60000")


@pytest.fixture(scope="module")
def recorded(recording: Recording) -> Path:
    return recording.path


@pytest.fixture(scope="module")
def capture(recorded: Path) -> Capture:
    return read_capture(recorded)


def test_the_whole_recording_is_played_without_a_gap_and_never_crossed(capture: Capture, recorded: Path) -> None:
    """Every diff follows the one before it; after every single update the best bid is below the best ask."""
    with gzip.open(recorded, "rt") as file:
        events = [json.loads(line.partition(" ")[2]) for line in file]
    snapshot = next(event for event in events if "lastUpdateId" in event)["lastUpdateId"]
    diffs = [event["data"] for event in events if event.get("stream", "").endswith("@depth@100ms")]
    fresh = [diff for diff in diffs if diff["u"] > snapshot]
    played = [update for update in capture.updates if isinstance(update, Change)]
    assert [(one.first_id, one.update_id) for one in played] == [(one["U"], one["u"]) for one in fresh]
    assert played[0].first_id <= snapshot + 1 <= played[0].update_id
    assert all(after.first_id == before.update_id + 1 for before, after in pairwise(played))
    book = RecordedBook(capture.snapshot)
    for update in capture.updates:
        book.apply(update)
        assert book.bids(0, 1)[0].price < book.asks(0, 1)[0].price


def test_the_best_prices_equal_every_recorded_book_ticker_at_its_update_id(
    capture: Capture, recorded: Path, recording: Recording
) -> None:
    """At the update id of each bookTicker since the snapshot the book's top is what was recorded.

    And where a diff ends at the very id of a bookTicker, the book made of diffs alone says the same.
    """
    with gzip.open(recorded, "rt") as file:
        events = [json.loads(line.partition(" ")[2]) for line in file]
    told = {row["u"]: row for event in events if (row := event.get("data", {})) and "B" in row}
    first = capture.snapshot.update_id
    expected = {
        u: (Level(Decimal(row["b"]), Decimal(row["B"])), Level(Decimal(row["a"]), Decimal(row["A"])))
        for u, row in told.items()
        if u > first
    }
    book, diffs_alone = RecordedBook(capture.snapshot), RecordedBook(capture.snapshot)
    seen, agreed = 0, 0
    for update in capture.updates:
        book.apply(update)
        if isinstance(update, Top):
            seen += 1
            assert (book.bids(0, 1)[0], book.asks(0, 1)[0]) == expected[update.update_id]
        else:
            diffs_alone.apply(update)
            if update.update_id in expected:
                agreed += 1
                best = (diffs_alone.bids(0, 1)[0], diffs_alone.asks(0, 1)[0])
                assert best == expected[update.update_id]
    assert (seen, agreed) == (len(expected), recording.agreed)
    assert seen == recording.tickers


def test_between_diffs_the_book_stays_in_order(capture: Capture, recording: Recording) -> None:
    """With a bookTicker ahead of the diffs the levels behind it are still worse, one by one, and whole."""
    book = RecordedBook(capture.snapshot)
    for number, update in enumerate(capture.updates):
        book.apply(update)
        if number % 500 == 3:
            bids, asks = book.bids(0, 5000), book.asks(0, 5000)
            assert [level.price for level in bids] == sorted({level.price for level in bids}, reverse=True)
            assert [level.price for level in asks] == sorted({level.price for level in asks})
            assert bids[:7] + bids[7:20] == book.bids(0, 7) + book.bids(7, 13)
            assert asks[1:9] == book.asks(1, 8)
            assert len(bids) > recording.levels
            assert all(level.quantity > 0 for level in bids + asks)


def test_the_feed_is_a_function_of_time(capture: Capture) -> None:
    """Asked forward, backward and again, in the middle of another answer, a moment is the same moment."""
    feed = ReplayFeed(capture, SeededFeed(1), start=START)
    moments = [START - 5, START - 1, START + 1000, START + 100_000, START + 300_000, feed.end, feed.end + 10**9]

    def look(at: int) -> tuple[list[Level], list[Level], int]:
        return (list(islice(feed.bids(BTC, at), 200)), list(islice(feed.asks(BTC, at), 200)), feed.update_id(BTC, at))

    forward = [look(at) for at in moments]
    assert [look(at) for at in reversed(moments)] == forward[::-1]
    assert forward[0] == forward[1]
    assert forward[-1] == forward[-2]
    assert [row[2] for row in forward] == sorted(row[2] for row in forward)
    slow = feed.bids(BTC, moments[3])
    seen = [next(slow)]
    look(moments[0])
    seen += list(islice(slow, 199))
    assert seen == forward[3][0]


def test_it_is_played_as_fast_as_asked(capture: Capture, recording: Recording) -> None:
    """Twice as fast ends in half the time with the same last price and book; at its end the market does not move."""
    once, twice = (ReplayFeed(capture, SeededFeed(1), start=START, speed=Decimal(speed)) for speed in (1, 2))
    assert recording.length_ms[0] < once.end - START < recording.length_ms[1]
    assert abs((twice.end - START) * 2 - (once.end - START)) <= 2
    assert twice.update_id(BTC, START + 50_000) == once.update_id(BTC, START + 100_000)
    assert twice.last_price(BTC, twice.end) == once.last_price(BTC, once.end) == Decimal(recording.last_price)
    assert list(once.moments(BTC, once.end, once.end + 10**9)) == []
    assert list(once.trades(BTC, once.end, once.end + 10**9)) == []
    late = once.end + 3_600_000
    assert once.average(BTC, late).close_time <= once.end
    assert once.average(BTC, late).price == once.average(BTC, once.end).price


def test_trades_make_the_last_price_the_average_and_the_day(capture: Capture) -> None:
    """All recorded trades come in order and in time; the last price, the average and the day follow from them."""
    feed = ReplayFeed(capture, SeededFeed(1), start=START)
    trades = list(feed.trades(BTC, START - 1, feed.end))
    assert [trade.trade_id for trade in trades] == [trade.trade_id for trade in capture.trades]
    assert all(before.time <= after.time for before, after in pairwise(trades))
    at = START + 120_000
    so_far = list(feed.trades(BTC, START - 1, at))
    assert feed.last_price(BTC, at) == so_far[-1].price
    day = feed.day(BTC, at)
    assert (day.high_price, day.low_price) == (max(t.price for t in so_far), min(t.price for t in so_far))
    assert day.volume == sum(t.quantity for t in so_far)
    value = sum(t.quantity * t.price for t in so_far)
    assert abs(feed.average(BTC, at).price - value / day.volume) <= Decimal("0.00000001")
    assert at - 5000 < feed.average(BTC, at).close_time <= at


def test_moments_are_when_something_happened_and_few_over_long_spans(capture: Capture) -> None:
    """Short spans give every change, the whole recording at most 2000 times with the last one among them."""
    feed = ReplayFeed(capture, SeededFeed(1), start=START)
    second = list(feed.moments(BTC, START, START + 1000))
    assert len(second) > 20
    assert second == sorted(set(second))
    for moment in second[:10]:
        changed = feed.update_id(BTC, moment) != feed.update_id(BTC, moment - 1)
        assert changed or list(feed.trades(BTC, moment - 1, moment))
    everything = list(feed.moments(BTC, START - 1, feed.end + 10))
    assert len(everything) <= 2000
    assert everything[-1] in {feed.end, feed.end - 1}


def test_other_symbols_stay_seeded(capture: Capture) -> None:
    """What was not recorded is the seeded market's."""
    feed, seeded = ReplayFeed(capture, SeededFeed(9), start=START), SeededFeed(9)
    assert next(feed.asks("ETHUSDT", START)) == next(seeded.asks("ETHUSDT", START))
    assert feed.last_price("ETHUSDT", START) == seeded.last_price("ETHUSDT", START)
    assert feed.average("ETHUSDT", START) == seeded.average("ETHUSDT", START)


def test_own_orders_are_filled_by_the_recorded_market(
    capture: Capture, recording: Recording, client_for: ClientFor
) -> None:
    """An order at the recorded best bid fills as the recording continues, as maker and at its own price; one far below
    never does; a taker pays the recorded ask."""
    clock = [START]
    feed = ReplayFeed(capture, SeededFeed(1), start=START)
    with PaperServer(feed=feed, clock=lambda: clock[0], balances={"USDT": "1000000"}, limits=WIDE) as server:
        client = client_for(server.endpoint)
        clock[0] = START + 10_000
        ticker = client.public("/api/v3/ticker/bookTicker", symbol=BTC).json
        bought = client.order(type="MARKET", quantity="0.001", timestamp=clock[0]).json
        assert bought["fills"][0]["price"] == ticker["askPrice"]
        near = client.order(price=ticker["bidPrice"], quantity="0.01", timestamp=clock[0]).json
        far = client.order(price=recording.far, quantity="0.01", timestamp=clock[0]).json
        assert near["status"] == "NEW"
        for _ in range(60):
            clock[0] += 5000
            client.public("/api/v3/time")
        rows = {
            row["orderId"]: row
            for row in client.signed("GET", "/api/v3/allOrders", symbol=BTC, timestamp=clock[0]).json
        }
        assert rows[near["orderId"]]["status"] == "FILLED"
        assert rows[far["orderId"]]["status"] == "NEW"
        trades = client.signed("GET", "/api/v3/myTrades", symbol=BTC, timestamp=clock[0]).json
        own = [trade for trade in trades if trade["orderId"] == near["orderId"]]
        assert {(trade["price"], trade["isMaker"]) for trade in own} == {(ticker["bidPrice"], True)}
        assert server.troubles == []


def lines(*events: dict[str, object]) -> str:
    return "".join(f"{number} {json.dumps(event)}\n" for number, event in enumerate(events, 1_000_000_000))


SNAPSHOT = {"lastUpdateId": 10, "bids": [["99", "1"], ["98", "2"]], "asks": [["101", "1"]]}


def diff(first: int, last: int, bids: list[list[str]], asks: list[list[str]]) -> dict[str, object]:
    return {"e": "depthUpdate", "s": BTC, "U": first, "u": last, "b": bids, "a": asks}


def test_a_plain_small_capture_without_stream_names_is_played(tmp_path: Path) -> None:
    """A plain file works as a packed one does; a price that goes over to the other side does so whole."""
    file = tmp_path / "small.txt"
    file.write_text(
        lines(
            SNAPSHOT,
            diff(8, 11, [], [["101", "3"]]),
            diff(12, 13, [["101", "5"]], [["101", "0"], ["102", "1"]]),
            diff(14, 14, [["101", "0"]], []),
        )
    )
    made = read_capture(file)
    book, tops = RecordedBook(made.snapshot), []
    for update in made.updates:
        book.apply(update)
        tops.append((book.bids(0, 1)[0], book.asks(0, 1)[0]))
    one, two, five = Decimal(1), Decimal(2), Decimal(5)
    assert tops == [
        (Level(Decimal(99), one), Level(Decimal(101), Decimal(3))),
        (Level(Decimal(101), five), Level(Decimal(102), one)),
        (Level(Decimal(99), one), Level(Decimal(102), one)),
    ]
    assert book.bids(1, 9) == [Level(Decimal(98), two)]
    feed = ReplayFeed(made, SeededFeed(1), start=START)
    assert feed.last_price(BTC, START) == 99
    assert feed.average(BTC, START).price == 99


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "no depth snapshot"),
        ("not a capture", "line 1"),
        ("1 {", "line 1"),
        ("1 []", "line 1"),
        (lines(SNAPSHOT), "holds not one symbol"),
        (lines(diff(11, 12, [], [])), "no depth snapshot"),
        (lines(SNAPSHOT, diff(12, 13, [], [])), "a gap before update 12"),
        (lines(SNAPSHOT, diff(9, 11, [], []), diff(13, 14, [], [])), "a gap before update 13"),
        (lines(SNAPSHOT, diff(9, 11, [["-1", "2"]], [])), "line 2"),
        (lines(SNAPSHOT, diff(9, 11, [["NaN", "2"]], [])), "line 2"),
        (lines(SNAPSHOT, diff(9, 11, [], []), diff(12, 12, [], []) | {"s": "ETHUSDT"}), "holds not one symbol"),
    ],
)
def test_what_is_no_capture_is_refused_with_the_line(tmp_path: Path, content: str, says: str) -> None:
    """A file that is not one symbol's capture without gaps is not played in part."""
    file = tmp_path / "bad.txt"
    file.write_text(content)
    with pytest.raises(ExchangeUnavailable) as caught:
        read_capture(file)
    assert says in caught.value.message


def test_damaged_gzip_and_unlisted_symbols_are_refused(tmp_path: Path) -> None:
    """A packed file that is cut short, and a market that the exchange does not list, are errors in words."""
    file = tmp_path / "cut.gz"
    file.write_bytes(gzip.compress(lines(SNAPSHOT).encode() * 50)[:60])
    with pytest.raises(ExchangeUnavailable, match="cannot be read"):
        read_capture(file)
    other = tmp_path / "other.txt"
    other.write_text(lines(SNAPSHOT, diff(9, 11, [], []) | {"s": "DOGEUSDT"}))
    with pytest.raises(ExchangeUnavailable, match="DOGEUSDT"):
        ReplayFeed(read_capture(other), SeededFeed(1), start=START)
