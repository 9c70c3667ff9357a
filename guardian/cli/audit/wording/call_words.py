"""A call in words: what was asked, of it alone, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from guardian.cli.audit.wording.denial_words import error_text
from guardian.cli.audit.wording.order_words import order_fields, order_text, state_text
from guardian.cli.audit.wording.words import Words, joined, named, part, shown
from guardian.cli.support.render import Tone
from guardian.domain.codes import CANCEL_ORDER, CREATE_ORDER, Outcome
from guardian.store.log.read_only import LogRow

READS: Final = {
    "get_ticker_price": "price",
    "get_ticker": "ticker",
    "get_order_book": "order book",
    "get_available_assets": "assets",
    "get_balance": "balance",
    "get_account_snapshot": "account snapshot",
    "get_position_info": "futures positions",
    "get_pnl": "profit and loss",
    "get_orders": "orders",
    "get_deposit_history": "deposits",
    "get_deposit_address": "deposit address",
    "get_withdraw_history": "withdrawals",
    "get_fee_info": "fees",
    "get_liquidation_history": "liquidations",
    "get_universal_transfer_history": "transfers",
}
"""What each reading tool reads, in short."""
_ABOUT: Final = ("coin", "base_asset", "quote_asset", "account_type", "status", "client_order_id", "order_id")
"""The arguments of a read that its line names, after the symbol."""
NO_ANSWER: Final = "no answer yet"
_ENDED: Final = {
    Outcome.DENIED.value: ("denied", Tone.BAD),
    Outcome.INVALID.value: ("invalid", Tone.BAD),
    Outcome.REJECTED.value: ("rejected by the exchange", Tone.BAD),
    Outcome.RATE_LIMITED.value: ("rate limited", Tone.BAD),
    Outcome.UNAVAILABLE.value: ("unavailable", Tone.BAD),
    Outcome.UNKNOWN.value: ("not known", Tone.WAITING),
    Outcome.FAILED.value: ("failed", Tone.BAD),
}
"""How a call ended that was not done, and its tone."""


def words_of_call(
    call: LogRow, outcome: LogRow | None, intent: LogRow | None = None, stored: Mapping[str, object] | None = None
) -> Words:
    """Returns a call in words, from its rows. `stored` is the row of `orders` of the order that it sent, as it is now.

    `call` may be any row of the call where the first is missing. Never fails, whatever the rows hold.
    """
    ended = {} if outcome is None else outcome.data
    asked = part(call.data, "arguments")
    if call.tool == CREATE_ORDER:
        words = _order(call, asked, ended, {} if intent is None else intent.data, stored or {})
    elif call.tool == CANCEL_ORDER:
        words = _cancel(asked, ended)
    else:
        words = Words(what=read_text(call.tool, call.symbol, asked))
    if words.result:
        return words
    if outcome is None:
        return Words(what=words.what, result=NO_ANSWER, tone=Tone.WAITING)
    return _not_done(words.what, outcome, ended)


def read_text(tool_name: str | None, row_symbol: str | None, asked: Mapping[str, object]) -> str:
    """Returns a call of a tool that reads, in words: these say all of it where it was done."""
    tool = shown(tool_name or "an unknown tool")
    symbol = named(asked, "symbol") or ("" if row_symbol is None else shown(row_symbol))
    return joined(READS.get(tool, tool), symbol, *(named(asked, name) for name in _ABOUT), by=" ")


def _not_done(what: str, outcome: LogRow, ended: Mapping[str, object]) -> Words:
    if outcome.outcome == Outcome.DONE:
        return Words(what=what)
    error = part(ended, "error")
    label, tone = _ENDED.get(str(outcome.outcome), (shown(outcome.outcome), None))
    return Words(what=what, result=joined(label, error_text(error), by=": "), tone=tone)


def _order(
    call: LogRow,
    asked: Mapping[str, object],
    ended: Mapping[str, object],
    sent: Mapping[str, object],
    stored: Mapping[str, object],
) -> Words:
    replied = part(ended, "data", "order")
    order = order_fields(
        stored, replied, part(sent, "asked"), asked, part(sent, "order"), part(ended, "judged", "order"),
        {"symbol": call.symbol},
    )  # fmt: skip
    is_refused = bool(part(ended, "error")) and not stored
    what, proposal = order_text(order, with_worth=not is_refused), named(sent, "proposal")
    by = f", proposal {proposal}" if proposal else ""
    if part(ended, "data").get("already_placed") is True:
        return Words(what=what, result="was sent before; nothing was sent now")
    state = named(stored, "state") or named(ended, "state") or (named(replied, "state") if not stored else "")
    waiting = named(part(ended, "data"), "proposal_id")
    if waiting and not stored:
        return Words(what=what, result=f"proposed: {waiting}", tone=Tone.WAITING)
    if state and not part(ended, "error"):
        result, tone = state_text(order, state)
        return Words(what=what, result=result + by, tone=tone)
    if state:
        result, tone = state_text(order, state)
        why = error_text(part(ended, "error"))
        return Words(what=what, result=joined(result + by, why, by=": "), tone=tone)
    return Words(what=what)


def _cancel(asked: Mapping[str, object], ended: Mapping[str, object]) -> Words:
    data = part(ended, "data")
    order = order_fields(part(data, "order"), {"symbol": asked.get("symbol")})
    if asked.get("all") is True:
        what = joined("cancel all orders", f"of {named(asked, 'symbol')}" if asked.get("symbol") else "", by=" ")
        note = named(data, "note")
        return Words(what=f"{what}:" if note else what, result=note)
    proposal = named(asked, "proposal_id")
    if proposal:
        what = f"withdraw proposal {proposal}"
        withdrawn = f"({order_text(order)}) withdrawn" if part(data, "order") else ""
        return Words(what=what, result=withdrawn)
    name = named(asked, "client_order_id") or named(asked, "order_id")
    if not part(data, "order"):
        return Words(what=joined("cancel", named(asked, "symbol"), name, by=" "))
    result, tone = state_text(order, named(order, "state"))
    return Words(what=f"cancel {order_text(order)}:", result=result, tone=None if tone is Tone.GOOD else tone)
