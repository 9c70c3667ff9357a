"""Names in any script on their way to the exchange and back."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Any

import pytest

from guardian.domain.text.names import is_name
from guardian.errors import ExchangeUnavailable
from guardian.exchange.exchange import Exchange
from guardian.exchange.mapping import market
from tests.exchange.support.exchange_samples import answer
from tests.exchange.support.exchange_setup import CANARY_SECRET, now_ms, served
from tests.exchange.support.loopback_exchange import Seen
from tests.support.fixtures import listing as known_listing

pytestmark = pytest.mark.anyio

CHINESE = "币安人生USDT"


def listed(symbol: str, base: str = "BASE", quote: str = "USDT") -> dict[str, Any]:
    return {
        "symbol": symbol, "baseAsset": base, "quoteAsset": quote, "status": "TRADING", "orderTypes": ["LIMIT"],
        "filters": [],
    }  # fmt: skip


async def pages(exchange: Exchange, limit: int) -> tuple[list[str], int]:
    """Every symbol of the listing, by following its own cursors."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await exchange.listing(limit=limit, cursor=cursor)
        found += [row.symbol for row in page.symbols]
        if page.next_cursor is None:
            return found, page.total
        assert page.next_cursor > (cursor or "")
        cursor = page.next_cursor


async def test_signature_is_over_the_percent_encoded_bytes_as_sent() -> None:
    """A signed read of a Chinese symbol carries its UTF-8 percent-encoded, and its signature is over those bytes."""
    async with served() as (server, exchange):
        await exchange.open_orders(CHINESE)
    (seen,) = server.seen
    sent, _, signature = seen.payload.rpartition(b"&signature=")
    assert b"symbol=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT" in sent
    assert signature.decode() == hmac.new(CANARY_SECRET.encode(), sent, sha256).hexdigest()
    assert seen.parameters["symbol"] == CHINESE


async def test_order_of_a_chinese_symbol_is_signed_and_read_back() -> None:
    """The body of a cancel is signed as sent, and an answer about the same symbol is taken."""

    def reply(seen: Seen) -> object:
        found = answer(seen.method, seen.path)
        return {**found, "symbol": CHINESE, "origClientOrderId": "g1-1"} if seen.method == "DELETE" else found

    async with served(reply) as (server, exchange):
        report = await exchange.cancel_order(CHINESE, client_order_id="g1-1", timestamp_ms=now_ms())
    sent, _, signature = server.seen[-1].body.rpartition(b"&signature=")
    assert signature.decode() == hmac.new(CANARY_SECRET.encode(), sent, sha256).hexdigest()
    assert report.symbol == CHINESE


async def test_prices_and_rules_of_a_chinese_symbol_are_found() -> None:
    """The batch of symbols in one request holds the name as it is, and its row is found in the answer."""

    def reply(seen: Seen) -> object:
        if seen.path == "/api/v3/exchangeInfo":
            return {"symbols": [listed(CHINESE, "币安人生")]}
        return [{"symbol": CHINESE, "bidPrice": "1", "askPrice": "2"}]

    async with served(reply) as (server, exchange):
        tops = await exchange.book_tops([CHINESE, "BTCUSDT"])
        rules = await exchange.instrument(CHINESE)
    assert server.seen[0].parameters["symbols"] == f'["{CHINESE}","BTCUSDT"]'
    assert list(tops) == [CHINESE]
    assert rules is not None
    assert (rules.symbol, rules.base_asset, rules.quote_asset) == (CHINESE, "币安人生", "USDT")


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 50, 200])
async def test_list_is_paged_through_by_its_own_cursors(limit: int) -> None:
    """Each symbol comes once, in one order, whatever the limit: `BTCU`, Chinese and small letters included.

    Before: guardian refused its own cursor where the page ended with `BTCU` or a name that is not ASCII.
    """
    names = [
        "BTCU",
        "BTCUSDT",
        CHINESE,
        "这是测试币456",
        "1000SATSUSDT",
        "BTCUSDT_240628",
        "USDeUSDT",
        "ΩUSDT",
        "𠮷USDT",
    ]
    async with served(lambda _: {"symbols": [listed(name) for name in names]}) as (_, exchange):
        found, total = await pages(exchange, limit)
    assert found == sorted(names)
    assert total == len(names)


async def test_a_row_that_no_tool_could_name_is_left_out_of_the_list() -> None:
    """A symbol with invisible characters, or whose assets have them, is left out; the rest of the list stays."""
    rows = [listed("BTC\u200bUSDT"), listed("BTCUSDT"), listed("ETHUSDT", "E\u202eTH"), listed("A" * 41), listed("B C")]
    async with served(lambda _: {"symbols": rows}) as (_, exchange):
        found, _ = await pages(exchange, 1)
        with pytest.raises(ExchangeUnavailable):
            await exchange.instrument("ETHUSDT")
    assert found == ["BTCUSDT"]


@pytest.mark.parametrize("limit", [7, 200])
@pytest.mark.parametrize(
    "name", ["many", pytest.param("spot_mainnet_2021-10-11_full.json.gz", marks=pytest.mark.recorded)]
)
async def test_whole_listing_is_paged_through(name: str, limit: int) -> None:
    """Every symbol of a listing, production's as recorded too, comes once, and every cursor can be given back."""
    recorded = known_listing(name)
    async with served(lambda _: recorded) as (_, exchange):
        found, total = await pages(exchange, limit)
    assert found == sorted(row["symbol"] for row in recorded["symbols"])
    assert total == len(found)
    assert all(map(is_name, found))


async def test_names_are_compared_exactly() -> None:
    """An answer about a name that only looks the same is an answer about another symbol."""
    rows = [{"symbol": "ВTCUSDT", "bidPrice": "1", "askPrice": "2"}]  # its first letter is Cyrillic
    assert market.book_tops(rows, ["BTCUSDT"], fetched_ms=1) == {}
    assert market.book_tops(rows, ["ВTCUSDT"], fetched_ms=1) != {}
