"""Finds an order that waits, and which client requested it: the name that it gave itself, from the log of its call."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from guardian.domain.codes import Outcome
from guardian.domain.requests import CreateOrder
from guardian.domain.text.escaping import clean
from guardian.errors import StoreConflict
from guardian.gate.orders.proposal_views import end_of_proposal
from guardian.store.database import Transaction
from guardian.store.history.call_filter import CallFilter
from guardian.store.history.history import open_history
from guardian.store.history.history_lines import HistoryLine
from guardian.store.schema.records import Proposal

MAX_CLIENT: Final = 60
"""Characters of a client's name that are shown."""
_MOST_CALLS: Final = 200


class Askers:
    """Finds the client of each proposal, and remembers it: a proposal's first call never changes."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._known: dict[str, str | None] = {}

    def of(self, proposal_ids: Iterable[str]) -> dict[str, str | None]:
        """Returns the client by proposal; None where the log does not have it. Reads the log.

        Raises StoreUnavailable and StoreCorrupt.
        """
        wanted = tuple(proposal_ids)
        if any(name not in self._known for name in wanted):
            wanted_calls = CallFilter(
                tool=CreateOrder.tool, outcome=Outcome.CONFIRMATION_REQUIRED.value, limit=_MOST_CALLS
            )
            with open_history(self._home) as log:
                lines = log.newest(wanted_calls).lines
            found = {name: client for line in reversed(lines) for name, client in _asked(line)}
            self._known = {name: self._known.get(name) or found.get(name) for name in wanted}
        return {name: self._known[name] for name in wanted}


def _asked(line: HistoryLine) -> Iterable[tuple[str, str | None]]:
    """Returns the proposal of a call and the client that made it."""
    data = {} if line.outcome_row is None else line.outcome_row.data.get("data")
    name = data.get("proposal_id") if isinstance(data, dict) else None
    client = line.row.data.get("client")
    if isinstance(name, str):
        yield name, clean(client, MAX_CLIENT) if isinstance(client, str) else None


def waiting_proposal(tx: Transaction, proposal_id: str) -> Proposal:
    """Returns the proposal. Raises StoreConflict where it does not wait any more, with how it ended."""
    proposal = tx.proposals.get(proposal_id)
    if proposal is None:
        raise StoreConflict("there is no such proposal")
    if proposal.is_outstanding(tx.now_ms):
        return proposal
    row = None if proposal.client_order_id is None else tx.orders.get(proposal.client_order_id)
    raise StoreConflict(end_of_proposal(proposal, row, tx.now_ms))
