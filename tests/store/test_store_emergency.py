"""The emergency file: it takes what the log does not, halts while it has anything, and loses nothing."""

from __future__ import annotations

import json
import math
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from guardian.domain.secrets import Secret
from guardian.errors import StoreUnavailable
from guardian.store.emergency import SIZE, EmergencyFile


@pytest.fixture
def emergency(world, tmp_path):
    made = EmergencyFile(world.home, second=tmp_path / "state")
    assert made.preallocate()
    return made


def events(world):
    with closing(sqlite3.connect(world.home / "guardian.db")) as connection:
        rows = connection.execute(
            "SELECT key, call_id, symbol, body FROM audit WHERE phase = 'event' ORDER BY seq"
        ).fetchall()
    return [(key, call_id, symbol, json.loads(body)["data"]) for key, call_id, symbol, body in rows]


def test_file_is_made_beforehand_and_is_empty(emergency):
    """64 KiB of zeros in the home, that count as nothing; outside the home nothing is made without need."""
    first, second = emergency.places
    assert first.read_bytes() == bytes(SIZE)
    assert first.stat().st_mode & 0o077 == 0 or sys.platform == "win32"
    assert not second.parent.exists()
    assert emergency.pending() == ()
    assert emergency.is_empty()


def test_record_is_written_in_place(emergency):
    """The file does not grow, so that a full disk does not matter; only the first place is used."""
    assert emergency.append({"kind": "call", "call_id": "c1"})
    assert emergency.append({"kind": "outcome", "call_id": "c1"})
    first, second = emergency.places
    assert first.stat().st_size == SIZE
    assert not second.exists()
    assert [record["kind"] for record in emergency.pending()] == ["call", "outcome"]
    assert not emergency.is_empty()


def test_every_process_of_the_home_sees_it(emergency, world, tmp_path):
    """Another process with the same home finds the same records, by another spelling of the path too."""
    emergency.append({"kind": "call"})
    other = EmergencyFile(world.home / ".." / world.home.name, second=tmp_path / "state")
    assert len(other.pending()) == 1


def test_second_place_is_the_same_for_the_same_home(world, tmp_path):
    """It is named after the resolved home, and differs for another home."""
    same = EmergencyFile(world.home / ".." / world.home.name)
    assert EmergencyFile(world.home).places[1] == same.places[1]
    assert EmergencyFile(tmp_path / "other").places[1] != same.places[1]


def test_second_place_is_used_where_the_first_cannot_be(world, tmp_path):
    """A home that takes nothing does not lose the record, and the halt is seen."""
    (world.home / "emergency.log").mkdir()
    emergency = EmergencyFile(world.home, second=tmp_path / "state")
    assert emergency.preallocate()
    assert emergency.append({"kind": "call"})
    assert b'"kind":"call"' in (tmp_path / "state" / "emergency.log").read_bytes()
    assert not emergency.is_empty()


def test_place_that_cannot_be_read_is_a_halt(world, tmp_path):
    """What cannot be looked at is not empty, and cannot be imported away."""
    (world.home / "emergency.log").mkdir()
    emergency = EmergencyFile(world.home, second=tmp_path / "state")
    assert len(emergency.pending()) == 1
    with pytest.raises(StoreUnavailable):
        emergency.import_into(world.store)
    assert len(emergency.pending()) == 1


def test_record_that_neither_place_takes_is_reported(tmp_path):
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
def test_any_record_is_written_on_one_line(emergency, record):
    """Whatever it holds it is bounded, is one line, and comes back with an id of its own."""
    assert emergency.append(record)
    assert emergency.append({"kind": "next"})
    first, second = emergency.pending()
    assert first["id"] != "mine"
    assert second["kind"] == "next"
    assert b"canary-secret" not in emergency.places[0].read_bytes()


def test_more_records_than_were_foreseen_still_fit(emergency):
    """Beyond the space that was made beforehand the file grows."""
    for number in range(200):
        assert emergency.append({"n": number, "text": "x" * 1000})
    assert [record["n"] for record in emergency.pending()] == list(range(200))


def test_import_takes_every_record_into_the_log_and_empties_the_file(emergency, world):
    """Each becomes an event row; afterwards nothing halts, and there is room again."""
    emergency.append({"kind": "call", "call_id": "c1", "symbol": "BTCUSDT"})
    emergency.append({"kind": "outcome", "call_id": "c1"})
    assert emergency.import_into(world.store) == 2
    assert emergency.pending() == ()
    assert emergency.places[0].read_bytes() == bytes(SIZE)
    first, second = events(world)
    assert first[0].startswith("emergency:")
    assert first[1:3] == ("c1", "BTCUSDT")
    assert first[3]["record"]["kind"] == "call"
    assert second[3]["record"]["kind"] == "outcome"
    assert emergency.import_into(world.store) == 0


def test_importing_twice_is_harmless(emergency, world):
    """A crash between the commit and the emptying leaves the records; the next import does not repeat them."""
    emergency.append({"kind": "call"})
    content = emergency.places[0].read_bytes()
    emergency.import_into(world.store)
    emergency.places[0].write_bytes(content)
    assert emergency.import_into(world.store) == 0
    assert emergency.pending() == ()
    assert len(events(world)) == 1


def test_both_places_are_imported(emergency, world):
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


def test_corrupt_line_is_imported_as_text(emergency, world):
    """A line that a crash or a person spoilt is never dropped."""
    emergency.append({"kind": "call"})
    place = emergency.places[0]
    content = place.read_bytes().rstrip(b"\0")
    place.write_bytes((content[:-5] + b"\n\xff\xfe garbage\n[1,2]\n").ljust(SIZE, b"\0"))
    assert len(emergency.pending()) == 3
    assert emergency.import_into(world.store) == 3
    texts = [event[3]["record"]["text"] for event in events(world)]
    assert texts[0].startswith('{"kind":"call"')
    assert texts[1:] == ["\\xff\\xfe garbage", "[1,2]"]


def test_record_after_a_torn_line_is_whole(emergency):
    """A process that was killed in the middle of a line does not spoil the next one."""
    emergency.places[0].write_bytes(b'{"kind":"torn'.ljust(SIZE, b"\0"))
    emergency.append({"kind": "next"})
    torn, following = emergency.pending()
    assert torn["text"] == '{"kind":"torn'
    assert following["kind"] == "next"


def test_records_stay_when_the_log_does_not_take_them(emergency, world):
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


def test_processes_that_write_at_once_lose_nothing(emergency, world, tmp_path):
    """Four processes add fifty records each; all two hundred are there, whole."""
    writers = [
        subprocess.Popen([sys.executable, "-c", APPENDER, str(world.home), str(tmp_path / "state"), str(number)])
        for number in range(4)
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0] * 4
    found = {(record["from"], record["n"]) for record in emergency.pending()}
    assert found == {(str(writer), number) for writer in range(4) for number in range(50)}
