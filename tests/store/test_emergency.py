"""The emergency file: it takes what the log does not, halts while it has anything, and loses nothing."""

from __future__ import annotations

import json
import math
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from guardian.domain.secrets import Secret
from guardian.domain.trading import TradingState
from guardian.errors import StoreUnavailable
from guardian.store.emergency import OWNER_HALT, SIZE, EmergencyFile
from guardian.store.schema.records import TradingStatus
from tests.store.support.store_world import World
from tests.support import prefork


@pytest.fixture
def emergency(world: World, tmp_path: Path) -> EmergencyFile:
    made = EmergencyFile(world.home, second=tmp_path / "state")
    assert made.preallocate()
    return made


def events(world: World) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(world.home / "guardian.db")) as connection:
        rows = connection.execute(
            "SELECT key, call_id, symbol, body FROM audit WHERE phase = 'event' ORDER BY seq"
        ).fetchall()
    return [(key, call_id, symbol, json.loads(body)["data"]) for key, call_id, symbol, body in rows]


def test_file_is_made_beforehand_and_is_empty(emergency: EmergencyFile) -> None:
    """64 KiB of zeros in the home, that count as nothing; outside the home nothing is made without need."""
    first, second = emergency.places
    assert first.read_bytes() == bytes(SIZE)
    assert first.stat().st_mode & 0o077 == 0 or sys.platform == "win32"
    assert not second.parent.exists()
    assert emergency.pending() == ()
    assert emergency.is_empty()


def test_record_is_written_in_place(emergency: EmergencyFile) -> None:
    """The file does not grow, so that a full disk does not matter; only the first place is used."""
    assert emergency.append({"kind": "call", "call_id": "c1"})
    assert emergency.append({"kind": "outcome", "call_id": "c1"})
    first, second = emergency.places
    assert first.stat().st_size == SIZE
    assert not second.exists()
    assert [record["kind"] for record in emergency.pending()] == ["call", "outcome"]
    assert not emergency.is_empty()


def test_every_process_of_the_home_sees_it(emergency: EmergencyFile, world: World, tmp_path: Path) -> None:
    """Another process with the same home finds the same records, by another spelling of the path too."""
    emergency.append({"kind": "call"})
    other = EmergencyFile(world.home / ".." / world.home.name, second=tmp_path / "state")
    assert len(other.pending()) == 1


def test_places_outside_follow_from_the_home_alone(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are named after the resolved home, differ for another home, and no environment variable moves them.

    The second place moved with XDG_STATE_HOME, so that a halt from another terminal was not seen.
    """
    before = EmergencyFile(world.home).places
    assert len(set(before)) == len(before) >= 2
    assert before[1].parent.parent == world.home.parent
    assert not set(EmergencyFile(tmp_path / "other").places) & set(before)
    for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "HOME", "TMPDIR", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    (tmp_path / "link").symlink_to(world.home)
    for spelling in (world.home, world.home / ".." / world.home.name, tmp_path / "link"):
        assert EmergencyFile(spelling).places[1:] == before[1:]


def test_folder_beside_the_home_that_is_not_the_users_own_is_no_place(world: World, tmp_path: Path) -> None:
    """A link, a file, or a folder that others can write is neither written, nor read, nor a halt."""
    beside = EmergencyFile(world.home).places[1].parent
    (world.home / "emergency.log").mkdir()
    victim = tmp_path / "victim"
    victim.mkdir()
    for make in (lambda: beside.symlink_to(victim), lambda: beside.write_text(""), beside.mkdir):
        make()
        if beside.is_dir() and not beside.is_symlink():
            beside.chmod(0o777)
        places = EmergencyFile(world.home).places
        assert all(place.parent != beside for place in places)
        assert list(victim.iterdir()) == []
        beside.rmdir() if beside.is_dir() and not beside.is_symlink() else beside.unlink()


def test_user_without_a_folder_of_their_own_has_the_place_beside_the_home(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an account, or with a folder that is another's, the place beside the home is the only other one."""
    pwd = pytest.importorskip("pwd")
    count = len(EmergencyFile(world.home).places)
    nobody: dict[str, Any] = {}
    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: nobody["none"])
    assert len(EmergencyFile(world.home).places) == 2 <= count


def trading(world: World) -> TradingStatus:
    with world.store.transaction() as tx:
        return tx.trading.status()


@pytest.mark.parametrize(
    ("record", "named"),
    [
        ({"kind": "outcome", "call_id": "c1", "client_order_id": "g1-a"}, "an outcome of call c1 (order g1-a)"),
        ({"kind": "call", "call_id": "c1"}, "a cancel of call c1"),
        ({"kind": "call", "call_id": "a b\nc" * 50}, "a cancel"),
        ({"kind": "other"}, "other"),
        ({}, "a line that cannot be read"),
    ],
)
def test_import_halts_until_a_person_resumes(
    emergency: EmergencyFile, world: World, record: dict[str, str], named: str
) -> None:
    """What was not written halts in the transaction that takes it into the log, and the reason names it.

    The file was emptied by the next start of anything, and trading continued.
    """
    emergency.append(record)
    emergency.import_into(world.store)
    assert emergency.is_empty()
    found = trading(world)
    assert (found.state, found.by) == (TradingState.HALTED, "guardian")
    assert found.reason == f"something could not be written to the log: {named}"


