"""Files that are the owner's alone, by the rule of ssh: own and private, else refused with what to type.

Own: the user that the process runs as is the owner. Private: no other user has any permission. What guardian makes is
private from the first moment, whatever the umask is. Windows has neither owners nor modes of this kind; there a file
must only be a regular one, and the folders under the user's profile are the user's alone.
"""

from __future__ import annotations

import errno
import os
import secrets
import shlex
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO, Final

from guardian.errors import NotPrivate

if sys.platform != "win32":
    import pwd

HOME_FILES: Final = (
    "guardian.db*", "guardian.lock", "audit.checkpoint", "checkpoint.lock", "emergency.log", "emergency.lock",
    "limits.db*", "paper.db*", "paper.port*", "paper.log", "paper*.lock", "vault", "vault.lock",
)  # fmt: skip
"""What guardian keeps in a home. All else in there, a policy above all, is the owner's own."""
FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
_OTHERS_CAN_ANYTHING: Final = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_CAN_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
# Never through a symbolic link, and never waiting for the other end of a pipe.
_SAFE_FLAGS: Final = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EMLINK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What a file system without hard links says."""
_MAX_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class _Problem:
    """What is wrong with a path, and how to correct it: a command, or words where no command can."""

    text: str
    remedy: str


def make_folder(folder: Path) -> None:
    """Creates the folder and its missing parents, each for its owner alone. Raises OSError."""
    for missing in reversed([folder, *folder.parents]):
        if not missing.exists():
            missing.mkdir(mode=FOLDER_MODE, exist_ok=True)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def check_home(folder: Path) -> None:
    """Refuses a folder of guardian's that is not own and private, or that has a file of guardian's that is not.

    A folder of the user's that others can read but not change, and in which guardian has no file yet, becomes private.
    A missing folder is left for `make_folder`.

    Raises:
        NotPrivate: with every problem, and what to type.
        OSError: the folder cannot be read, or is not a folder.
    """
    try:
        found = folder.stat()
    except FileNotFoundError:
        return
    check_owner(folder)  # of another user's folder not even the names need be readable
    files = [path for path in sorted(folder.iterdir()) if any(fnmatchcase(path.name, one) for one in HOME_FILES)]
    if os.name == "posix" and not files and not found.st_mode & _OTHERS_CAN_WRITE:
        with suppress(OSError):  # a file system without modes: it is refused below
            folder.chmod(FOLDER_MODE)
            found = folder.stat()
    problems = [_exposed_parent_problem(folder), _access_problem(folder, found, folder)]
    for path in files:
        with suppress(FileNotFoundError):  # SQLite and the locks remove theirs
            problems.append(_file_problem(path, path.lstat()))
    _raise_problems(problems)


def check_owner(folder: Path) -> None:
    """Refuses a folder of another user's. Raises NotPrivate, or OSError where it is missing."""
    found = folder.stat()
    if os.name == "posix" and found.st_uid != os.geteuid():
        _raise_problems([_other_owner_problem(folder, found.st_uid, folder)])


def check_file(path: Path) -> None:
    """Refuses a file that is not regular, own and private. Raises NotPrivate, or OSError where it is missing."""
    _raise_problems([_file_problem(path, path.lstat())])


def prepare_file(path: Path) -> None:
    """Creates an empty file for its owner alone where it is missing; else checks it. Raises as `check_file`."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFE_FLAGS, FILE_MODE))
    except FileExistsError:
        check_file(path)


def open_private(path: Path, flags: int) -> int:
    """Opens a regular file that is own and private, and returns its descriptor; `O_CREAT` creates a missing one.

    Raises:
        OSError: it cannot be opened, or it is not such a file; nothing was read or written then.
    """
    descriptor = os.open(path, (flags & ~os.O_TRUNC) | _SAFE_FLAGS, FILE_MODE)
    try:
        _require_private(path, os.fstat(descriptor))
        if flags & os.O_TRUNC:
            os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _require_private(path: Path, found: os.stat_result) -> None:
    problem = _file_problem(path, found)
    if problem is not None:
        raise PermissionError(errno.EPERM, problem.text, str(path))


def read_private(path: Path) -> bytes:
    """Returns the content of a regular file that is own and private. Raises OSError."""
    with os.fdopen(open_private(path, os.O_RDONLY), "rb") as file:
        return file.read()


def open_without_waiting(path: Path) -> BinaryIO:
    """Opens any file for reading without waiting for the other end of a pipe. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | (_SAFE_FLAGS & ~getattr(os, "O_NOFOLLOW", 0)))
    try:
        return os.fdopen(descriptor, "rb")
    except OSError:  # a folder
        os.close(descriptor)
        raise


