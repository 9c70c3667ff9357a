"""`guardian approve`: a person looks at an order that waits, and agrees or does not."""

from __future__ import annotations

from pathlib import Path

import click

from guardian.cli.orders.completing import waiting_ids
from guardian.cli.support.exit_codes import NO
from guardian.cli.support.options import policy_option
from guardian.cli.support.owner import require_owner
from guardian.cli.support.render import say, say_error


@click.command()
@click.argument("proposal_id", required=False, shell_complete=waiting_ids)
@click.option("--submit", is_flag=True, help="Place the order right here, instead of getting a token to hand over.")
@click.option("--watch", is_flag=True, help="Stay, and ask about each order as it comes, until Ctrl-C.")
@click.option("--usb-key", is_flag=True, help="Answer with a USB security key that is plugged in, without a browser.")
@click.option("--json", "as_json", is_flag=True, help="List what waits as JSON.")
@policy_option
@click.pass_context
def command(
    ctx: click.Context,
    proposal_id: str | None,
    submit: bool,
    watch: bool,
    usb_key: bool,
    as_json: bool,
    policy_path: Path | None,
) -> None:
    """Look at the orders that wait for you, and approve one.

    Alone it lists what waits. With an ID it shows that order, asks you, and then gives you a token for the assistant
    to use once, or places the order itself with --submit. With --watch it asks about one after the other as they come.
    Asking needs a real terminal; an answer within a second of the question is not taken.
    """
    if watch:
        if proposal_id is not None or as_json:
            raise click.UsageError("--watch asks about every order: it goes with no ID and without --json")
        require_owner("approve orders")
        from guardian.cli.orders.watching import watch_and_ask

        watch_and_ask(policy_path, submit=submit, usb_key=usb_key)
        return
    if proposal_id is None:
        from guardian.cli.orders.waiting_list import print_waiting

        print_waiting(as_json=as_json)
        return
    require_owner("approve an order")
    ctx.exit(_approve_one(proposal_id.strip().upper(), policy_path, submit=submit, usb_key=usb_key))


def _approve_one(wanted: str, policy_path: Path | None, *, submit: bool, usb_key: bool) -> int:
    from guardian.cli.orders.asking import decide_on, shown_order
    from guardian.cli.orders.background_home import BackgroundHome
    from guardian.cli.orders.waiting_list import find_waiting, policy_of, say_owner_changes

    found = find_waiting(wanted)
    if isinstance(found, str):
        say_error(found)
        return NO
    say_owner_changes()
    path = policy_path or policy_of(found.proposal)
    with BackgroundHome(path) as home:
        try:
            return decide_on(shown_order(found.proposal), found.now_ms, path, home, submit=submit, usb_key=usb_key)
        except KeyboardInterrupt:
            say("")
            say("nothing was approved, and nothing was sent")
            raise