@pytest.mark.parametrize(
    "line",
    [
        b'{"id": "\\ud800"}\n',
        b'{"id": "a", "call_id": "\\udfff"}\n',
        b'{"id": "a", "kind": "halted", "reason": "x \\ud83d"}\n',
        b" \n",
        b"\n\n",
    ],
)
def test_any_content_of_the_file_halts_until_a_person_resumes(
    emergency: EmergencyFile, world: World, line: bytes
) -> None:
    """Text with half a character and lines of blanks are taken into the log too, and halt.

    Before: the first ended every command with a bug, and blanks alone were a halt that the next start lifted.
    """
    emergency.places[0].write_bytes(line.ljust(SIZE, b"\0"))
    assert emergency.import_into(world.store) == 1
    assert emergency.is_empty()
    assert trading(world).state is TradingState.HALTED


def test_many_records_are_counted_in_the_reason(emergency: EmergencyFile, world: World) -> None:
    """Three are named, of the others the number is given."""
    for number in range(5):
        emergency.append({"kind": "call", "call_id": f"c{number}"})
    emergency.import_into(world.store)
    assert (trading(world).reason or "").endswith("a cancel of call c2, and 2 more")


def test_import_adds_to_the_reason_of_a_halt_and_keeps_who_halted(emergency: EmergencyFile, world: World) -> None:
    """A halt that is there already keeps its reason, and says the new one too; reducing becomes halted."""
    with world.store.transaction() as tx:
        tx.trading.set(TradingState.REDUCING, reason="the day lost 101", by="guardian")
    emergency.append({"kind": OWNER_HALT, "reason": "a person said so"})
    emergency.append({"kind": "call", "call_id": "c1"})
    emergency.import_into(world.store)
    found = trading(world)
    assert (found.state, found.by) == (TradingState.HALTED, "owner")
    assert found.reason == "a person said so; something could not be written to the log: a cancel of call c1"


def test_kill_between_the_import_and_the_emptying_neither_doubles_nor_lets_go_on(
    emergency: EmergencyFile, world: World
) -> None:
    """Records that are in the log already are not taken again, and trading stays halted until a resume."""
    emergency.append({"kind": "outcome", "call_id": "c1"})
    content = emergency.places[0].read_bytes()
    emergency.import_into(world.store)
    emergency.places[0].write_bytes(content)
    assert emergency.import_into(world.store) == 0
    assert len(events(world)) == 2
    assert trading(world).state is TradingState.HALTED
    with world.store.transaction() as tx:
        tx.trading.set(TradingState.ACTIVE, reason="resumed", by="owner")
    assert emergency.import_into(world.store) == 0
    assert trading(world).state is TradingState.ACTIVE


def test_second_place_is_used_where_the_first_cannot_be(world: World, tmp_path: Path) -> None:
    """A home that takes nothing does not lose the record, and the halt is seen."""
    (world.home / "emergency.log").mkdir()
    emergency = EmergencyFile(world.home, second=tmp_path / "state")
    assert emergency.preallocate()
    assert emergency.append({"kind": "call"})
    assert b'"kind":"call"' in (tmp_path / "state" / "emergency.log").read_bytes()
    assert not emergency.is_empty()


def test_place_that_cannot_be_read_is_a_halt(world: World, tmp_path: Path) -> None:
    """What cannot be looked at is not empty, and cannot be imported away."""
    (world.home / "emergency.log").mkdir()
    emergency = EmergencyFile(world.home, second=tmp_path / "state")
    assert len(emergency.pending()) == 1
    with pytest.raises(StoreUnavailable):
        emergency.import_into(world.store)
    assert len(emergency.pending()) == 1


def test_record_that_neither_place_takes_is_reported(tmp_path: Path) -> None:
    """False, and no exception."""
    (tmp_path / "file").write_text("in the way")
    emergency = EmergencyFile(tmp_path / "file" / "home", second=tmp_path / "file" / "state")
    assert not emergency.preallocate()
    assert not emergency.append({"kind": "call"})


@pytest.mark.parametrize(
    "record",
    [
        {"n": math.nan, "m": 10**5000, "s": "\ud800", "o": object()},
        {"text": "x" * 10_000_000},
        {"secret": Secret("canary-secret")},
        {"line": "a\nb\0c"},
        {"id": "mine", "record": 1},
    ],
)
def test_any_record_is_written_on_one_line(emergency: EmergencyFile, record: dict[str, Any]) -> None:
    """Whatever it holds it is bounded, is one line, and comes back with an id of its own."""
    assert emergency.append(record)
    assert emergency.append({"kind": "next"})
    first, second = emergency.pending()
    assert first["id"] != "mine"
    assert second["kind"] == "next"
    assert b"canary-secret" not in emergency.places[0].read_bytes()


