"""Finds out whether a folder is on a disk that other machines may use. Light to import.

SQLite's write-ahead log needs memory that all processes of a file share, which machines do not: there the file has a
rollback journal instead. See https://sqlite.org/wal.html and https://sqlite.org/howtocorrupt.html.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

_SHARED: Final = re.compile(
    r"nfs\d?|afs|cifs|smb\d?|smbfs|smb2|afpfs|webdav|davfs|9p|virtiofs|vboxsf|vmhgfs|prl_fs|osxfs|ncpfs|coda|ceph|"
    r"gfs2?|ocfs2|lustre|beegfs|gpfs|orangefs|glusterfs|drvfs|fuseblk\.sshfs|fuse\.(?!ext\d|ntfs|exfat|fuse-overlayfs|"
    r"lxcfs|gocryptfs|cryfs|encfs|bindfs|mergerfs|veracrypt|zfs).*|fakeowner|grpcfuse"
)
"""Names of file systems that lie on another machine, or outside of a virtual one, in Linux' and macOS' words."""
_MOUNTS: Final = Path("/proc/self/mountinfo")
_MOUNT: Final = "/sbin/mount"
_MOUNT_TIMEOUT_S: Final = 5.0
_LINE_OF_MACOS: Final = re.compile(r".* on (?P<place>/.*) \((?P<kind>\w+)[,)].*")
_DRIVE_REMOTE: Final = 4
"""What Windows' GetDriveTypeW returns for a drive of another machine."""


def shared_disk(folder: Path) -> str | None:
    """Returns the name of the file system of a folder where other machines may use it; else None.

    None also where this system does not say. The folder need not exist.
    """
    path = folder.resolve()
    try:
        if sys.platform == "win32":
            return _of_windows(path)
        if sys.platform == "darwin":
            found = kind_of_macos(path, _mounts_of_macos())
        else:
            found = kind_of_linux(path, _MOUNTS.read_text("utf-8", "replace"))
    except (OSError, subprocess.SubprocessError):
        return None
    return found if found is not None and _SHARED.fullmatch(found) else None


def kind_of_linux(path: Path, mounts: str) -> str | None:
    """Returns the kind of the file system of a path; `mounts` is as in `/proc/self/mountinfo`, see proc(5)."""
    best, kind = -1, None
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        words = before.split(" ")
        if len(words) < 5 or not after:
            continue
        place = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), words[4]))
        # Of two at one place the later one covers the earlier one.
        if len(place.parts) >= best and path.is_relative_to(place):
            best, kind = len(place.parts), after.split(" ")[0]
    return kind


def _mounts_of_macos() -> str:
    done = subprocess.run(  # noqa: S603 - a program of the system, by its path
        [_MOUNT], capture_output=True, text=True, timeout=_MOUNT_TIMEOUT_S, check=True
    )
    return done.stdout


def kind_of_macos(path: Path, mounts: str) -> str | None:
    """Returns the kind of the file system of a path; `mounts` is what `/sbin/mount` prints."""
    best, kind = -1, None
    for line in mounts.splitlines():
        found = _LINE_OF_MACOS.fullmatch(line)
        if found is not None and path.is_relative_to(found["place"]) and len(Path(found["place"]).parts) >= best:
            best, kind = len(Path(found["place"]).parts), found["kind"]
    return kind


def _of_windows(path: Path) -> str | None:
    """Returns what a path is on where that is no disk of this machine: a share, or a drive of another machine."""
    if sys.platform != "win32":
        return None
    if path.drive.startswith("\\\\"):
        return "a network share"
    import ctypes

    is_remote = ctypes.windll.kernel32.GetDriveTypeW(f"{path.drive}\\") == _DRIVE_REMOTE
    return "a network drive" if is_remote else None
