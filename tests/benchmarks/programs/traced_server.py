"""Runs `guardian serve` and notes what it does when: `traced_server.py FILE`.

The named functions are wrapped in this process, by their names in the checkout that is measured; one that this checkout
lacks is left out. At the end the spans are written to the file as JSON lines: kind, start, stop, by
`time.perf_counter()`.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import json
import sys
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Any, Final

Span = tuple[str, float, float]
SPANS: Final[list[Span]] = []
_PHASES: Final[list[str]] = []
"""The rows that the open transaction has appended; a process has one transaction at a time."""


def timed(kind: str, usual: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the function with its calls noted."""

    @functools.wraps(usual)
    def noted(*arguments: Any, **options: Any) -> Any:
        start = perf_counter()
        try:
            return usual(*arguments, **options)
        finally:
            SPANS.append((kind, start, perf_counter()))

    return noted


def timed_async(kind: str, usual: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the coroutine function with its calls noted."""

    @functools.wraps(usual)
    async def noted(*arguments: Any, **options: Any) -> Any:
        start = perf_counter()
        try:
            return await usual(*arguments, **options)
        finally:
            SPANS.append((kind, start, perf_counter()))

    return noted


def _trace_transactions() -> None:
    """Notes each transaction of the store by the rows that it appends to the log."""
    store = importlib.import_module("guardian.store.database").Store
    audit = importlib.import_module("guardian.store.transaction.audit").AuditPart
    usual_transaction, usual_append = store.transaction, audit.append

    @contextmanager
    def transaction(self: Any, **options: Any) -> Any:
        start = perf_counter()
        try:
            with usual_transaction(self, **options) as tx:
                _PHASES.clear()
                yield tx
        finally:
            SPANS.append((f"store:{'+'.join(_PHASES) or 'no row'}", start, perf_counter()))

    def append(self: Any, record: Any) -> Any:
        _PHASES.append(str(getattr(record.phase, "value", record.phase)))
        return usual_append(self, record)

    store.transaction, audit.append = transaction, append


def _trace_method(kind: str, module: str, holder: str, name: str, wrap: Callable[..., Any]) -> None:
    found = getattr(importlib.import_module(module), holder)
    setattr(found, name, wrap(kind, getattr(found, name)))


def _trace_function(kind: str, module: str, name: str) -> None:
    """Wraps a function in each module of guardian that has imported it."""
    usual = getattr(importlib.import_module(module), name)
    noted = timed(kind, usual)
    for one in [one for key, one in sys.modules.items() if key.startswith("guardian")]:
        if getattr(one, name, None) is usual:
            setattr(one, name, noted)


def main() -> int:
    """Serves, traced."""
    spans = Path(sys.argv[1])
    variables = importlib.import_module("guardian.system.variables")
    variables.forget_unknown_variables()
    for module in ("guardian.bootstrap", "guardian.server.app", "guardian.gate.orders.decide", "guardian.connector"):
        importlib.import_module(module)
    lacking = (ImportError, AttributeError)
    with suppress(*lacking):
        _trace_transactions()
    with suppress(*lacking):
        _trace_function("policy", "guardian.policy.engine", "judge_order")
    with suppress(*lacking):
        _trace_method("client", "guardian.exchange.http.client", "GuardedClient", "_request", timed_async)
    for name in ("open_call", "handle", "close_call"):
        with suppress(*lacking):
            _trace_method("gate", "guardian.gate.pipeline", "Gate", name, timed_async)

    @atexit.register
    def write() -> None:
        spans.write_text("".join(json.dumps(span) + "\n" for span in SPANS), "utf-8")

    sys.argv = ["guardian", "serve"]
    code: int = importlib.import_module("guardian.cli.app").main()
    return code


if __name__ == "__main__":
    sys.exit(main())
