"""Orders on live, played on loopback under a session mandate: placed, filled, cancelled, and in the log."""

from __future__ import annotations

import pytest

from guardian.domain.codes import Code, Outcome
from guardian.domain.requests import GetBalance
from guardian.gate.base.replies import OrderPlaced, OrderView, Reply
from guardian.gate.reads.status_views import PolicyView
from guardian.system.clock import SYSTEM_CLOCK
from tests.live.home import LiveHome
from tests.support.present import present

pytestmark = pytest.mark.anyio


def placed(reply: Reply) -> OrderView:
    assert isinstance(reply.data, OrderPlaced), reply.error
    return reply.data.order


async def test_order_is_placed_filled_and_cancelled_under_a_mandate(home: LiveHome) -> None:
    """Nobody is asked; both requests go to Binance's own name; the log has what the key may do, and the yes."""
    await home.ready()
    filled = await home.buy()
    assert placed(filled).state == "filled"
    resting = await home.buy(price="59000")
    assert placed(resting).state == "open"
    assert (await home.cancel(placed(resting).client_order_id)).outcome is Outcome.DONE
    sent = [(host, method) for host, method, path in home.play.requests if path == "/api/v3/order" and method != "GET"]
    assert sent == [("api.binance.com", "POST")] * 2 + [("api.binance.com", "DELETE")]
    assert [order["status"] for order in home.play.controls.orders()] == ["FILLED", "CANCELED"]
    (read,) = home.events("key_permissions")
    assert (read["reason"], read["permissions"]["enableWithdrawals"]) == ("the key is safe", False)
    assert "every address" in read["warnings"][0]
    (approved,) = home.events("policy_approved")
    assert (approved["environment"], approved["proof"]) == ("live", {"kind": "pin"})
    assert home.play.paper.controls.requests("GET", "/sapi/v1/account/apiRestrictions")


async def test_key_is_read_once_for_many_orders(home: LiveHome) -> None:
    """Within six hours one answer is enough; each order judges it by the policy that is in force then."""
    await home.ready()
    assert placed(await home.buy(price="59000")).state == "open"
    assert placed(await home.buy(price="58900")).state == "open"
    assert len(home.play.controls.requests("GET", "/sapi/v1/account/apiRestrictions")) == 1


async def test_reads_and_cancels_need_the_keys_alone(home: LiveHome) -> None:
    """Without an approved policy, a proof or a mandate, and with an unsafe key: everything but an order works."""
    await home.ready()
    name = placed(await home.buy(price="59000")).client_order_id
    await home.guardian.close()
    home.play.controls.set_permissions(enableWithdrawals=True)
    home.policy({"limits": {"max_open_orders": 9, "max_daily_loss": "1"}})
    home.open()
    home.pin(is_set=False)
    with home.guardian.journal.transaction() as tx:
        tx.mandates.end("for a test")
    denied = await home.buy(price="58900")
    assert {one.code for one in present(denied.error).denials} == {
        Code.POLICY_NOT_APPROVED,
        Code.LIVE_PROOF_MISSING,
        Code.LIVE_KEYS_UNSAFE,
        Code.LIVE_NOT_ARMED,
    }
    assert (await home.call(GetBalance())).outcome is Outcome.DONE
    assert (await home.cancel(name)).outcome is Outcome.DONE


async def test_order_over_the_budget_of_the_mandate_is_put_before_a_person(home: LiveHome) -> None:
    """A mandate frees no order from its budget: beyond it each one waits for its own yes."""
    home.pin()
    home.approve()
    await home.arm(budget="70")
    assert (await home.buy()).outcome is Outcome.DONE
    assert (await home.buy(price="59000")).outcome is Outcome.CONFIRMATION_REQUIRED


async def test_status_says_what_stops_orders_on_live(home: LiveHome) -> None:
    """Each thing that is missing is in the first line, and none of it once everything is in place."""
    status = await home.guardian.gate.status()
    for phrase in ("no policy was ever approved", "a pin is demanded, and none is set up", "nobody has armed it"):
        assert phrase in status.orders
    await home.ready()
    assert (await home.guardian.gate.status()).orders == "not stopped"


async def test_policy_that_waits_is_in_the_status_and_in_the_resource(home: LiveHome) -> None:
    """Which policy is in force, what is looser in the file, and that nobody approved it yet; orders go on."""
    await home.ready()
    approved = (await home.guardian.gate.status()).policy_digest
    home.policy({"limits": {"max_open_orders": 9}})
    status, view = await home.guardian.gate.status(), await home.guardian.gate.policy_view()
    assert isinstance(view, PolicyView)
    assert (status.policy_digest, view.digest, status.orders) == (approved, approved, "not stopped")
    for waiting in (status.policy_waiting, view.waiting):
        assert present(waiting).looser == ("`limits.max_open_orders` goes from 5 to 9",)
        assert present(waiting).takes_effect is None
    home.approve()
    await SYSTEM_CLOCK.pause(0.01)  # the delay of this policy is a millisecond
    assert (await home.guardian.gate.status()).policy_digest == present(view.waiting).digest
    # What was allowed without a question was allowed under the tighter policy.
    denied = await home.buy(price="59000")
    assert [one.code for one in present(denied.error).denials] == [Code.LIVE_NOT_ARMED]
    assert "the policy became looser: limits.max_open_orders" in present(denied.error).denials[0].message
