"""Reads which proposals and which changes of the owner wait, without a lock and without SQLAlchemy. Light to import.

`guardian approve` lists them and shows one by this, and looks by it several times a second whether the one on the
screen was answered elsewhere. Whatever follows from an answer is decided in a transaction of the store.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from guardian.store.log.proposal_reader import logged_ms, outstanding_proposals, proposal_by_id
from guardian.store.log.read_only import database_path, read_only
from guardian.store.log.statements import WAITING_CHANGES
from guardian.store.owner.owner_records import ChangeKind, OwnerChange
from guardian.store.schema.records import Proposal
from guardian.store.window_time import WindowTime
from guardian.system.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingNow:
    """The proposals that are outstanding, oldest first, and the window time in ms at which they were read."""

    proposals: tuple[Proposal, ...]
    now_ms: int


class WaitingProposals:
    """The proposals of one home, as the file has them."""

    def __init__(self, home: Path, clock: Clock) -> None:
        self._path = database_path(home)
        self._time = WindowTime(clock)

    def all(self) -> WaitingNow:
        """Returns the outstanding proposals of all scopes. Raises StoreError."""
        with read_only(self._path) as connection:
            now_ms = self._time.read(logged_ms(connection))[0]
            found = outstanding_proposals(connection)
        return WaitingNow(proposals=tuple(one for one in found if one.is_outstanding(now_ms)), now_ms=now_ms)

    def owner_changes(self) -> tuple[tuple[OwnerChange, ...], int]:
        """Returns the changes of passkeys and PIN that nobody proved, and the window time in ms. Raises StoreError."""
        with read_only(self._path) as connection:
            now_ms = self._time.read(logged_ms(connection))[0]
            rows = connection.execute(WAITING_CHANGES).fetchall()
        found = (
            OwnerChange(
                id=number,
                kind=ChangeKind(kind),
                detail=json.loads(detail),
                requested_ms=requested_ms,
                effective_ms=effective_ms,
            )
            for number, kind, detail, requested_ms, effective_ms in rows
        )
        return tuple(one for one in found if one.is_waiting(now_ms)), now_ms

    def one(self, proposal_id: str) -> tuple[Proposal | None, int]:
        """Returns the proposal with this id, ended or not, and the window time in ms. Raises StoreError."""
        with read_only(self._path) as connection:
            return proposal_by_id(connection, proposal_id), self._time.read(logged_ms(connection))[0]
