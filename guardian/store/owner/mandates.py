"""The part of a transaction that keeps session mandates: what a person allows without a question for each order."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from guardian.domain.money import ZERO, plain, plus
from guardian.store.disk_space import ACTS_NEED
from guardian.store.owner.owner_records import Mandate, NewMandate
from guardian.store.schema import sqlite_statements as sql
from guardian.store.schema.records import Scope
from guardian.store.transaction.unit import ROW, Unit, scope_values

REPLACED: Final = "a newer mandate replaced it"


class MandatesPart:
    """One mandate at a time in a scope."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def add(self, mandate: NewMandate, *, random_bytes: Callable[[int], bytes]) -> Mandate:
        """Stores a mandate, in place of one that its scope still has, and returns it.

        Raises StoreUnavailable: little of the disk is free.
        """
        self._unit.require_space(ACTS_NEED, "nothing is armed")
        self.end(REPLACED, scope=mandate.scope)
        made = Mandate(
            id=random_bytes(8).hex(), **{name: getattr(mandate, name) for name in NewMandate.__dataclass_fields__}
        )
        values = {
            **scope_values(made.scope),
            "id": made.id,
            "currency": made.currency,
            "budget": plain(made.budget),
            "max_order": None if made.max_order is None else plain(made.max_order),
            "symbols": json.dumps(sorted(made.symbols)),
            "policy_digest": made.policy_digest,
            "policy_text": made.policy_text,
            "approval_seq": made.approval_seq,
            "created_ms": made.created_ms,
            "expires_ms": made.expires_ms,
        }
        self._unit.write(sql.INSERT_MANDATE, values)
        return made

    def newest(self, scope: Scope) -> Mandate | None:
        """Returns the scope's newest mandate, whether it has ended or not."""
        return _one(self._unit.first(sql.NEWEST_MANDATE, scope_values(scope)))

    def get(self, mandate_id: str) -> Mandate | None:
        """Returns the mandate with this id."""
        return _one(self._unit.first(sql.MANDATE_BY_ID, {"mandate_id": mandate_id}))

    def active(self, scope: Scope) -> Mandate | None:
        """Returns the scope's mandate, if it has neither ended nor run out of time."""
        found = self.newest(scope)
        return None if found is None or found.ended_ms is not None or self._unit.now_ms >= found.expires_ms else found

    def open_ones(self) -> tuple[Mandate, ...]:
        """Returns the mandates of every scope that nothing has ended, those out of time among them."""
        return tuple(_mandate(row) for row in self._unit.rows(sql.OPEN_MANDATES))

    def used(self, mandate: Mandate) -> Decimal | None:
        """Returns what its orders count as, exits aside; None where some were counted in another currency."""
        total = ZERO
        for row in self._unit.rows(sql.COUNTED_UNDER_MANDATE, {"mandate_id": mandate.id}):
            if row["currency"] != mandate.currency:
                return None
            total = plus(total, Decimal(row["notional"]))
        return total

    def end(self, reason: str, *, scope: Scope | None = None) -> int:
        """Ends the mandate of a scope, or (None) of every scope; returns how many ended."""
        ended = {"ended_ms": self._unit.now_ms, "ended_reason": reason}
        if scope is None:
            return self._unit.write(sql.END_MANDATES, ended)
        return self._unit.write(sql.END_MANDATES_IN_SCOPE, {**scope_values(scope), **ended})

    def keep_under(self, mandate: Mandate, policy_digest: str, policy_text: str) -> None:
        """Continues a mandate under a policy that is nowhere looser than the one it was under before."""
        values = {"mandate_id": mandate.id, "policy_digest": policy_digest, "policy_text": policy_text}
        self._unit.write(sql.KEEP_MANDATE, values)


def _one(row: ROW | None) -> Mandate | None:
    return None if row is None else _mandate(row)


def _mandate(row: ROW) -> Mandate:
    values = dict(row)
    del values["ordinal"]
    scope = Scope(environment=values.pop("environment"), account=values.pop("account"))
    values["budget"] = Decimal(values["budget"])
    values["max_order"] = None if values["max_order"] is None else Decimal(values["max_order"])
    values["symbols"] = frozenset(json.loads(values["symbols"]))
    return Mandate(scope=scope, **values)
