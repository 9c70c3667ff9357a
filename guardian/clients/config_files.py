"""Reads and rewrites the configuration file of another program, which may rewrite it at the same time.

A file is replaced as a whole, by a draft beside it that is on the disk before, with a dated copy of the old file beside
it. The draft has one name, and is made only where it is missing: so one guardian at a time writes. Just before
the replacement the file is read again, and where it is another one by then, the work begins again with that.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from guardian.errors import ClientConfigUnusable
from guardian.system.private_files import open_without_waiting
from guardian.system.typed_command import quoted

MOST_BYTES: Final = 32 << 20
"""Claude Code keeps much besides in its file; no person and no client has written a larger one than this."""
_TRIES: Final = 5
_MODE: Final = 0o600
_MOST_BACKUPS: Final = 1000
_FLAGS: Final = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"))


@dataclass(frozen=True, slots=True)
class FileChange:
    """What was written, or would be: `before` is None for a file that was missing."""

    path: Path
    """The file itself, where the configuration is a link."""
    before: bytes | None
    after: bytes
    backup: Path | None = None
    """The copy of the file as it was."""

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to change."""
        return self.before == self.after


def read_config(path: Path) -> bytes | None:
    """Returns the file's content, None where it is missing. Raises ClientConfigUnusable."""
    found = _look(_followed(path))
    return None if found is None else found[0]


def planned_change(path: Path, edit: Callable[[bytes | None], bytes]) -> FileChange:
    """Returns what `rewrite` would do. Raises as it does; nothing is written."""
    target = _followed(path)
    found = _look(target)
    before = None if found is None else found[0]
    return FileChange(target, before, edit(before))


def rewrite(path: Path, edit: Callable[[bytes | None], bytes], *, now: datetime) -> FileChange:
    """Replaces the file by what `edit` makes of its content, where that is another; keeps its mode.

    `edit` gets None for a missing file. It is called again where the file has changed meanwhile. `now` is in the
    backup's name. A link is followed, and stays.

    Raises:
        ClientConfigUnusable: the file cannot be edited, or it changes all the time; it is as it was.
    """
    target = _followed(path)
    try:
        for _ in range(_TRIES):
            change = _try(target, edit, now)
            if change is not None:
                return change
    except OSError as error:
        raise ClientConfigUnusable(
            f"`{target}` cannot be written: {error.strerror or 'no reason given'}; it is as it was",
            hint=f"look at the folder with `ls -la {quoted(target.parent)}`" if os.name == "posix" else None,
        ) from error
    raise ClientConfigUnusable(f"`{target}` is being changed by another program; it was left alone", hint="quit that")


def _try(target: Path, edit: Callable[[bytes | None], bytes], now: datetime) -> FileChange | None:
    """One try; None where the file has changed between the reading and the replacement."""
    found = _look(target)
    before = None if found is None else found[0]
    after = edit(before)
    if before == after:
        return FileChange(target, before, after)
    mode = _MODE if found is None else _writable(target, found[1])
    draft = target.with_name(f".{target.name}.guardian-draft")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, _MODE)
    except FileExistsError:
        raise ClientConfigUnusable(
            f"another guardian is changing `{target}`, or was stopped while it was",
            hint=f"if none is, remove `{draft}`, and try again",
        ) from None
    backup: Path | None = None
    try:
        _fill(descriptor, after, mode)
        backup = None if before is None else _back_up(target, before, mode, now)
        if (_look(target) or (None,))[0] != before:
            return None
        draft.replace(target)
        kept, backup = backup, None
    finally:
        draft.unlink(missing_ok=True)
        if backup is not None:
            backup.unlink(missing_ok=True)
    _flush(target.parent)
    return FileChange(target, before, after, kept)


def backups(path: Path) -> list[Path]:
    """Returns the copies of the file that guardian has made, the newest first."""
    target = _followed(path)
    begin = f"{target.name}.guardian-"
    with suppress(OSError):
        found = [one for one in target.parent.iterdir() if one.name.startswith(begin) and one.suffix == ".bak"]
        return sorted(found, key=lambda one: (len(one.name), one.name), reverse=True)
    return []


def _followed(path: Path) -> Path:
    try:
        target = path.resolve()
        is_loop = target.is_symlink()
    except (OSError, RuntimeError):  # Python before 3.13 reports a loop by the latter
        is_loop = True
    if is_loop:
        raise ClientConfigUnusable(f"`{path}` is a link that leads nowhere", hint="correct the link, or remove it")
    return target


def _look(target: Path) -> tuple[bytes, os.stat_result] | None:
    """The content and what the system knows of the file; None where it is missing."""
    try:
        with open_without_waiting(target) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise _not_a_file(target)
            if found.st_size > MOST_BYTES:
                raise ClientConfigUnusable(
                    f"`{target}` has {found.st_size} bytes, which no client's configuration has", hint="look at it"
                )
            return file.read(MOST_BYTES), found
    except FileNotFoundError:
        return None
    except (IsADirectoryError, NotADirectoryError):
        raise _not_a_file(target) from None
    except OSError as error:
        if target.is_dir():  # Windows says that it may not be read
            raise _not_a_file(target) from None
        raise ClientConfigUnusable(
            f"`{target}` cannot be read: {error.strerror or 'no reason given'}", hint="make it readable for yourself"
        ) from error


def _not_a_file(target: Path) -> ClientConfigUnusable:
    return ClientConfigUnusable(f"`{target}` is not a file", hint="move it away, or name another with `--config`")


def _writable(target: Path, found: os.stat_result) -> int:
    """The file's mode, where its owner may write to it and is the user."""
    if not found.st_mode & stat.S_IWUSR:
        raise ClientConfigUnusable(
            f"`{target}` is read-only, so somebody does not want it changed",
            hint=f"`chmod u+w {quoted(target)}` allows it" if os.name == "posix" else "allow writing in its properties",
        )
    if os.name == "posix" and found.st_uid != os.geteuid():
        raise ClientConfigUnusable(
            f"`{target}` belongs to another user", hint="run this as that user; without `sudo`, if that was it"
        )
    return stat.S_IMODE(found.st_mode)


def _fill(descriptor: int, content: bytes, mode: int) -> None:
    with os.fdopen(descriptor, "wb") as file:
        if os.name == "posix":
            os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _back_up(target: Path, content: bytes, mode: int, now: datetime) -> Path:
    """A copy beside the file, with the date in its name and the same mode: it may hold secrets of other servers."""
    stamp = now.strftime("%Y%m%d-%H%M%S")
    for number in range(_MOST_BACKUPS):
        backup = target.with_name(f"{target.name}.guardian-{stamp}{f'-{number}' if number else ''}.bak")
        try:
            descriptor = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, _MODE)
        except FileExistsError:
            continue
        _fill(descriptor, content, mode)
        return backup
    raise ClientConfigUnusable(f"there are too many backups of `{target}`", hint="remove those that you do not need")


def _flush(folder: Path) -> None:
    """Puts the new name on the disk, where the system has a way to."""
    if os.name != "posix":
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
