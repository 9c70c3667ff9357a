"""The exit codes of the `guardian` command; `guardian.cli.app` says what each means."""

from __future__ import annotations

from typing import Final

FINE: Final = 0
NO: Final = 1
USAGE: Final = 2
COULD_NOT_TELL: Final = 3
STOPPED: Final = 130
"""By Ctrl-C, as shells count: 128 + SIGINT."""
READER_GONE: Final = 141
"""128 + SIGPIPE."""
