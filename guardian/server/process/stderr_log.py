"""Logging of the server process: to stderr alone, without any text from outside.

An MCP client keeps the server's stderr in a file of its own, where neither arguments nor the text of foreign
exceptions belong. The whole of a fault is in the audit log. What a person should know (`server/process/notices.py`)
comes as records of NOTICES, in guardian's own words and cleaned.
"""

from __future__ import annotations

import logging
from typing import Final

from guardian.domain.text.escaping import clean
from guardian.server.process.stderr_lines import PROCESS_LINES, StderrLines
from guardian.system.local_times import local_time

MAX_TEXT: Final = 2_000
"""Characters of a record."""
MAX_NOTICE: Final = 400
NOTICES: Final = "guardian.notices"
"""The logger of what a person should know; the `kind` of a record says which flood it belongs to."""
_OWN: Final = "guardian"
_FOREIGN: Final = ("fastmcp", "mcp")


class PlainFormatter(logging.Formatter):
    """One line a record. Guardian's own records show their text; of all others only the place that they came from."""

    def format(self, record: logging.LogRecord) -> str:
        if record.name == NOTICES:
            # The client's file need not have the time of a line.
            return f"guardian: {local_time(int(record.created * 1000))} {clean(record.getMessage(), MAX_NOTICE)}"
        if record.name == _OWN or record.name.startswith(f"{_OWN}."):
            text = clean(record.getMessage(), MAX_TEXT)
        else:
            text = clean(f"{record.name} at {record.module}:{record.lineno}", MAX_TEXT)
        fault = record.exc_info[0] if record.exc_info else None
        kind = f" ({fault.__name__})" if fault is not None else ""
        return f"guardian: {record.levelname.lower()}: {text}{kind}"


class LinesHandler(logging.Handler):
    """Hands each record over as a line, which never waits for who reads stderr."""

    def __init__(self, lines: StderrLines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Takes the line; a record that cannot be formatted is lost, as in every handler of Python's."""
        try:
            self._lines.put(self.format(record), getattr(record, "kind", "faults"))
        except Exception:  # noqa: BLE001 - a line for people must not fail what it is about
            return


def log_to_stderr(level: int = logging.WARNING, lines: StderrLines = PROCESS_LINES) -> None:
    """Replace the handlers of the root, `fastmcp` and `mcp` loggers by one that writes plain lines to stderr."""
    handler = LinesHandler(lines)
    handler.setFormatter(PlainFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    logging.getLogger(NOTICES).setLevel(logging.INFO)
    for name in _FOREIGN:
        logger = logging.getLogger(name)
        for old in logger.handlers[:]:
            logger.removeHandler(old)
        logger.propagate = True
        logger.setLevel(logging.ERROR)  # wrong arguments are warnings to them; the audit log has each