def test_more_records_than_were_foreseen_still_fit(emergency: EmergencyFile) -> None:
    """Beyond the space that was made beforehand the file grows."""
    for number in range(200):
        assert emergency.append({"n": number, "text": "x" * 1000})
    assert [record["n"] for record in emergency.pending()] == list(range(200))


def test_import_takes_every_record_into_the_log_and_empties_the_file(emergency: EmergencyFile, world: World) -> None:
    """Each becomes an event row, and a last one says that trading is halted for them; there is room again."""
    emergency.append({"kind": "call", "call_id": "c1", "symbol": "BTCUSDT"})
    emergency.append({"kind": "outcome", "call_id": "c1"})
    assert emergency.import_into(world.store) == 2
    assert emergency.pending() == ()
    assert emergency.places[0].read_bytes() == bytes(SIZE)
    first, second, halt = events(world)
    assert (halt[3]["kind"], halt[3]["cause"]) == ("halted", "emergency")
    assert first[0].startswith("emergency:")
    assert first[1:3] == ("c1", "BTCUSDT")
    assert first[3]["record"]["kind"] == "call"
    assert second[3]["record"]["kind"] == "outcome"
    assert emergency.import_into(world.store) == 0


def test_importing_twice_is_harmless(emergency: EmergencyFile, world: World) -> None:
    """A crash between the commit and the emptying leaves the records; the next import does not repeat them."""
    emergency.append({"kind": "call"})
    content = emergency.places[0].read_bytes()
    emergency.import_into(world.store)
    emergency.places[0].write_bytes(content)
    assert emergency.import_into(world.store) == 0
    assert emergency.pending() == ()
    assert len(events(world)) == 2


def test_both_places_are_imported(emergency: EmergencyFile, world: World) -> None:
    """What was written while the home was read-only comes too."""
    emergency.append({"kind": "first"})
    home_place = emergency.places[0]
    away = home_place.with_name("away")
    home_place.rename(away)
    home_place.mkdir()
    emergency.append({"kind": "second"})
    home_place.rmdir()
    away.rename(home_place)
    assert [record["kind"] for record in emergency.pending()] == ["first", "second"]
    assert emergency.import_into(world.store) == 2
    assert emergency.is_empty()


def test_corrupt_line_is_imported_as_text(emergency: EmergencyFile, world: World) -> None:
    """A line that a crash or a person spoilt is never dropped."""
    emergency.append({"kind": "call"})
    place = emergency.places[0]
    content = place.read_bytes().rstrip(b"\0")
    place.write_bytes((content[:-5] + b"\n\xff\xfe garbage\n[1,2]\n").ljust(SIZE, b"\0"))
    assert len(emergency.pending()) == 3
    assert emergency.import_into(world.store) == 3
    texts = [event[3]["record"]["text"] for event in events(world)[:-1]]
    assert texts[0].startswith('{"kind":"call"')
    assert texts[1:] == ["\\xff\\xfe garbage", "[1,2]"]


def test_record_after_a_torn_line_is_whole(emergency: EmergencyFile) -> None:
    """A process that was killed in the middle of a line does not spoil the next one."""
    emergency.places[0].write_bytes(b'{"kind":"torn'.ljust(SIZE, b"\0"))
    emergency.append({"kind": "next"})
    torn, following = emergency.pending()
    assert torn["text"] == '{"kind":"torn'
    assert following["kind"] == "next"


def test_records_stay_when_the_log_does_not_take_them(emergency: EmergencyFile, world: World) -> None:
    """Nothing is emptied before it is in the log."""
    emergency.append({"kind": "call"})
    world.store.close()
    with pytest.raises(StoreUnavailable):
        emergency.import_into(world.store)
    assert len(emergency.pending()) == 1


APPENDER = """
import sys
from pathlib import Path
from guardian.store.emergency import EmergencyFile
file = EmergencyFile(Path(sys.argv[1]), second=Path(sys.argv[2]))
for number in range(50):
    assert file.append({"from": sys.argv[3], "n": number})
"""


def test_processes_that_write_at_once_lose_nothing(emergency: EmergencyFile, world: World, tmp_path: Path) -> None:
    """Four processes add fifty records each; all two hundred are there, whole."""
    writers = [
        prefork.popen([sys.executable, "-c", APPENDER, str(world.home), str(tmp_path / "state"), str(number)])
        for number in range(4)
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0] * 4
    found = {(record["from"], record["n"]) for record in emergency.pending()}
    assert found == {(str(writer), number) for writer in range(4) for number in range(50)}
