"""`guardian status`: the status summary, unresolved orders first."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from guardian.cli.support.exit_codes import COULD_NOT_TELL, FINE, NO
from guardian.cli.support.opened_home import NO_POLICY_YET, has_own_policy, was_set_up, with_home
from guardian.cli.support.options import policy_option
from guardian.cli.support.render import Column, Tone, Toned, fields, print_json, say, say_hint, say_warning, table
from guardian.cli.support.times import with_relative
from guardian.domain.money import plain
from guardian.home.folder import home_folder
from guardian.store.disk_space import SCARCE, free_bytes
from guardian.system.clock import wall_clock_ms

if TYPE_CHECKING:
    from guardian.gate.base.replies import OrderView
    from guardian.gate.reads.status_views import StatusView, UnresolvedOrder, WaitingPolicyView
    from guardian.home.opened import OpenedHome

_MINUTE_S: Final = 60


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option(
    "--exchange", "asks_exchange", is_flag=True, help="Ask the exchange too: its clock, and what can be sold."
)
@policy_option
@click.pass_context
def command(ctx: click.Context, as_json: bool, asks_exchange: bool, policy_path: Path | None) -> None:
    """What is going on: orders that are not resolved, the trading state, what waits, and what is left of the budgets.

    It is made of what guardian knows, and asks the exchange nothing. With --exchange it also says whether this
    machine's clock agrees with the exchange's, and in which orders what guardian bought can be sold back now.

    Exit code 1 where trading is not active, the policy has problems, an order is not resolved, or there is no policy
    yet. 3 where neither is so, and the keyring or vault does not say whether there are keys.
    """
    if policy_path is None and not was_set_up():
        _print_nothing_yet(as_json=as_json)
        ctx.exit(NO)
    from guardian.domain.text.plain_data import to_plain
    from guardian.gate.reads.overview import Overview

    async def work(opened: OpenedHome) -> StatusView:
        return await Overview(opened.context).status(asks_exchange=asks_exchange)

    status = with_home(policy_path, work, needs_policy=False)
    if as_json:
        print_json(to_plain(status))
    else:
        _print_status(status, _sell_back_rows(status) if asks_exchange else _unsold_rows(status))
    if not as_json and policy_path is None and not has_own_policy():
        say(f"{NO_POLICY_YET}: the one that comes with guardian serves; `guardian init` makes yours")
    needs_attention = status.trading != "active" or status.policy_problems or status.unresolved
    ctx.exit(NO if needs_attention else COULD_NOT_TELL if status.keys_unreadable else FINE)


def _print_nothing_yet(*, as_json: bool) -> None:
    """What there is to say of a home that was never set up, and that is not made by looking at it."""
    if as_json:
        print_json({"orders": f"stopped, because {NO_POLICY_YET}", "home": home_folder(), "policy_source": None})
        return
    fields([("orders", f"stopped, because {NO_POLICY_YET}"), ("home", f"`{home_folder()}`, which is empty or missing")])
    say_hint("`guardian init` makes it, with a policy to start from")


def _print_status(status: StatusView, unsold: list[tuple[str, object]]) -> None:
    # First of all, and on standard output: it is what a reader of a saved status must not miss.
    fields([("orders", Toned(status.orders, None if status.orders == "not stopped" else Tone.BAD))])
    fields(
        [
            ("NOT RESOLVED", Toned(_describe_unresolved(order, status.environment), Tone.BAD))
            for order in status.unresolved
        ]
    )
    if status.unresolved:
        say("a running server keeps asking the exchange until it is known; `guardian audit reconcile` asks now")
    rows: list[tuple[str, object]] = [
        ("environment", (status.environment or "none: no usable policy names one").upper()),
        ("trading", Toned(_trading(status), _TONES.get(status.trading, Tone.BAD))),
        ("keys", _keys(status)),
        ("open orders", "none" if not status.open_orders else len(status.open_orders)),
        *(("", _describe(order)) for order in status.open_orders),
        ("last reconciled", "never" if status.reconciled is None else _when(status.reconciled)),
        *unsold,
        ("your yes", _proof(status)),
        ("armed", _mandate(status)),
        *_waiting_rows(status),
        ("policy", f"{status.policy_source} ({(status.policy_digest or 'not usable')[:12]})"),
    ]
    if status.trading_means is not None:
        rows.insert(2, ("which means", status.trading_means))
    fields(rows)
    table(
        ["limit", "window", *(Column(title, right=True, whole=True) for title in ("used", "of", "left"))],
        [(b.limit, b.window or "-", _amount(b.used), plain(b.maximum), _amount(b.left)) for b in status.budgets],
    )
    for change in status.owner_changes:
        say_warning(change)
    free = free_bytes(home_folder())
    if free is not None and free < SCARCE:
        say_warning(f"only {free // 1_000_000} MB are free on the disk of guardian's home")
    if status.policy_waiting is not None:
        for line in _waiting_lines(status.policy_waiting):
            say(line)
    for problem in status.policy_problems:
        say(f"policy: {problem}")
    if status.emergency_records:
        say(f"the emergency file has {status.emergency_records} records: trading is halted; see `guardian resume`")


_TONES: Final = {"active": Tone.GOOD, "reducing": Tone.WAITING, "halted": Tone.BAD}
"""How each trading state is shown."""


def _waiting_rows(status: StatusView) -> list[tuple[str, object]]:
    """`waiting for you   7K2Q: BUY 0.001 BTCUSDT at 60600, costs at most 60.6 USDT, 4 min left`."""
    from guardian.gate.orders.proposal_views import money_line

    rows: list[tuple[str, object]] = []
    for number, one in enumerate(status.proposals):
        order, left = one.order, one.left_s
        stop = "" if order.stop_price is None else f", stop {plain(order.stop_price)}"
        time_left = f"{left // 60} min left" if left >= _MINUTE_S else f"{max(left, 0)} s left"
        said = "" if one.state == "waiting" else f", {one.state}"
        line = (
            f"{one.proposal_id}: {order.side} {plain(order.quantity)} {order.symbol} at {plain(order.price)}{stop}, "
            f"{money_line(order)}{said}, {time_left}"
        )
        rows.append(("waiting for you" if number == 0 else "", Toned(line, Tone.WAITING)))
    return rows or [("waiting for you", "nothing")]


def _keys(status: StatusView) -> str:
    """`present, in Secret Service`, or why there are none."""
    from guardian.credentials.backends import title_of

    return status.keys if status.keys_from is None else f"{status.keys}, in {title_of(status.keys_from)}"


def _proof(status: StatusView) -> str:
    """`passkey`, and what is to be set up first."""
    return status.proof if status.proof_problem is None else f"{status.proof}: {status.proof_problem}"


def _mandate(status: StatusView) -> str:
    """`240 of 300 USDT left, for 95m, on BTCUSDT, ETHUSDT`, or why nothing is."""
    armed = status.mandate
    if armed is None:
        return "no" if status.mandate_ended is None else f"no: {status.mandate_ended}"
    each = "" if armed.max_order is None else f", {plain(armed.max_order)} an order"
    left = "unknown" if armed.left is None else plain(armed.left)
    return (
        f"{left} of {plain(armed.budget)} {armed.currency} left{each}, for {armed.left_s // 60}m, "
        f"on {', '.join(armed.symbols)}"
    )


def _unsold_rows(status: StatusView) -> list[tuple[str, object]]:
    """`bought, not sold   0.0033 BTC`, one line for each asset."""
    lines = [f"{plain(quantity)} {asset}" for asset, quantity in sorted(status.unsold.items())] or ["nothing"]
    return [("bought, not sold" if number == 0 else "", line) for number, line in enumerate(lines)]


def _sell_back_rows(status: StatusView) -> list[tuple[str, object]]:
    """`can be sold back   0.0033 BTC on BTCUSDT, in 2 orders: 0.00165, 0.00165`."""
    if status.sell_back is None:
        return [("can be sold back", "unknown: the exchange could not be asked")]
    lines = []
    for one in status.sell_back:
        orders = ", ".join(plain(quantity) for quantity in one.orders[:5]) + (", ..." if len(one.orders) > 5 else "")
        how = f"in {len(one.orders)} orders: {orders}" if len(one.orders) > 1 else "in one order"
        if not one.orders:
            how = "but it fits no order now"
        quantity = plain(one.quantity if one.orders else one.sellable)
        lines.append(f"{quantity} {one.asset} on {one.symbol}, {how}")
    return [("can be sold back" if number == 0 else "", line) for number, line in enumerate(lines or ["nothing"])]


def _waiting_lines(waiting: WaitingPolicyView) -> list[str]:
    """What is looser in the file than in the policy that is in force, and when it takes effect."""
    if waiting.takes_effect is not None:
        head = f"policy: approved, and in force from {_when(waiting.takes_effect)}"
    else:
        head = "policy: the file is looser than what you approved, so it is not in force"
    lines = [f"{head} (digest {waiting.digest[:12]})", *(f"  {line}" for line in waiting.looser)]
    return lines if waiting.takes_effect is not None else [*lines, "  `guardian policy approve` puts it in force"]


def _amount(value: Decimal | None) -> str:
    """An amount, or `unknown` where orders were judged in another currency."""
    return "unknown" if value is None else plain(value)


def _trading(status: StatusView) -> str:
    """`halted since 2026-11-22 18:40:11, by guardian: the exchange rejected 5 orders in a row`."""
    if status.trading == "active":
        return status.trading
    since = "" if status.trading_since is None else f" since {_when(status.trading_since)}"
    by = {"owner": ", by the owner", "guardian": ", by guardian itself"}.get(status.trading_by or "", "")
    return f"{status.trading}{since}{by}" + (f": {status.trading_reason}" if status.trading_reason else "")


def _describe_unresolved(order: UnresolvedOrder, here: str | None) -> str:
    return _describe(order) + ("" if order.environment == here else f" in {order.environment.upper()}")


def _describe(order: OrderView) -> str:
    price = "" if order.price is None else f" at {plain(order.price)}"
    since = "" if order.time is None else f" since {_when(order.time)}"
    what = f"{order.side} {plain(order.quantity)} {order.symbol}{price}"
    said = "" if order.exchange_status is None else f", {order.exchange_status} at the exchange"
    return f"{what}, {order.client_order_id} ({order.state}{since}{said})"


def _when(iso: str) -> str:
    """`2026-11-22 16:20:30 (3 min ago)`."""
    return with_relative(_ms(iso), wall_clock_ms())


def _ms(iso: str) -> int:
    return int(datetime.fromisoformat(iso).timestamp() * 1000)
