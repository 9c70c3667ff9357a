"""State on disk: kept across restarts, whole after failures, refused when it does not add up."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from guardian.domain.secrets import Secret
from guardian.errors import ExchangeRejected, ExchangeUnavailable, StoreCorrupt, StoreUnavailable
from guardian.paper.engine.orders import Event, PlaceOrder, SetBalance
from guardian.paper.host.home import PaperEndpoint
from guardian.paper.host.standalone import PaperServer, Serving, serve
from guardian.paper.storage import SqliteStorage
from tests.paper.support.client import ClientFor
from tests.support import prefork


def test_balances_orders_and_trades_survive_a_restart(tmp_path: Path, client_for: ClientFor) -> None:
    """A second exchange on the same file has the first one's orders, trades and balances, and continues from there."""
    file = tmp_path / "paper.db"
    with PaperServer(storage=SqliteStorage(file), seed=7) as server:
        client = client_for(server.endpoint)
        bought = client.order(type="MARKET", quantity="0.01").json
        resting = client.order(price="40000", newClientOrderId="rest").json
        before = client.balances()
        account = client.signed("GET", "/api/v3/account").json
    with PaperServer(storage=SqliteStorage(file), seed=7, balances={"USDT": "1"}) as server:
        client = client_for(server.endpoint)
        assert client.balances() == before
        assert client.signed("GET", "/api/v3/account").json == account
        found = client.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=bought["orderId"]).json
        assert (found["status"], found["cummulativeQuoteQty"]) == ("FILLED", bought["cummulativeQuoteQty"])
        assert [row["clientOrderId"] for row in client.signed("GET", "/api/v3/openOrders").json] == ["rest"]
        assert client.order(newClientOrderId="rest").error[2] == "Duplicate order sent."
        assert client.order(price="41000").json["orderId"] == resting["orderId"] + 1
        assert len(client.signed("GET", "/api/v3/myTrades", symbol="BTCUSDT").json) == 1


def test_every_reply_is_on_disk_before_it_is_given(tmp_path: Path, client_for: ClientFor) -> None:
    """As soon as an order is acknowledged, another reader of the file sees it and its lock."""
    file = tmp_path / "paper.db"
    with PaperServer(storage=SqliteStorage(file)) as server:
        client = client_for(server.endpoint)
        for number in range(5):
            placed = client.order(price="40000").json
            with closing(sqlite3.connect(file)) as reader:
                ids = [row[0] for row in reader.execute("SELECT order_id FROM orders ORDER BY order_id")]
                locked = reader.execute("SELECT locked FROM balances WHERE asset = 'USDT'").fetchone()[0]
            assert ids[-1] == placed["orderId"]
            assert Decimal(locked) == 40 * (number + 1)
    with closing(sqlite3.connect(file)) as reader:
        assert reader.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


class FailingStorage(SqliteStorage):
    """Fails to commit when a test says so, after or before the rows are written."""

    fails = False

    def commit(self, events: Sequence[Event], checked: int) -> None:
        if self.fails:
            raise StoreUnavailable("the disk is full")
        super().commit(events, checked)


def test_what_cannot_be_written_has_not_happened(tmp_path: Path, client_for: ClientFor) -> None:
    """With a disk that takes nothing the client sees a 5xx, and afterwards the order is neither there nor locked."""
    storage = FailingStorage(tmp_path / "paper.db")
    with PaperServer(storage=storage) as server:
        client = client_for(server.endpoint)
        before = client.balances()
        storage.fails = True
        reply = client.order(price="40000")
        assert (reply.status, reply.json["code"]) == (500, -1001)
        assert client.balances() == before
        assert client.order(type="MARKET", quantity="0.01").status == 500
        storage.fails = False
        assert client.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT").json == []
        assert client.order(price="40000").status == 200
        assert len(server.troubles) == 2


