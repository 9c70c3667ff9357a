"""`guardian audit verify` says from which row on the tables beside the log are proven."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guardian.cli.app import main
from guardian.store.database import Transaction
from guardian.store.schema.records import Record
from guardian.system.clock import wall_clock_ms
from tests.store.support.store_world import World


def baseline(tx: Transaction) -> int:
    tx.audit.append_baseline("migrated from version 3")
    return tx.unit.head.seq


@pytest.mark.parametrize("is_migrated", [False, True])
def test_verification_says_from_where_the_tables_are_proven(
    own_home: Path, capsys: pytest.CaptureFixture[str], *, is_migrated: bool
) -> None:
    """One line where that is not the first row, and a field in the JSON always."""
    world = World(own_home / "guardian", wall_clock_ms())
    world.attempt(lambda tx: tx.audit.append(Record.event(None, {"kind": "test"})))
    expected = world.attempt(baseline) if is_migrated else 1
    world.place()
    world.store.close()
    main(["audit", "verify", "--json"])
    assert json.loads(capsys.readouterr().out)["tables_proven_from"] == expected
    main(["audit", "verify"])
    said = " ".join(capsys.readouterr().err.split())
    assert (f"the other tables are proven from row {expected} on" in said) == is_migrated
