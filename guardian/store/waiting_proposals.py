"""Reads which proposals and which changes of the owner wait, without a lock. Light to import.

`guardian approve` lists them and shows one by this, and looks by it several times a second whether the one on the
screen was answered elsewhere. Whatever follows from an answer is decided in a transaction of the store.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from guardian.store.log.proposal_reader import logged_ms, outstanding_proposals, proposal_by_id
from guardian.store.log.read_only import database_path, first_seq_at, read_only, row_to_show, rows_after
from guardian.store.log.statements import FIRST_OF_CALL, WAITING_CHANGES
from guardian.store.owner.owner_records import ChangeKind, OwnerChange
from guardian.store.schema.records import Proposal
from guardian.store.window_time import WindowTime
from guardian.system.clock import Clock

_NEAR: Final = 200
"""Rows in which the call that made a proposal has its outcome, unless many others ended at that moment."""


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
            found = tuple(one for one in outstanding_proposals(connection) if one.is_outstanding(now_ms))
        return WaitingNow(proposals=found, now_ms=now_ms)

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

    def client_of(self, proposal: Proposal) -> str | None:
        """Returns the name that the client gave itself which the order came from; None where the log does not say.

        Raises StoreError.
        """
        with read_only(self._path) as connection:
            # The outcome of the call that made it is one of the next rows, and names it.
            for row in rows_after(connection, first_seq_at(connection, proposal.created_ms) - 1, _NEAR):
                made = row.data.get("data")
                if row.phase == "outcome" and isinstance(made, dict) and made.get("proposal_id") == proposal.id:
                    call = connection.execute(FIRST_OF_CALL, {"name": row.call_id}).fetchone()
                    client = None if call is None else row_to_show(call).data.get("client")
                    return client if isinstance(client, str) else None
        return None

    def one(self, proposal_id: str) -> tuple[Proposal | None, int]:
        """Returns the proposal with this id, ended or not, and the window time in ms. Raises StoreError."""
        with read_only(self._path) as connection:
            return proposal_by_id(connection, proposal_id), self._time.read(logged_ms(connection))[0]
