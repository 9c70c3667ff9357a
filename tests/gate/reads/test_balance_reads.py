"""`get_balance`: every asset that guardian bought, what one can sell of it, and what is left of each cap."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from guardian.domain.codes import Outcome
from guardian.errors import ExchangeUnavailable
from guardian.gate.base.replies import AssetBalance, HeldPosition
from tests.gate.situation.support import balance_reply, buy
from tests.gate.support.fakes import Placed, Room, denials
from tests.gate.support.true_account import TrueExchange
from tests.support.present import present

CAPS: dict[str, Any] = {"max_notional": "100", "max_quantity": "5", "max_position": "5"}


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """A room with two symbols, an account that its orders change, and a floor under the free quote asset."""
    symbols = {"BTCUSDT": CAPS, "ETHUSDT": CAPS, "ETHBTC": CAPS}
    made = Room(tmp_path, {"limits": {"min_free_quote": "100", "duplicate_window": "1s"}, "symbols": symbols})
    made.exchange = TrueExchange(made.clock, free={"USDT": "10000", "BTC": "0"})
    made.exchange.books |= {"ETHUSDT": ("3000", "3000.1"), "ETHBTC": ("0.05", "0.05001")}
    made.connector.exchange = made.exchange
    made.again()
    try:
        yield made
    finally:
        made.close()


def assets(room: Room) -> dict[str, AssetBalance]:
    return {one.asset: one for one in balance_reply(room).balances}


def positions(room: Room) -> dict[str, HeldPosition]:
    found = present(balance_reply(room).situation)
    return {one.asset: one for one in present(found.positions)}


def headroom(room: Room) -> dict[str, str | None]:
    return present(balance_reply(room).situation).headroom


def test_bought_asset_that_the_account_lacks_is_listed_with_nothing_to_sell(room: Room) -> None:
    """The owner moved it away: "sell everything" finds it, and finds that there is nothing."""
    buy(room, "0.001", "0.000001")
    exchange: Any = room.exchange
    del exchange.free["BTC"]
    exchange.reports.clear()
    found = assets(room)
    assert list(found) == ["USDT", "BTC"]
    assert found["BTC"] == AssetBalance(asset="BTC", free=Decimal(0), locked=Decimal(0), sell_back=Decimal(0))
    held = positions(room)["BTC"]
    assert (held.held, held.sell_back, held.orders) == (Decimal("0.000999"), Decimal(0), ())


def test_what_can_be_sold_in_one_order_passes_and_is_all_that_passes(room: Room) -> None:
    """Bought less the fee, in whole steps: the quantity that was bought is more than the account has."""
    buy(room, "0.001", "0.000001")
    quantity = present(assets(room)["BTC"].sell_back)
    assert quantity == Decimal("0.00099")
    assert positions(room)["BTC"].orders == (quantity,)
    assert room.ask(kind="MARKET", side="SELL", quantity=str(quantity)).outcome is Outcome.DONE


def test_caps_of_every_symbol_count_what_is_held_and_what_may_come(room: Room) -> None:
    """An open BUY counts, and so does an open SELL that is paid in the asset."""
    room.exchange.free["ETH"] = "1"
    assert headroom(room)["max_position ETHBTC"] == "5 of 5"
    assert room.ask(quantity="0.0005", price="59000").outcome is Outcome.DONE
    assert room.ask(side="SELL", symbol="ETHBTC", quantity="0.01", price="0.06").outcome is Outcome.DONE
    found = headroom(room)
    assert found["max_position BTCUSDT"] == "4.9989 of 5"
    assert found["max_position ETHUSDT"] == "5 of 5"
    assert found["min_free_quote USDT"] == "9870.5 above 100"
    assert list(found)[:5] == [
        "max_position BTCUSDT",
        "max_position ETHBTC",
        "max_position ETHUSDT",
        "min_free_quote BTC",
        "min_free_quote USDT",
    ]


def test_cap_on_a_symbol_that_may_be_held_is_unknown_without_its_rules(room: Room) -> None:
    """Only the exchange says which assets a symbol trades; one that cannot be held at all is known."""
    buy(room, "0.001", "0")
    room.exchange.fails["instruments"] = ExchangeUnavailable("the exchange did not answer")
    found = headroom(room)
    assert found["max_position BTCUSDT"] is None
    assert found["max_position ETHUSDT"] == "5 of 5"
    assert not any(key.startswith("min_free_quote") for key in found)
    held = positions(room)["BTC"]
    assert (held.sell_back, held.symbol, held.orders) == (Decimal("0.001"), None, None)


def test_asset_is_sold_back_on_a_symbol_that_the_policy_no_longer_lists(room: Room) -> None:
    """That is where guardian bought it, and an exit there passes."""
    buy(room, "0.0016", "0")
    room.policy({"symbols": {"BTCUSDT": None, "ETHUSDT": CAPS}})
    held = positions(room)["BTC"]
    assert (held.symbol, held.orders) == ("BTCUSDT", (Decimal("0.0016"),))


def test_orders_that_sell_back_are_known_where_their_worth_is(room: Room) -> None:
    """A symbol quoted in the accounting currency goes first; on another the cap of one order needs a conversion."""
    room.policy({"symbols": {"ETHBTC": CAPS, "ETHUSDT": CAPS}})
    room.exchange.free["BTC"] = "1"
    room.exchange.script = [Placed("FILLED", "0.01")]
    assert room.ask(symbol="ETHBTC", quantity="0.01", price="0.05").outcome is Outcome.DONE
    held = positions(room)["ETH"]
    assert (held.sell_back, held.symbol, held.orders) == (Decimal("0.01"), "ETHUSDT", (Decimal("0.01"),))
    del room.exchange.books["ETHUSDT"]
    held = positions(room)["ETH"]
    assert (held.sell_back, held.symbol, held.orders) == (Decimal("0.01"), "ETHBTC", None)


@pytest.mark.parametrize("quantity", ["0.001", "0.000999", "0.0009995", "0.00100001"])
def test_sell_of_the_bought_quantity_names_the_largest_that_passes(room: Room, quantity: str) -> None:
    """The fee was taken of what was bought: 0.000999 is left, of which 0.00099 goes in whole steps.

    Before: the quantity that was bought passed every rule, a person agreed, and the exchange refused it.
    """
    buy(room, "0.001", "0.000001")
    for kind in ("MARKET", "LIMIT"):
        reply = room.ask(kind=kind, side="SELL", quantity=quantity, price="60000")
        assert denials(reply) & {"FREE_BASE_BELOW_QUANTITY", "FILTER_QUANTITY"}
        for denial in present(reply.error).denials:
            named = set(re.findall(r"\b0\.\d+", denial.hint or ""))
            assert named <= {"0.00099"}, denial
        assert "the largest exit is 0.00099 BTC" in (present(reply.error).hint or "")
    assert len(room.exchange.placed) == 1
    assert room.ask(kind="MARKET", side="SELL", quantity="0.00099").outcome is Outcome.DONE


def test_sell_of_more_than_the_account_has_names_what_it_has(room: Room) -> None:
    """The owner's own too: at most what is free, in whole steps; less than a step is no quantity at all."""
    room.exchange.free["BTC"] = "0.0012345"
    reply = room.ask(side="SELL", quantity="0.0015", price="60000")
    assert denials(reply) == {"FREE_BASE_BELOW_QUANTITY"}
    (denial,) = present(reply.error).denials
    assert (denial.observed, denial.limit) == ("0.0015", "0.0012345")
    assert denial.hint == "the largest quantity that passes is 0.00123"
    assert room.ask(side="SELL", quantity="0.00123", price="60000").outcome is Outcome.DONE
    reply = room.ask(side="SELL", quantity="0.001", price="60000")
    assert present(reply.error).denials[0].hint == "no quantity passes now"
