"""Events in words: what happened beside the calls, by whom and why. Every kind that guardian writes has words here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from guardian.cli.audit.wording.order_words import order_fields, order_text, reported_order, state_text
from guardian.cli.audit.wording.words import Words, joined, listed, named, part, short_id, shown
from guardian.cli.support.render import Tone
from guardian.domain.order_states import UNRESOLVED_STATES
from guardian.domain.owner.proof import Proof
from guardian.store.log.read_only import LogRow

Data = Mapping[str, object]

_BY: Final = {"owner": "by you", "guardian": "by guardian", "assistant": "by the assistant"}
_PROOFS: Final = {
    Proof.TERMINAL.value: "at the terminal",
    Proof.PIN.value: "with the PIN",
    Proof.PASSKEY.value: "with the passkey",
}
_CHANGES: Final = {
    "passkey_add": "passkey added",
    "passkey_remove": "passkey removed",
    "pin_set": "PIN set",
    "pin_remove": "PIN removed",
}
_ANSWERS: Final = {
    "accepted": "yes",
    "declined": "no",
    "cancelled": "the question was closed",
    "timed_out": "no answer in time",
    "too_soon": "an answer too fast to be read",
    "failed": "the question could not be put",
}


def words_of_event(row: LogRow) -> Words:
    """Returns an event in words. Never fails, whatever the row holds; a kind without words is named as it is."""
    data = row.data
    kind = named(data, "kind")
    words = EVENT_WORDS.get(kind)
    if words is not None:
        return words(data)
    return Words(what=joined(kind or "an event that cannot be read", named(data, "reason"), by=": "))


def _by(data: Data) -> str:
    by = named(data, "by")
    return _BY.get(by, f"by {by}" if by else "")


def _because(data: Data, name: str = "reason") -> str:
    return named(data, name)


def _how(data: Data) -> str:
    """Returns how a person proved their yes: `with the passkey `laptop``."""
    proof = part(data, "proof")
    kind = named(proof, "kind") or named(data, "proof")
    name = named(proof, "passkey")
    if named(data, "channel"):
        return f"in the client ({named(data, 'channel')})"
    return joined(_PROOFS.get(kind, kind), f"`{name}`" if name else "", by=" ")


def _statement(data: Data) -> Data:
    return part(data, "statement", "fields")


def _what_was_agreed(data: Data) -> str:
    """Returns what a statement asks a person to agree to, in a few words."""
    kind, fields = named(part(data, "statement"), "kind"), _statement(data)
    if kind == "order":
        return joined(f"proposal {named(fields, 'proposal')}:", order_text(_ordered(data)), by=" ")
    words = {
        "mandate": f"arm {named(fields, 'budget')} {named(fields, 'currency')}",
        "policy": f"policy {short_id(named(fields, 'policy'))}",
        "resume": f"resume: trading {named(fields, 'decision')}",
        "keys": joined(named(fields, "decision"), named(fields, "environment"), named(fields, "family"), "key", by=" "),
        "owner": _CHANGES.get(named(fields, "decision"), named(fields, "decision")),
        "ledger": joined(named(fields, "decision"), named(fields, "client_order_id"), by=" "),
    }
    return words.get(kind, kind or "something")


def _ordered(data: Data) -> dict[str, object]:
    fields = _statement(data)
    return order_fields(part(fields, "asked"), part(fields, "order"), {"quote_asset": fields.get("quote_asset")})


# Trading stops and continues


def _halted(data: Data) -> Words:
    result = joined(joined("HALTED", _by(data), by=" "), _because(data), by=": ")
    return Words(what="", result=result, tone=Tone.BAD)


def _reducing(data: Data) -> Words:
    result = joined(joined("REDUCING", _by(data), by=" "), _because(data), by=": ")
    return Words(what="", result=result, tone=Tone.BAD)


def _resumed(data: Data) -> Words:
    state = named(data, "trading")
    what = "RESUMED" if state in {"", "active"} else f"RESUMED as {state}"
    was = joined(named(data, "trading_was"), _because(data, "reason_was"), by=": ")
    return Words(what=f"{what} {_by(data)}".strip(), result=f"(was {was})" if was else "", tone=Tone.GOOD)


def _broken_chain(data: Data) -> Words:
    return Words(what="", result=joined("LOG BROKEN", _because(data), by=": "), tone=Tone.BAD)


def _time_set_back(data: Data) -> Words:
    return Words(what="the log's time was set back", result=f"from {named(data, 'from')} to {named(data, 'to')}")


def _emergency(data: Data) -> Words:
    record = part(data, "record")
    what = {"call": "a cancel", "outcome": "an outcome"}.get(named(record, "kind"), named(record, "kind") or "a record")
    about = joined(named(record, "symbol"), named(record, "outcome"), named(record, "client_order_id"), by=" ")
    result = joined(what, about, named(record, "reason"), by=": ")
    return Words(what="taken from the emergency file:", result=result, tone=Tone.BAD)


def _migrated(data: Data) -> Words:
    versions = joined("from version", named(data, "from"), "to", named(data, "to"), by=" ")
    return Words(what="guardian was updated: the log's tables", result=versions)


def _restored(data: Data) -> Words:
    lost = named(data, "lost_rows")
    what = f"RESTORED from a backup that ends with row {named(part(data, 'backup'), 'seq')}, trading halted"
    result = joined(_by(data), _how(data), f"{lost} rows out of use" if lost not in {"", "0"} else "")
    return Words(what=f"{what},", result=result, tone=Tone.BAD)


# Proposals


def _approved(data: Data) -> Words:
    name = named(data, "proposal")
    what = f"APPROVED {order_text(_ordered(data))}, proposal {name},"
    return Words(what=what, result=joined("by you", _how(data), by=" "), tone=Tone.GOOD)


def _rejected(data: Data) -> Words:
    what = joined("turned down: proposal", named(data, "proposal"), named(data, "symbol"), by=" ")
    reason = _because(data)
    return Words(what=f"{what},", result=joined("by you", reason, by=": "), tone=Tone.BAD)


def _withdrawn(data: Data) -> Words:
    what = f"withdrawn: proposal {named(data, 'proposal')}, {order_text(reported_order(data))},"
    return Words(what=what, result=_by(data))


def _client_asked(data: Data) -> Words:
    return Words(what=joined("asked in the client: proposal", named(data, "proposal"), named(data, "symbol"), by=" "))


def _client_answered(data: Data) -> Words:
    answer = named(data, "answer")
    what = joined("answered in the client: proposal", named(data, "proposal"), named(data, "symbol"), by=" ")
    return Words(what=f"{what}:", result=_ANSWERS.get(answer, answer))


# Orders, after their call


def _resolved(data: Data) -> Words:
    order = reported_order(data)
    result, tone = state_text(order, named(data, "is"))
    was = named(data, "was")
    result = joined(result + (f" (was {was})" if was in UNRESOLVED_STATES else ""), named(data, "why"), by=": ")
    return Words(what=f"{_order_of(data)}:", result=result, tone=tone)


def _order_of(data: Data) -> str:
    """Returns the order that an event is about, by what it is, else by its id."""
    order = reported_order(data)
    name = named(data, "client_order_id")
    return order_text(order) if order.get("side") else joined("order", named(data, "symbol"), name, by=" ")


def _of_order(said: str) -> Callable[[Data], Words]:
    def words(data: Data) -> Words:
        return Words(what=f"{_order_of(data)}:", result=joined(said, named(data, "why"), by=": "), tone=Tone.BAD)

    return words


def _contradicted(data: Data) -> Words:
    was, now = named(data, "was"), named(data, "is")
    result = "the exchange has it otherwise" + (f": {now}, not {was}" if now else "")
    return Words(what=f"{_order_of(data)}:", result=result, tone=Tone.BAD)


def _order_adopted(data: Data) -> Words:
    what = joined("taken over", _by(data), by=" ")
    return Words(what=f"{what}: order {named(data, 'symbol')} {named(data, 'client_order_id')}")


def _foreign(said: str) -> Callable[[Data], Words]:
    def words(data: Data) -> Words:
        name = joined(named(data, "symbol"), named(data, "order_id"), by=" ")
        return Words(what=f"{said} an order that guardian did not place:", result=name)

    return words


def _position_set(data: Data) -> Words:
    what = f"position of {named(data, 'asset')} set {_by(data)}".strip()
    return Words(what=f"{what}:", result=f"{named(data, 'is')} (was {named(data, 'was')})")


# Policies, mandates, the owner's proofs


def _policy(said: str, tone: Tone | None = None) -> Callable[[Data], Words]:
    def words(data: Data) -> Words:
        fields = _statement(data)
        looser, tighter = (joined(*map(shown, listed(fields.get(name)))) for name in ("looser", "tighter"))
        changed = joined(f"looser: {looser}" if looser else "", f"tighter: {tighter}" if tighter else "", by="; ")
        what = joined(said, short_id(named(data, "policy")), named(data, "environment"), by=" ")
        return Words(what=what, result=joined(_how(data), changed, by="; "), tone=tone)

    return words


def _policy_in_force(data: Data) -> Words:
    changes = {name: listed(data.get(name)) for name in ("looser", "tighter")}
    said = [
        f"{name}: {joined(*(_key_change(change) for change in changes[name]))}" for name in changes if changes[name]
    ]
    before = named(data, "in_place_of")
    what = joined("policy CHANGED:" if before else "policy in force:", short_id(named(data, "policy")),
                  named(data, "environment"), by=" ")  # fmt: skip
    approved = f"approved in row {named(data, 'approval')}" if named(data, "approval") else ""
    no_limit = "no limit changed" if before and data.get("looser") is not None and not said else ""
    tone = Tone.WAITING if changes["looser"] else None
    return Words(what=what, result=joined(*said, no_limit, approved, by="; "), tone=tone)


def _key_change(change: object) -> str:
    data = change if isinstance(change, dict) else {}
    return f"{named(data, 'key')} {named(data, 'before')} -> {named(data, 'after')}"


def _armed(data: Data) -> Words:
    fields = _statement(data)
    symbols = joined(*map(shown, listed(fields.get("symbols"))), by=" ")
    budget = joined(named(fields, "budget"), named(fields, "currency"), by=" ")
    lasts = named(fields, "lasts_ms")
    minutes = f"for {int(lasts) // 60_000} min" if lasts.isdecimal() and len(lasts) < 15 else ""
    what = joined(f"ARMED {_by(data)}".strip(), budget, minutes, symbols)
    return Words(what=what, result=_how(data), tone=Tone.GOOD)


def _mandate_ended(data: Data) -> Words:
    return Words(what="DISARMED:", result=_because(data))


def _proof_refused(data: Data) -> Words:
    left = named(data, "tries_left")
    reason = joined(_because(data), f"{left} tries left" if left else "")
    return Words(what=f"a yes was refused, for {_what_was_agreed(data)}:", result=reason, tone=Tone.BAD)


def _agreed(data: Data) -> Words:
    return Words(what=f"agreed by you {_how(data)}:".replace("  ", " "), result=_what_was_agreed(data))


def _owner_change(data: Data) -> Words:
    change = named(data, "change")
    what = joined(_CHANGES.get(change, change), named(_statement(data), "name"), by=" ")
    if named(data, "state") == "waits":
        return Words(what=f"requested: {what},", result="waits 24 hours", tone=Tone.WAITING)
    return Words(what=what, result=_how(data))


def _change_cancelled(data: Data) -> Words:
    return Words(what=f"change {named(data, 'change')} of the owner's proofs cancelled")


def _floor(data: Data) -> Words:
    return Words(what="from now on at least this proves your yes:", result=named(data, "floor"))


# Keys


def _key(said: str) -> Callable[[Data], Words]:
    def words(data: Data) -> Words:
        return Words(what=joined(said, named(data, "environment"), named(data, "family"), named(data, "key"), by=" "))

    return words


def _said(said: str) -> Callable[[Data], Words]:
    return lambda _data: Words(what=said)


def _permissions(data: Data) -> Words:
    problems = joined(*map(shown, listed(data.get("problems"))), by="; ")
    warnings = joined(*map(shown, listed(data.get("warnings"))), by="; ")
    said = joined(problems or "safe", warnings, by="; ")
    return Words(what="the key of live may:", result=said, tone=Tone.BAD if problems else None)


def _permissions_unread(data: Data) -> Words:
    return Words(what="what the key of live may do could not be read:", result=_because(data), tone=Tone.BAD)


def _loss_accepted(data: Data) -> Words:
    return Words(what="LOSS ACCEPTED by you:", result=_because(data), tone=Tone.BAD)


def _checkpoint_folder(data: Data) -> Words:
    folder = named(data, "folder")
    if not folder:
        return Words(what="checkpoints are kept in no second folder any more")
    return Words(what="checkpoints are kept in a second folder too:", result=folder)


EVENT_WORDS: Final[Mapping[str, Callable[[Data], Words]]] = {
    "halted": _halted,
    "reducing": _reducing,
    "resumed": _resumed,
    "broken_chain": _broken_chain,
    "time_set_back": _time_set_back,
    "emergency": _emergency,
    "schema_migrated": _migrated,
    "restored": _restored,
    "log_begun": _said("a new log was begun"),
    "log_sealed": _said("the log is sealed: its checkpoints are signed from now on"),
    "checkpoint_folder": _checkpoint_folder,
    "loss_accepted": _loss_accepted,
    "approved": _approved,
    "rejected": _rejected,
    "withdrawn": _withdrawn,
    "client_asked": _client_asked,
    "client_answered": _client_answered,
    "resolved": _resolved,
    "order_adopted": _order_adopted,
    "order_contradicted": _contradicted,
    "order_impossible": _of_order("the exchange reports what cannot be this order"),
    "order_missing": _of_order("the exchange does not know it"),
    "order_moved": _of_order("it changed at the exchange"),
    "order_not_in_log": _of_order("at the exchange, and this log lacks it"),
    "order_vanished": _of_order("the exchange does not know it any more"),
    "cancelling_foreign": _foreign("you are cancelling"),
    "cancelled_foreign": _foreign("you cancelled"),
    "position_set": _position_set,
    "policy_in_force": _policy_in_force,
    "policy_text": _said("more of the text of the policy in the row before"),
    "policy_approved": _policy("policy APPROVED:", Tone.GOOD),
    "policy_tightened": _policy("policy became tighter:"),
    "policy_adopted": _policy("policy in force:"),
    "armed": _armed,
    "mandate_ended": _mandate_ended,
    "agreed": _agreed,
    "proof_refused": _proof_refused,
    "proof_floor": _floor,
    "owner_change": _owner_change,
    "owner_change_cancelled": _change_cancelled,
    "key added": _key("key added:"),
    "key removed": _key("key removed:"),
    "key rotated": _key("key replaced:"),
    "waiting key removed": _key("waiting key removed:"),
    "key_permissions": _permissions,
    "key_permissions_unread": _permissions_unread,
    "vault created": _said("vault created"),
    "vault passphrase changed": _said("passphrase of the vault changed"),
    "vault removed": _said("vault removed"),
    "http token created": _said("token for HTTP created"),
    "http token removed": _said("token for HTTP removed"),
}
"""By kind of event, what puts it into words; `audit list --event` takes these kinds."""
