"""A store to export, and the command that exports it."""

from __future__ import annotations

import csv
import hashlib
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from guardian.cli.app import main
from guardian.store.schema.records import Entry, Phase, Record
from tests.store.support.store_world import World


class Exporting:
    """A home with a store, and `guardian audit export` on it."""

    def __init__(self, home: Path, folder: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
        self.home = home
        self.folder = folder
        self.out = folder / "log.out"
        self._capture = capsysbinary
        self._world: World | None = None

    @property
    def world(self) -> World:
        """The store, which is made when it is first used."""
        self._world = self._world or World(self.home)
        return self._world

    def write(self, *records: Record) -> list[Entry]:
        return self.world.attempt(lambda tx: [tx.audit.append(record) for record in records])

    def call(self, number: int, **body: Any) -> list[Entry]:
        """The two rows of a call, a minute after the last."""
        self.world.clock_ms += 60_000
        common: dict[str, Any] = {"call_id": f"call-{number}", "tool": "get_ticker", "symbol": "BTCUSDT"}
        return self.write(
            Record(phase=Phase.CALL, body={"arguments": body}, **common),
            Record(phase=Phase.OUTCOME, outcome="done", body={"data": {"price": "-5"}}, **common),
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """What the command says, without a file: exit code, standard output, standard error."""
        self._capture.readouterr()
        code = main(["audit", "export", *arguments])
        out, err = self._capture.readouterr()
        return code, out.decode(), err.decode()

    def to_file(self, *arguments: str) -> tuple[str, dict[str, Any]]:
        """The text of the file that the command writes, and its manifest."""
        code, out, err = self.run("--out", str(self.out), "--force", *arguments)
        assert (code, out) == (0, ""), err
        content = self.out.read_bytes()
        manifest = json.loads((self.folder / "log.out.manifest.json").read_bytes())
        assert manifest["sha256"] == hashlib.sha256(content).hexdigest()
        assert manifest["bytes"] == len(content)
        return content.decode(), manifest

    def trades(self, *arguments: str) -> list[dict[str, str]]:
        """The lines of the accountant's file, by column."""
        code, out, _ = self.run("--trades", *arguments)
        assert code == 0
        return list(csv.DictReader(StringIO(out, newline="")))


@pytest.fixture
def exporting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Exporting:
    home = tmp_path / "home"
    monkeypatch.setenv("GUARDIAN_HOME", str(home))
    return Exporting(home, tmp_path, capsysbinary)
