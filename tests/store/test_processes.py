"""Several processes on one home, and processes that are killed: chain and caps hold, a token works once."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from guardian.domain.trading import TradingState
from guardian.store.database import Store
from guardian.store.emergency import EmergencyFile
from guardian.store.log.verify import verify
from tests.store.support.store_world import START_MS, World
from tests.support import prefork
from tests.support.clock import ClockOf
from tests.support.present import present

PRELUDE = """
import sys, time
from decimal import Decimal
from pathlib import Path
from guardian.domain.orders import OrderSide, OrderSpec, OrderState, OrderType, TimeInForce
from guardian.errors import StoreConflict
from guardian.policy.model import CountWindow, Limits, NotionalWindow
from guardian.store.log.checkpoint import write_checkpoint
from guardian.store.database import Store
from guardian.store.schema.records import NewOrder, Phase, Record, Scope
from guardian.system.clock import SYSTEM_CLOCK

home, who = Path(sys.argv[1]), sys.argv[2]
scope = Scope(environment="paper", account="a1")
limits = Limits(max_open_notional=Decimal(10**9),
    rolling_notional=(NotionalWindow(window_ms=10**9, maximum=Decimal(1000)),),
    max_orders=(CountWindow(window_ms=60000, maximum=5),), max_open_orders=5, max_daily_loss=Decimal(1),
    duplicate_window_ms=60000, anti_slicing_window_ms=60000, absence_window_ms=60000,
    halt_after_orders=20, max_calls_per_minute=120,
    min_free_quote=Decimal(0))
store = Store.open(home, SYSTEM_CLOCK)

def spec(number):
    return OrderSpec(symbol="BTCUSDT", side=OrderSide.BUY, order_type=OrderType.LIMIT, quantity=Decimal("0.002"),
        price=Decimal(number + 1), time_in_force=TimeInForce.GTC)

def reserve(tx, call_id, order, proposal_id=None):
    intent = Record(phase=Phase.INTENT, call_id=call_id, tool="create_order", symbol="BTCUSDT", body={"n": 1})
    entry = tx.audit.append(intent)
    tx.orders.reserve(NewOrder(client_order_id=entry.client_order_id, environment="paper", account="a1",
        call_id=call_id, proposal_id=proposal_id, symbol="BTCUSDT", base_asset="BTC", quote_asset="USDT", side="BUY",
        order_type="LIMIT", wire_type="LIMIT", time_in_force="GTC", price=order.price, quantity=order.quantity,
        fingerprint=order.fingerprint, notional=Decimal(100), quote_notional=Decimal(100), currency="USDT",
        reserved_ms=tx.now_ms, sent_ms=tx.now_ms))
    return entry

print("ready", flush=True)
sys.stdin.readline()
"""

APPEND = """
for number in range(75):
    with store.transaction() as tx:
        tx.audit.append(Record(phase=Phase.EVENT, body={"who": who, "n": number}))
"""

CAP = """
for number in range(10):
    with store.transaction() as tx:
        order = spec(int(who) * 100 + number)
        snapshot = tx.snapshots.take(scope)
        usage = tx.usage.of(scope, order, limits, currency="USDT", assets=("BTC", "USDT"), snapshot=snapshot)
        if usage.entered[10**9] + 100 <= 1000:
            reserve(tx, f"{who}-{number}", order)
            print("sent", flush=True)
"""

REDEEM = """
try:
    with store.transaction() as tx:
        entry = reserve(tx, f"call-{who}", spec(int(who)), sys.argv[3])
        tx.proposals.redeem(sys.argv[3], entry.client_order_id)
    print("sent", flush=True)
except StoreConflict:
    pass
"""

TRADE = """
number = 0
while True:
    number += 1
    with store.transaction() as tx:
        entry = reserve(tx, f"{who}-{number}", spec(number))
    # From here on the order may be sent; what is printed is what the exchange saw.
    print(entry.client_order_id, flush=True)
    with store.transaction() as tx:
        tx.audit.append(Record(phase=Phase.OUTCOME, call_id=f"{who}-{number}", tool="create_order", outcome="done"))
        tx.orders.move(entry.client_order_id, OrderState.FILLED)
    write_checkpoint(home, store)
