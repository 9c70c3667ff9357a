"""Races, crashes and broken disks: nothing is sent that is not on disk, and nothing that was sent is forgotten."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from guardian.domain.trading import TradingState
from guardian.store.disk_space import BALLAST_NAME
from tests.support import prefork
from tests.support.world import WIDE, Assistant, World, codes

ROOT = Path(__file__).parents[3]
posix = pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL and SIGSTOP")
LIMIT = {"order_type": "LIMIT", "quantity": "0.001", "price": "60000"}


def driver(world: World, *arguments: str) -> subprocess.Popen[str]:
    return prefork.popen(
        [sys.executable, "-m", "tests.gate.support.driver", str(world.policy_path), str(world.home), *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str], timeout: float = 60) -> Any:
    out, err = process.communicate(timeout=timeout)
    lines = [line for line in out.splitlines() if line.startswith(("[", "{"))]
    assert lines, err
    return json.loads(lines[-1])


def until(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    watch = threading.Timer(60, process.kill)  # a process that says nothing must not hold up the suite
    watch.start()
    try:
        for line in process.stdout:
            if line.strip() == word:
                return
    finally:
        watch.cancel()
    raise AssertionError(process.stderr.read() if process.stderr else "")


def test_forty_concurrent_calls_from_four_processes_place_exactly_ten(world: World) -> None:
    """40 calls of 100 at different prices against a cap of 1000 from 4 processes: exactly 10 orders are sent."""
    hundred = {"symbols": {"BTCUSDT": {"max_notional": "101", "max_quantity": "1", "max_position": "100"}}}
    world.policy(WIDE, hundred, {"limits": {"rolling_notional": [{"window": "24h", "max": "1000"}]}})
    # Each is 0.002 at 50000 or just below: ten of them are at most 1000, eleven are more.
    world.market("50000", "50001")
    processes = [driver(world, "burst", str(50000 - 10 * n), "10") for n in range(4)]
    for process in processes:
        until(process, "ready")
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outcomes = [outcome for process in processes for outcome in answer(process)]
    assert len(outcomes) == 40
    assert outcomes.count("done") == 10
    assert len(world.sent()) == 10
    assert len({order["newClientOrderId"] for order in world.sent()}) == 10


@posix
def test_killed_between_intent_and_send_is_known_counted_and_found_not_placed_only_in_time(world: World) -> None:
    """After kill -9 before the send the next start lists the order as not resolved, counts it, and asks for it."""
    world.policy(WIDE)
    process = driver(world, "crash", "before_send")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert world.sent() == []
    told = answer(driver(world, "start"))
    (order,) = told["before"]["unresolved"]
    assert order["state"] == "reserved"
    budget = next(b for b in told["before"]["budgets"] if b["limit"] == "rolling_notional")
    assert budget["used"] == "60"
    # The exchange does not know it, which right after sending proves nothing: it stays and counts.
    assert told["found"] == [{"client_order_id": order["client_order_id"], "state": None}]
    assert len(told["after"]["unresolved"]) == 1
    asked = world.controls.requests("GET", "/api/v3/order")
    assert [fields["origClientOrderId"] for fields in asked] == [order["client_order_id"]]
    shown = world.command("status")
    assert shown.returncode == 1
    assert order["client_order_id"] in shown.stdout


@posix
def test_killed_between_send_and_outcome_is_found_at_the_next_start(world: World) -> None:
    """After kill -9 behind the send the next start finds the order at the exchange and says so in the log."""
    world.policy(WIDE)
    process = driver(world, "crash", "after_send")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    (sent,) = world.sent()
    told = answer(driver(world, "start"))
    assert [o["client_order_id"] for o in told["before"]["unresolved"]] == [sent["newClientOrderId"]]
    assert told["found"] == [{"client_order_id": sent["newClientOrderId"], "state": "open"}]
    assert told["after"]["unresolved"] == []
    assert [o["client_order_id"] for o in told["after"]["open_orders"]] == [sent["newClientOrderId"]]
    assert len(world.sent()) == 1
    shown = world.command("audit", "show", sent["newClientOrderId"])
    assert shown.returncode == 0
    assert "resolved" in shown.stdout


@posix
def test_process_stopped_for_longer_than_the_receive_window_does_not_send_when_it_wakes(world: World) -> None:
    """A process stopped between intent and send for longer than recvWindow does not send: the order is not placed."""
    world.policy(WIDE)
    process = driver(world, "stop")
    until(process, "stopping")
    time.sleep(5.5)
    os.kill(process.pid, signal.SIGCONT)
    told = answer(process)
    assert (told["outcome"], told["code"]) == ("unavailable", "ORDER_NOT_SENT")
    assert world.sent() == []
    status = json.loads(world.command("status", "--json").stdout)
    assert status["unresolved"] == []
    assert status["open_orders"] == []


def test_halted_denies_creates_and_lets_cancels_through(world: World) -> None:
    """Halted from another process: creates are denied at the next call, cancels and reads work."""
    world.policy(WIDE)
    assistant = world.assistant()
    placed = assistant.order(**LIMIT)
    assert placed["outcome"] == "done"
    assert world.command("halt", "--reason", "lunch").returncode == 0
    denied = assistant.order(**{**LIMIT, "price": "59999"})
    assert codes(denied) == {"TRADING_HALTED"}
    assert "lunch" in denied["error"]["message"]
    assert denied["meta"]["trading"] == "halted"
    assert assistant.call("get_balance")["outcome"] == "done"
    cancelled = assistant.call("cancel_order", symbol="BTCUSDT", order_id=placed["data"]["order"]["order_id"])
    assert cancelled["outcome"] == "done"
    assert len(world.sent()) == 1


def test_broken_policy_file_denies_creates_with_its_mistakes_until_it_is_mended(world: World) -> None:
    """Broken while running: creates are denied with the mistakes, reads and cancels work; mended, trading continues."""
    world.policy(WIDE)
    assistant = world.assistant()
    placed = assistant.order(**LIMIT)
    good = world.policy_path.read_text()
    for broken, word in ((good.replace("max_notional", "max_notinal"), "max_notinal"), ("environment = ", "line 1")):
        world.write(broken)
        denied = assistant.order(**{**LIMIT, "price": "59999"})
        assert codes(denied) == {"POLICY_INVALID"}
        assert word in denied["error"]["message"]
    world.policy_path.unlink()
    assert codes(assistant.order(**{**LIMIT, "price": "59998"})) == {"POLICY_INVALID"}
    assert assistant.call("get_ticker_price", symbol="BTCUSDT")["outcome"] == "done"
    order_id = placed["data"]["order"]["order_id"]
    assert assistant.call("cancel_order", symbol="BTCUSDT", order_id=order_id)["outcome"] == "done"
    world.write(good)
    assert assistant.order(**{**LIMIT, "price": "59997"})["outcome"] == "done"


def test_start_with_a_broken_policy_goes_on_under_the_last_good_one(world: World) -> None:
    """Started with a broken file, reads and cancels go on under the last good policy, and creates are denied."""
    world.policy(WIDE)
    world.assistant().close()
    world._assistants.clear()
    _move_policy_home(world)
    first = world.assistant()
    placed = first.order(**LIMIT)
    first.close()
    world._assistants.clear()
    world.write("schema = 2")
    second = world.assistant()
    assert "POLICY_INVALID" in codes(second.order(**{**LIMIT, "price": "59999"}))
    order_id = placed["data"]["order"]["order_id"]
    assert second.call("cancel_order", symbol="BTCUSDT", order_id=order_id)["outcome"] == "done"


def _move_policy_home(world: World) -> None:
    world.policy_path = world.policy_path.replace(world.home / "policy.toml")


def test_only_a_server_on_the_homes_own_file_changes_the_last_good_policy(world: World, tmp_path: Path) -> None:
    """Neither a command nor a server with another file does (before: `guardian status --policy other.toml` was enough
    to make that one the home's last good policy)."""
    world.policy(WIDE)
    world.assistant().close()
    world._assistants.clear()
    _move_policy_home(world)
    own = world.policy_path.read_text()
    other = tmp_path / "other.toml"
    other.write_text(f"{own}\n# another\n")

    def last_good() -> list[str]:
        with closing(sqlite3.connect(world.home / "guardian.db")) as connection:
            return [row[0] for row in connection.execute("SELECT text FROM policies ORDER BY ordinal DESC LIMIT 1")]

    assert last_good() == []  # that server had another file
    for arguments in (["status"], ["status", "--policy", str(other)], ["approve"], ["audit", "reconcile"]):
        world.command(*arguments)
        assert last_good() == [], arguments
    world.assistant().call("get_ticker_price", symbol="BTCUSDT")
    assert last_good() == [own]
    for arguments in (["status", "--policy", str(other)], ["halt"], ["approve", "--policy", str(other)]):
        world.command(*arguments)
        assert last_good() == [own], arguments
    world.write(f"{own}\n# edited\n")
    world._assistants[0].call("get_ticker_price", symbol="BTCUSDT")
    assert last_good() == [f"{own}\n# edited\n"]


@pytest.fixture
def small_disk(world: World, tmp_path: Path) -> Iterator[Path]:
    """The home on a tmpfs of 96 MB, more than orders need, which can be filled and made read-only."""
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("needs root, for mounting a tmpfs")
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(disk)], check=False)
    if done.returncode != 0:
        pytest.skip("no tmpfs can be mounted here")
    world.home = disk / "home"
    try:
        yield disk
    finally:
        world.close()
        subprocess.run(["umount", "-l", str(disk)], check=False)