@contextmanager
def file_as_a_whole(path: Path, *, replaces: bool) -> Iterator[BinaryIO]:
    """Yields a file to write, which is at `path` once this ends without an error, and until then beside it.

    It is for its owner alone, and on the disk before this returns. With `replaces` it takes the place of what is there.

    Raises:
        FileExistsError: something is there, without `replaces`; it is left as it is.
        NotPrivate: what is there, with `replaces`, is a link, a folder, a device or a pipe; it is left as it was.
        OSError: it could not be written; what was there is as it was, and nothing is beside it.
    """
    if replaces:
        with suppress(FileNotFoundError):
            _raise_problems([_kind_problem(path, path.lstat().st_mode)])
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE_FLAGS, FILE_MODE), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if replaces:
            draft.replace(path)
            flush_folder(path.parent)
        else:
            publish_file(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def publish_file(draft: Path, path: Path) -> None:
    """Gives a finished file beside it the name `path`.

    Raises:
        FileExistsError: something has that name; it is left as it is.
        OSError: it could not be done; nothing has that name.
    """
    if os.name == "posix":
        _link(draft, path)  # a rename would take the place of what is there
        draft.unlink(missing_ok=True)
    else:
        draft.rename(path)  # on Windows it does not
    flush_folder(path.parent)


def create_file(path: Path, content: bytes) -> None:
    """Creates a file as a whole. Raises FileExistsError and OSError as `file_as_a_whole`."""
    with file_as_a_whole(path, replaces=False) as file:
        file.write(content)


def replace_file(path: Path, content: bytes) -> None:
    """Replaces a file as a whole. Raises NotPrivate and OSError as `file_as_a_whole`."""
    with file_as_a_whole(path, replaces=True) as file:
        file.write(content)


def _link(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        draft.replace(path)


def flush_folder(folder: Path) -> None:
    """Puts the names in a folder on the disk: until then, a machine that loses power may have the older file again."""
    if os.name != "posix":
        return
    with suppress(OSError):  # some file systems do not flush a folder by itself
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def policy_problem(path: Path, found: os.stat_result) -> tuple[str, str] | None:
    """Returns what is wrong with a file that guardian reads as its rules, and what to type; None where nothing is.

    It is a regular file, its owner is the user or root, and nobody else can change it or put another in its place.
    """
    if not stat.S_ISREG(found.st_mode):
        return f"`{path}` is not a file", "name a policy file"
    if os.name != "posix":
        return None
    problem: _Problem | None = None
    if found.st_uid not in {os.geteuid(), 0}:
        problem = _other_owner_problem(path, found.st_uid)
    elif found.st_mode & _OTHERS_CAN_WRITE:
        problem = _Problem(f"`{path}` can be written by others than its owner", f"`chmod go-w {_quoted(path)}`")
    problem = problem or _exposed_parent_problem(path)
    return None if problem is None else (problem.text, problem.remedy)


def _raise_problems(problems: Iterable[_Problem | None]) -> None:
    found = [problem for problem in problems if problem is not None]
    if not found:
        return
    more = f"; and {len(found) - _MAX_SHOWN} more" if len(found) > _MAX_SHOWN else ""
    remedies = list(dict.fromkeys(problem.remedy for problem in found))
    raise NotPrivate("; ".join(problem.text for problem in found[:_MAX_SHOWN]) + more, hint="; ".join(remedies))


def _file_problem(path: Path, found: os.stat_result) -> _Problem | None:
    return _kind_problem(path, found.st_mode) or _access_problem(path, found, path.parent)


def _kind_problem(path: Path, mode: int) -> _Problem | None:
    if stat.S_ISLNK(mode):
        return _Problem(
            f"`{path}` is a symbolic link, and guardian follows none to what it writes",
            f"`ls -l {_quoted(path)}` shows where it leads, `rm {_quoted(path)}` removes the link alone",
        )
    if not stat.S_ISREG(mode):
        return _Problem(f"`{path}` is not a regular file", f"move it away: `mv {_quoted(path)} {_quoted(path)}.old`")
    return None


def _access_problem(path: Path, found: os.stat_result, folder: Path) -> _Problem | None:
    if os.name != "posix":
        return None
    if found.st_uid != os.geteuid():
        return _other_owner_problem(path, found.st_uid, folder)
    if found.st_mode & _OTHERS_CAN_ANYTHING:
        mode = stat.S_IMODE(found.st_mode)
        return _Problem(f"`{path}` is open to other users (mode {mode:04o})", f"`chmod -R go-rwx {_quoted(folder)}`")
    return None


def _other_owner_problem(path: Path, owner: int, folder: Path | None = None) -> _Problem:
    me, them = _user(os.geteuid()), _user(owner)
    sudo = "" if os.geteuid() == 0 else "sudo "
    take = f"`{sudo}chown -Rh {os.geteuid()} {_quoted(folder or path)}`"
    return _Problem(
        f"`{path}` belongs to {them}, and guardian runs as {me}",
        f"run guardian as {them}; or, if it is yours, {take}",
    )


def _exposed_parent_problem(path: Path) -> _Problem | None:
    """A folder above, in which every user can put something else in the place of what leads to `path`."""
    if os.name != "posix":
        return None
    # As text: this is done for each call, and pathlib would take most of its time.
    for parent in dict.fromkeys((*_parents(os.fspath(path.absolute())), *_parents(os.path.realpath(path)))):
        with suppress(OSError):
            mode = os.stat(parent).st_mode  # noqa: PTH116 - as above
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                return _Problem(
                    f"every user of this machine can change `{parent}`, and so put something else in the place of "
                    f"`{path}`",
                    f"`chmod o-w {_quoted(Path(parent))}`, or keep it elsewhere",
                )
    return None


def _parents(path: str) -> list[str]:
    """The folders above an absolute path, the nearest first."""
    found = []
    while (above := os.path.dirname(path)) != path:  # noqa: PTH120 - as where it is called
        found.append(above)
        path = above
    return found


def _user(number: int) -> str:
    try:
        return f"`{pwd.getpwuid(number).pw_name}` (user {number})"
    except KeyError:
        return f"user {number}"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
