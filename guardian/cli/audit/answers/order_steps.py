"""The life of an order as steps: what each row of the log says happened, in the order in which it did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from guardian.cli.audit.wording.call_words import words_of_call
from guardian.cli.audit.wording.denial_words import denial_text, denials_of, error_text
from guardian.cli.audit.wording.event_words import words_of_event
from guardian.cli.audit.wording.order_words import order_fields, order_text, state_text
from guardian.cli.audit.wording.words import joined, named, part, shown
from guardian.cli.support.render import Tone
from guardian.domain.codes import CANCEL_ORDER
from guardian.domain.money import negated, plain
from guardian.errors import PolicyInvalid
from guardian.policy.loading.load import load_policy
from guardian.store.answers.judgement import JudgedRule, judged_rules
from guardian.store.answers.order_life import LifeFlow, OrderLife
from guardian.store.log.encoding import client_order_id
from guardian.store.log.read_only import LogRow

_EVENTS = {
    "approved": "approved",
    "rejected": "rejected",
    "withdrawn": "withdrawn",
    "client_asked": "asked you",
    "client_answered": "you said",
    "proof_refused": "refused",
    "order_contradicted": "corrected",
    "order_adopted": "adopted",
    "order_not_in_log": "found",
    "halted": "halted",
    "reducing": "halted",
}
"""What an event is called in the timeline; every other is what guardian learnt of the order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeStep:
    """One step. `row` is its row of the log; a flow of the ledger has none."""

    time_ms: int
    step: str
    text: str
    tone: Tone | None = None
    row: LogRow | None = None
    rules: tuple[JudgedRule, ...] | None = None
    """What each rule saw; None where the step is no judgement."""
    details: tuple[str, ...] = ()


def steps_of(life: OrderLife) -> tuple[LifeStep, ...]:
    """Returns the steps of an order, oldest first."""
    calls = {row.call_id: row for row in life.rows if row.phase == "call"}
    found = [step for row in life.rows for step in _of_row(row, calls, life)]
    found += [_of_flow(flow, life) for flow in life.flows]
    return tuple(sorted(found, key=lambda step: step.time_ms))


def _of_row(row: LogRow, calls: Mapping[str | None, LogRow], life: OrderLife) -> Iterator[LifeStep]:
    call = calls.get(row.call_id)
    is_cancel = (row if call is None else call).tool == CANCEL_ORDER
    if row.phase == "call":
        yield _step(row, "cancel" if is_cancel else "asked", _asked(row, is_cancel=is_cancel))
    elif row.phase == "intent":
        yield _judged(row, life)
        sent = order_fields(part(row.data, "order"))
        what = joined(named(sent, "type"), named(sent, "timeInForce"), order_text(sent), by=" ")
        yield _step(row, "sent", joined(what, client_order_id(bytes(row.digest)), by=", as "))
    elif row.phase == "outcome":
        if "judged" in row.data and not is_cancel:
            yield _judged(row, life)
        yield from _answered(row, row if call is None else call, is_cancel=is_cancel)
    else:
        words = words_of_event(row)
        kind = named(row.data, "kind")
        yield _step(row, _EVENTS.get(kind, _learnt(row)), words.text, words.tone)


def _step(row: LogRow, step: str, text: str, tone: Tone | None = None) -> LifeStep:
    return LifeStep(time_ms=row.ts_ms, step=step, text=text, tone=tone, row=row)


def _learnt(row: LogRow) -> str:
    state = named(row.data, "is")
    return state.replace("_", " ") if named(row.data, "kind") == "resolved" and state else "learnt"


def _asked(row: LogRow, *, is_cancel: bool) -> str:
    """By which client, and what in its own words."""
    asked = part(row.data, "arguments")
    if not is_cancel and "confirmation_token" in asked and "quantity" not in asked:
        what = "to send it, with the token"
    else:
        what = words_of_call(row, None).what
    words = joined(*(f"{shown(name)} {shown(value)}" for name, value in sorted(asked.items()) if value is not None))
    by = named(row.data, "client") or "no client named"
    return f"by {by}: {what} ({words})" if words else f"by {by}: {what}"


def _judged(row: LogRow, life: OrderLife) -> LifeStep:
    """The decision, and what every rule with a number saw: those that denied are with their own words."""
    judged = part(row.data, "judged")
    digest = named(judged, "policy")
    policy = None
    if digest in life.policies:
        try:
            policy = load_policy(life.policies[digest])
        except PolicyInvalid:
            policy = None
    denials = tuple(denial_text(one) for one in denials_of(part(row.data, "error")))
    counted = joined("counts as", named(judged, "notional"), by=" ") if judged.get("notional") else ""
    exit_ = "an exit: it spends no budget" if judged.get("is_exit") is True else ""
    decision = {"allow": "allowed", "confirm": "needs your yes", "deny": "denied"}.get(
        named(judged, "decision"), named(judged, "decision")
    )
    lacks = "" if policy is not None else f"policy {digest[:12]} is not kept, so its limits are not known"
    return LifeStep(
        time_ms=row.ts_ms,
        step="judged",
        text=joined(decision, counted, exit_, lacks),
        tone=Tone.BAD if named(judged, "decision") == "deny" else None,
        row=row,
        rules=() if policy is None else judged_rules(judged, policy),
        details=denials,
    )


def _answered(row: LogRow, call: LogRow, *, is_cancel: bool) -> Iterator[LifeStep]:
    data = part(row.data, "data")
    if row.outcome == "confirmation_required":
        yield _step(row, "shown", _shown(data))
        return
    error = error_text(part(row.data, "error"))
    order = order_fields(part(data, "order"))
    state = named(row.data, "state") or named(order, "state")
    if is_cancel or not state:
        words = words_of_call(call, row)
        yield _step(row, "answered", joined(words.result or named(data, "note"), error if not words.result else ""))
        return
    result, tone = state_text(order, state)
    fees = joined(*(f"{shown(fee)} {shown(asset)}" for asset, fee in sorted(part(order, "commissions").items())))
    at = joined(named(order, "average_price"), "on average", by=" ") if order.get("average_price") else ""
    number = joined("exchange id", named(order, "order_id"), by=" ") if order.get("order_id") else ""
    yield _step(row, "answered", joined(result, at, f"fees {fees}" if fees else "", number, error), tone)


def _shown(data: Mapping[str, object]) -> str:
    """The prices that the person was shown, and what was to be agreed to."""
    order = part(data, "order")
    prices = joined(named(order, "bid"), named(order, "ask"), by="/")
    costs = named(order, "costs_at_most")
    brings = named(order, "brings_at_least")
    worth = f"costs at most {costs}" if costs else f"brings at least {brings}" if brings else ""
    proposal = joined("proposal", named(data, "proposal_id"), by=" ")
    what = order_text(order_fields(order))
    return joined(f"{proposal}: {what}", f"bid/ask {prices}" if prices else "", worth, named(data, "state"))


def _of_flow(flow: LifeFlow, life: OrderLife) -> LifeStep:
    asset = shown(flow.asset)
    if flow.change is None:
        return LifeStep(time_ms=flow.time_ms, step="ledger", text=f"an amount of {asset} that cannot be read")
    if flow.kind == "fee":
        return LifeStep(time_ms=flow.time_ms, step="fee", text=f"{plain(negated(flow.change))} {asset}")
    came = flow.change > 0
    step = "fill" if flow.asset == (life.order or {}).get("base_asset") else "received" if came else "paid"
    text = f"{plain(flow.change.copy_abs())} {asset} {'came' if came else 'went'}, by guardian's ledger"
    return LifeStep(time_ms=flow.time_ms, step=step, text=text)