def test_a_real_write_error_is_a_refusal_and_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """A commit that SQLite itself refuses raises, and the exchange is then where the file is."""
    storage = SqliteStorage(tmp_path / "paper.db")
    server = PaperServer(storage=storage)
    order = PlaceOrder(
        symbol="BTCUSDT",
        side="BUY",
        order_type="LIMIT",
        client_order_id="a",
        quantity=Decimal("0.001"),
        price=Decimal(40000),
    )
    storage._db.execute("CREATE TRIGGER no BEFORE INSERT ON orders BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(StoreUnavailable), server.venue.at_work() as now:
        server.venue.execute(order, now)
    storage._db.execute("DROP TRIGGER no")
    with server.venue.at_work() as now:
        assert server.venue.state.ledger.of("USDT").locked == 0
        assert server.venue.state.orders == {}
        server.venue.execute(order, now)
    with pytest.raises(ExchangeRejected), server.venue.at_work() as now:
        server.venue.execute(order, now)
    storage.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE balances SET locked = '1' WHERE asset = 'USDT'",
        "UPDATE balances SET free = '-1' WHERE asset = 'USDT'",
        "UPDATE balances SET free = 'much' WHERE asset = 'USDT'",
        "DELETE FROM orders",
        "PRAGMA user_version = 99",
    ],
)
def test_a_file_that_does_not_add_up_is_not_served(tmp_path: Path, damage: str) -> None:
    """Locks without orders, negative amounts, things that are not numbers and other versions are all refused."""
    file = tmp_path / "paper.db"
    storage = SqliteStorage(file)
    server = PaperServer(storage=storage)
    order = PlaceOrder(
        symbol="BTCUSDT",
        side="BUY",
        order_type="LIMIT",
        client_order_id="a",
        quantity=Decimal("0.001"),
        price=Decimal(40000),
    )
    with server.venue.at_work() as now:
        server.venue.execute(order, now)
    storage.close()
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute(damage)
    with pytest.raises(StoreCorrupt):
        _open(file)


def _open(file: Path) -> None:
    storage = SqliteStorage(file)
    try:
        storage.load()
    finally:
        storage.close()


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    """A file of something else is refused and left as it is."""
    file = tmp_path / "paper.db"
    file.write_bytes(b"not a database, but long enough to be taken for one" * 20)
    before = file.read_bytes()
    with pytest.raises(StoreCorrupt):
        SqliteStorage(file)
    assert file.read_bytes() == before


def test_a_set_balance_is_kept_too(tmp_path: Path) -> None:
    """Balances that a control sets are on disk like any other."""
    file = tmp_path / "paper.db"
    storage = SqliteStorage(file)
    with PaperServer(storage=storage) as server, server.venue.at_work() as now:
        server.venue.execute(SetBalance(asset="SOL", free=Decimal("1.5")), now)
    again = SqliteStorage(file)
    state = again.load()
    again.close()
    assert state is not None
    assert state.ledger.of("SOL").free == Decimal("1.5")


SERVE = """
import pathlib, sys
from guardian.paper.host.standalone import serve
def tell(at):
    print(at.url, at.api_key.reveal(), at.api_secret.reveal(), flush=True)
serve("127.0.0.1", 0, 5, pathlib.Path(sys.argv[1]), on_ready=tell)
"""


@pytest.mark.skipif(os.name != "posix", reason="interrupts are sent as signals")
def test_the_standalone_exchange_serves_until_interrupted_and_keeps_its_state(
    tmp_path: Path, client_for: ClientFor
) -> None:
    """serve prints nothing of its own, ends quietly on an interrupt, and continues from its state file with its key."""
    keys = []
    for already in (0, 1):
        command = [sys.executable, "-c", SERVE, str(tmp_path / "state.db")]
        process = prefork.popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            url, key, secret = process.stdout.readline().split()
            keys.append(key)
            client = client_for(PaperEndpoint(url=url, api_key=Secret(key), api_secret=Secret(secret)))
            assert len(client.signed("GET", "/api/v3/openOrders").json) == already
            assert client.order(price="40000").status == 200
        finally:
            process.send_signal(signal.SIGINT)
            told, complaints = process.communicate(timeout=20)
        assert (process.returncode, told, complaints) == (0, "", "")
    assert keys[0] == keys[1]


def test_two_exchanges_never_share_a_state_file(tmp_path: Path) -> None:
    """serve refuses a state file that another exchange holds, a host that is not loopback, and a taken port."""
    file = tmp_path / "state.db"
    seen = []

    def inside(endpoint: Serving) -> None:
        seen.append(endpoint.url)
        with pytest.raises(ExchangeUnavailable, match="another paper exchange"):
            serve("127.0.0.1", 0, 1, file)
        with pytest.raises(ExchangeUnavailable, match="is unavailable"):
            serve("127.0.0.1", int(endpoint.url.rpartition(":")[2]), 1, None)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve("127.0.0.1", 0, 1, file, on_ready=inside)
    assert len(seen) == 1
    with pytest.raises(ExchangeUnavailable, match="this machine only"):
        serve("0.0.0.0", 0, 1, None)
