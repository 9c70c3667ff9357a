"""The weakest proof that a home accepts: neither the table nor the log alone can be edited to weaken it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from guardian.domain.owner.proof import Passkey, Proof
from guardian.store.database import Store
from guardian.store.log.verify import verify
from guardian.store.log_findings import FindingKind
from guardian.system.clock import SYSTEM_CLOCK

PASSKEY = Passkey(credential_id="Y3JlZA", public_key="a2V5", name="laptop", sign_count=0, created_ms=1)


def edit(home: Path, statement: str, *values: object) -> None:
    """What a program does that opens the file itself."""
    with closing(sqlite3.connect(home / "guardian.db")) as other, other:
        if "audit" in statement:
            other.execute("DROP TRIGGER audit_no_update")
        other.execute(statement, values)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """One that has demanded a passkey."""
    tmp_path.chmod(0o700)
    store = Store.open(tmp_path, SYSTEM_CLOCK)
    with store.transaction() as tx:
        tx.approvers.raise_floor(Proof.PASSKEY)
    store.close()
    return tmp_path


def floor(home: Path) -> Proof:
    store = Store.open(home, SYSTEM_CLOCK)
    try:
        with store.transaction() as tx:
            return tx.approvers.status().floor
    finally:
        store.close()


def kinds(home: Path) -> set[FindingKind]:
    return {finding.kind for finding in verify(home).findings}


def test_floor_that_was_lowered_in_the_table_holds_and_is_found(home: Path) -> None:
    """The log still has it."""
    assert kinds(home) == set()
    edit(home, "UPDATE owner SET floor = 'terminal'")
    assert floor(home) is Proof.PASSKEY
    assert FindingKind.OWNER in kinds(home)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"", b'{"data":{"floor":"none"}}', b'{"data":{"floor":1}}'])
def test_floor_whose_row_cannot_be_read_is_the_strongest(home: Path, body: bytes) -> None:
    """It was changed, so it says nothing."""
    edit(home, "UPDATE owner SET floor = 'terminal'")
    edit(home, "UPDATE audit SET body = ?", body)
    with closing(sqlite3.connect(home / "guardian.db")) as connection:
        (row,) = connection.execute("SELECT body FROM audit WHERE key >= 'floor/' AND key < 'floor0'").fetchall()
    assert bytes(row[0]) == body
    assert FindingKind.OWNER in kinds(home)


def test_owner_row_that_is_gone_accepts_nothing_weaker_than_a_passkey(home: Path) -> None:
    """The row is made with the file."""
    edit(home, "DELETE FROM owner")
    assert floor(home) is Proof.PASSKEY
    assert FindingKind.OWNER in kinds(home)


def test_passkey_that_no_row_registered_is_found(home: Path) -> None:
    """One that a program put into the table."""
    store = Store.open(home, SYSTEM_CLOCK)
    with store.transaction() as tx:
        tx.approvers.add_passkey(PASSKEY)
    store.close()
    (finding,) = verify(home).findings
    assert finding.kind is FindingKind.OWNER
    assert "`laptop`" in finding.message


def test_floor_has_a_row_for_each_change(home: Path) -> None:
    """Raised once, however often it is demanded; lowered with the last passkey."""
    store = Store.open(home, SYSTEM_CLOCK)
    with store.transaction() as tx:
        tx.approvers.raise_floor(Proof.PIN)
        tx.approvers.add_passkey(PASSKEY)
        tx.approvers.remove_passkey(PASSKEY.credential_id)
        assert tx.approvers.status().floor is Proof.TERMINAL
    store.close()
    with closing(sqlite3.connect(home / "guardian.db")) as connection:
        rows = connection.execute("SELECT body FROM audit WHERE key LIKE 'floor/%' ORDER BY seq").fetchall()
    assert [json.loads(body)["data"]["floor"] for (body,) in rows] == ["passkey", "terminal"]
