"""Which disks other machines may use, from what the systems say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from guardian.store.schema import shared_disks
from guardian.store.schema.shared_disks import kind_of_linux, kind_of_macos, shared_disk

LOCAL = ("ext4", "xfs", "overlay", "tmpfs", "zfs", "f2fs", "ecryptfs", "fuseblk", "fuse-overlayfs", "fuse.bindfs")
SHARED = ("nfs", "smb3", "vboxsf", "fuse.vmhgfs-fuse", "fuse.grpcfuse", "fuse.rclone")
MOUNTINFO = r"""22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:26 / /home rw,relatime shared:2 - btrfs /dev/vdb rw
31 22 0:40 / /mnt/nas rw,relatime shared:9 - nfs4 server:/export rw,vers=4.2
32 22 0:41 / /mnt/with\040space rw shared:9 master:1 - cifs //server/share rw
33 31 0:42 / /mnt/nas/usb rw - ext4 /dev/sdb1 rw
34 22 0:43 / /home/me/ssh rw - fuse.sshfs host:/ rw
35 22 0:44 / /repo rw - virtiofs repo rw
36 22 0:45 / /win rw - 9p drvfs rw
37 22 0:46 / /sealed rw - fuse.gocryptfs /x rw
38 35 0:47 / /repo rw - ext4 /dev/vdc rw
broken line
"""
MOUNT = """/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse)
//me@nas._smb._tcp.local/My%20Home on /Volumes/My Home (smbfs, nodev, nosuid, mounted by me)
server:/export on /Volumes/export (nfs)
"""


@pytest.mark.parametrize(
    ("folder", "kind", "is_shared"),
    [
        ("/srv/guardian", "ext4", False),
        ("/home/me/.guardian", "btrfs", False),
        ("/mnt/nas/guardian", "nfs4", True),
        ("/mnt/nasty", "ext4", False),
        ("/mnt/with space/guardian", "cifs", True),
        ("/mnt/nas/usb/guardian", "ext4", False),
        ("/home/me/ssh/x", "fuse.sshfs", True),
        ("/repo/x", "ext4", False),
        ("/win/x", "9p", True),
        ("/sealed/x", "fuse.gocryptfs", False),
    ],
)
def test_linux_names_the_disk_of_a_folder(
    folder: str, kind: str, is_shared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The innermost place counts, and of two at one place the later; a name that only begins alike is another."""
    assert kind_of_linux(Path(folder), MOUNTINFO) == kind
    (tmp_path / "mountinfo").write_text(MOUNTINFO)
    monkeypatch.setattr(shared_disks, "_MOUNTS", tmp_path / "mountinfo")
    monkeypatch.setattr(sys, "platform", "linux")
    assert shared_disk(Path(folder)) == (kind if is_shared else None)


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/Users/me/Library", "apfs"),
        ("/System/Volumes/Data/x", "apfs"),
        ("/Volumes/My Home/guardian", "smbfs"),
        ("/Volumes/export/x", "nfs"),
    ],
)
def test_macos_names_the_disk_of_a_folder(folder: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `/sbin/mount` prints it."""
    assert kind_of_macos(Path(folder), MOUNT) == kind
    monkeypatch.setattr(shared_disks, "_mounts_of_macos", lambda: MOUNT)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert shared_disk(Path(folder)) == (None if kind == "apfs" else kind)


def test_system_that_does_not_say_is_taken_for_a_disk_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No mounts can be read, or no line of them is about the folder."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(shared_disks, "_MOUNTS", tmp_path / "missing")
    assert shared_disk(tmp_path) is None
    (tmp_path / "missing").write_text("")
    assert shared_disk(tmp_path) is None


@pytest.mark.parametrize(
    ("kind", "is_shared"),
    [
        *((kind, False) for kind in LOCAL),
        *((kind, True) for kind in SHARED),
    ],
)
def test_kinds_of_disks(kind: str, is_shared: bool) -> None:
    """Disks of this machine are not taken for shared ones, and those of hosts, shares and clouds are."""
    assert bool(shared_disks._SHARED.fullmatch(kind)) is is_shared