"""


def start(world: World, code: str, who: object, *more: str) -> subprocess.Popen[str]:
    return prefork.popen(
        [sys.executable, "-c", PRELUDE + code, str(world.home), str(who), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def together(processes: list[subprocess.Popen[str]]) -> list[str]:
    """Let all go at once; what each printed."""
    for process in processes:
        assert present(process.stdout).readline() == "ready\n"
    for process in processes:
        present(process.stdin).write("go\n")
        present(process.stdin).flush()
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return outputs


def no_halt(world: World) -> bool:
    """Nobody found the chain broken: trading is active, for somebody who starts now too."""
    world.clock_ms = time.time_ns() // 1_000_000
    world.reopen()
    return world.attempt(lambda tx: tx.trading.status()).state is TradingState.ACTIVE


def test_four_processes_append_without_a_fork(world: World) -> None:
    """Four times 75 rows: 300 rows, 300 different predecessors, no number left out."""
    together([start(world, APPEND, who) for who in range(4)])
    with closing(sqlite3.connect(world.home / "guardian.db")) as connection:
        row = connection.execute("SELECT count(*), count(DISTINCT prev_hash), max(seq) FROM audit").fetchone()
    assert row == (300, 300, 300)
    assert verify(world.home).is_intact
    assert no_halt(world)


def test_cap_holds_over_four_processes(world: World) -> None:
    """Forty orders of 100 against a cap of 1000: ten are reserved."""
    outputs = together([start(world, CAP, who) for who in range(4)])
    assert "".join(outputs).count("sent") == 10
    with world.store.transaction() as tx:
        assert len(tx.orders.newest(world.scope)) == 10


def test_eight_processes_redeem_one_token_once(world: World) -> None:
    """Of eight at once exactly one makes an order."""
    world.clock_ms = time.time_ns() // 1_000_000
    proposal = world.propose(token="t", token_ttl=3_600_000)
    outputs = together([start(world, REDEEM, who, proposal.id) for who in range(8)])
    assert "".join(outputs).count("sent") == 1
    with world.store.transaction() as tx:
        assert len(tx.orders.newest(world.scope)) == 1


def test_processes_that_are_killed_leave_a_whole_log(world: World) -> None:
    """Twenty kills of two traders at any moment: chain, checkpoint and orders agree, and every sent order is known."""
    chance = random.Random(7)
    sent: set[str] = set()
    for number in range(10):
        pair = [start(world, TRADE, f"{number}-{who}") for who in range(2)]
        for process in pair:
            assert present(process.stdout).readline() == "ready\n"
            present(process.stdin).write("go\n")
            present(process.stdin).flush()
        for process in pair:
            time.sleep(chance.uniform(0.005, 0.12))
            process.kill()
        for process in pair:
            # The last line may be torn by the kill; a whole one is 35 characters.
            sent |= {line for line in process.communicate(timeout=30)[0].split("\n") if len(line) == 35}
        report = verify(world.home)
        assert report.findings == ()
    assert no_halt(world)
    with world.store.transaction() as tx:
        known = {row.client_order_id: row for row in tx.orders.newest(world.scope, limit=100_000)}
        unresolved = {row.client_order_id for row in tx.orders.unresolved(world.scope)}
    assert sent
    assert sent <= set(known)
    # What was reserved and has no outcome is known to be unresolved, and counts.
    assert all((row.state.value == "reserved") == (name in unresolved) for name, row in known.items())


def test_process_that_is_killed_while_importing_loses_and_repeats_nothing(world: World, tmp_path: Path) -> None:
    """The emergency file is imported by processes that are killed: in the end every record is in the log once."""
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom guardian.store.database import Store\n"
        "from guardian.store.emergency import EmergencyFile\nfrom guardian.system.clock import SYSTEM_CLOCK\n"
        "store = Store.open(Path(sys.argv[1]), SYSTEM_CLOCK)\n"
        "file = EmergencyFile(Path(sys.argv[1]), second=Path(sys.argv[2]))\nprint('ready', flush=True)\n"
        "while True:\n    file.import_into(store)\n"
    )
    emergency = EmergencyFile(world.home, second=tmp_path / "state")
    emergency.preallocate()
    chance, count = random.Random(3), 0
    for _ in range(8):
        process = prefork.popen(
            [sys.executable, "-c", code, str(world.home), str(tmp_path / "state")], stdout=subprocess.PIPE, text=True
        )
        assert present(process.stdout).readline() == "ready\n"
        until = time.monotonic() + chance.uniform(0.01, 0.1)
        while time.monotonic() < until:
            assert emergency.append({"n": count})
            count += 1
        process.kill()
        process.communicate(timeout=30)
    world.clock_ms = time.time_ns() // 1_000_000
    emergency.import_into(world.store)
    assert emergency.pending() == ()
    with closing(sqlite3.connect(world.home / "guardian.db")) as connection:
        numbers = [row[0] for row in connection.execute("SELECT body -> '$.data.record.n' FROM audit ORDER BY seq")]
        halted = connection.execute("SELECT state, reason FROM control").fetchone()
    numbers = [n for n in numbers if n is not None]  # the row of the halt has none
    assert halted[0] == "halted"
    assert halted[1].startswith("something could not be written to the log")
    assert sorted(int(n) for n in numbers) == list(range(count))


@pytest.mark.parametrize("count", [20])
def test_threads_of_one_process_share_the_writer(world: World, count: int) -> None:
    """Twenty threads append at once: one row each, one chain."""
    import threading

    from guardian.store.schema.records import Phase, Record

    world.clock_ms = time.time_ns() // 1_000_000  # as for whoever starts after it

    def run(number: int) -> None:
        with world.store.transaction() as tx:
            tx.audit.append(Record(phase=Phase.EVENT, body={"n": number}))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = verify(world.home)
    assert report.is_intact
    assert report.rows == count
    assert no_halt(world)


def test_second_store_of_a_home_sees_what_the_first_wrote(world: World) -> None:
    """Two processes, or two stores, have one trading state, one window time and one chain."""
    world.place()
    other = Store.open(world.home, ClockOf(lambda: START_MS - 10**9, lambda: 0))
    with other.transaction() as tx:
        assert tx.now_ms == START_MS
        assert len(tx.orders.newest(world.scope)) == 1
    other.close()
