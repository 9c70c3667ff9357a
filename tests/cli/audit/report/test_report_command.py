"""`guardian audit report`: where the page goes, and what the command says."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path

import pytest

from guardian.cli.app import main

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in a folder of its own, on a home that does not exist; exit code and standard error."""
    monkeypatch.setenv("GUARDIAN_HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def command(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["audit", "report", *arguments])
        out, err = capsys.readouterr()
        assert out == ""
        return code, err

    return command


def test_page_is_written_beside_the_person(run: Run) -> None:
    """By a name of its own, for its owner alone, and the command says where it is."""
    code, err = run()
    assert code == 0
    assert f"wrote `{Path('report.html').absolute()}`" in err
    assert Path("report.html").read_text("utf-8").startswith("<!doctype html>")
    if os.name == "posix":
        assert stat.S_IMODE(Path("report.html").stat().st_mode) == 0o600


def test_nothing_is_overwritten_unless_asked(run: Run) -> None:
    """Yesterday's report stays, until `--force`."""
    Path("report.html").write_text("mine")
    code, err = run()
    assert code == 2
    assert "`--force`" in err
    assert Path("report.html").read_text() == "mine"
    assert run("--force")[0] == 0
    assert Path("report.html").read_text("utf-8").startswith("<!doctype html>")


def test_stopped_report_leaves_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while it is written."""

    def stop(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    assert run("-o", "page.html")[0] == 130
    assert list(Path().iterdir()) == []


def test_page_is_opened_where_that_is_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the browser of the person, by its address as a file."""
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    run()
    assert opened == []
    run("--force", "--open")
    assert opened == [Path("report.html").absolute().as_uri()]


def test_period_that_ends_before_it_begins_is_refused(run: Run) -> None:
    """It is no empty report."""
    code, err = run("--since", "today", "--until", "yesterday")
    assert code == 2
    assert "no time from `--since` to `--until`" in err


def test_folder_that_is_missing_is_an_error(run: Run) -> None:
    """Nothing is made for it."""
    code, err = run("-o", "missing/report.html")
    assert code != 0
    assert "No such file or directory" in err
    assert list(Path().iterdir()) == []


def test_charts_are_imported_by_this_command_alone() -> None:
    """Neither help nor an export pays for them, and what pygal adds to the import of modules is taken out again."""
    program = """
import sys
from guardian.cli.app import main
main(["audit", "report", "--help"])
import guardian.cli.audit.export.exporting
assert "pygal" not in sys.modules
import guardian.cli.audit.report.writing
assert "pygal" in sys.modules
assert [type(finder).__module__ for finder in sys.meta_path if "pygal" in type(finder).__module__] == []
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
