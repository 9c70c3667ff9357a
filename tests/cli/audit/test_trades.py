"""`guardian audit trades`: what a person reads of what was traded, and what a script gets."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from guardian.cli.app import main
from guardian.domain.order_states import OrderState
from guardian.domain.orders import SELL, Fees
from guardian.store.answers.trade_reader import read_ledgers
from guardian.store.answers.trades import figures_of
from guardian.store.log.read_only import read_only
from guardian.store.log.statements import FLOWS_IN_ORDER, JUDGED_BOOKS, ORDERS_NOT_COUNTED, PAIRS
from guardian.store.schema.records import Phase, Record
from tests.store.support.store_world import START_MS, World

D = Decimal


class Trading:
    """A home that trades, and the command that adds up."""

    def __init__(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        self.world = world
        self._capsys = capsys

    def filled(self, quantity: str, quote: str, fee: str | None = "0", **changes: Any) -> str:
        """One order that was filled; its client order id."""
        spec = self.world.spec(quantity=quantity, side=changes.pop("side", self.world.spec().side))
        name = self.world.place(spec=spec, **changes)
        self.world.move(name, OrderState.FILLED, executed=quantity, quote=quote, fee=fee)
        self.world.clock_ms += 1000
        return name

    def run(self, *arguments: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        code = main(["audit", "trades", *arguments])
        return code, *self._capsys.readouterr()

    def json(self, *arguments: str) -> Any:
        code, out, _ = self.run(*arguments, "--json")
        assert code == 0
        return json.loads(out)


@pytest.fixture
def trading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Trading]:
    world = World(tmp_path / "guardian")
    monkeypatch.setenv("GUARDIAN_HOME", str(world.home))
    yield Trading(world, capsys)
    world.store.close()


def test_nothing_traded_is_said_kindly(trading: Trading) -> None:
    """An empty ledger is no error; a script gets an empty list."""
    code, out, err = trading.run()
    assert (code, out) == (0, "")
    assert "nothing was bought or sold" in err
    assert trading.json() == []


def test_no_home_is_said_kindly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is made where nothing was."""
    monkeypatch.setenv("GUARDIAN_HOME", str(tmp_path / "none"))
    assert main(["audit", "trades"]) == 0
    assert "nothing was bought or sold" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_a_symbol_and_all_of_them_are_blocks(trading: Trading) -> None:
    """Bought twice, sold once: each sum has its asset, and both ways to count the gain stand below one another."""
    trading.filled("1", "100", "0.001")
    trading.filled("1", "300")
    trading.filled("1", "390", side=SELL)
    code, out, err = trading.run()
    lines = {line.strip() for line in out.splitlines()}
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "PAPER, account a1"
    for line in (
        "bought           2 BTC for 400 USDT",
        "sold             1 BTC for 390 USDT",
        "fees             0.001 BTC",
        "gained, FIFO     289.7 USDT",
        "gained, average  189.89994997 USDT",
        "position         0.999 BTC",
        "in all, in USDT",
        "bought for       400",
        "holds            0.999 BTC",
        "spent in all     10 USDT",
    ):
        assert line in lines, out
    assert max(map(len, out.splitlines())) <= 80


def test_json_has_exact_sums_and_every_entry(trading: Trading) -> None:
    """Amounts are decimal strings, times are in UTC."""
    trading.filled("1", "100")
    sold = trading.filled("1", "120", side=SELL)
    (found,) = trading.json()
    assert (found["environment"], found["account"], found["since"]) == ("paper", "a1", None)
    assert found["total"] == {
        "currency": "USDT", "bought": "100", "sold": "120", "fees": "0", "fifo": "20", "average": "20", "unpriced": {},
    }  # fmt: skip
    assert found["entries"][1] | {"time": ""} == {
        "time": "", "symbol": "BTCUSDT", "base_asset": "BTC", "quote_asset": "USDT", "kind": "sell", "side": "SELL",
        "source": sold, "quantity": "1", "amount": "120", "amount_worth": "120", "fees": {}, "fees_worth": {},
        "fees_apart": {}, "fifo": "20", "fifo_worth": "20", "average": "20", "average_worth": "20",
    }  # fmt: skip
    assert found["entries"][1]["time"] == "2027-01-15T08:00:01.000Z"


def test_a_period_counts_with_the_cost_of_what_was_bought_before_it(trading: Trading) -> None:
    """What was held before is named, and its cost is that of its purchase."""
    trading.filled("2", "100")
    trading.filled("1", "80", side=SELL)
    (found,) = trading.json("--since", "2027-01-15T08:00:01+00:00")
    (one,) = found["symbols"]
    assert (one["opening"], one["bought"], one["sold"], one["fifo"], one["position"]) == ("2", "0", "1", "30", "1")
    (found,) = trading.json("--until", "2027-01-15T08:00:01+00:00")
    assert (found["symbols"][0]["sold"], found["symbols"][0]["position"]) == ("0", "2")


def test_gaps_are_said(trading: Trading) -> None:
    """An order whose fees are not known, and one that may be at the exchange, are named with the reason."""
    world = trading.world
    trading.filled("1", "100", None)
    unknown = world.place()
    world.move(unknown, OrderState.UNKNOWN)
    code, _, err = trading.run()
    assert code == 0
    assert "its fees are not known" in err
    assert f"not counted in full: {unknown}: whether it came to be at the exchange is not known yet" in err
    (found,) = trading.json()
    assert [one["why"].partition(",")[0] for one in found["not_counted"]] == [
        "its fees are not known",
        "whether it came to be at the exchange is not known yet",
    ]


