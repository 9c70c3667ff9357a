"""The signals by which a system asks a process to end."""

from __future__ import annotations

import signal
from typing import Final

_NAMES: Final = ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK")
"""SIGBREAK is Windows' Ctrl-Break; SIGHUP it has not."""


def stop_signals() -> tuple[signal.Signals, ...]:
    """Returns those that this system has."""
    return tuple(number for name in _NAMES if (number := getattr(signal, name, None)) is not None)
