"""`guardian audit reconcile`: the store compared with the exchange."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from guardian.cli.audit.testimony import HeardExchange
from guardian.cli.support.exit_codes import COULD_NOT_TELL, NO
from guardian.cli.support.opened_home import with_home
from guardian.cli.support.render import fields, print_json, say
from guardian.domain.money import plain
from guardian.domain.text.escaping import clean
from guardian.domain.text.plain_data import to_plain
from guardian.gate.recovery.reconcile import Reconciled, Reconciler
from guardian.gate.witness.witnesses import ExchangeWitness, Witnessed
from guardian.home.opened import OpenedHome


def reconcile(policy_path: Path | None, symbols: Sequence[str], *, as_json: bool) -> int:
    """Compare the store with the exchange on these symbols, on all where there are none; the exit code."""

    async def work(opened: OpenedHome) -> tuple[Reconciled, Witnessed]:
        found = await Reconciler(opened.context).run(tuple(symbols) or None)
        return found, await ExchangeWitness(opened.context).testify(tuple(symbols) or None)

    found, witnessed = with_home(policy_path, work)
    testimony = HeardExchange(witnessed)
    if as_json:
        plain_data = to_plain(found)
        document = plain_data if isinstance(plain_data, dict) else {}
        print_json({**document, "testimony": testimony.as_dict()})
    else:
        _print_reconciled(found)
        testimony.print()
    if found.refused or testimony.exit_code == COULD_NOT_TELL:
        return COULD_NOT_TELL
    return NO if found.differences else testimony.exit_code


def _print_reconciled(found: Reconciled) -> None:
    fields(
        [
            ("environment", found.environment.upper()),
            ("account", found.account),
            ("symbols", ", ".join(found.symbols) or "none"),
            ("orders that agree", found.agreed),
            ("fees found out", found.fees),
            ("result", _result(found)),
        ]
    )
    for refused in found.refused:
        words = f"; the exchange's own words: {clean(refused.exchange_text)!r}"
        say(f"not compared: {refused.symbol}: {refused.why}{words}")
    for one in found.differences:
        here = "nothing" if one.store is None else one.store.value
        there = "nothing" if one.exchange is None else one.exchange.value
        say(f"{one.kind.value}: {one.symbol} {one.client_order_id}: guardian has {here}, the exchange {there}")
    for order in found.foreign:
        what = f"{clean(order.side)} {plain(order.quantity)} {clean(order.symbol)} order {order.order_id}"
        say(f"not guardian's, and not counted: {what} ({order.state})")


def _result(found: Reconciled) -> str:
    parts = [f"{len(found.differences)} DIFFERENCES"] if found.differences else []
    if found.refused:
        parts.append(f"COULD NOT TELL for {', '.join(one.symbol for one in found.refused)}")
    return "; ".join(parts) or "AGREE"