def test_accounts_are_never_added_together(trading: Trading) -> None:
    """Each environment and account has its own figures."""
    trading.filled("1", "100")
    trading.filled("1", "200", scope=trading.world.other)
    found = trading.json()
    assert [(one["environment"], one["total"]["bought"]) for one in found] == [("paper", "100"), ("testnet", "200")]


def test_what_the_owner_entered_is_a_position_without_cost(trading: Trading) -> None:
    """An opening position by a correction is held and gains nothing when it is sold."""
    world = trading.world
    with world.store.transaction() as tx:
        tx.audit.append(Record.event(world.scope, {"kind": "position_set"}, key="position/1"))
        tx.corrections.set_position(world.scope, "BTC", D(2), {}, "position/1")
    trading.filled("1", "50", side=SELL)
    code, out, _ = trading.run()
    assert code == 0
    assert "no gain          1 BTC for 50 USDT: it was not bought on BTCUSDT" in out
    assert "holds            1 BTC" in out


def test_a_fee_in_a_third_asset_counts_at_the_book_that_orders_were_judged_on(trading: Trading) -> None:
    """The price is the bid of the declared conversion's book in the facts of the newest judged order."""
    world = trading.world
    with world.store.transaction() as tx:
        judged = {"books": {"BNBUSDT": {"bid": "600", "ask": "601"}}}
        entry = tx.audit.append(
            Record(
                phase=Phase.INTENT, call_id="c", tool="create_order", symbol="BTCUSDT", environment="paper",
                account="a1", body={"judged": judged},
            )
        )  # fmt: skip
        tx.orders.reserve(world.new_order(tx, entry, spec=world.spec(quantity="1")))
    name = str(entry.client_order_id)
    with closing(world.open()) as store, store.transaction() as tx:
        fees = Fees(quantity=D(1), by_asset={"BNB": D("0.01")})
        tx.orders.move(name, OrderState.FILLED, report=world.report(executed="1", quote="100", quantity="1"), fees=fees)
    (found,) = trading.json()
    assert found["total"]["fees"] == "6"
    assert found["total"]["fifo"] == "-6"


def test_the_policy_says_the_currency_and_how_assets_are_converted(trading: Trading) -> None:
    """Two legs, one of which is priced from the other side of its book."""
    world = trading.world
    policy = '[accounting]\ncurrency = "EUR"\nconversions = { USDT = "EURUSDT", BNB = "BNBUSDT" }\n'
    with world.store.transaction() as tx:
        tx.policies.remember("d" * 64, policy)
        books = {"EURUSDT": {"bid": "1.2", "ask": "1.25"}, "BNBUSDT": {"bid": "500", "ask": "501"}, "X": 3}
        entry = tx.audit.append(
            Record(
                phase=Phase.INTENT, call_id="c", tool="create_order", symbol="BTCUSDT", environment="paper",
                account="a1", body={"judged": {"books": books}},
            )
        )  # fmt: skip
        tx.orders.reserve(world.new_order(tx, entry, spec=world.spec(quantity="1")))
    world.move(str(entry.client_order_id), OrderState.FILLED, executed="1", quote="100", fee="0")
    (ledger,) = read_ledgers(world.home)
    assert figures_of(ledger).total.bought == D(80)
    assert ledger.rates.rate("EUR", START_MS) == D(1)


@pytest.mark.parametrize("text", ["not TOML [", 'accounting = "EUR"', "[accounting]\nconversions = 3\n"])
def test_a_policy_that_cannot_be_read_leaves_the_usual_currency(trading: Trading, text: str) -> None:
    """An edited table of policies is no reason to answer nothing."""
    with trading.world.store.transaction() as tx:
        tx.policies.remember("d" * 64, text)
    trading.filled("1", "100")
    (found,) = trading.json()
    assert found["total"]["currency"] == "USDT"


@pytest.mark.parametrize("change", ["change = 'much'", "kind = 'x'"])
def test_a_ledger_that_guardian_did_not_write_is_named(trading: Trading, change: str) -> None:
    """No sum is made of what cannot be read, and there is no traceback."""
    trading.filled("1", "100")
    with closing(sqlite3.connect(trading.world.home / "guardian.db", isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER flows_no_update")
        connection.execute(f"UPDATE flows SET {change}")
    code, out, err = trading.run()
    assert (code, out) == (3, "")
    assert "did not write" in err


@pytest.mark.parametrize(
    ("statement", "plan"),
    [
        (FLOWS_IN_ORDER, ["SCAN flows"]),
        (PAIRS, ["SCAN holdings"]),
        (JUDGED_BOOKS, ["SEARCH audit USING INDEX ux_audit_order", "USE TEMP B-TREE FOR ORDER BY"]),
        (ORDERS_NOT_COUNTED, ["SCAN orders USING INDEX"]),
    ],
)
def test_what_is_read_grows_with_the_trades_and_not_with_the_log(
    trading: Trading, statement: str, plan: list[str]
) -> None:
    """No statement walks along the rows of the log: those of a million reads are not looked at."""
    values = {"environment": "paper", "account": "a1", "path": "$.x"}
    with read_only(trading.world.home / "guardian.db") as connection:
        found = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert all(any(line.startswith(wanted) for line in found) for wanted in plan), found
    assert not any(line == "SCAN audit" for line in found)
