"""Times `judge_order` of the checkout that is measured, with the builders of its own tests: prints microseconds."""

from __future__ import annotations

import gc
import json
import sys
from time import perf_counter, process_time

AT_ONCE = 200


def main() -> None:
    """Prints, for each case, the times of one judgement in each of the batches, the wall's and the CPU's."""
    from guardian.policy.engine import judge_order
    from tests.policy.builders import a_market, a_policy, a_sell, an_order, facts

    policy, batches = a_policy(), int(sys.argv[1])
    cases = {
        "a BUY that all rules pass": (an_order(), facts()),
        "a MARKET BUY that all rules pass": (a_market(), facts()),
        "a SELL that several rules deny": (a_sell(quantity="1"), facts()),
    }
    found = {}
    for name, (order, given) in cases.items():
        for _ in range(AT_ONCE):
            judge_order(order, given, policy)
        gc.collect()
        walls, cpus = [], []
        for _ in range(batches):
            start, cpu = perf_counter(), process_time()
            for _ in range(AT_ONCE):
                judge_order(order, given, policy)
            walls.append((perf_counter() - start) / AT_ONCE * 1e6)
            cpus.append((process_time() - cpu) / AT_ONCE * 1e6)
        found[name] = {"wall": walls, "cpu": cpus}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
