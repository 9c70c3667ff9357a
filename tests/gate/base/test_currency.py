"""After an edit of `[accounting] currency` no sum mixes units: a worth in the new currency, or none at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guardian.domain.codes import Outcome
from guardian.gate.base.replies import OrderProposed
from guardian.gate.reads.overview import Overview
from guardian.gate.reads.status_views import PolicyView
from tests.gate.support.fakes import D, Room, denials
from tests.gate.support.true_account import TrueExchange

CAPS = {"max_notional": "1000", "max_quantity": "50", "max_position": "50"}
SYMBOLS: dict[str, Any] = {"BTCUSDT": CAPS, "ETHBTC": CAPS, "ETHUSDT": CAPS}


def in_currency(currency: str, most: str) -> dict[str, Any]:
    """A policy that counts in this currency, with this much for everything."""
    ways = {"BTC": "BTCUSDT", "ETH": "ETHUSDT", "USDT": "BTCUSDT"}
    ways.pop(currency, None)
    if currency == "ETH":
        ways["USDT"] = "ETHUSDT"
    return {
        "accounting": {"currency": currency, "conversions": {"BNB": "BNBUSDT", **ways, currency: None}},
        "limits": {
            "rolling_notional": [{"window": "24h", "max": most}],
            "max_open_notional": most,
            "duplicate_window": "1s",
            "max_daily_loss": "100000",
        },
        "symbols": SYMBOLS,
    }


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path, in_currency("USDT", "1000"))
    made.exchange = TrueExchange(made.clock, free={"USDT": "100000", "BTC": "5", "ETH": "50"})
    made.exchange.books = {"BTCUSDT": ("60000", "60000"), "ETHUSDT": ("3000", "3000"), "ETHBTC": ("0.05", "0.05")}
    made.connector.exchange = made.exchange
    made.again()
    try:
        yield made
    finally:
        made.close()


def budgets(room: Room) -> dict[str, Any]:
    status = room.run(Overview(room.context).status())
    return {budget.limit: budget.used for budget in status.budgets}


def test_orders_in_the_base_asset_count_by_their_quantity(room: Room) -> None:
    """0.0016 BTC for 96 USDT counts as 0.0016 BTC after the currency became BTC, in every sum.

    Before, it counted as 96 BTC; and the other way round 0.0016 BTC counted as 0.0016 USDT.
    """
    assert room.ask(quantity="0.0016").outcome is Outcome.DONE
    room.policy(in_currency("BTC", "0.003"))
    assert budgets(room)["rolling_notional"] == budgets(room)["max_open_notional"] == D("0.0016")
    assert denials(room.ask(quantity="0.00141")) == {"ROLLING_NOTIONAL_EXCEEDS_MAX", "OPEN_NOTIONAL_EXCEEDS_MAX"}
    assert room.ask(quantity="0.0014").outcome is Outcome.DONE


def test_orders_in_the_quote_asset_count_by_what_they_cost(room: Room) -> None:
    """Judged in BTC, 0.0016 BTC counts as its 96 USDT after the currency became USDT again."""
    room.policy(in_currency("BTC", "1"))
    assert room.ask(quantity="0.0016").outcome is Outcome.DONE
    room.policy(in_currency("USDT", "150"))
    assert budgets(room)["rolling_notional"] == 96
    assert denials(room.ask(quantity="0.00091")) == {"ROLLING_NOTIONAL_EXCEEDS_MAX", "OPEN_NOTIONAL_EXCEEDS_MAX"}
    assert room.ask(quantity="0.0009").outcome is Outcome.DONE


def test_what_has_no_worth_in_the_new_currency_makes_the_usage_unknown(room: Room) -> None:
    """An ETHUSDT order judged in USDT has no worth in BTC: no BUY passes, in words, and every view says so."""
    assert room.ask(symbol="ETHUSDT", quantity="0.03", price="3000").outcome is Outcome.DONE
    room.policy(in_currency("BTC", "1"))
    refused = room.ask(quantity="0.0002")
    assert denials(refused) == {"USAGE_UNKNOWN"}
    assert refused.error is not None
    assert "back to USDT" in (refused.error.hint or "")
    assert budgets(room)["rolling_notional"] is budgets(room)["max_open_notional"] is None
    view = room.run(Overview(room.context).policy())
    assert isinstance(view, PolicyView)
    assert view.budgets
    room.clock.forward(86_401)
    room.exchange.becomes(room.last().client_order_id, "CANCELED")
    room.run(room.resolver.run_once())
    # It has left the windows; that it went unconfirmed since a person acted still has no worth, so one is asked.
    assert room.ask(quantity="0.0002").outcome is Outcome.CONFIRMATION_REQUIRED


def test_exit_passes_with_unknown_usage_and_a_person_is_asked(room: Room) -> None:
    """Selling back what was bought needs no budget; what went unconfirmed is not known, so a person is asked."""
    assert room.ask(symbol="ETHUSDT", kind="MARKET", quantity="0.03").outcome is Outcome.DONE
    room.policy(in_currency("BTC", "1"))
    reply = room.ask(symbol="ETHUSDT", kind="MARKET", side="SELL", quantity="0.03")
    assert reply.outcome is Outcome.CONFIRMATION_REQUIRED
    assert isinstance(reply.data, OrderProposed)
    assert room.use(reply.data.confirmation_token or "").outcome is Outcome.DONE
    assert room.last().is_exit


def test_slices_are_not_added_up_across_currencies(room: Room) -> None:
    """The sum since an order over the cap was denied is held to the cap in one currency."""
    assert denials(room.ask(quantity="0.02", price="60000")) >= {"NOTIONAL_EXCEEDS_MAX"}
    assert room.ask(quantity="0.0016").outcome is Outcome.DONE
    caps = {**CAPS, "max_notional": "0.002"}
    room.policy(in_currency("BTC", "1"), {"symbols": {"BTCUSDT": caps}})
    assert denials(room.ask(quantity="0.00041")) == {"SLICING_EXCEEDS_MAX"}
    assert room.ask(quantity="0.0004").outcome is Outcome.DONE
