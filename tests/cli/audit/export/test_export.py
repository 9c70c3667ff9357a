"""`guardian audit export`: the log as a file that others can read, with a manifest that says what it is."""

from __future__ import annotations

import csv
import json
import os
import stat
from io import StringIO
from pathlib import Path

import pytest

from guardian import __version__
from guardian.cli.app import main
from guardian.cli.audit.export import exporting as module
from guardian.cli.audit.export.exporting import CannotWrite, Sink
from guardian.cli.support.times import utc_time
from guardian.store.log.checkpoint import write_checkpoint
from guardian.store.schema.records import Phase, Record
from guardian.system import private_files
from tests.cli.audit.export.conftest import Exporting
from tests.store.support.store_world import START_MS
from tests.support.tamper import tamper

FIELDS = [
    "v", "seq", "time", "ts_ms", "phase", "call_id", "tool", "symbol", "outcome", "environment", "account", "key",
    "client_order_id", "data", "digest", "previous", "verified",
]  # fmt: skip
"""Of NDJSON, version 1. Another program reads them: none may go or change its meaning."""


def test_each_row_is_one_line_of_json_with_all_that_was_recorded(exporting: Exporting) -> None:
    """The fields and their order are those of version 1, and the rows are chained."""
    entries = exporting.call(1, limit=5)
    code, out, err = exporting.run()
    first, second = map(json.loads, out.splitlines())
    assert code == 0
    assert err == "exported 2 rows to standard output\n"
    assert list(first) == list(second) == FIELDS
    assert first == {
        "v": 1, "seq": 1, "time": utc_time(START_MS + 60_000), "ts_ms": START_MS + 60_000, "phase": "call",
        "call_id": "call-1", "tool": "get_ticker", "symbol": "BTCUSDT", "outcome": None, "environment": None,
        "account": None, "key": None, "client_order_id": None, "data": {"arguments": {"limit": 5}},
        "digest": entries[0].digest, "previous": "00" * 32, "verified": True,
    }  # fmt: skip
    assert (second["previous"], second["outcome"], second["verified"]) == (first["digest"], "done", True)


def test_intent_has_its_client_order_id(exporting: Exporting) -> None:
    """The one that the exchange has too."""
    name = exporting.world.place()
    _, out, _ = exporting.run()
    intent, state = map(json.loads, out.splitlines())
    assert (intent["client_order_id"], state["phase"], state["client_order_id"]) == (name, "state", None)
    assert state["data"]["tables"]["orders"][0]["client_order_id"] == name


def test_csv_has_the_same_and_the_local_time(exporting: Exporting) -> None:
    """One line a row under a line of names; what was recorded is a cell of JSON."""
    exporting.call(1, note="=1+1", more="line\nend")
    code, out, _ = exporting.run("--format", "csv")
    head, first, second = csv.reader(StringIO(out, newline=""))
    assert code == 0
    assert head == [
        "seq", "time", "local_time", "phase", "call_id", "tool", "symbol", "outcome", "environment", "account", "key",
        "client_order_id", "data", "digest", "previous", "verified",
    ]  # fmt: skip
    assert json.loads(first[12]) == {"arguments": {"note": "=1+1", "more": "line\nend"}}
    assert (second[7], second[15]) == ("done", "yes")
    assert len(out.splitlines()) == 3


def test_hostile_names_are_defused_in_csv_and_escaped_in_json(exporting: Exporting) -> None:
    """A model may call a tool by any name: neither a spreadsheet nor a terminal obeys it."""
    exporting.write(Record(phase=Phase.CALL, call_id="c1", tool="=HYPERLINK(A1)\x1b[2J\x7f", symbol="\t-cmd"))
    _, as_csv, _ = exporting.run("--format", "csv")
    row = next(iter(csv.DictReader(StringIO(as_csv, newline=""))))
    assert row["tool"] == "'=HYPERLINK(A1)\\x1b[2J\\x7f"
    assert row["symbol"] == "'\\t-cmd"
    _, as_json, _ = exporting.run()
    assert json.loads(as_json)["tool"] == "=HYPERLINK(A1)\x1b[2J\x7f"
    assert as_json.strip().isprintable()


def test_window_bounds_the_rows(exporting: Exporting) -> None:
    """From `--since` on, and before `--until`; the manifest says what was wanted and what there is."""
    for number in (1, 2, 3):
        exporting.call(number)
    since, until = utc_time(START_MS + 120_000), utc_time(START_MS + 180_000)
    text, manifest = exporting.to_file("--since", since, "--until", until)
    assert [json.loads(line)["seq"] for line in text.splitlines()] == [3, 4]
    assert all(json.loads(line)["verified"] for line in text.splitlines())
    assert manifest["requested"] == {"since": since, "until": until}
    assert manifest["first"] == {"number": 3, "time": since}
    assert manifest["last"] == {"number": 4, "time": since}


