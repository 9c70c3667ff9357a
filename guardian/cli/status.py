"""`guardian status`: how things stand, what is not known first."""

from __future__ import annotations

from pathlib import Path

import click

from guardian.cli.opened import policy_option, with_guardian
from guardian.cli.render import Column, fields, print_json, say, table
from guardian.domain.money import plain


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@policy_option
@click.pass_context
def command(ctx: click.Context, as_json: bool, policy_path: Path | None) -> None:
    """What is going on: orders that are not resolved, the trading state, what waits, and what is left of the budgets.

    Exit code 1 where trading is not active, the policy has problems, or an order is not resolved.
    """
    from guardian.domain.plain_data import to_plain
    from guardian.gate.overview import Overview, StatusView

    async def work(guardian: object) -> StatusView:
        from guardian.bootstrap import Guardian

        assert isinstance(guardian, Guardian)
        return await Overview(guardian.gate.parts).status()

    status = with_guardian(policy_path, work)
    if as_json:
        print_json(to_plain(status))
    else:
        _show(status)
    troubled = status.trading != "active" or status.policy_problems or status.unresolved
    ctx.exit(1 if troubled else 0)


def _show(status: object) -> None:
    from guardian.gate.overview import StatusView

    assert isinstance(status, StatusView)
    for order in status.unresolved:
        what = f"{order.side} {plain(order.quantity)} {order.symbol} {order.client_order_id}"
        say(f"NOT RESOLVED: {what} ({order.state})")
    fields(
        [
            ("environment", status.environment.upper()),
            ("trading", f"{status.trading}: {status.trading_reason}" if status.trading_reason else status.trading),
            ("keys", status.keys),
            ("open orders", len(status.open_orders)),
            ("waiting for you", ", ".join(p.proposal_id for p in status.proposals) or "nothing"),
            ("policy", f"{status.policy_source} ({status.policy_digest[:12]})"),
            ("not enforced yet", ", ".join(status.not_enforced)),
        ]
    )
    table(
        ["limit", "window", Column("used", right=True), Column("of", right=True), Column("left", right=True)],
        [(b.limit, b.window or "-", b.used, b.maximum, b.left) for b in status.budgets],
    )
    for problem in status.policy_problems:
        say(f"policy: {problem}")
    if status.emergency_records:
        say(f"the emergency file has {status.emergency_records} records: trading is halted; see `guardian resume`")
