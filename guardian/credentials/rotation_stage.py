"""The stages of a replacement of a pair; see `rotation`."""

from __future__ import annotations

from enum import Enum, auto


class RotationStage(Enum):
    """How far the replacement of a pair came."""

    NONE = auto()
    WAITS_FOR_API_KEY = auto()
    NOT_TRIED = auto()
    SWAPPING = auto()
    OLD_REMAINS = auto()
