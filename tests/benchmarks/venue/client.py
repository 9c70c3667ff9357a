"""The process of the paper exchange, as the harness controls it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.subjects.processes import Processes, environment

ROOT: Final = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a subject finds its exchange, and its key there; with a proxy in front of it or not."""

    account: int
    url: str
    api_key: str
    api_secret: str
    delay_ms: float = 0
    proxy: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request that a proxy saw."""

    method: str
    path: str
    params: Sequence[str]
    weight: int
    is_first: bool
    arrived: float
    sent: float
    answered: float
    delivered: float

    @property
    def span(self) -> tuple[float, float]:
        """From when the client had sent it until the client was sent the reply."""
        return self.arrived, self.delivered


class Venue:
    """The running process. Each subject gets an account of its own."""

    def __init__(self, processes: Processes, scratch: Path) -> None:
        self._process = processes.start(
            [sys.executable, "-P", "-m", "tests.benchmarks.venue.process"],
            env={**environment(scratch), "PYTHONPATH": str(ROOT)},
            cwd=scratch,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def account(self) -> Endpoint:
        """Makes an account and returns where it is, without a proxy in front."""
        return Endpoint(**self._do("account"))

    def far(self, near: Endpoint, delay_ms: float, *, setup_trips: float = 1.0) -> Endpoint:
        """Returns the same account behind a proxy of its own, which adds this round trip (0 adds none) and records."""
        made = self._do("proxy", account=near.account, delay_ms=delay_ms, setup_trips=setup_trips)
        return Endpoint(
            account=near.account,
            api_key=near.api_key,
            api_secret=near.api_secret,
            delay_ms=delay_ms,
            **made,
        )

    def requests(self, endpoint: Endpoint) -> list[Request]:
        """Returns the requests through a proxy since the last time, in order."""
        return [Request(**one) for one in self._do("traffic", proxy=endpoint.proxy)]

    def orders(self, endpoint: Endpoint) -> list[dict[str, str]]:
        """Returns every order that the account's exchange has taken."""
        found: list[dict[str, str]] = self._do("orders", account=endpoint.account)
        return found

    def _do(self, action: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": action, **arguments}).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process of the paper exchange has ended")
        return json.loads(line)
