"""What a person does on the command line, done by the same functions but without the terminal."""

from __future__ import annotations

from guardian.cli.orders.approval import approve as approve_core
from tests.support.world import Assistant


def approve(assistant: Assistant, proposal_id: str) -> str:
    """The token that `guardian approve` shows. The owner check itself is tested with a real terminal."""
    return approve_core(assistant.guardian, proposal_id)
