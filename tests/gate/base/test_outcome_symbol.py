"""The outcome row of a call that names no symbol has that of the order that it is about."""

from __future__ import annotations

from pathlib import Path

from guardian.domain.codes import Outcome
from guardian.gate.base.outcomes import symbol_of_order
from guardian.gate.base.replies import Reply
from tests.e2e.support.processes import query
from tests.support.world import a_world


def test_a_token_and_a_withdrawal_leave_the_symbol_in_their_outcome(tmp_path: Path) -> None:
    """So that `guardian audit list --symbol` has them."""
    with a_world(tmp_path) as world:
        world.policy()
        assistant = world.assistant()
        offer = assistant.order(quantity="0.0005")
        sent = assistant.call("create_order", confirmation_token=offer["data"]["confirmation_token"])
        assert sent["outcome"] == "done"
        other = assistant.order(quantity="0.0006")
        withdrawn = assistant.call("cancel_order", proposal_id=other["data"]["proposal_id"])
        assert withdrawn["outcome"] == "done"
        rows = query(world.home, "SELECT call_id, symbol FROM audit WHERE phase = 'outcome'")
    symbols = {row["call_id"]: row["symbol"] for row in rows}
    assert [symbols[call["meta"]["call_id"]] for call in (sent, withdrawn)] == ["BTCUSDT", "BTCUSDT"]


def test_a_denied_token_leaves_the_symbol_that_was_judged() -> None:
    """The reply has no order then, the judgement has; without either there is no symbol."""
    judged = Reply(outcome=Outcome.DENIED, judged={"order": {"symbol": "ETHUSDT"}})
    assert symbol_of_order(judged) == "ETHUSDT"
    assert symbol_of_order(Reply(outcome=Outcome.DENIED, judged={"order": None})) is None
    assert symbol_of_order(Reply(outcome=Outcome.DENIED)) is None