def test_manifest_names_the_file_the_end_of_the_log_and_its_checkpoint(exporting: Exporting) -> None:
    """With them, whoever has the file can hold it against the log, and the log against a checkpoint kept elsewhere."""
    entries = exporting.call(1)
    write_checkpoint(exporting.home, exporting.world.store)
    exporting.call(2)
    last = exporting.call(3)[-1]
    _, manifest = exporting.to_file("--until", utc_time(START_MS + 180_000))
    assert {name: manifest[name] for name in ("v", "file", "format", "format_version", "rows", "changed_rows")} == {
        "v": 1, "file": "log.out", "format": "ndjson", "format_version": 1, "rows": 4, "changed_rows": 0,
    }  # fmt: skip
    assert manifest["head"] == {"seq": 6, "digest": last.digest}
    assert manifest["checkpoint"] == {"seq": 2, "digest": entries[-1].digest}
    assert manifest["guardian"] == __version__
    assert manifest["redacted"] is False


@pytest.mark.skipif(os.name != "posix", reason="modes as on POSIX")
def test_file_and_manifest_are_the_owners_alone(exporting: Exporting) -> None:
    """What is in them is what was in the home."""
    exporting.call(1)
    exporting.to_file()
    files = [path for path in exporting.folder.iterdir() if path.is_file()]
    assert len(files) == 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


@pytest.mark.parametrize("there", ["log.out", "log.out.manifest.json"])
def test_nothing_is_overwritten_unless_asked(exporting: Exporting, there: str) -> None:
    """Neither the file nor the manifest of another one; `--force` replaces both."""
    exporting.call(1)
    (exporting.folder / there).write_text("mine")
    code, _, err = exporting.run("--out", str(exporting.out))
    assert code == 2
    assert "is there already; nothing was written" in err
    assert "`--force`" in err
    assert [path.name for path in exporting.folder.iterdir() if path.is_file()] == [there]
    assert (exporting.folder / there).read_text() == "mine"
    text, _ = exporting.to_file()
    assert len(text.splitlines()) == 2


def test_link_is_not_followed(exporting: Exporting) -> None:
    """`--force` replaces a file, not what a link leads to."""
    exporting.call(1)
    target = exporting.folder / "target"
    target.write_text("mine")
    try:
        exporting.out.symlink_to(target)
    except OSError:
        pytest.skip("no symbolic links here")
    code, _, err = exporting.run("--out", str(exporting.out), "--force")
    assert code == 2
    assert "symbolic link" in err
    assert target.read_text() == "mine"


