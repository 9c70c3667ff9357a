"""The owner of a room who resumes trading: what the command does once they said yes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from guardian.cli.trading.resuming import resume, trading_shown
from guardian.domain.trading import TradingState
from tests.gate.support.fakes import Room


def resumes(room: Room) -> str:
    """Resumes as `guardian resume` does; returns what the owner was shown before."""
    opened: Any = SimpleNamespace(journal=room.journal, imported=0)
    shown = trading_shown(opened)
    resume(opened, shown, TradingState.ACTIVE)
    return shown.summary
