"""`guardian approve`: a person looks at an order that waits, and agrees or does not."""

from __future__ import annotations

import secrets
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from guardian.cli.moments import local_time
from guardian.cli.opened import note_act, policy_option, with_guardian
from guardian.cli.owner import ask_yes, require_owner
from guardian.cli.render import Column, clean, print_json, say, say_error, say_hint, table
from guardian.domain.money import plain

if TYPE_CHECKING:
    from guardian.bootstrap import Guardian
    from guardian.gate.replies import Reply, ReplyError
    from guardian.store.records import Proposal


@click.command()
@click.argument("proposal_id", required=False)
@click.option("--submit", is_flag=True, help="Place the order right here, instead of getting a token to hand over.")
@click.option("--json", "as_json", is_flag=True, help="List what waits as JSON.")
@policy_option
@click.pass_context
def command(ctx: click.Context, proposal_id: str | None, submit: bool, as_json: bool, policy_path: Path | None) -> None:
    """Look at the orders that wait for you, and approve one.

    Alone it lists what waits. With an ID it shows that order, asks you, and then gives you a token for the assistant
    to use once, or places the order itself with --submit. It needs a real terminal.
    """
    if proposal_id is None:
        with_guardian(policy_path, lambda guardian: _list(guardian, as_json=as_json))
        return
    require_owner("approve an order")
    wanted = proposal_id.strip().upper()
    lines, why_not = with_guardian(policy_path, lambda guardian: _shown(guardian, wanted, submit=submit))
    if why_not is not None:
        say_error(why_not)
        ctx.exit(1)
    for line in lines:
        say(line)
    # Asked with no event loop around it: inside one, Ctrl-C would wait for the answer.
    if not ask_yes("place this order now?" if submit else "approve this order?"):
        say("nothing was approved; `guardian reject` turns it down for good")
        ctx.exit(1)
    ctx.exit(with_guardian(policy_path, lambda guardian: _approve(guardian, wanted, submit=submit)))


async def _list(guardian: Guardian, *, as_json: bool) -> None:
    waiting = await guardian.journal.run(lambda: _waiting(guardian))
    if as_json:
        print_json([_as_dict(proposal) for proposal in waiting])
        return
    if not waiting:
        say("nothing waits for you")
        return
    table(
        [Column("id", whole=True), "environment", "order", Column("at worst", right=True), "state", "expires"],
        [
            (
                p.id,
                p.scope.environment,
                order_line(p),
                f"{plain(p.notional)} {p.currency}",
                p.state,
                local_time(p.expires_ms),
            )
            for p in waiting
        ],
    )
    say("approve one with `guardian approve ID`, or turn it down with `guardian reject ID`")


def _waiting(guardian: Guardian) -> tuple[Proposal, ...]:
    with guardian.journal.transaction() as tx:
        return tx.waiting()


def _as_dict(proposal: Proposal) -> dict[str, object]:
    from guardian.domain.plain_data import to_plain

    found = to_plain(proposal)
    assert isinstance(found, dict)
    # A digest redeems nothing; it is of no use to a reader all the same.
    return {name: value for name, value in found.items() if name not in {"token_digest", "order_key"}}


def order_line(proposal: Proposal) -> str:
    """An order in a few words: `BUY 0.001 BTCUSDT MARKET, sent as LIMIT IOC at 60600`."""
    wire = proposal.resolved
    asked = proposal.spec["order_type"]
    stop = f", stop {wire['stopPrice']}" if "stopPrice" in wire else ""
    sent_as = f", sent as {wire['type']} {wire.get('timeInForce', '')} at {wire['price']}" if asked == "MARKET" else ""
    at = "" if sent_as else f" at {wire['price']}"
    return f"{wire['side']} {wire['quantity']} {wire['symbol']} {asked}{at}{stop}{sent_as}"


def summary(proposal: Proposal, budget: str) -> list[str]:
    """At most five lines, the worst case among them: what a person must see before they agree."""
    worst = f"{plain(proposal.quote_notional)} {proposal.quote_asset}"
    if proposal.currency != proposal.quote_asset:
        worst += f" = {plain(proposal.notional)} {proposal.currency}"
    return [
        f"{proposal.scope.environment.upper()}  {order_line(proposal)}",
        f"at worst {worst}",
        f"market when asked: bid {plain(proposal.shown_bid)}, ask {plain(proposal.shown_ask)}",
        budget,
    ]


