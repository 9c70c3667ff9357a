"""The emergency file: what must go on although the log cannot be written is recorded here, one JSON object a line.

It is made beforehand, full of zero bytes, and written over in place, so that it works on a full disk. Where the home is
read-only another place takes over, which follows from the home's path alone, so that every process of that home finds
it whatever its environment is. While any place has anything in it, trading is halted in every process. `import_into`
takes the records into the log, halts trading there in the same transaction, and then empties the file: only a person's
`resume` ends that halt.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from filelock import FileLock, Timeout

from guardian.errors import NotPrivate, StoreUnavailable
from guardian.store.log.encoding import body_of
from guardian.store.log_findings import BROKEN_CHAIN, CHAIN_IS_BROKEN, Finding, FindingKind
from guardian.store.schema.files import EMERGENCY_LOCK_NAME, EMERGENCY_NAME
from guardian.store.schema.records import Record
from guardian.system.private_files import make_folder, open_private, prepare_file, read_private

if TYPE_CHECKING:
    from guardian.store.database import Store, Transaction

SIZE: Final = 64 * 1024
_LOCK_TIMEOUT_S: Final = 2.0
MAX_TEXT: Final = 4000
"""Characters of a line that is not JSON which go into the log."""
OWNER_HALT: Final = "halted"
"""The kind of a record that is an owner's halt which the log did not take."""
MAX_WORD: Final = 64
_NAMED: Final = 3
"""Records that the reason of a halt names; of the others it has the number."""


def _new_id() -> str:
    return uuid.uuid4().hex


class EmergencyFile:
    """The emergency file of a home: in the home, and in the folders that serve where the home does not take it."""

    def __init__(self, home: Path, *, second: Path | None = None, new_id: Callable[[], str] = _new_id) -> None:
        others = folders_outside(home) if second is None else (second,)
        self._home = home
        self._others = others
        self._new_id = new_id
        self._own_place = home / EMERGENCY_NAME
        self._other_places = tuple((folder, folder / EMERGENCY_NAME) for folder in others)

    @property
    def places(self) -> tuple[Path, ...]:
        """Where a record may be, in the order of trying. A folder that is not the user's own is left out."""
        return tuple(folder / EMERGENCY_NAME for folder in (self._home, *filter(_may_be_ours, self._others)))

    def _existing(self) -> Iterator[Path]:
        """Yields those of the places that are not known to be missing. Cheap: each transaction asks."""
        yield self._own_place
        for folder, place in self._other_places:
            with suppress(OSError):
                try:
                    os.lstat(place)
                except FileNotFoundError:
                    continue
            if _may_be_ours(folder):
                yield place

    def preallocate(self) -> bool:
        """Makes the file ready, outside the home only where the home does not take it; False if no place does.

        What the file has is left alone.
        """
        return any(_preallocate(place) for place in self.places)

    def append(self, record: Mapping[str, object]) -> bool:
        """Adds one record, on the disk before this returns; False where no place took it. Never raises."""
        try:
            line = _line(self._new_id(), record)
        except Exception:  # noqa: BLE001 - the last resort: a record that cannot be written down still halts
            line = b'{"id":"' + self._new_id().encode() + b'","record":{},"cut":1}\n'
        return any(_try_append(place, line) for place in self.places)

    def is_empty(self) -> bool:
        """Whether nothing is in any place; a place that is there and cannot be read is not empty."""
        return all(_is_empty(place) for place in self._existing())

    def pending(self) -> tuple[dict[str, object], ...]:
        """Returns all records: of the home first, in the order in which they were written. Cheap while there are none.

        A line that is not JSON comes as its text; a place that cannot be read comes as a record that says so.
        """
        found: list[dict[str, object]] = []
        for place in self.places:
            if _is_empty(place):
                continue
            try:
                found += _records(_content(place))
            except OSError as error:
                found.append({"id": f"unreadable-{place}", "problem": f"cannot be read: {error.strerror}"})
        return tuple(found)

    def import_into(self, store: Store) -> int:
        """Takes every record into the log as an `event` row and halts trading, in one transaction; then empties it.

        A crash between the two is harmless: a record that is in the log already is not taken again, and trading is
        halted by either. Returns how many were new.

        Raises:
            StoreUnavailable: a place cannot be read, emptied or locked, so that trading stays halted.
            StoreError: the log does not take them.
        """
        count = 0
        for place in self.places:
            if _is_empty(place):
                continue
            try:
                with _locked(place, must=True):
                    content = _content(place)
                    count += _import(store, _records(content), place.name)
                    _empty(place, content)
            except (OSError, Timeout) as error:
                raise StoreUnavailable(
                    f"the emergency file `{place}` could not be read and emptied",
                    hint="make it readable and writable for you; trading stays halted until then",
                ) from error
        return count


