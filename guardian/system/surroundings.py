"""The kind of machine that guardian runs on: whether it can show windows, and whether it is WSL or a container."""

from __future__ import annotations

import os
import platform as system
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

_MARKS: Final = (Path("/.dockerenv"), Path("/run/.containerenv"))
"""Files that Docker and Podman put into a container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """`platform` is as `sys.platform`; `has_windows` is whether a program could open one."""

    platform: str
    has_windows: bool
    kind: Literal["WSL", "container"] | None


def find_surroundings(platform: str) -> Surroundings:
    """Returns what can be found out about this machine. Nothing is decided by it but the words of a hint."""
    if platform != "linux":
        return Surroundings(platform=platform, has_windows=True, kind=None)
    has_windows = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    kind: Literal["WSL", "container"] | None = None
    if "microsoft" in system.release().lower():
        kind = "WSL"
    elif any(mark.exists() for mark in _MARKS):
        kind = "container"
    return Surroundings(platform=platform, has_windows=has_windows, kind=kind)
