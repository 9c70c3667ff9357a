"""The moves of a play: each draws what it needs from the play's own dice and says what it did."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.adversary.play import Play

SYMBOLS: Final = ("BTCUSDT", "ETHUSDT", "ETHBTC", "BTCUSDC")
TYPICAL: Final = {"BTCUSDT": "0.0015", "BTCUSDC": "0.0012", "ETHUSDT": "0.03", "ETHBTC": "0.025"}
"""An order that the policy's caps let through."""
Move = Callable[["Play"], str]
MOVES: Final[list[tuple[int, Move]]] = []


def move(weight: int) -> Callable[[Move], Move]:
    """A move, and how often it is made beside the others."""

    def noted(function: Move) -> Move:
        MOVES.append((weight, function))
        return function

    return noted