async def _shown(guardian: Guardian, proposal_id: str, *, submit: bool) -> tuple[list[str], str | None]:
    """What the person must see before they are asked, or why there is nothing to ask."""
    from guardian.gate.views import proposal_state

    proposal, now_ms, budget = await guardian.journal.run(lambda: _look_at(guardian, proposal_id))
    if proposal is None:
        return [], f"no proposal `{clean(proposal_id)}`; `guardian approve` lists what waits"
    state = proposal_state(proposal, now_ms)
    if state not in {"waiting", "approved"}:
        return [], f"proposal `{proposal.id}` is {state}; the assistant can ask for the order again"
    if submit and proposal.scope.environment != guardian.gate.environment.value:
        return [], f"this proposal is for `{proposal.scope.environment}`, and the policy names another"
    in_force = guardian.policy_file.current()
    if submit and (in_force.problems or in_force.policy.digest != proposal.policy_digest):
        # The gate would deny it, and a denial uses the proposal up.
        return [], (
            f"`{in_force.source}` is not, or no longer, the policy that this order was asked under; "
            "give `--policy FILE` if the server runs with it, else let the assistant ask again"
        )
    return summary(proposal, budget), None


async def _approve(guardian: Guardian, proposal_id: str, *, submit: bool) -> int:
    token = await guardian.journal.run(lambda: approve(guardian, proposal_id))
    if not submit:
        click.echo(token)
        say("approved: hand this token to the assistant; it works once, for this order only, and not for long")
        return 0
    return _told(await _submit(guardian, token))


def _look_at(guardian: Guardian, proposal_id: str) -> tuple[Proposal | None, int, str]:
    """The proposal, the time, and the share of the budget that is used."""
    from guardian.policy.rules_budget import duration

    policy = guardian.policy_file.current().policy
    with guardian.journal.transaction() as tx:
        proposal = tx.proposal(proposal_id)
        if proposal is None:
            return None, tx.now_ms, ""
        usage = tx.status_usage(proposal.scope, policy.limits)
        shares = [
            _share(proposal, w.maximum, usage.entered[w.window_ms], duration(w.window_ms))
            for w in policy.limits.rolling_notional
        ]
        return proposal, tx.now_ms, f"budget: {', '.join(shares)} {policy.accounting.currency}"


def _share(proposal: Proposal, maximum: Decimal, used: Decimal, window: str) -> str:
    """This order's share of one budget; of a sale only what was used, for it may be of what guardian bought."""
    if proposal.side != "BUY" or maximum <= 0:
        return f"{plain(used)} of {plain(maximum)} used in {window}"
    percent = (proposal.notional * 100 / maximum).to_integral_value(ROUND_CEILING)
    return f"{percent}% of {plain(maximum)} in {window} (used: {plain(used)})"


def approve(guardian: Guardian, proposal_id: str) -> str:
    """Issue the token and note that a person acted, in one transaction. The token exists nowhere but in the answer.

    Raises:
        StoreConflict: the proposal was used, turned down or has expired in the meantime.
    """
    from guardian.gate.calls import token_digest
    from guardian.gate.proposals import new_token

    token = new_token(secrets.token_bytes)
    rules = guardian.policy_file.current().policy.confirmation
    with guardian.journal.transaction() as tx:
        tx.issue_token(
            proposal_id,
            token_digest=token_digest(token),
            expires_ms=tx.now_ms + rules.token_ttl_ms,
            by_person=True,
        )
        proposal = tx.proposal(proposal_id)
        if proposal is not None:
            tx.person_acted(proposal.scope, f"approved {proposal_id}")
            tx.end_slicing(proposal.scope, proposal.symbol, proposal.side)
            scope = proposal.scope
            fields = {"proposal": proposal_id, "symbol": proposal.symbol, "environment": scope.environment}
            note_act(tx, "approved", {**fields, "account": scope.account})
    return token


async def _submit(guardian: Guardian, token: str) -> Reply:
    """Place the approved order through the gate, as one call like any other."""
    from guardian.domain.requests import CreateOrder
    from guardian.domain.secrets import Secret

    arguments = {"confirmation_token": token}
    call = await guardian.gate.open_call(CreateOrder.tool, arguments, client="guardian approve --submit")
    reply = await guardian.gate.handle(call, CreateOrder(confirmation_token=Secret(token)))
    await guardian.gate.close_call(call, reply)
    return reply


def _told(reply: Reply) -> int:
    """Say what became of it; 0 where it was placed, 1 where the answer was no, 3 where it is not known."""
    from guardian.domain.codes import Outcome
    from guardian.gate.replies import OrderPlaced

    if isinstance(reply.data, OrderPlaced):
        click.echo(reply.data.order.client_order_id)
        say(f"placed: {reply.data.note}")
        return 0
    if reply.error is not None:
        _say_no(reply.error)
        if reply.error.exchange_text:
            say(f"the exchange says: {clean(reply.error.exchange_text)}")
    return 3 if reply.outcome is Outcome.UNKNOWN else 1


def _say_no(error: ReplyError) -> None:
    """Every rule that said no, or the one error."""
    if not error.denials:
        say_error(error.message)
        if error.hint:
            say_hint(error.hint)
        return
    say_error("the order was denied; nothing was sent")
    for denial in error.denials:
        say(f"  {denial.code.name}: {denial.message}{f' ({denial.hint})' if denial.hint else ''}")
