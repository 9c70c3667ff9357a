"""Whether an image of a row can be what guardian made of the image before it. Pure.

What a transaction did not set is as it was, and what it set is a move that guardian makes: an order that has ended is
not open again, a proposal that was rejected is not approved, and what was executed never grows less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Final

from guardian.domain.order_states import CORRECTIONS, ORDER_MOVES, OrderState
from guardian.store.schema.sqlite_statements import LOGGED
from guardian.store.state.policy_texts import DIGEST, HIDDEN

_ENDED: Final[dict[str, Callable[[Mapping[str, object]], bool]]] = {
    "mandates": lambda before: "ended_ms" in before,
    "owner_changes": lambda before: before.get("state") != "waiting",
    "passkeys": lambda before: "removed_ms" in before,
    "proposals": lambda before: before.get("state") not in {"waiting", "approved"},
}
"""By table: whether a row has ended. Nothing changes one that has."""
_ENDS_IN: Final = {"mandates": "ended_ms", "owner_changes": "state", "passkeys": "removed_ms", "proposals": "state"}
_GROWING: Final = {
    "orders": ("executed_quantity", "executed_quote_quantity", "fee_quantity", "corrections", "adopted"),
    "passkeys": ("sign_count",),
}
"""By table: columns that never become less."""
_ONCE: Final = {"orders": ("order_id", "created_ms")}
"""By table: columns that are filled once."""


def is_plausible(name: str, before: Mapping[str, object], after: Mapping[str, object], sets: frozenset[str]) -> bool:
    """Whether `after` can be what guardian made of `before`, by setting these columns."""
    return not unset_columns(name, before, after, sets) and impossible_column(name, before, after) is None


def unset_columns(
    name: str, before: Mapping[str, object], after: Mapping[str, object], sets: frozenset[str]
) -> list[str]:
    """Returns the columns that changed though nothing set them, in the order of the table."""
    if before == after:
        return []
    allowed = sets & LOGGED[name].changing
    found = [
        column for column in LOGGED[name].columns if column not in allowed and before.get(column) != after.get(column)
    ]
    for digest in before.keys() | after.keys():
        column = digest.removesuffix(DIGEST)
        if column == digest or column in allowed or before.get(digest) == after.get(digest) or column in found:
            continue
        # The text of a database that was made from the log has no keys, and so no digest of a text with them.
        if digest in after or HIDDEN not in str(after.get(column)):
            found.append(digest)
    return found


def impossible_column(name: str, before: Mapping[str, object], after: Mapping[str, object]) -> str | None:
    """Returns the column in which guardian never comes from `before` to `after`; None if it can."""
    if name in _ENDED and _ENDED[name](before):
        return _ENDS_IN[name]
    for column in _ONCE.get(name, ()):
        if column in before and after.get(column) != before[column]:
            return column
    for column in _GROWING.get(name, ()):
        if before.get(column) != after.get(column) and not _grows(before.get(column), after.get(column)):
            return column
    if name == "orders" and not _is_move(before, after):
        return "state"
    if name == "owner" and not _counts(before.get("pin_tries"), after.get("pin_tries")):
        return "pin_tries"
    return None


def _grows(before: Any, after: Any) -> bool:  # noqa: ANN401 - any value that JSON has
    try:
        return Decimal(before) <= Decimal(after)
    except (InvalidOperation, TypeError, ValueError):
        return False


def _is_move(before: Mapping[str, object], after: Mapping[str, object]) -> bool:
    """Whether an order's state is one that it can have come to, over others within the same transaction."""
    old, new = before.get("state"), after.get("state")
    if old == new:
        return True
    try:
        is_corrected = before.get("corrections") != after.get("corrections")
        return OrderState(str(new)) in _reached(OrderState(str(old)), is_corrected=is_corrected)
    except ValueError:
        return False


@cache
def _reached(state: OrderState, *, is_corrected: bool) -> frozenset[OrderState]:
    found, left = set[OrderState](), {state}
    while left:
        one = left.pop()
        after = ORDER_MOVES[one] | (CORRECTIONS.get(one, frozenset()) if is_corrected else frozenset())
        left |= after - found
        found |= after
    return frozenset(found)


def _counts(before: object, after: object) -> bool:
    """Whether the wrong answers to the question for the PIN were counted on, or forgotten after a right one."""
    return after == 0 or (isinstance(before, int) and isinstance(after, int) and after >= before)
