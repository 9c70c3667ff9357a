"""Reads proposals and the time of the log with plain sqlite3. Light to import.

`guardian.store.transaction.proposals` reads them in the transactions that write; both make a `Proposal` of a row here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from guardian.domain.owner.proof import Proof
from guardian.errors import StoreCorrupt
from guardian.store.log.statements import LOGGED_TIME, OUTSTANDING_PROPOSALS, PROPOSAL_BY_ID, PROPOSAL_COLUMNS
from guardian.store.log_times import latest_time
from guardian.store.schema.records import Proposal, ProposalState, Scope
from guardian.store.schema.sqlite_errors import RESTORE_HINT


def proposal_from(row: Mapping[str, Any]) -> Proposal:
    """Returns a row of the table, by column name and without its ordinal, as a proposal."""
    values = dict(row)
    scope = Scope(environment=values.pop("environment"), account=values.pop("account"))
    for name in ("notional", "quote_notional", "shown_bid", "shown_ask"):
        values[name] = Decimal(values[name])
    for name in ("spec", "resolved"):
        values[name] = json.loads(values[name])
    values["state"] = ProposalState(values["state"])
    values["proof"] = None if values["proof"] is None else Proof(values["proof"])
    return Proposal(scope=scope, **values)


def outstanding_proposals(connection: sqlite3.Connection) -> tuple[Proposal, ...]:
    """Returns the proposals of all scopes that have not ended, expired or not, oldest first. Raises sqlite3.Error."""
    return tuple(_proposal(row) for row in connection.execute(OUTSTANDING_PROPOSALS).fetchall())


def proposal_by_id(connection: sqlite3.Connection, proposal_id: str) -> Proposal | None:
    """Returns the proposal with this id, of any scope. Raises sqlite3.Error."""
    row = connection.execute(PROPOSAL_BY_ID, {"name": proposal_id}).fetchone()
    return None if row is None else _proposal(row)


def logged_ms(connection: sqlite3.Connection) -> int:
    """Returns the latest window time in the log, as the next transaction would find it. Raises StoreCorrupt."""
    row = connection.execute(LOGGED_TIME).fetchone()
    if row is None:
        raise StoreCorrupt("`guardian.db` has lost its trading state, the row of `control`", hint=RESTORE_HINT)
    return latest_time(*row)


def _proposal(row: tuple[Any, ...]) -> Proposal:
    return proposal_from(dict(zip(PROPOSAL_COLUMNS, row, strict=True)))
