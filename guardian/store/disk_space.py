"""How much of the disk is free, what is refused when that is little, and a file that is given up when nothing is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from guardian.errors import NotPrivate, StoreUnavailable
from guardian.system.private_files import open_private

SCARCE: Final = 512_000_000
"""Bytes: with less free, status and doctor warn."""
ORDERS_NEED: Final = 64_000_000
"""Bytes: with less free, no order is reserved, since what comes of it has to be written too."""
ACTS_NEED: Final = 16_000_000
"""Bytes: with less free, nothing is begun that has a side effect: no proposal, approval or mandate."""
BALLAST_NAME: Final = "guardian.db-ballast"
BALLAST_BYTES: Final = 1_048_576
"""Bytes: room for the outcomes of a dozen orders, each as long as a row of the log can be."""

FreeBytes = Callable[[], int | None]
"""Returns how many bytes are free for the user; None where the system does not say."""


def free_bytes(folder: Path) -> int | None:
    """Returns how many bytes the user may still write on the disk of a folder, or of the nearest one that is there.

    None where the system does not say.
    """
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None


def require_space(free: int | None, needed: int, what: str) -> None:
    """Raises StoreUnavailable where less than `needed` bytes are known to be free; `what` is refused then."""
    if free is not None and free < needed:
        raise StoreUnavailable(
            f"only {free // 1_000_000} MB are free on the disk of guardian's home: below {needed // 1_000_000} MB "
            f"{what}",
            hint="make room on that disk; guardian continues by itself",
        )


def preallocate_ballast(home: Path) -> None:
    """Makes the file that is given up when the disk is full, where there is room enough; a failure is left as it is."""
    free = free_bytes(home)
    with suppress(OSError, NotPrivate):
        path = home / BALLAST_NAME
        if free is None or free < ORDERS_NEED or (path.exists() and path.stat().st_size >= BALLAST_BYTES):
            return
        with os.fdopen(open_private(path, os.O_WRONLY | os.O_CREAT), "wb") as file:
            file.write(bytes(BALLAST_BYTES))  # zeros that are written, not a hole: the blocks are ours from now on


def give_up_ballast(home: Path) -> bool:
    """Removes that file, so that its room can be used; False if it is not there."""
    try:
        (home / BALLAST_NAME).unlink()
    except OSError:
        return False
    return True
