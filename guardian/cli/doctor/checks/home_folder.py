"""The home: where it is, whether it is private, what is left on its disk, and old copies in it."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from guardian.cli.doctor.examined import Examined
from guardian.cli.doctor.findings import Finding, ok, problem, unclear, warning
from guardian.cli.support.times import relative
from guardian.errors import NotPrivate
from guardian.store.disk_space import ACTS_NEED, ORDERS_NEED, SCARCE, free_bytes
from guardian.store.emergency import EmergencyFile
from guardian.system.private_files import HOME_FILES, check_home, check_owner

_MAKE_ROOM: Final = "make room on that disk"
_COPIES: Final = ("*.bak", "policy.toml.*", "guardian.db.*", "guardian-*.db*")
_OLD_MS: Final = 90 * 86_400_000


def check_place(examined: Examined) -> Iterator[Finding]:
    """The home is there, and nobody else can read or change it."""
    home = examined.home
    if not home.exists():
        yield warning("home", f"there is no `{home}` yet", "`guardian init` makes it, with a policy of yours")
        return
    if not home.is_dir():
        yield problem("home", f"`{home}` is not a folder", "set GUARDIAN_HOME to a folder")
        return
    try:
        files = [path.name for path in home.iterdir()]
        # With a file of guardian's in it nothing is changed by this; without one its mode would be made private.
        if any(fnmatchcase(name, pattern) for name in files for pattern in HOME_FILES):
            check_home(home)
        else:
            check_owner(home)
    except NotPrivate as error:
        yield problem("home", error.message, error.hint)
        return
    except OSError as error:
        yield problem("home", f"`{home}` cannot be read: {error.strerror}", f"`ls -la {home}` shows whose it is")
        return
    yield ok("home", f"`{home}`, {len(files)} files, private")


def check_disk(examined: Examined) -> Iterator[Finding]:
    """The disk takes the log's next rows."""
    free = free_bytes(examined.home)
    if free is None:
        yield unclear("disk", "the system does not say how much of the disk is free")
        return
    text = f"{free // 1_000_000} MB are free on the disk of the home"
    if free < ACTS_NEED:
        refused = "no order is created, and nothing is proposed, approved or armed"
        yield problem("disk", f"{text}: below {ACTS_NEED // 1_000_000} MB {refused}", _MAKE_ROOM)
    elif free < ORDERS_NEED:
        yield problem("disk", f"{text}: below {ORDERS_NEED // 1_000_000} MB no order is created", _MAKE_ROOM)
    elif free < SCARCE:
        yield warning("disk", f"{text}: below {ORDERS_NEED // 1_000_000} MB no order is created", _MAKE_ROOM)
    else:
        yield ok("disk", text)


def check_emergency(examined: Examined) -> Iterator[Finding]:
    """Nothing was written beside the log that it does not have."""
    records = EmergencyFile(examined.home).pending()
    if any("problem" in record for record in records):
        yield unclear("emergency file", "the emergency file cannot be read", "`guardian status`")
    elif records:
        text = f"the emergency file has {len(records)} records, so trading is halted"
        yield problem("emergency file", text, "`guardian resume` shows them, once the log can be written")
    else:
        yield ok("emergency file", "empty")


def check_copies(examined: Examined) -> Iterator[Finding]:
    """No old copy lies in the home: it may have rows and limits of long ago, and be put back by mistake."""
    if not examined.home.is_dir():
        return
    names = [path for path in examined.home.iterdir() if any(fnmatchcase(path.name, one) for one in _COPIES)]
    if not names:
        yield ok("old copies", "no copies of the policy or the log in the home")
        return
    changed = {path: int(path.stat().st_mtime * 1000) for path in names}
    oldest: Path = min(changed, key=lambda path: changed[path])
    text = f"{len(names)} copies in the home, the oldest `{oldest.name}`, {relative(changed[oldest], examined.now_ms)}"
    if examined.now_ms - changed[oldest] > _OLD_MS:
        yield warning("old copies", text, "remove those that you do not need")
    else:
        yield ok("old copies", text)
