"""The database renamed, deleted, emptied, damaged, linked or put back from a copy, under a gate that runs.

From then on no order is sent, the message names the cause, and what the README says to do is done, and works.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from guardian.domain.requests import GetTickerPrice
from guardian.errors import GuardianError
from guardian.store.log.verify import verify
from tests.faults.support.owner import resumes
from tests.gate.support.fakes import Room

DATABASE: Final = "guardian.db"
BESIDE: Final = ("guardian.db-wal", "guardian.db-shm")


def rename(room: Room) -> None:
    """As somebody who tidies up would."""
    for name in (DATABASE, *BESIDE):
        if (room.home / name).exists():
            (room.home / name).rename(room.home / name.replace(DATABASE, "aside.db"))


def delete(room: Room) -> None:
    for name in (DATABASE, *BESIDE):
        (room.home / name).unlink(missing_ok=True)


def empty(room: Room) -> None:
    (room.home / DATABASE).write_bytes(b"")


def cut(room: Room) -> None:
    whole = (room.home / DATABASE).read_bytes()
    (room.home / DATABASE).write_bytes(whole[: len(whole) // 2])


def scramble(room: Room) -> None:
    """Random bytes in every page but the first."""
    whole, dice = bytearray((room.home / DATABASE).read_bytes()), random.Random(7)
    for start in range(4096, len(whole), 4096):
        whole[start : start + 200] = dice.randbytes(200)
    (room.home / DATABASE).write_bytes(bytes(whole))


def zero(room: Room) -> None:
    """Zeros in every page but the first, as a disk that lost them reads."""
    size = (room.home / DATABASE).stat().st_size
    with (room.home / DATABASE).open("r+b") as file:
        file.seek(4096)
        file.write(bytes(size - 4096))


def link(room: Room) -> None:
    """A symbolic link to the same file, elsewhere."""
    elsewhere = room.home.parent / "elsewhere.db"
    shutil.copyfile(room.home / DATABASE, elsewhere)
    elsewhere.chmod(0o600)
    (room.home / DATABASE).unlink()
    (room.home / DATABASE).symlink_to(elsewhere)


def put_back_older(room: Room) -> None:
    """The copy that was made before the last order, of the file and its checkpoint."""
    for path in (room.home.parent / "older").iterdir():
        (room.home / path.name).unlink(missing_ok=True)
        shutil.copyfile(path, room.home / path.name)
        (room.home / path.name).chmod(0o600)
    for name in BESIDE:
        (room.home / name).unlink(missing_ok=True)


FAULTS: Final[dict[str, tuple[Callable[[Room], None], str]]] = {
    "renamed": (rename, "moved, removed or replaced|is gone|lost"),
    "deleted": (delete, "moved, removed or replaced|is gone|lost"),
    "emptied": (empty, "damaged|gone or empty|lost|not a"),
    "cut": (cut, "damaged|not a guardian store|chain"),
    "zeroed": (zero, "damaged|chain|not a"),
    "scrambled": (scramble, "damaged|chain|not a"),
    "linked": (link, "moved, removed or replaced|link"),
    "put back from a copy": (put_back_older, "moved, removed or replaced|is gone"),
}


def backup(room: Room, folder: Path) -> None:
    """Copies the home's database and checkpoint while nothing writes, as a backup of the folder would."""
    room.sql("PRAGMA wal_checkpoint(TRUNCATE)")
    folder.mkdir()
    for name in (DATABASE, "audit.checkpoint"):
        if (room.home / name).exists():
            shutil.copyfile(room.home / name, folder / name)


def restore(room: Room, folder: Path) -> None:
    """What the hint says: the newest backup is put in the place of what is there."""
    for name in (DATABASE, *BESIDE):
        (room.home / name).unlink(missing_ok=True)
    for path in folder.iterdir():
        shutil.copyfile(path, room.home / path.name)
        (room.home / path.name).chmod(0o600)


def asked(room: Room, price: str) -> str:
    """What is said of an order that was not sent; nothing where it was."""
    try:
        reply = room.ask(price=price)
    except GuardianError as error:
        return f"{error.message} {error.hint}"
    return "" if reply.outcome.value == "done" else str(reply.error)


def spoil_once_sent(room: Room, spoil: Callable[[Room], None]) -> None:
    """Has the next order find the file spoilt as the exchange answers it."""
    real = room.exchange.place_order

    async def place(*arguments: Any, **options: Any) -> Any:
        answer = await real(*arguments, **options)
        room.exchange.place_order = real
        spoil(room)
        return answer

    room.exchange.place_order = place


MOMENTS: Final = ("before the first order", "between two orders", "at the next start", "while an order is out")


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open cannot be replaced there")
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_order_is_sent_on_another_file_and_the_backup_is_enough(room: Room, fault: str, moment: str) -> None:
    """Whenever it happens: from then on 0 orders are sent, the cause is named, and what the hint says works."""
    is_first = moment == "before the first order"
    room.call(GetTickerPrice(symbol="BTCUSDT")) if is_first else room.ask()
    backup(room, room.home.parent / "older")
    room.call(GetTickerPrice(symbol="BTCUSDT")) if is_first else room.ask(price="59900")
    backup(room, room.home.parent / "newest")
    sent = len(room.exchange.placed)
    assert sent == (0 if is_first else 2)
    spoil, cause = FAULTS[fault]
    said = ""
    if moment == "while an order is out":
        spoil_once_sent(room, spoil)
        said += asked(room, "59800")
        sent += 1
        assert len(room.exchange.placed) == sent
    elif moment == "at the next start" and fault != "put back from a copy":  # of that a start knows by its anchors
        room.journal.close()
        spoil(room)
        room.start()
    else:
        spoil(room)
    for price in ("59000", "58900"):
        refused = asked(room, price)
        assert refused
        said += refused
    assert len(room.exchange.placed) == sent
    assert re.search(cause, said), said
    assert re.search("restore|put it back|guardian init|removes the link alone", said), said
    # The documented recovery: restore the backup, start again, look, resume.
    room.journal.close()
    restore(room, room.home.parent / "newest")
    room.again()
    assert verify(room.home).is_intact
    resumes(room)
    assert room.ask(price="58800").outcome.value == "done"
    assert len(room.exchange.placed) == sent + 1


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, mounted for this test."""
    place = tmp_path / "disk"
    place.mkdir()
    if not _mount("-t", "tmpfs", "-o", "size=80m", "guardian-test", str(place)):
        pytest.skip("mounting needs Linux, root and permission")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def _mount(*arguments: str) -> bool:
    if sys.platform != "linux":
        return False
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


def test_disk_that_becomes_read_only_sends_nothing_and_heals(mounted: Path) -> None:
    """The message says that it is read-only; once it is writable again, nothing else is to be done."""
    room = Room(mounted)
    assert room.ask().outcome.value == "done"
    room.journal.close()
    assert _mount("-o", "remount,ro", str(mounted))
    room.start()
    with pytest.raises(GuardianError, match=r"[Rr]ead-only"):
        room.ask(price="59000")
    assert len(room.exchange.placed) == 1
    assert _mount("-o", "remount,rw", str(mounted))
    assert room.ask(price="59000").outcome.value == "done"
    assert verify(room.home).is_intact
    room.close()
