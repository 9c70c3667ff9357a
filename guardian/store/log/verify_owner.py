"""Verifying what the store keeps of the owner: passkeys and the floor of proof are those that the log has rows of."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

from guardian.domain.owner.proof import Proof
from guardian.store.log.statements import FLOOR_OF_LOG, FLOOR_OF_TABLE, PASSKEYS_WITHOUT_ROW


def owner_differences(connection: sqlite3.Connection) -> Iterator[str]:
    """Yields what differs from the log, in a sentence."""
    for (name,) in connection.execute(PASSKEYS_WITHOUT_ROW).fetchall():
        yield f"the passkey `{name}` was registered by no row of the log"
    found, row = connection.execute(FLOOR_OF_TABLE).fetchone(), connection.execute(FLOOR_OF_LOG).fetchone()
    logged = Proof.TERMINAL.value if row is None else _floor_in(row[0])
    if found is None or found[0] != logged:
        yield "the weakest proof that this home accepts is not the one that the log has"


def _floor_in(body: bytes) -> str | None:
    try:
        floor = json.loads(body)["data"]["floor"]
    except (ValueError, KeyError, TypeError):
        return None
    return str(floor)
