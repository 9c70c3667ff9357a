"""The statements on proposals and their tokens."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, select, text, update

from guardian.store.definitions.clauses import by_index, in_scope, new_row
from guardian.store.definitions.tables import PROPOSALS, REDEMPTIONS
from guardian.store.schema.compiled_statement import DIGESTS_AT_ONCE
from guardian.store.schema.sqlite_dialect import OUTSTANDING_SQL

_OUTSTANDING: Final = text(OUTSTANDING_SQL)
_PROPOSAL: Final = select(*(column for column in PROPOSALS.columns if column.name != "ordinal"))

INSERT_PROPOSAL: Final = new_row(
    PROPOSALS,
    without=(
        "ordinal", "token_digest", "token_expires_ms", "approved_ms", "proof", "approval_seq", "reason",
        "client_order_id",
    ),
)  # fmt: skip
PROPOSAL_BY_ID: Final = _PROPOSAL.where(PROPOSALS.c.id == bindparam("proposal_id"))
PROPOSAL_BY_TOKEN: Final = _PROPOSAL.where(PROPOSALS.c.token_digest == bindparam("token"))
NEWEST_PROPOSAL_OF_ORDER: Final = (
    _PROPOSAL.where(in_scope(PROPOSALS), PROPOSALS.c.order_key == bindparam("order_key"))
    .order_by(PROPOSALS.c.ordinal.desc())
    .limit(1)
)
OUTSTANDING_PROPOSALS: Final = (
    # An expired proposal keeps its state for good.
    by_index(_PROPOSAL, PROPOSALS, "ix_proposals_waiting")
    .where(
        _OUTSTANDING, (PROPOSALS.c.expires_ms > bindparam("now")) | (PROPOSALS.c.token_expires_ms > bindparam("now"))
    )
    .order_by(PROPOSALS.c.ordinal)
)
ISSUED_TOKENS: Final = select(PROPOSALS.c.token_digest).where(
    PROPOSALS.c.token_digest.in_([bindparam(f"digest_{number}") for number in range(DIGESTS_AT_ONCE)])
)
"""Which of some digests are those of tokens; `filled` gives its values."""

# What becomes of a proposal: each statement changes nothing once it has ended

_CHANGE: Final = update(PROPOSALS).where(PROPOSALS.c.id == bindparam("proposal_id"), _OUTSTANDING)
_TOKEN: Final = _CHANGE.values(token_digest=bindparam("token_digest"), token_expires_ms=bindparam("token_expires_ms"))
GIVE_TOKEN: Final = _TOKEN
APPROVE_PROPOSAL: Final = _TOKEN.values(
    state=bindparam("state"),
    approved_ms=bindparam("approved_ms"),
    proof=bindparam("proof"),
    approval_seq=bindparam("approval_seq"),
)
END_PROPOSAL: Final = _CHANGE.values(state=bindparam("state"), reason=bindparam("reason"))
SEND_PROPOSAL: Final = _CHANGE.values(state=bindparam("state"), client_order_id=bindparam("client_order_id"))
INSERT_REDEMPTION: Final = new_row(REDEMPTIONS)
