"""The whole gate against a simple model: whatever comes in whatever order, the caps hold and nothing is sent twice.

The gate, its policy and its store are real, and there are two processes of them on one home. The exchange, the clock
and the person are made by hand. `python -m tests.longrun.interleavings` plays it for longer.
"""

from __future__ import annotations

from tests.gate.model.play import TO_REACH, Gate, play
from tests.support.profiles import tries


def test_caps_hold_and_nothing_is_sent_twice_under_any_interleaving() -> None:
    """Whatever comes when: caps hold, unknown orders count, exits pass, and in the end all is as at the exchange."""
    Gate.reached.clear()
    play(tries(160, least=12), 40, same_each_time=True)
    assert [thing for thing in TO_REACH if not Gate.reached[thing]] == []
