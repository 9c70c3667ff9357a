"""What the page shows, as JSON: what waits, what it would do now, the account, and the tail of the log.

The words and numbers are those of the gate's own views; nothing is worked out here. Text from outside is cleaned, and
the page shows it as text alone.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from guardian.bootstrap import Guardian
from guardian.console.waiting import Askers, waiting_proposal
from guardian.console.web.page_app import Document
from guardian.domain.text.escaping import clean_strings
from guardian.domain.text.plain_data import to_plain
from guardian.errors import CredentialsError, ExchangeError, PolicyInvalid
from guardian.gate.base.order_views import view_of_row
from guardian.gate.orders.preview import Mismatch, Previewer
from guardian.gate.orders.proposal_views import (
    expires_ms,
    market_line,
    money_line,
    order_line,
    proposed_order,
    view_of_proposal,
)
from guardian.gate.owner.session_mandate import mandate_view
from guardian.gate.reads.overview import TRADING_MEANS
from guardian.gate.reads.positions import Positions
from guardian.policy.model import Channel
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow, Proposal
from guardian.system.local_times import clock_time

TAIL_LENGTH: Final = 40
"""Calls and events of the log that are shown."""


@dataclass(frozen=True, slots=True)
class _Moment:
    """One transaction's view of the store."""

    document: Document
    waiting: tuple[Proposal, ...]
    last_seq: int


class PageData:
    """Reads what the page shows. Every method raises StoreError where the log cannot be read."""

    def __init__(self, opened: Guardian) -> None:
        self._opened = opened
        self._askers = Askers(opened.home)
        self._account_lock = asyncio.Lock()

    async def now(self, known_seq: int) -> Document:
        """What waits, the trading state and the orders that may be open: from the store alone, so it is cheap.

        The tail of the log is left out where its newest row is still `known_seq`.
        """
        opened = self._opened
        moment = await opened.journal.transact(self._moment)
        askers = await opened.journal.run(lambda: self._askers.of(p.id for p in moment.waiting))
        document = moment.document
        for one in document["waiting"]:
            one["asked_by"] = askers[one["proposal_id"]]
        document["last_seq"] = moment.last_seq
        if moment.last_seq != known_seq:
            document["tail"] = [to_plain(call) for call in await opened.gate.recent(TAIL_LENGTH)]
        return _shown(document)

    async def order(self, proposal_id: str) -> Document:
        """What a proposal would do now, judged on facts that are fetched for this.

        Raises StoreConflict: it does not wait any more; and ExchangeError, CredentialsError and PolicyInvalid.
        """
        proposal = await self._opened.journal.transact(lambda tx: waiting_proposal(tx, proposal_id))
        previewer = Previewer(self._opened.gate.context)
        preview = previewer.mismatch(proposal) or await previewer.preview(proposal)
        if isinstance(preview, Mismatch):
            return _shown({"proposal_id": proposal.id, "mismatch": to_plain(preview), "denials": [], "caps": None})
        view = view_of_proposal(
            proposal, preview.now_ms, Channel.TERMINAL, None, market=preview.market, budget=preview.budget
        )
        return _shown(
            {
                "proposal_id": proposal.id,
                "mismatch": None,
                "view": to_plain(view),
                "at_market": market_line(
                    proposal, proposed_order(proposal, preview.market), preview.market, clock_time
                ),
                "denials": to_plain(preview.denials),
                "caps": to_plain(preview.caps),
                "spends_no_budget": preview.budget is not None and preview.budget.is_exit,
            }
        )

    async def account(self) -> Document:
        """The status and the positions. They ask the exchange, one request of the page at a time."""
        async with self._account_lock:
            status = to_plain(await self._opened.gate.status())
            try:
                positions, why = to_plain(await Positions(self._opened.gate.context).all()), None
            except (ExchangeError, CredentialsError) as error:
                positions, why = None, error.message
            currency = await self._opened.journal.run(self._currency)
        return _shown({"status": status, "positions": positions, "why_no_positions": why, "currency": currency})

    def _currency(self) -> str | None:
        """Returns what the budgets are in; None where there is no policy. Reads its file."""
        try:
            return self._opened.policy_file.current().policy.accounting.currency
        except PolicyInvalid:
            return None

    def _moment(self, tx: Transaction) -> _Moment:
        journal, context = self._opened.journal, self._opened.gate.context
        state, reason = journal.trading(tx)
        stored = tx.trading.status()
        waiting = tx.proposals.waiting()
        document = {
            "now_ms": tx.now_ms,
            "environment": context.environment.value if context.is_chosen else None,
            "trading": state.value,
            "trading_reason": reason,
            "trading_since_ms": stored.since_ms if stored.state is state else None,
            "trading_means": TRADING_MEANS.get(state),
            "mandate": to_plain(mandate_view(tx, context.environment)) if context.is_chosen else None,
            "waiting": [_waiting(proposal, tx.now_ms) for proposal in waiting],
            "unresolved": [_order(row) for row in tx.orders.unresolved(None)],
            "open": [_order(row) for row in tx.orders.live(None)],
        }
        return _Moment(document, waiting, tx.head.seq)


def _waiting(proposal: Proposal, now_ms: int) -> Document:
    view = to_plain(view_of_proposal(proposal, now_ms, Channel.TERMINAL, None))
    assert isinstance(view, dict)
    return {
        "proposal_id": proposal.id,
        "environment": proposal.scope.environment,
        "expires_ms": expires_ms(proposal),
        "line": order_line(proposal),
        "money": f"{money_line(proposed_order(proposal))} before fees",
        "view": view,
    }


def _order(row: OrderRow) -> Document:
    view = to_plain(view_of_row(row))
    assert isinstance(view, dict)
    return {**view, "environment": row.environment}


def _shown(document: Document) -> Document:
    cleaned = clean_strings(document)
    assert isinstance(cleaned, dict)
    return cleaned