def folders_outside(home: Path) -> tuple[Path, ...]:
    """Returns the folders that serve where the home takes no record: beside it, then in the user's own folder.

    They follow from the home's path and the user that the process runs as, and from no environment variable.
    """
    resolved = home.resolve()
    beside = resolved.parent / f".{resolved.name}.emergency"
    if sys.platform == "win32":
        return (beside,)
    import pwd

    try:
        own = Path(pwd.getpwuid(os.geteuid()).pw_dir)
        is_own = own.stat().st_uid == os.geteuid()
    except (KeyError, OSError):  # a user without an account or a folder, as in some containers
        is_own = False
    if not is_own:
        return (beside,)
    spelling = str(resolved).casefold() if sys.platform == "darwin" else str(resolved)
    name = sha256(spelling.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return (beside, own / ".guardian-emergency" / name)


def _may_be_ours(folder: Path) -> bool:
    """Whether records can be in a folder outside the home, or be written there.

    Not where another user could change what is in it, and not through a symbolic link. What cannot be looked at may.
    """
    try:
        found = folder.lstat()
    except OSError:
        return True
    if not stat.S_ISDIR(found.st_mode):
        return False
    if sys.platform == "win32":
        return True
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _import(store: Store, records: list[dict[str, object]], source: str) -> int:
    count, new = 0, list[dict[str, object]]()
    with store.transaction() as tx:
        for record in records:
            key = f"emergency:{record['id']}"
            if tx.audit.has_key(key):
                continue
            call_id, symbol = record.get("call_id"), record.get("symbol")
            tx.audit.append(
                Record.event(
                    None,
                    {"kind": "emergency", "source": source, "record": record},
                    call_id=call_id if isinstance(call_id, str) else None,
                    symbol=symbol if isinstance(symbol, str) else None,
                    key=key,
                )
            )
            if record.get("kind") == BROKEN_CHAIN:
                reason = str(record.get("reason") or "it was found broken").removeprefix(f"{CHAIN_IS_BROKEN}: ")
                tx.broken_chain.record((Finding(kind=FindingKind.DAMAGED, message=reason, evidence=key),))
            elif record.get("kind") == OWNER_HALT:
                tx.trading.halt(str(record.get("reason") or "no reason was given"), by="owner")
            else:
                new.append(record)
            count += 1
        if new:
            _halt_for(tx, new)
    return count


def _halt_for(tx: Transaction, records: list[dict[str, object]]) -> None:
    """Halts trading for what was not written to the log, with a row that says so where that is a new halt."""
    named = ", ".join(_named(record) for record in records[:_NAMED])
    more = f", and {len(records) - _NAMED} more" if len(records) > _NAMED else ""
    reason = f"something could not be written to the log: {named}{more}"
    if tx.trading.halt(reason, by="guardian"):
        body = {"kind": "halted", "by": "guardian", "cause": "emergency", "reason": reason, "trading": "halted"}
        tx.audit.append(Record.event(None, body))


def _named(record: Mapping[str, object]) -> str:
    """Returns one record in a few words: `the outcome of call 1f3a (order g1-...)`."""
    kind, call_id, order = (_word(record.get(name)) for name in ("kind", "call_id", "client_order_id"))
    what = {"call": "a cancel", "outcome": "an outcome"}.get(kind, kind or "a line that cannot be read")
    of_call = f" of call {call_id}" if call_id else ""
    return what + of_call + (f" (order {order})" if order else "")


def _word(value: object) -> str:
    """Returns a short word of a record for a reason.

    Anything else is left out, because whoever damaged the file wrote it.
    """
    return value if isinstance(value, str) and len(value) <= MAX_WORD and re.fullmatch(r"[\w-]+", value) else ""


def _line(name: str, record: Mapping[str, object]) -> bytes:
    """Returns one record as a line. The log's own writer makes it writable, whatever it holds, and bounds it."""
    written = json.loads(body_of({}, record))
    fields = {**written["data"], "id": name}
    if "cut" in written:
        fields["cut"] = written["cut"]
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=True).encode("ascii") + b"\n"