@pytest.mark.parametrize("name", ["ndjson_line", "manifest_json", "create_file"])
def test_stopped_export_leaves_nothing(exporting: Exporting, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Ctrl-C in the middle, before the manifest, or while it is written."""
    exporting.call(1)
    exporting.call(2)
    calls, real = [], getattr(module, name)

    def stopped(*arguments: object, **named: object) -> object:
        calls.append(1)
        if len(calls) == (3 if name == "ndjson_line" else 1):
            raise KeyboardInterrupt
        return real(*arguments, **named)

    monkeypatch.setattr(module, name, stopped)
    code, out, _ = exporting.run("--out", str(exporting.out))
    assert (code, out) == (130, "")
    assert [path.name for path in exporting.folder.iterdir()] == ["home"]


def test_stop_after_the_manifest_leaves_nothing(exporting: Exporting, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest without its file would be one of a file that was never written."""
    exporting.call(1)
    real = private_files.create_file

    def create_and_stop(path: Path, content: bytes) -> None:
        real(path, content)
        assert path.name == "log.out.manifest.json"
        monkeypatch.setattr(os, "fsync", stop)

    def stop(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "create_file", create_and_stop)
    code, _, _ = exporting.run("--out", str(exporting.out))
    assert code == 130
    assert [path.name for path in exporting.folder.iterdir()] == ["home"]


def test_output_that_takes_no_more_is_no_failure_of_the_log(exporting: Exporting) -> None:
    """A full disk under the export is reported as that, and leaves nothing."""

    class Full:
        def write(self, _content: bytes) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(CannotWrite, match="No space left"):
        Sink(Full()).write("x")  # type: ignore[arg-type]  # all that is used of a stream


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_under_standard_output_is_said(exporting: Exporting, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no failure of the log, and the exit code is that of what could not be done."""
    exporting.call(1)
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        code, _, err = exporting.run()
        monkeypatch.undo()
    assert code == 3
    assert "could not be written" in err


def test_folder_that_is_missing_is_an_error(exporting: Exporting) -> None:
    """It is not made: a mistyped path would be a folder nobody looks for."""
    exporting.call(1)
    code, _, err = exporting.run("--out", str(exporting.folder / "missing" / "log"))
    assert code != 0
    assert "No such file or directory" in err


def test_changed_row_is_written_and_marked(exporting: Exporting) -> None:
    """The export of a log that was tampered with says so: in the line, in the manifest, by the exit code."""
    exporting.call(1)
    exporting.call(2)
    tamper(exporting, "UPDATE audit SET outcome = 'denied' WHERE seq = 2", "DELETE FROM audit WHERE seq = 3")
    code, out, err = exporting.run()
    assert code == 1
    assert [json.loads(line)["verified"] for line in out.splitlines()] == [True, False, False]
    assert "2 rows are not as they were written" in err
    code, _, _ = exporting.run("--out", str(exporting.out))
    assert code == 1
    assert json.loads((exporting.folder / "log.out.manifest.json").read_bytes())["changed_rows"] == 2


@pytest.mark.parametrize("form", ["ndjson", "csv"])
@pytest.mark.parametrize("cell", [b"\xff\x00", 1.5, 2**62, "text", "\ud800"])
@pytest.mark.parametrize("column", ["ts_ms", "tool", "body", "digest", "account"])
def test_cell_of_any_type_is_written(exporting: Exporting, form: str, cell: object, column: str) -> None:
    """Whoever may write the file may put anything into it; an export shows it and does not end there."""
    exporting.call(1)
    exporting.call(2)
    value = cell.encode("utf-8", "surrogatepass") if isinstance(cell, str) and not cell.isascii() else cell
    how = "CAST(? AS TEXT)" if value is not cell else "?"
    tamper(exporting, (f"UPDATE audit SET {column} = {how} WHERE seq = 2", (value,)))
    code, out, _ = exporting.run("--format", form)
    assert code in {1, 3}
    assert code == 3 or len(out.splitlines()) == (4 if form == "ndjson" else 5)
    if form == "ndjson" and code == 1:
        second = json.loads(out.splitlines()[1])
        assert second["verified"] is False
        assert (second["time"] is None) == (column == "ts_ms")


def test_redacted_export_has_no_account_and_no_address(exporting: Exporting) -> None:
    """Whose account it is, and where coins are kept, are left out; all else is there."""
    data = {"data": {"address": "bc1qaddress", "coin": "BTC", "deep": [{"uid": "1234567", "text": "of uid-99"}]}}
    exporting.write(
        Record(phase=Phase.EVENT, environment="live", account="uid-99", body=data),
        Record(phase=Phase.CALL, call_id="c1", tool="get_balance", environment="live", account="uid-99", body={}),
    )
    text, manifest = exporting.to_file("--redact")
    first = json.loads(text.splitlines()[0])
    assert not {"uid-99", "1234567", "bc1qaddress"} & set(text.replace('"', " ").split())
    assert "uid-99" not in text
    assert (first["account"], first["environment"]) == ("(left out)", "live")
    assert first["data"]["data"]["coin"] == "BTC"
    assert first["verified"] is True
    assert manifest["redacted"] is True


@pytest.mark.parametrize(("arguments", "lines"), [((), 0), (("--format", "csv"), 1), (("--trades",), 1)])
def test_empty_log_is_an_empty_file(exporting: Exporting, arguments: tuple[str, ...], lines: int) -> None:
    """With the names of the columns where there are any; nothing is made in the home."""
    text, manifest = exporting.to_file(*arguments)
    assert len(text.splitlines()) == lines
    assert (manifest["rows"], manifest["head"], manifest["first"]) == (0, None, None)
    assert not exporting.home.exists()


def test_terminal_gets_no_export(exporting: Exporting, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who types the command alone sees how it is meant."""
    exporting.call(1)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    code, out, err = exporting.run()
    assert (code, out) == (2, "")
    assert "`--out FILE`" in err


def test_trades_are_csv_alone(exporting: Exporting) -> None:
    """Another format is refused, and not ignored."""
    code, _, err = exporting.run("--trades", "--format", "ndjson")
    assert code == 2
    assert "trades are written as CSV" in err


def test_format_is_suggested(exporting: Exporting) -> None:
    """The word that was meant is named."""
    code, _, err = exporting.run("--format", "cvs")
    assert code == 2
    assert "did you mean `csv`?" in err


def test_help_names_the_manifest(capsys: pytest.CaptureFixture[str]) -> None:
    """Who reads the help knows that there are two files."""
    assert main(["audit", "export", "--help"]) == 0
    assert "FILE.manifest.json" in capsys.readouterr().out
