"""A market order on a running server: proposed, and sent with the token of the proposal.

Own work is what a call takes beyond its requests: from the call's start to its reply, less the time in which at least
one request of the subject was out, as the proxy in front of its exchange saw it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from tests.benchmarks.sections.bench import Bench
from tests.benchmarks.subjects.guardian import token_of
from tests.benchmarks.subjects.stdio import Answer, StdioServer
from tests.benchmarks.subjects.subject import Subject
from tests.benchmarks.table.rows import Row
from tests.benchmarks.table.samples import clipped, covered, median
from tests.benchmarks.venue.client import Endpoint, Request

NAME = "orders"
PROPOSE, SEND, SEND_OWN, PROPOSE_OWN = "propose", "send", "send: own work", "propose: own work"
WARM_UP = 3
FAR_MS = 50

Traders = Sequence[tuple[Subject, StdioServer, Endpoint]]


def own_ms(answer: Answer, requests: Sequence[Request]) -> tuple[float, int]:
    """Returns how long a call took beside its requests, and how many trips one after the other these made."""
    out, trips = covered(clipped((one.span for one in requests), answer.start, answer.stop))
    return answer.ms - out * 1000, trips


def measure(bench: Bench) -> None:
    """Measures all subjects that place orders, with the exchange near and far, always behind a proxy that records."""
    for delay_ms in (0, FAR_MS):
        orders = bench.sizes.orders if not delay_ms else max(3, bench.sizes.orders // 3)
        traders = []
        for subject in bench.subjects:
            if subject.order is not None:
                endpoint = bench.venue.far(bench.venue.account(), delay_ms, setup_trips=0.0)
                traders.append((subject, bench.open(subject.command(endpoint)), endpoint))
        try:
            _Orders(bench, f"{delay_ms} ms").run(traders, orders)
        finally:
            for _, server, _ in traders:
                server.close()


class _Orders:
    """The samples of one distance."""

    def __init__(self, bench: Bench, conditions: str) -> None:
        self._bench = bench
        self._conditions = conditions
        self._ms: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        self._trips: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        self._cpu: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        self._open: dict[str, tuple[str, float] | None] = {}
        """Of each subject the call under way, what follows its reply included, and the CPU time at its start."""

    def run(self, traders: Traders, orders: int) -> None:
        """Places the orders in turn and adds the rows."""
        name = f"{NAME}, {self._conditions}"
        for number, (subject, server, endpoint) in self._bench.in_turn(name, WARM_UP + orders, traders):
            self._place(subject, server, endpoint, number, counts=number >= WARM_UP)
        for what in (PROPOSE, PROPOSE_OWN, SEND, SEND_OWN):
            for subject, _, _ in traders:
                self._add(what, subject.label)

    def _place(self, subject: Subject, server: StdioServer, endpoint: Endpoint, number: int, *, counts: bool) -> None:
        assert subject.order is not None
        tool, arguments = subject.order(number)
        what, own = (PROPOSE, PROPOSE_OWN) if subject.confirms else (SEND, SEND_OWN)
        self._begin(subject, server, what, counts=counts)
        answer = subject.call(server, tool, arguments)
        self._keep(subject, endpoint, answer, (what, own), counts=counts)
        if subject.confirms:
            self._begin(subject, server, SEND, counts=counts)
            sent = subject.call(server, tool, {"confirmation_token": token_of(answer.result)})
            self._keep(subject, endpoint, sent, (SEND, SEND_OWN), counts=counts)

    def _begin(self, subject: Subject, server: StdioServer, what: str, *, counts: bool) -> None:
        """Ends the CPU time of the call before: what a server does after its reply is the call's too."""
        used, before = server.cpu_ms(), self._open.get(subject.label)
        if used is not None and before is not None:
            self._cpu[subject.label, before[0]].append(used - before[1])
        self._open[subject.label] = (what, used) if counts and used is not None else None

    def _keep(
        self, subject: Subject, endpoint: Endpoint, answer: Answer, names: tuple[str, str], *, counts: bool
    ) -> None:
        requests = self._bench.venue.requests(endpoint)
        if counts:
            whole, own = names
            own_work, trips = own_ms(answer, requests)
            self._ms[subject.label, whole].append(answer.ms)
            self._ms[subject.label, own].append(own_work)
            self._trips[subject.label, own].append(trips)

    def _add(self, what: str, label: str) -> None:
        found, trips = self._ms[label, what], self._trips[label, what]
        if found:
            note = f"beyond {median(trips):g} trips" if trips else ""
            spent = self._cpu[label, what]
            row: dict[str, Any] = {"section": NAME, "what": what, "subject": label, "unit": "ms", "note": note}
            cpu = sum(spent) / len(spent) if spent else None
            self._bench.report.add(Row.of(found, conditions=self._conditions, cpu=cpu, **row))