def _records(content: bytes) -> list[dict[str, object]]:
    lines = [line for line in content.replace(b"\0", b"").split(b"\n") if line.strip()]
    # Blanks alone halt too, so they are a record as well: no import ends a halt without a person.
    return [_parsed(line) for line in lines or [content]]


def _parsed(line: bytes) -> dict[str, object]:
    try:
        record = json.loads(line)
        json.dumps(record, ensure_ascii=False).encode()  # half a character could be written nowhere
    except (ValueError, RecursionError):
        record = None
    if isinstance(record, dict) and isinstance(record.get("id"), str):
        return record
    # Nothing is dropped. The same line has the same id, so that importing it twice is harmless too.
    text = line.decode("utf-8", "backslashreplace")
    return {"id": f"line-{sha256(line).hexdigest()[:32]}", "text": text[:MAX_TEXT]}


def _preallocate(place: Path) -> bool:
    try:
        make_folder(place.parent)
        prepare_file(place.parent / EMERGENCY_LOCK_NAME)
        with _locked(place), os.fdopen(open_private(place, os.O_RDWR | os.O_CREAT), "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            if size < SIZE:
                file.write(bytes(SIZE - size))  # zeros that are written, not a hole: the blocks are ours from now on
                _flush(file)
    except (OSError, NotPrivate):
        return False
    return True


def _try_append(place: Path, line: bytes) -> bool:
    try:
        make_folder(place.parent)
        with _locked(place), os.fdopen(open_private(place, os.O_RDWR | os.O_CREAT), "r+b") as file:
            content = file.read().rstrip(b"\0")
            if content and not content.endswith(b"\n"):
                line = b"\n" + line  # a process was killed in the middle of a line
            file.seek(len(content))
            file.write(line)
            _flush(file)
    except OSError:
        return False
    return True


def _is_empty(place: Path) -> bool:
    try:
        descriptor = open_private(place, os.O_RDONLY)
        try:
            return os.read(descriptor, 1) in {b"", b"\0"}
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _content(place: Path) -> bytes:
    return read_private(place).rstrip(b"\0")


def _empty(place: Path, imported: bytes) -> None:
    """Writes zeros over what was imported; what a process without the lock added meanwhile moves to the front."""
    with os.fdopen(open_private(place, os.O_RDWR), "r+b") as file:
        content = file.read()
        later = content.rstrip(b"\0")[len(imported) :].lstrip(b"\n")
        file.seek(0)
        file.write(later.ljust(len(content), b"\0"))
        _flush(file)
        file.truncate(max(SIZE, len(later)))


@contextmanager
def _locked(place: Path, *, must: bool = False) -> Iterator[None]:
    """Holds the lock of the file. Where it is unavailable, the record is written all the same, unless `must`."""
    lock = FileLock(place.parent / EMERGENCY_LOCK_NAME, timeout=_LOCK_TIMEOUT_S, mode=0o600)
    try:
        lock.acquire()
    except (OSError, Timeout):
        if must:
            raise
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            lock.release()


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
