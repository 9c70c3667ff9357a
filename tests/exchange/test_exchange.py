"""What the gate gets: instruments, book tops, listings, pages."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable

import pytest

from guardian.domain.requests import GetAccountSnapshot, GetDepositAddress, GetFuturesPnl, GetUniversalTransferHistory
from guardian.errors import ExchangeRejected, ExchangeUnavailable
from guardian.exchange.clean_text import clean_text
from tests.exchange.support.exchange_samples import ANSWERS, LIVE_ANSWERS, ORDER, answer, listed
from tests.exchange.support.exchange_setup import served
from tests.exchange.support.loopback_exchange import Seen, Told
from tests.support.present import present

pytestmark = pytest.mark.anyio

UNLISTED = Told(status=400, body={"code": -1121, "msg": "Invalid symbol."})


def knows_all_but(*unlisted: str) -> Callable[[Seen], object]:
    def reply(seen: Seen) -> object:
        asked = seen.parameters.get("symbols", seen.parameters.get("symbol", ""))
        return UNLISTED if any(symbol in asked for symbol in unlisted) else answer(seen.method, seen.path)

    return reply


async def test_unlisted_symbol_is_none() -> None:
    """A symbol that the exchange does not list has no instrument; that is an answer, not a failure."""
    async with served(knows_all_but("NOPEUSDT")) as (_, exchange):
        assert await exchange.instrument("NOPEUSDT") is None
        assert present(await exchange.instrument("BTCUSDT")).base_asset == "BTC"


async def test_one_unlisted_symbol_does_not_take_the_others_with_it() -> None:
    """Of several symbols the listed ones are answered, though the exchange refuses the list as a whole."""
    async with served(knows_all_but("NOPEUSDT")) as (_, exchange):
        found = await exchange.instruments(["BTCUSDT", "NOPEUSDT", "ETHUSDT"])
        assert set(found) == {"BTCUSDT", "ETHUSDT"}
        assert set(await exchange.book_tops(["BTCUSDT", "NOPEUSDT"])) == {"BTCUSDT"}
        assert await exchange.book_tops(["NOPEUSDT"]) == {}
        assert await exchange.book_tops([]) == {}


async def test_instruments_are_kept_for_an_hour() -> None:
    """Several instruments are one request, and none for the next hour."""
    mono = [0.0]
    async with served(monotonic=lambda: mono[0]) as (server, exchange):
        await exchange.instruments(["BTCUSDT", "ETHUSDT"])
        await exchange.instruments(["ETHUSDT"])
        await exchange.instrument("BTCUSDT")
        assert len(server.seen) == 1
        mono[0] += 3601
        await exchange.instrument("BTCUSDT")
        assert len(server.seen) == 2


async def test_current_instruments_are_at_most_a_second_old() -> None:
    """A symbol that halts while its rules are kept is seen to be halted; rules of this second are not fetched again."""
    mono, status = [0.0], ["TRADING"]
    async with served(lambda _: {"symbols": [listed(status=status[0])]}, monotonic=lambda: mono[0]) as (
        server,
        exchange,
    ):
        await exchange.instruments(["BTCUSDT"])
        mono[0], status[0] = 0.9, "BREAK"
        assert (await exchange.current_instruments(["BTCUSDT"]))["BTCUSDT"].is_trading
        mono[0] = 1.0
        assert not (await exchange.current_instruments(["BTCUSDT"]))["BTCUSDT"].is_trading
        assert len(server.seen) == 2
        assert {seen.parameters["showPermissionSets"] for seen in server.seen} == {"false"}


async def test_symbol_that_is_no_longer_listed_is_not_kept() -> None:
    """Rules that were read before the symbol went are not given after."""
    mono = [0.0]
    gone: list[str] = []
    async with served(lambda seen: knows_all_but(*gone)(seen), monotonic=lambda: mono[0]) as (_, exchange):
        assert set(await exchange.instruments(["BTCUSDT", "ETHUSDT"])) == {"BTCUSDT", "ETHUSDT"}
        gone.append("BTCUSDT")
        mono[0] = 5.0
        assert set(await exchange.current_instruments(["BTCUSDT", "ETHUSDT"])) == {"ETHUSDT"}
        assert await exchange.instrument("BTCUSDT") is None


async def test_failure_is_not_kept() -> None:
    """After a failure of all three tries the next call asks again."""
    fail = [True] * 3

    def reply(seen: Seen) -> object:
        return Told(status=503, body=b"") if fail and fail.pop() else answer(seen.method, seen.path)

    async with served(reply) as (_, exchange):
        with pytest.raises(ExchangeUnavailable):
            await exchange.listing()
        assert (await exchange.listing()).total == 3


async def test_other_refusals_are_raised() -> None:
    """Only `-1121` means that a symbol is not listed."""
    async with served(lambda _: Told(status=400, body={"code": -1100, "msg": "x"})) as (_, exchange):
        with pytest.raises(ExchangeRejected):
            await exchange.instruments(["BTCUSDT", "ETHUSDT"])


async def test_book_tops_are_dated_to_the_start_of_the_request() -> None:
    """A slow answer makes a price old, not new."""
    now = [1_000]

    def reply(seen: Seen) -> object:
        now[0] += 700
        return answer(seen.method, seen.path)

    async with served(reply, now=lambda: now[0]) as (_, exchange):
        assert (await exchange.book_tops(["BTCUSDT"]))["BTCUSDT"].fetched_ms == 1_000


async def test_listing_is_filtered_and_paged_by_name() -> None:
    """The pages of a listing are in the order of the names, and a cursor continues after the last one."""
    rows = [listed(f"A{number}USDT", f"A{number}") for number in range(5)] + [listed("ETHBTC", "ETH", "BTC")]
    async with served(lambda _: {"symbols": rows[::-1]}) as (server, exchange):
        first = await exchange.listing(quote_asset="USDT", limit=3)
        assert [row.symbol for row in first.symbols] == ["A0USDT", "A1USDT", "A2USDT"]
        assert (first.total, first.next_cursor) == (5, "A2USDT")
        second = await exchange.listing(quote_asset="USDT", limit=3, cursor=first.next_cursor)
        assert [row.symbol for row in second.symbols] == ["A3USDT", "A4USDT"]
        assert second.next_cursor is None
        assert (await exchange.listing("ETH")).symbols[0].symbol == "ETHBTC"
        assert (await exchange.listing("NONE")).symbols == ()
        assert len(server.seen) == 1


async def test_listing_is_asked_for_once_by_many() -> None:
    """Ten callers at once wait for one request of the whole listing."""
    async with served() as (server, exchange):
        await asyncio.gather(*(exchange.listing() for _ in range(10)))
    assert len(server.seen) == 1


async def test_balances_leave_zeros_out_unless_asked() -> None:
    """Assets of which there is nothing are left out, also where the exchange sends them."""
    async with served() as (server, exchange):
        assert [one.asset for one in (await exchange.balances()).balances] == ["USDT"]
        assert [one.asset for one in (await exchange.balances(include_zero=True)).balances] == ["USDT", "BTC"]
    assert [seen.parameters["omitZeroBalances"] for seen in server.seen] == ["true", "false"]


async def test_profit_and_loss_asks_both_at_once() -> None:
    """The two requests of profit and loss are under way together, and one failure is the failure of both."""

    def reply(seen: Seen) -> object:
        return Told(status=503, body=b"") if seen.path == "/fapi/v1/income" else answer(seen.method, seen.path)

    async with served() as (server, exchange):
        await exchange.profit_and_loss(GetFuturesPnl(symbol="BTCUSDT", start_time=5, limit=10))
    assert {seen.path for seen in server.seen} == {"/fapi/v3/account", "/fapi/v1/income"}
    income = next(seen for seen in server.seen if seen.path == "/fapi/v1/income")
    assert {key: income.parameters[key] for key in ("symbol", "startTime", "limit")} == {
        "symbol": "BTCUSDT",
        "startTime": "5",
        "limit": "10",
    }
    assert "endTime" not in income.parameters
    assert server.connections == 2
    async with served(reply) as (_, exchange):
        with pytest.raises(ExchangeUnavailable):
            await exchange.profit_and_loss(GetFuturesPnl())


async def test_wallet_requests_carry_what_was_asked() -> None:
    """Coin, network, page and period go to the exchange as they were asked."""
    async with served() as (server, exchange):
        await exchange.deposit_address(GetDepositAddress(coin="BTC", network="BTC"))
        await exchange.account_snapshot(GetAccountSnapshot(start_time=1, end_time=2))
        await exchange.transfers(GetUniversalTransferHistory(transfer_type="MAIN_UMFUTURE", page=3))
    sent = [{**seen.parameters, "signature": "", "timestamp": ""} for seen in server.seen]
    signed = {"recvWindow": "5000", "signature": "", "timestamp": ""}
    assert sent == [
        {"coin": "BTC", "network": "BTC", **signed},
        {"type": "SPOT", "startTime": "1", "endTime": "2", "limit": "7", **signed},
        {"type": "MAIN_UMFUTURE", "current": "3", "size": "50", **signed},
    ]


async def test_orders_are_asked_by_symbol_and_id() -> None:
    """Open and all orders of a symbol are one request each; who asked holds an answer against what was asked."""
    async with served() as (server, exchange):
        assert (await exchange.open_orders("BTCUSDT"))[0].order_id == 28
        await exchange.all_orders("BTCUSDT", order_id=7, limit=5)
        assert present(await exchange.order("BTCUSDT", order_id=28)).client_order_id == ORDER["clientOrderId"]
        assert present(await exchange.order("BTCUSDT", order_id=29)).order_id == 28
    assert [seen.path for seen in server.seen][:2] == ["/api/v3/openOrders", "/api/v3/allOrders"]
    assert (server.seen[1].parameters["limit"], server.seen[1].parameters["orderId"]) == ("5", "7")


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain text", "plain text"),
        ("a\u202eb\u2066c\u200dd\ufeffe", "abcde"),
        ("a\x00\x1b[31mb\x7f\x9b", "a[31mb"),
        ("two\r\nlines\tand\u2028more", "two lines and more"),
        ("tag\U000e0041\U000e0042s", "tags"),
        ("v\ufe0fs\U000e0100x\u3164y", "vsxy"),
        ("  spaced   out  ", "spaced out"),
        ("\ud800lone", "lone"),
        ("这是测试币456", "这是测试币456"),
        ("", ""),
    ],
)
def test_text_from_outside_is_cleaned(text: str, cleaned: str) -> None:
    """Control, bidirectional, zero-width and other invisible characters go; what can be read stays."""
    assert clean_text(text, 64) == cleaned


def test_text_from_outside_is_bounded() -> None:
    """However long it was, it is as long as allowed and no longer."""
    assert clean_text("x" * 1_000_000, 10) == "x" * 10
    assert len(clean_text("\u200b" * 1_000_000 + "x", 10)) <= 10


def test_environments_are_known_without_importing_the_library() -> None:
    """The list of requests and the facade load without python-binance, which takes half a second."""
    code = (
        "import sys, guardian.exchange.environments, guardian.exchange.exchange\n"
        "sys.exit(bool({'binance', 'aiohttp'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_library_is_imported_without_a_warning() -> None:
    """python-binance's import warns; its one named filter keeps that from a server whose warnings are errors."""
    code = "import guardian.exchange.http.client"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], check=False, timeout=60, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_samples_are_complete() -> None:
    """Every path that guardian reads has an answer here."""
    from guardian.exchange.environments import ENDPOINTS, LIVE_ENDPOINTS

    assert {one.path for one in ENDPOINTS} == set(ANSWERS)
    assert {one.path for one in LIVE_ENDPOINTS} == set(LIVE_ANSWERS)
