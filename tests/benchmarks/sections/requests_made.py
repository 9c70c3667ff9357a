"""How many requests a tool makes of the exchange: in a fresh process, and on a running server."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from tests.benchmarks.sections.bench import Bench
from tests.benchmarks.subjects.guardian import token_of
from tests.benchmarks.subjects.stdio import Answer, StdioServer
from tests.benchmarks.subjects.subject import Subject
from tests.benchmarks.table.rows import Row
from tests.benchmarks.table.samples import median
from tests.benchmarks.venue.client import Endpoint, Request

NAME = "requests"
COLD_TOOL = "get_ticker_price"
COLD, FIRST, WARM = "first call of a fresh process", "first call of this tool", "warm"
SETTLE_S = 0.7
WARM_CALLS = 3


def measure(bench: Bench) -> None:
    """Counts for all subjects that ask an exchange."""
    for subject in bench.subjects:
        if subject.tools:
            bench.progress(f"{NAME}: {subject.label}")
            _Counter(bench, subject).run()


class _Counter:
    """Counts the requests of one subject's tools."""

    def __init__(self, bench: Bench, subject: Subject) -> None:
        self._bench = bench
        self._subject = subject
        self._endpoint: Endpoint = bench.venue.far(bench.venue.account(), 0)

    def run(self) -> None:
        """Adds a row for the first call, and one for each tool that is warm."""
        with self._bench.server(self._subject.command(self._endpoint)) as server:
            server.initialize()
            first = self._subject.call(server, COLD_TOOL, self._subject.tools[COLD_TOOL])
            self._add(COLD_TOOL, COLD, [self._during(first)])
            # What the first call has started in the background belongs to no tool.
            time.sleep(SETTLE_S)
            self._settled()
            for tool, arguments in self._subject.tools.items():
                self._warm(server, tool, arguments)
            self._orders(server)

    def _warm(self, server: StdioServer, tool: str, arguments: object) -> None:
        assert isinstance(arguments, dict)
        if tool != COLD_TOOL:
            self._add(tool, FIRST, [self._during(self._subject.call(server, tool, arguments))])
        self._settled()
        self._add(tool, WARM, [self._during(self._subject.call(server, tool, arguments)) for _ in range(WARM_CALLS)])

    def _orders(self, server: StdioServer) -> None:
        if self._subject.order is None:
            return
        made: dict[str, list[list[Request]]] = {"create_order: propose": [], "create_order: send": []}
        for number in range(1 + WARM_CALLS):
            tool, arguments = self._subject.order(number)
            answer = self._subject.call(server, tool, arguments)
            kind = "create_order: propose" if self._subject.confirms else "create_order: send"
            made[kind].append(self._during(answer))
            if self._subject.confirms:
                sent = self._subject.call(server, tool, {"confirmation_token": token_of(answer.result)})
                made["create_order: send"].append(self._during(sent))
            time.sleep(SETTLE_S / 4)
            self._settled()
        for what, several in made.items():
            if several:
                self._add(what, FIRST, several[:1])
                self._add(what, WARM, several[1:])

    def _during(self, answer: Answer) -> list[Request]:
        """Returns the requests that were made while a call was answered."""
        return [one for one in self._settled() if answer.start <= one.arrived <= answer.stop]

    def _settled(self) -> list[Request]:
        return self._bench.venue.requests(self._endpoint)

    def _add(self, what: str, conditions: str, several: Sequence[Sequence[Request]]) -> None:
        weights = median(sum(one.weight for one in some) for some in several)
        paths = sorted({f"{one.method} {one.path}" for some in several for one in some})
        row: dict[str, Any] = {"section": NAME, "what": what, "subject": self._subject.label, "conditions": conditions}
        note = f"weight {weights:g}: {', '.join(paths)}" if paths else "none"
        self._bench.report.add(Row(unit="requests", value=median(len(some) for some in several), note=note, **row))
