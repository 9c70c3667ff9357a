"""One play: one seed, one home, one exchange, and whatever the dice say, under the oracle's eyes."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from guardian.errors import GuardianError
from tests.adversary.moves import MOVES, Move
from tests.adversary.play import Play
from tests.adversary.rest import Killed
from tests.adversary.trouble import calming

STEPS: Final = 80


@dataclass
class Played:
    """What came of a play."""

    seed: int
    moves: list[str]
    reached: Counter[str]
    broken: list[tuple[int, str]] = field(default_factory=list)


def play(seed: int, steps: int = STEPS) -> Played:
    """Play one seed to its end, or to the first thing that is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        one = Play(Path(folder), seed)
        moves: list[str] = []
        weights, functions = [weight for weight, _ in MOVES], [function for _, function in MOVES]
        try:
            for number in range(steps):
                calm = troubles(one) if one.dice.random() < 0.3 else []
                chosen = one.dice.choice(calm) if calm else one.dice.choices(functions, weights)[0]
                moves.append(f"{number:3} {chosen.__name__}: {made(one, chosen)}")
                if one.oracle.broken:
                    break
            else:
                moves.append(f"    {made(one, settled)}")
        finally:
            one.rig.close()
        return Played(seed, moves, one.reached + Counter(moves=len(moves)), one.oracle.broken)


def troubles(one: Play) -> list[Move]:
    """What would calm things down; nothing where that is not known now."""
    try:
        return calming(one)
    except GuardianError:
        return []


def settled(one: Play) -> str:
    """The end of a play in which nothing was wrong so far."""
    one.settles()
    return "settled"


def made(one: Play, chosen: Callable[[Play], str]) -> str:
    """Make a move; what guardian says no to by an exception is an answer, and a process that died starts again."""
    try:
        return chosen(one)
    except GuardianError as error:
        return f"{type(error).__name__}: {error.message}"
    except Killed:
        one.rig.restart()
        return "the process died"
    except Exception as error:  # noqa: BLE001  a fault of guardian's, or of the play
        one.oracle.wrong(0, f"raised {error!r}")
        return f"raised {error!r}"
