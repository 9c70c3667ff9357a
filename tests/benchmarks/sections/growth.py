"""How cost grows: with the rows of the log, the symbols of the policy, and the orders that are open."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.sections.bench import Bench
from tests.benchmarks.subjects.guardian import ASKS, Guardian, resting_order
from tests.benchmarks.subjects.stdio import StdioServer
from tests.benchmarks.table.rows import Row
from tests.benchmarks.venue.client import Endpoint

LOG, SYMBOLS, OPEN = "log", "symbols", "open orders"
WEIGHT = "weight a minute in the background"
READ, PROPOSE = "read a price", "create_order: propose"
UNASKED: Mapping[str, Any] = {"confirmation": {"required_above": "1000000", "channel": "chat", "max_outstanding": 1000}}
LISTS = (
    ("audit list", ("audit", "list")),
    ("audit list --tool", ("audit", "list", "--tool", "get_balance")),
    ("audit list --symbol", ("audit", "list", "--symbol", "ETHUSDT")),
    ("audit list --outcome", ("audit", "list", "--outcome", "denied")),
    ("audit list --since", ("audit", "list", "--since", "2h")),
)
MANY_ROWS = 100_000
SETTLE_S = 5
WARM_UP = 3


def measure_log(bench: Bench) -> None:
    """Lengthens the log of one home of each checkout, step by step, and measures at each length."""
    homes = {one.label: one.home(bench.venue.account(), ASKS) for one in bench.guardians}
    for rows in bench.sizes.log_rows:
        bench.progress(f"{LOG}: {rows:,} rows")
        for guardian in bench.guardians:
            guardian.program("grow_log.py", str(homes[guardian.label]), str(rows))
        words = f"{rows:,} rows"
        _calls(bench, [(one, homes[one.label]) for one in bench.guardians], LOG, words)
        for what, command in (*LISTS, ("audit verify", ("audit", "verify"))):
            is_long = what == "audit verify" and rows > MANY_ROWS
            _commands(bench, homes, (what, command), words, rounds=1 if is_long else 3)


def _commands(
    bench: Bench, homes: Mapping[str, Path], named: tuple[str, tuple[str, ...]], words: str, *, rounds: int
) -> None:
    what, command = named
    walls: defaultdict[str, list[float]] = defaultdict(list)
    cpus: defaultdict[str, list[float]] = defaultdict(list)
    for _, guardian in bench.in_turn(f"{LOG}: {what}", rounds, bench.guardians):
        done = guardian.command(homes[guardian.label], *command)
        walls[guardian.label].append(done.wall_ms)
        cpus[guardian.label] += [] if done.cpu_ms is None else [done.cpu_ms]
    for label, samples in walls.items():
        cpu = sum(cpus[label]) / len(cpus[label]) if cpus[label] else None
        row: dict[str, Any] = {
            "section": LOG,
            "what": what,
            "subject": label,
            "conditions": words,
            "unit": "ms",
            "cpu": cpu,
        }
        bench.report.add(Row.of(samples, **row))


def measure_symbols(bench: Bench) -> None:
    """Measures under policies of few and of many symbols."""
    for count in bench.sizes.symbols:
        limits = {"max_notional": "100", "max_quantity": "1", "max_position": "1"}
        more = {f"MADE{number:03}USDT": limits for number in range(count - 1)}
        changes = {"symbols": {"ETHUSDT": None, **more}}
        homes = [(one, one.home(bench.venue.account(), ASKS, changes)) for one in bench.guardians]
        _calls(bench, homes, SYMBOLS, f"{count} symbols")


def measure_open(bench: Bench) -> None:
    """Opens more and more orders on one home of each checkout; then counts what the background requests."""
    endpoints = {one.label: bench.venue.far(bench.venue.account(), 0) for one in bench.guardians}
    homes = {one.label: one.home(endpoints[one.label], UNASKED) for one in bench.guardians}
    servers = [(one, bench.open(one.serve(homes[one.label]))) for one in bench.guardians]
    try:
        opened = 0
        for count in bench.sizes.open_orders:
            for guardian, server in servers:
                guardian.write_policy(homes[guardian.label], endpoints[guardian.label], UNASKED)
                for number in range(opened, count):
                    guardian.subject().call(server, *resting_order(number))
                guardian.write_policy(homes[guardian.label], endpoints[guardian.label], ASKS)
            opened = count
            words = f"{count} open orders"
            _measure_calls(bench, servers, OPEN, words)
            if bench.sizes.watches_each or count == bench.sizes.open_orders[-1]:
                _count_background(bench, endpoints, words)
    finally:
        for _, server in servers:
            server.close()


def _count_background(bench: Bench, endpoints: Mapping[str, Endpoint], words: str) -> None:
    watch_s = bench.sizes.watch_s
    bench.progress(f"{OPEN}: {words}: counting what is requested in {watch_s:g} s")
    # What the calls before have started in the background ends first.
    time.sleep(min(watch_s, SETTLE_S))
    for endpoint in endpoints.values():
        bench.venue.requests(endpoint)
    start = time.monotonic()
    time.sleep(watch_s)
    for label, endpoint in endpoints.items():
        seen = bench.venue.requests(endpoint)
        minutes = (time.monotonic() - start) / 60
        row: dict[str, Any] = {
            "section": OPEN,
            "what": WEIGHT,
            "subject": label,
            "conditions": words,
            "unit": "a minute",
        }
        note = f"{len(seen) / minutes:.0f} requests a minute, counted for {watch_s:g} s"
        bench.report.add(Row(value=sum(one.weight for one in seen) / minutes, note=note, **row))


def _calls(bench: Bench, homes: list[tuple[Guardian, Path]], section: str, words: str) -> None:
    servers = [(guardian, bench.open(guardian.serve(home))) for guardian, home in homes]
    try:
        _measure_calls(bench, servers, section, words)
    finally:
        for _, server in servers:
            server.close()


def _measure_calls(bench: Bench, servers: list[tuple[Guardian, StdioServer]], section: str, words: str) -> None:
    """Measures a read and a proposal, in turn."""
    times: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    rounds = WARM_UP + bench.sizes.growth_calls
    for number, (guardian, server) in bench.in_turn(f"{section}, {words}", rounds, servers):
        subject = guardian.subject()
        assert subject.order is not None
        read, proposed = subject.price(server), subject.call(server, *subject.order(number))
        if number >= WARM_UP:
            times[READ, guardian.label].append(read.ms)
            times[PROPOSE, guardian.label].append(proposed.ms)
    for (what, label), samples in times.items():
        bench.report.add(Row.of(samples, section=section, what=what, subject=label, conditions=words, unit="ms"))
