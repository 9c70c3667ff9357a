"""The small file in which the processes of one home share the use of the limits.

It holds the counts of a minute and no more: it is never flushed to the disk, and losing it loses only what the
exchange's next header reports again.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from operator import attrgetter
from pathlib import Path
from typing import Final, TypeVar

from filelock import FileLock, Timeout

from guardian.domain.milliseconds import DAY_MS
from guardian.errors import NotPrivate
from guardian.exchange.limits.windows import Use
from guardian.system.clock import Clock
from guardian.system.private_files import prepare_file

T = TypeVar("T")

_log: Final = logging.getLogger("guardian.exchange")

LOCK_WAIT_MS: Final = 250
"""How long to wait for another process's write, which takes some 50 microseconds. A cancel waits for it too."""
OPENING_WAIT_S: Final = 2.0
"""The same, once, where the file has to be created: several processes may be creating it."""
FORGOTTEN_MS: Final = 4 * DAY_MS
"""Longer than the longest ban."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Until when the exchange asked to be left alone, in ms since the epoch, and by which requests."""

    from_ms: int = 0
    until_ms: int = 0
    with_cancels: bool = False
    """Whether cancels keep to it too: a cancel was refused so, or the address is banned."""
    banned: bool = False


@dataclass(frozen=True, slots=True)
class LimitRow:
    """What is stored of one budget, or of one part of the exchange, which has a hold alone."""

    use: Use = field(default_factory=Use)
    hold: Hold = field(default_factory=Hold)
    most: int = 0
    """The limit that the exchange's listing names; 0 where it is not known."""

    def with_use(self, use: Use) -> LimitRow:
        """Returns the row with this use; itself where that is the same."""
        return self if use is self.use else LimitRow(use, self.hold, self.most)

    def joined(self, own: LimitRow) -> LimitRow:
        """Returns the row of the file with what this process knows of it."""
        hold = own.hold if own.hold.until_ms > self.hold.until_ms else self.hold
        return LimitRow(self.use.joined(own.use), hold, self.most or own.most)


LimitRows = dict[str, LimitRow]


