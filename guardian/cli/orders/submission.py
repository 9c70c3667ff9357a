"""`guardian approve --submit`: place the approved order, and say what was and was not sent whatever interrupts it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from guardian.bootstrap import Guardian
from guardian.cli.support.exit_codes import COULD_NOT_TELL, FINE, NO, STOPPED
from guardian.cli.support.render import print_line, say, say_error, say_hint
from guardian.cli.support.stop_requests import StopRequests
from guardian.domain.codes import Code, Outcome
from guardian.domain.order_states import UNRESOLVED_STATES, VOID_STATES
from guardian.domain.requests import CreateOrder
from guardian.domain.secrets import Secret
from guardian.domain.text.escaping import clean
from guardian.gate.base.order_views import note_on, view_of_row
from guardian.gate.base.replies import OrderPlaced, Reply, ReplyError, done, refused
from guardian.gate.orders.redeem import reply_for_sent_order
from guardian.policy.verdict import Denial


async def place_approved(opened: Guardian, proposal_id: str, token: str, stop: StopRequests) -> int:
    """Place the approved order through the gate, as one call like any other; returns the exit code.

    A request to stop ends it before the order is reserved, and else waits for its outcome. The call's outcome row is
    written in every case, before anything is said.
    """
    gate = opened.gate
    arguments = {"confirmation_token": token}
    call = await gate.open_call(CreateOrder.tool, arguments, client="guardian approve --submit", by_owner=True)
    work = asyncio.ensure_future(gate.handle(call, CreateOrder(confirmation_token=Secret(token))))
    asked = asyncio.ensure_future(stop.wait())
    await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not work.done():
        say("stopping; an order that is on its way is waited for")
        work.cancel()
        await asyncio.wait({work})
    reply = await opened.journal.run(lambda: _after_stop(opened, proposal_id)) if work.cancelled() else work.result()
    if reply is None:
        why = "stopped by a person before it was sent; nothing was sent"
        await gate.close_call(call, refused(Code.ORDER_NOT_SENT, why))
        say(f"nothing was sent; proposal `{proposal_id}` still waits")
        say_hint(f"`guardian approve {proposal_id} --submit` asks again, `guardian reject {proposal_id}` turns it down")
        return STOPPED
    await gate.close_call(call, reply)
    return _print_reply(reply)


def _after_stop(opened: Guardian, proposal_id: str) -> Reply | None:
    """The order's state by the log, once nothing works on it any more; None where it was not reserved."""
    with opened.journal.transaction() as tx:
        proposal = tx.proposals.get(proposal_id)
        row = None if proposal is None or proposal.client_order_id is None else tx.orders.get(proposal.client_order_id)
        if row is None:
            return None
        if row.state in UNRESOLVED_STATES | VOID_STATES:
            return reply_for_sent_order(tx, row)
    view = view_of_row(row)
    return done(OrderPlaced(order=view, already_placed=False, note=note_on(view)))


def _print_reply(reply: Reply) -> int:
    """Print the outcome; 0 where it was placed, 1 where the answer was no, 3 where it is not known."""
    if isinstance(reply.data, OrderPlaced):
        say(f"placed: {reply.data.note}")  # first: standard output may take nothing
        print_line(reply.data.order.client_order_id)
        return FINE
    if reply.error is not None:
        say_denials(reply.error.denials, "the order was denied; nothing was sent, and its approval is used up")
        _print_reply_error(reply.error)
    return COULD_NOT_TELL if reply.outcome is Outcome.UNKNOWN else NO


def _print_reply_error(error: ReplyError) -> None:
    """The one error, where it is not made of denials."""
    if error.denials:
        return
    say_error(error.message)
    if error.client_order_id:
        say(f"its client order id: {error.client_order_id}")
    if error.hint:
        say_hint(error.hint)
    if error.exchange_text:
        say(f"the exchange says: {clean(error.exchange_text)}")


def say_denials(denials: Sequence[Denial], what: str) -> None:
    """`what`, and every rule that said no; nothing where none did."""
    if not denials:
        return
    say_error(what)
    for denial in denials:
        say(f"  {denial.code.name}: {denial.message}{f' ({denial.hint})' if denial.hint else ''}")
