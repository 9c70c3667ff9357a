"""Times the records of calls that do nothing, by the code of the checkout that is measured.

`audited_calls.py TOOL COUNT` says `ready`, waits for a line, opens and closes COUNT calls of the tool in the home of
GUARDIAN_HOME, one after the other, and prints the milliseconds of each: of both rows, or of a read's call row alone,
whose outcome row may come after its reply.
"""

from __future__ import annotations

import json
import sys
from time import perf_counter
from typing import Any

WARM_UP = 5


async def timed(tool: str, count: int) -> list[float]:
    """Returns the milliseconds from before a call row to the moment at which the reply may leave."""
    from guardian.bootstrap import open_guardian
    from guardian.domain.codes import Outcome
    from guardian.gate.base.replies import Reply

    gate: Any = open_guardian(None).gate
    times = []
    for number in range(WARM_UP + count):
        if number == WARM_UP:
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            sys.stdin.readline()
        start = perf_counter()
        call = await gate.open_call(tool, {"symbol": "BTCUSDT"})
        await gate.close_call(call, Reply(outcome=Outcome.DENIED))
        times.append((perf_counter() - start) * 1000)
    await gate.settle()
    return times[WARM_UP:]


if __name__ == "__main__":
    import anyio

    sys.stdout.write(json.dumps(anyio.run(timed, sys.argv[1], int(sys.argv[2]))) + "\n")
