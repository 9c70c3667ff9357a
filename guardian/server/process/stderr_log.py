"""Logging of the server process: to stderr alone, without any text from outside.

An MCP client keeps the server's stderr in a file of its own, where neither arguments nor the text of foreign
exceptions belong. The whole of a fault is in the audit log.
"""

from __future__ import annotations

import logging
import sys
from typing import Final

from guardian.domain.text.escaping import clean

MAX_TEXT: Final = 2_000
"""Characters of a record."""
_OWN: Final = "guardian"
_FOREIGN: Final = ("fastmcp", "mcp")


class PlainFormatter(logging.Formatter):
    """One line a record. Guardian's own records show their text; of all others only the place that they came from."""

    def format(self, record: logging.LogRecord) -> str:
        if record.name == _OWN or record.name.startswith(f"{_OWN}."):
            text = clean(record.getMessage(), MAX_TEXT)
        else:
            text = clean(f"{record.name} at {record.module}:{record.lineno}", MAX_TEXT)
        fault = record.exc_info[0] if record.exc_info else None
        kind = f" ({fault.__name__})" if fault is not None else ""
        return f"guardian: {record.levelname.lower()}: {text}{kind}"


def log_to_stderr(level: int = logging.WARNING) -> None:
    """Replace the handlers of the root, `fastmcp` and `mcp` loggers by one that writes plain lines to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in _FOREIGN:
        logger = logging.getLogger(name)
        for old in logger.handlers[:]:
            logger.removeHandler(old)
        logger.propagate = True
        logger.setLevel(logging.ERROR)  # wrong arguments are warnings to them; the audit log has each
