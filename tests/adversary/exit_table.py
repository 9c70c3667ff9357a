"""The table of promise 6 in the README: `python -m tests.adversary.exit_table` plays every row and prints it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from guardian.domain.codes import Code
from tests.adversary.exit_rows import JUDGED, ROWS
from tests.adversary.exits import Exit, Row, play

HEAD = "| selling back all that guardian bought | while orders are denied by |\n|---|---|"
HALTS_HEAD = "| trading stopped because | selling back |\n|---|---|"


def table(results: Mapping[Row, Exit]) -> str:
    """Both tables as Markdown, from what came of each row; a cancel passes in every one."""
    lines = [HEAD]
    for exit_ in Exit:
        rows = [row for row in results if results[row] is exit_ and not row.is_halt]
        named = [_named(row) for row in rows]
        if exit_ is Exit.DENIED:
            named += [f"`{code}`{why}" for code, why in JUDGED.items()]
        lines.append(f"| {exit_} | {', '.join(named)} |")
    lines += ["", HALTS_HEAD]
    lines += [f"| {row.why} | {results[row]} |" for row in results if row.is_halt]
    return "\n".join(lines)


def _named(row: Row) -> str:
    return f"`{row.code}`{f' ({row.why})' if row.why else ''}"


def main() -> int:
    """Play every row, say which are not as expected, and print the tables."""
    results, wrong = {}, 0
    for row in ROWS:
        with tempfile.TemporaryDirectory() as folder:
            try:
                seen = play(row, Path(folder))
            except AssertionError as error:
                print(f"FAILED {row.name}: {str(error)[:300]}")
                wrong += 1
                continue
        if row.code not in seen.denied or not seen.cancelled or seen.exit is not row.expected:
            wrong += 1
            print(
                f"WRONG {row.name}: the other order {sorted(seen.denied)}, cancel {seen.cancelled}, exit "
                f"{seen.exit or seen.told.outcome} {sorted(seen.codes)}, expected: {row.expected}"
            )
        if seen.exit is not None:
            results[row] = seen.exit
    print(table(results))
    print(f"{len(ROWS)} rows, {wrong} wrong")
    return 1 if wrong else 0


assert {*JUDGED} <= {code.name for code in Code}

if __name__ == "__main__":
    sys.exit(main())
