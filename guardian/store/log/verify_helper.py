"""A second process that proves rows of the log intact while the first verifies the others.

    python -P -m guardian.store.log.verify_helper DATABASE SEQ DIGEST LAST

It prints one line where every row after SEQ, whose digest is DIGEST, up to LAST is intact, and nothing otherwise. So
whatever goes wrong with it costs time and nothing else: the first process then verifies these rows as all others.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from guardian.errors import GuardianError
from guardian.store.log.encoding import count_intact
from guardian.store.log.read_only import BATCH, read_only
from guardian.store.log.statements import DIGEST_AT, FIRST_AND_LAST_SEQ, ROW_COLUMNS, ROWS_BETWEEN
from guardian.store.state.table_state import TableState

LEAST_ROWS: Final = 100_000
"""A log with fewer is verified before a second process has begun."""
_SEQ, _DIGEST, _TIME = (ROW_COLUMNS.index(name) for name in ("seq", "digest", "ts_ms"))


@dataclass(frozen=True, slots=True, kw_only=True)
class IntactRows:
    """Rows that are intact: how many, and what the last of them has."""

    count: int
    seq: int
    digest: str
    ts_ms: int
    state: dict[str, Any]
    """What they say of the other tables, as `TableState.packed` has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Helper:
    """A process that looks at the rows after `after`, whose digest is `digest`."""

    after: int
    digest: bytes
    process: subprocess.Popen[bytes]

    def result(self) -> IntactRows | None:
        """Waits for the process; returns None where it has not proven its rows intact."""
        line, _ = self.process.communicate()
        try:
            return IntactRows(**json.loads(line))
        except (ValueError, TypeError):
            return None


@contextmanager
def helper_for(path: Path, connection: sqlite3.Connection) -> Iterator[Helper | None]:
    """Starts a helper for the second half of a long log, and ends it; None for a short log, or where none can start."""
    helper = _started(path, connection)
    if helper is None:
        yield None
        return
    with helper.process:
        try:
            yield helper
        finally:
            helper.process.kill()


def _started(path: Path, connection: sqlite3.Connection) -> Helper | None:
    first, last = connection.execute(FIRST_AND_LAST_SEQ).fetchone()
    if first is None or last - first < LEAST_ROWS or (os.cpu_count() or 1) < 2 or not sys.executable:
        return None
    after = (first + last) // 2
    found = connection.execute(DIGEST_AT, {"seq": after}).fetchone()
    if found is None or not isinstance(found[0], bytes):
        return None
    command = [sys.executable, "-P", "-m", "guardian.store.log.verify_helper"]
    command += [str(path.absolute()), str(after), found[0].hex(), str(last)]
    try:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, and numbers
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:
        return None
    return Helper(after=after, digest=found[0], process=process)


def prove(connection: sqlite3.Connection, seq: int, digest: bytes, last: int) -> IntactRows | None:
    """Returns the rows after `seq` up to `last` where each of them is intact; None otherwise."""
    after, time, state = seq, None, TableState(of_part=True)
    while seq < last:
        rows = connection.execute(ROWS_BETWEEN, {"after": seq, "last": last, "limit": BATCH}).fetchall()
        if not rows or count_intact(rows, 0, seq, digest, state.apply) < len(rows):
            return None
        seq, digest, time = (rows[-1][index] for index in (_SEQ, _DIGEST, _TIME))
    if time is None:
        return None
    return IntactRows(count=last - after, seq=seq, digest=digest.hex(), ts_ms=time, state=state.packed())


def main(arguments: list[str]) -> int:
    """Prints what was proven of the rows that the arguments name."""
    path, seq, digest, last = arguments
    try:
        with read_only(Path(path)) as connection:
            found = prove(connection, int(seq), bytes.fromhex(digest), int(last))
    except GuardianError:
        return 1
    if found is None:
        return 1
    sys.stdout.write(json.dumps(asdict(found)))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(1)