class SharedRows:
    """The rows in a file, for all processes that use the same path. Every method raises sqlite3.Error.

    A damaged file is removed and created again, empty: `losses` counts how often this process did that.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        """Device and inode of the file that is open, or was last."""
        self._lock = threading.Lock()
        self.losses = 0
        self._known: dict[str, tuple[bytes, LimitRow]] = {}
        """By name: what this process last read or wrote. Most often no other process has changed it since."""

    def change(self, names: Sequence[str], change: Callable[[LimitRows], T]) -> tuple[T, LimitRows]:
        """Lets `change` replace the rows of these names, as one transaction over all processes.

        Returns its result and the new rows.
        """
        with self._lock:
            try:
                return self._change(names, change)
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
            self._recreate()
            return self._change(names, change)

    def close(self) -> None:
        """Closes the file; the next change opens it again."""
        with self._lock:
            self._close()

    def _change(self, names: Sequence[str], change: Callable[[LimitRows], T]) -> tuple[T, LimitRows]:
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            rows = {name: self._read(connection, name) for name in names}
            before = dict(rows)
            result = change(rows)
            now = self._clock.now_ms()
            changed = {name: _written(row) for name, row in rows.items() if row != before[name]}
            connection.executemany(
                "INSERT INTO rows (name, state, at_ms) VALUES (?, ?, ?)"
                " ON CONFLICT (name) DO UPDATE SET state = excluded.state, at_ms = excluded.at_ms",
                [(name, text, now) for name, text in changed.items()],
            )
            connection.execute("COMMIT")
            self._known |= {name: (text.encode(), rows[name]) for name, text in changed.items()}
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result, rows

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        found = self._found()
        if self._connection is not None and found != self._identity:
            self._close()  # another process created it again: SQLite would keep using the removed one
        if self._connection is None:
            with self._turn(LOCK_WAIT_MS / 1000 if found else OPENING_WAIT_S):
                self._connection = self._opened()
        return self._connection

    def _recreate(self) -> None:
        """Removes the damaged file, unless another process did, and creates it.

        A minute's counts are lost with it. Each process writes back what it knows of them.
        """
        self._close()
        with self._turn(OPENING_WAIT_S):
            if self._found() == self._identity:
                if not self.losses:
                    _log.warning("the shared file of the rate limits was damaged: it is created again")
                self.losses += 1
                for end in ("", "-wal", "-shm"):
                    Path(f"{self._path}{end}").unlink(missing_ok=True)
            self._connection = self._opened()

    @contextmanager
    def _turn(self, wait_s: float) -> Iterator[None]:
        """Lets processes that create the file take turns: SQLite does not wait for the change of journal mode."""
        if not self._path.parent.is_dir():  # the lock would create it
            raise sqlite3.OperationalError("the folder of the limits is not there")
        try:
            with FileLock(f"{self._path}.lock", timeout=wait_s, mode=0o600):
                yield
        except (Timeout, OSError) as error:
            raise sqlite3.OperationalError("the file of the limits cannot be opened") from error

    def _found(self) -> tuple[int, int] | None:
        """Returns device and inode of the file; None where it is missing or still empty."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return (found.st_dev, found.st_ino) if found.st_size else None

    def _opened(self) -> sqlite3.Connection:
        found = self._found()
        self._identity = found
        try:
            prepare_file(self._path)
        except (OSError, NotPrivate) as error:
            raise sqlite3.OperationalError("the file of the limits cannot be used") from error
        wait_s = LOCK_WAIT_MS / 1000 if found else OPENING_WAIT_S
        connection = sqlite3.connect(self._path, timeout=wait_s, isolation_level=None, check_same_thread=False)
        connection.text_factory = bytes  # what is not text would be an OperationalError otherwise
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS rows (name TEXT PRIMARY KEY, state TEXT NOT NULL, at_ms INTEGER NOT NULL)"
            )
            connection.execute("DELETE FROM rows WHERE at_ms < ?", (self._clock.now_ms() - FORGOTTEN_MS,))
            connection.execute(f"PRAGMA busy_timeout = {LOCK_WAIT_MS}")
        except BaseException:
            connection.close()
            raise
        self._identity = self._found()
        return connection

    def _read(self, connection: sqlite3.Connection, name: str) -> LimitRow:
        found = connection.execute("SELECT state FROM rows WHERE name = ?", (name,)).fetchone()
        if found is None:
            return LimitRow()
        text, known = found[0], self._known.get(name)
        if known is not None and known[0] == text:
            return known[1]
        row = _row(text)
        self._known[name] = (text, row)
        return row


_USE: Final = attrgetter(*(one.name for one in fields(Use)))
_HOLD: Final = attrgetter(*(one.name for one in fields(Hold)))


def _written(row: LimitRow) -> str:
    """Returns a row as it is stored: all of its numbers, in the order of their fields."""
    return json.dumps([*_USE(row.use), *_HOLD(row.hold), row.most])


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file itself is broken. A locked, full or unreachable one raises an OperationalError."""
    return type(error) is sqlite3.DatabaseError


_NUMBERS: Final = len(fields(Use)) + len(fields(Hold)) + 1
"""How many numbers a stored row has: those of its use and of its hold, and the limit."""


def _row(text: object) -> LimitRow:
    """Returns a stored row. Raises sqlite3.DatabaseError, as for other damage, for text that guardian did not write."""
    try:
        numbers = json.loads(text) if isinstance(text, bytes) else None
    except (ValueError, RecursionError):
        numbers = None
    if (
        not isinstance(numbers, list)
        or len(numbers) != _NUMBERS
        or not all(isinstance(n, int) and n >= 0 for n in numbers)
    ):
        raise sqlite3.DatabaseError("a row of the limits is not readable")
    *use, from_ms, until_ms, with_cancels, banned, most = numbers
    if until_ms - from_ms > FORGOTTEN_MS:
        raise sqlite3.DatabaseError("a row of the limits holds for longer than any ban lasts")
    return LimitRow(Use(*use), Hold(from_ms, until_ms, bool(with_cancels), bool(banned)), most)
