"""Claude Desktop starts the server twice: two that start together on an empty folder, again and again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from guardian.paper.host.home import find, stop
from tests.e2e.support.processes import Machine, RawServed, query
from tests.support import prefork
from tests.support.said_lines import faults
from tests.support.world import BASE, WIDE, merged, toml

POLICY = toml(merged(BASE, WIDE))
QUANTITIES = ("0.0003", "0.0004")
"""What the one and the other buys."""
LIGHT_ROUNDS = 22
"""Rounds of two processes that open guardian without the MCP server around it; see tests/e2e/support/pair.py."""
REAL_ROUNDS = 3
"""Rounds of two real `guardian serve`."""


def chain_is_one(home: Path) -> int:
    """No fork, no gap: as many rows as predecessors as the highest number. Returns the number of rows."""
    (told,) = query(home, "SELECT COUNT(*) AS rows, COUNT(DISTINCT prev_hash) AS before, MAX(seq) AS last FROM audit")
    assert told["rows"] == told["before"] == told["last"]
    return int(told["rows"])


def bought(home: Path) -> list[str]:
    rows = query(home, "SELECT quantity, state FROM orders ORDER BY quantity")
    assert {row["state"] for row in rows} == {"filled"}
    return [row["quantity"] for row in rows]


@pytest.fixture
def pair() -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes that have all their imports behind them and wait for a folder."""
    both = [
        prefork.popen(
            [sys.executable, "-m", "tests.e2e.support.pair", quantity],
            cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        )
        for quantity in QUANTITIES
    ]  # fmt: skip
    try:
        for process in both:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield both
    finally:
        for process in both:
            process.kill()
            process.communicate()


def test_two_that_start_together_share_one_log_and_one_exchange(
    pair: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    """On an empty folder each works at once; one chain, one paper exchange, and both orders in it, every time."""
    for number in range(LIGHT_ROUNDS):
        home = tmp_path / f"home{number}"
        home.with_suffix(".toml").write_text(POLICY, "utf-8")
        home.with_suffix(".toml").chmod(0o600)
        for process in pair:
            assert process.stdin is not None
            process.stdin.write(f"{home}\n")
            process.stdin.flush()
        told: list[dict[str, Any]] = []
        for process in pair:
            assert process.stdout is not None
            told.append(json.loads(process.stdout.readline()))
        for one in told:
            assert [one[what]["outcome"] for what in ("price", "bought", "orders")] == ["done"] * 3, (number, one)
            assert one["imported"] == 0
        assert len({one["exchange"] for one in told}) == 1
        assert told[0]["exchange"] is not None
        assert max(len(one["orders"]["data"]["orders"]) for one in told) == 2
        assert bought(home) == list(QUANTITIES)
        assert chain_is_one(home) > 0
        # Rows of phase `event` and `state` come besides: the policy's, what the transactions wrote into other tables,
        # and maybe one of a process that looked at the order that the other was just sending.
        (told_once,) = query(home, "SELECT COUNT(*) AS rows FROM audit WHERE phase NOT IN ('event', 'state')")
        assert told_once["rows"] == 2 * (2 + 3 + 2)
        assert stop(home)


def together(machine: Machine, serve_raw: Callable[..., RawServed]) -> list[RawServed]:
    """Two servers, started at once and asked at once."""
    both = [serve_raw(machine), serve_raw(machine)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(RawServed.start, both))
    return both


@pytest.mark.parametrize("number", range(REAL_ROUNDS))
def test_two_servers_started_together_trade_and_what_was_bought_stays(
    machine: Machine, serve_raw: Callable[..., RawServed], number: int
) -> None:
    """Two real servers on a folder with a policy only: no failure; stopped and started again, everything is there."""
    machine.write_policy(POLICY)
    both = together(machine, serve_raw)
    order = {"symbol": "BTCUSDT", "side": "BUY", "order_type": "MARKET"}

    def buy(place: int) -> dict[str, Any]:
        return both[place].call("create_order", **order, quantity=QUANTITIES[place])

    with ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(buy, (0, 1)))
    assert [reply["outcome"] for reply in replies] == ["done", "done"], replies
    names = {reply["data"]["order"]["client_order_id"] for reply in replies}
    for server in both:
        orders = server.call("get_orders", symbol="BTCUSDT")["data"]["orders"]
        assert {found["client_order_id"] for found in orders} == names
    before = both[0].call("get_balance")["data"]["balances"]
    for server in both:
        code, _, errors = server.leave()
        assert (code, faults(errors)) == (0, [])
    assert chain_is_one(machine.home) > 0
    assert find(machine.home) is not None, "the exchange ended with the servers"
    if number == 0:
        machine.end()
    again = serve_raw(machine)
    again.start()
    assert again.call("get_balance")["data"]["balances"] == before
    orders = again.call("get_orders", symbol="BTCUSDT")["data"]["orders"]
    assert {found["client_order_id"] for found in orders} == names
    code, _, errors = again.leave()
    assert (code, faults(errors)) == (0, [])
    assert machine.run("audit", "verify").returncode == 3
