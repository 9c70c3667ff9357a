"""What a server says on stderr: lines for a person, each with its time, and lines about faults, which have none."""

from __future__ import annotations

import re
from typing import Final

_NOTICE: Final = re.compile(r"guardian: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")


def faults(stderr: str | bytes) -> list[str]:
    """The lines that are not for a person: faults, warnings, what a library printed."""
    text = stderr.decode() if isinstance(stderr, bytes) else stderr
    return [line for line in text.splitlines() if not _NOTICE.match(line)]
