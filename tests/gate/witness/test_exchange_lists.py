"""The lists of the exchange are read page by page, without haste, and what is missing of them is known."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from guardian.domain.orders import Fill
from guardian.errors import ExchangeRateLimited, ExchangeUnavailable
from guardian.gate.witness import exchange_lists
from guardian.gate.witness.exchange_lists import BETWEEN_PAGES_S, LONGEST_WAIT_S, ExchangeLists, ListedHistory
from tests.gate.support.fake_clock import FakeClock
from tests.gate.support.fake_exchange import FakeExchange
from tests.gate.witness.test_comparison import REPORT, D


class Lists:
    """A fake exchange with many orders, each of two executions, read in pages of three."""

    def __init__(self, orders: int) -> None:
        self.exchange = FakeExchange(FakeClock())
        self.pauses: list[float] = []
        fill = Fill(price=D(100), quantity=D(1), commission=D(0), commission_asset="BNB")
        for number in range(1, orders + 1):
            name = f"g1-{number}"
            self.exchange.reports[name] = replace(REPORT, client_order_id=name, order_id=number * 10)
            self.exchange.trades[number * 10] = (fill, fill)

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def read(self, first_id: int | None, executed: tuple[int, ...] = ()) -> ListedHistory:
        lists = ExchangeLists(self.exchange, self._pause)  # type: ignore[arg-type]  # as the real one
        return asyncio.run(lists.of_symbol("BTCUSDT", first_id, executed))


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_lists, "PAGE", 3)


def ids(listed: ListedHistory) -> list[int]:
    return [report.order_id for report in listed.reports]


def test_all_orders_from_the_first_of_guardians_on_are_read_in_pages() -> None:
    """Every one once, with a pause between requests; without executed orders no executions are listed."""
    lists = Lists(8)
    listed = lists.read(20)
    assert (ids(listed), listed.is_whole, listed.trades) == ([20, 30, 40, 50, 60, 70, 80], True, None)
    assert [fields["order_id"] for _, fields in lists.exchange.asked] == [20, 41, 71]
    assert lists.pauses == [BETWEEN_PAGES_S] * 2


def test_without_an_order_of_guardians_the_newest_are_read() -> None:
    """Where the log was cut off there is nothing to begin at."""
    lists = Lists(8)
    assert ids(lists.read(None)) == [60, 70, 80]


def test_executions_are_read_from_the_first_of_guardians_on() -> None:
    """Its own list tells the number that the pages begin at."""
    listed = Lists(5).read(30, (30, 40, 50))
    assert listed.trades is not None
    assert {order: [trade.trade_id for trade in trades] for order, trades in listed.trades.items()} == {
        30: [5, 6], 40: [7, 8], 50: [9, 10],
    }  # fmt: skip
    assert listed.is_whole


def test_executions_that_the_exchange_lacks_are_looked_for_in_the_newest() -> None:
    """Where none of guardian's first orders has any, the newest of all are looked at; a full page may be cut."""
    lists = Lists(1)
    listed = lists.read(10, (90, 91, 92, 93, 94, 95))
    assert listed.trades is not None
    assert (sorted(listed.trades), listed.is_whole) == ([10], True)
    orders = [fields["order_id"] for name, fields in lists.exchange.asked if name == "my_trades"]
    assert orders == [90, 91, 92, 93, 94, None]
    assert not Lists(2).read(10, (90,)).is_whole


def test_a_list_without_end_is_not_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the last page that is read, the rest is said to be missing."""
    monkeypatch.setattr(exchange_lists, "MOST_PAGES", 2)
    listed = Lists(8).read(10)
    assert (ids(listed), listed.is_whole) == ([10, 20, 30, 40, 50, 60], False)


def test_the_exchanges_rate_limit_is_waited_for() -> None:
    """It is asked again after the time that it names, and not at once."""
    lists = Lists(1)
    lists.exchange.fails["all_orders"] = ExchangeRateLimited(7)

    async def pause(seconds: float) -> None:
        lists.pauses.append(seconds)
        lists.exchange.fails.clear()

    found = asyncio.run(ExchangeLists(lists.exchange, pause).of_symbol("BTCUSDT", 10, ()))  # type: ignore[arg-type]  # as the real one
    assert (ids(found), lists.pauses) == ([10], [7])


@pytest.mark.parametrize(
    "error",
    [ExchangeRateLimited(5, banned=True), ExchangeRateLimited(LONGEST_WAIT_S + 1), ExchangeUnavailable("x")],
)
def test_what_cannot_be_waited_for_ends_it(error: Exception) -> None:
    """A ban, a wait of minutes, and an exchange that is gone."""
    lists = Lists(1)
    lists.exchange.fails["all_orders"] = error
    with pytest.raises(type(error)):
        lists.read(10)
    assert lists.pauses == []


def test_a_limit_that_does_not_end_is_not_waited_for_forever() -> None:
    """After a few times it is told to the caller."""
    lists = Lists(1)
    lists.exchange.fails["all_orders"] = ExchangeRateLimited(0)
    with pytest.raises(ExchangeRateLimited):
        lists.read(10)
    assert lists.pauses == [1] * exchange_lists.MOST_WAITS
