"""Looks once more at an order whose fate is unknown, and ends the wait for it."""

from __future__ import annotations

import getpass
from dataclasses import dataclass

from guardian.cli.support.times import local_time
from guardian.domain.money import plain
from guardian.domain.order_states import FINAL_STATES, LIVE_STATES, OrderState
from guardian.domain.orders import OrderSide
from guardian.errors import CredentialsError, ExchangeError, GuardianError
from guardian.gate.base.order_events import record_new_state
from guardian.gate.recovery.order_reports import apply_report, query_order
from guardian.home.opened import OpenedHome
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """An order that can be settled, as a person is shown it."""

    row: OrderRow
    lines: tuple[str, ...]


async def find_unsettled(opened: OpenedHome, client_order_id: str) -> Unsettled | str:
    """The order as it is now, after asking the exchange for it, or why it cannot be settled. Raises StoreError."""
    row = await opened.journal.transact(lambda tx: tx.orders.get(client_order_id))
    if row is None:
        return f"guardian has no order `{client_order_id}`"
    query_result = "the exchange was asked just now and does not know it"
    if row.environment == opened.context.environment.value and row.state not in FINAL_STATES:
        try:
            is_there = await _query_once(opened, row)
            if is_there is None:
                is_there, query_result = (
                    False,
                    "it is of another account than the stored key, so the exchange was not asked",
                )
        except (ExchangeError, CredentialsError) as error:
            is_there, query_result = False, f"the exchange could not be asked now: {error.message}"
        row = await opened.journal.transact(lambda tx: tx.orders.get(client_order_id)) or row
        if is_there and row.state in LIVE_STATES:
            return f"the exchange has this order, and it is {row.state.value}: cancel it instead"
        if is_there:
            query_result = "the exchange has it, and what it says of it is not known or not believed"
    elif row.state not in FINAL_STATES:
        query_result = f"it was sent on `{row.environment}`, where this policy does not lead, and was not queried"
    if row.state in FINAL_STATES:
        return f"the fate of this order is known: it is {row.state.value}"
    return Unsettled(row=row, lines=_lines(opened, row, query_result))


async def _query_once(opened: OpenedHome, row: OrderRow) -> bool | None:
    """Ask the exchange once more and take in what it says; whether it knows the order.

    None where the key at hand is of another account: its answer would say nothing about this order.
    """
    connection = await opened.connector.connect(needs_keys=True)
    if connection.account != row.account:
        return None
    report = await query_order(connection.exchange, row.sent)
    if report is None:
        return False
    await opened.journal.transact(lambda tx: apply_report(tx, row, report, began_ms=0))
    return True


def _lines(opened: OpenedHome, row: OrderRow, query_result: str) -> tuple[str, ...]:
    """The order, what settling it frees, and what that means if it is filled after all."""
    limits = opened.policy_file.current().policy.limits
    price = "" if row.price is None else f" at {plain(row.price)}"
    cost = f"{plain(row.notional)} {row.currency}"
    what = f"{row.side} {plain(row.quantity)} {row.symbol}{price} on {row.environment.upper()}"
    lines = [f"{what}, sent {local_time(row.sent_ms)}, {row.state.value}; {query_result}"]
    never = _final_state(row) is OrderState.NOT_PLACED
    counts_as = "settled, it counts as never placed" if never else "the exchange had it: settled, it counts as expired"
    if row.is_exit:
        lines.append(f"{counts_as}; as an exit it is in no budget")
    elif never:
        budgets = ", ".join(f"{plain(w.maximum)} in {w.window_ms // 60_000} min" for w in limits.rolling_notional)
        lines.append(f"{counts_as}: {cost} of your budgets are free at once")
        lines.append(f"if it is filled after all, your budget of {budgets} can be exceeded by {cost}")
    else:
        lines.append(f"{counts_as}, and {cost} are no longer open")
        lines.append(f"if it is filled after all, your budget of open orders can be exceeded by {cost}")
    if row.side == OrderSide.SELL.value:
        rest = f"{plain(row.remaining)} {row.base_asset}"
        lines.append(f"if it is filled after all, up to {rest} of your own can be sold as if guardian had bought them")
    minutes = limits.duplicate_window_ms / 60_000
    lines.append(f"the same order stays refused until {minutes:g} min after it was sent")
    return tuple(lines)


def _final_state(row: OrderRow) -> OrderState:
    """An order that was acknowledged was entered; one that never was is taken for never placed."""
    return OrderState.NOT_PLACED if row.order_id is None else OrderState.EXPIRED


def settle(tx: Transaction, shown: OrderRow, reason: str) -> OrderState:
    """End the wait for the order, with a row of the log that says who did it and why; its state then.

    Raises StoreError, and GuardianError where the order is not as it was shown: nobody agreed to that.
    """
    if _state_shown(tx, shown) != _state_shown(None, shown):
        raise GuardianError(
            "the order moved on while you were asked; nothing was changed", hint="`guardian settle` shows it again"
        )
    state = _final_state(shown)
    why = f"settled by the owner ({_user_name()}): {reason}"
    record_new_state(tx, shown, state, None, why=why, given_up=state is OrderState.NOT_PLACED)
    return state


def _user_name() -> str:
    """The name of the user that runs this; where the system has no name for them (in a container), "unnamed"."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unnamed"


def _state_shown(tx: Transaction | None, shown: OrderRow) -> tuple[object, ...]:
    """What a person was shown of an order, as it is in this transaction; without one, as it was."""
    row = shown if tx is None else tx.orders.get(shown.client_order_id) or shown
    return row.state, row.order_id, row.executed_quantity