def _refused_but_for_cancels(world: World, assistant: Assistant, order_id: int) -> None:
    sent = len(world.sent())
    for tool, fields in (
        ("create_order", {"symbol": "BTCUSDT", "side": "BUY", **LIMIT, "price": "59990"}),
        ("get_balance", {}),
    ):
        refused = assistant.call(tool, **fields)
        assert (refused["outcome"], refused["error"]["code"]) == ("unavailable", "LOG_UNAVAILABLE")
        assert len(refused["error"]["message"]) > 20
    assert len(world.sent()) == sent
    assert assistant.call("cancel_order", symbol="BTCUSDT", order_id=order_id)["outcome"] == "done"


def test_full_disk_sends_no_order_and_a_cancel_is_in_the_emergency_file(world: World, small_disk: Path) -> None:
    """On a full disk no order is sent, every refusal says why, and a cancel works and is in the emergency file."""
    world.policy(WIDE)
    assistant = world.assistant()
    placed = assistant.order(**LIMIT)
    assert placed["outcome"] == "done", placed
    filling = small_disk / "filling"
    for _ in range(2):  # the second time with what guardian itself kept for this, and has given up
        with filling.open("ab", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass
        for _ in range(200):  # what room is left in the log's own pages is used up by calls that still fit
            if assistant.call("get_ticker_price", symbol="BTCUSDT")["outcome"] != "done":
                break
    assert not (world.home / BALLAST_NAME).exists()
    _refused_but_for_cancels(world, assistant, placed["data"]["order"]["order_id"])
    pending = assistant.guardian.journal.emergency.pending()
    assert any("cancel_order" in json.dumps(record) or record.get("kind") == "outcome" for record in pending)
    filling.unlink()
    # A non-empty emergency file is a halt. A start takes it into the log, and the owner alone ends the halt.
    halted = assistant.order(**{**LIMIT, "price": "59980"})
    assert "TRADING_HALTED" in codes(halted)
    assistant.close()
    world._assistants.clear()
    after = world.assistant()
    assert after.guardian.imported >= 1
    assert codes(after.order(**{**LIMIT, "price": "59970"})) == {"TRADING_HALTED"}
    with after.guardian.journal.transaction() as tx:
        tx.trading.set(TradingState.ACTIVE, reason="resumed", by="owner")
    assert after.order(**{**LIMIT, "price": "59970"})["outcome"] == "done"
    assert world.command("audit", "verify").returncode == 3


def test_read_only_log_sends_no_order_and_a_cancel_is_in_the_emergency_file(world: World, small_disk: Path) -> None:
    """On a read-only mount no order is sent, and a cancel works and is in the emergency file's second place."""
    world.policy(WIDE)
    first = world.assistant()
    placed = first.order(**LIMIT)
    assert placed["outcome"] == "done"
    first.close()
    world._assistants.clear()
    done = subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=False)
    assert done.returncode == 0
    assistant = world.assistant()
    _refused_but_for_cancels(world, assistant, placed["data"]["order"]["order_id"])
    assert assistant.guardian.journal.emergency.pending()
    assistant.close()
    world._assistants.clear()
    assert subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=False).returncode == 0
    after = world.assistant()
    assert after.guardian.imported >= 1
    assert codes(after.order(**{**LIMIT, "price": "59970"})) == {"TRADING_HALTED"}
    with after.guardian.journal.transaction() as tx:
        tx.trading.set(TradingState.ACTIVE, reason="resumed", by="owner")
    assert after.order(**{**LIMIT, "price": "59970"})["outcome"] == "done"
