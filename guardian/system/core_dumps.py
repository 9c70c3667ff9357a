"""Forbids core dumps: the memory of a process that crashed, written to a file, with the keys that were in it."""

from __future__ import annotations

import sys
from contextlib import suppress

if sys.platform != "win32":
    import resource


def forbid_core_dumps() -> None:
    """Sets the limit of a core dump's size to zero, for this process and those that it starts, for good.

    Where a program of the system takes dumps in place of a file (systemd-coredump, apport), it reads this limit and
    keeps none. Windows has no such limit: nothing is done there.
    """
    if sys.platform != "win32":
        with suppress(OSError, ValueError):  # a system that refuses even less has no dumps to forbid
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
