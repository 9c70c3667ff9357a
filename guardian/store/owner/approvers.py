"""The part of a transaction that keeps what proves that the owner agrees: passkeys, PIN, their changes that wait."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from guardian.domain.owner.proof import Passkey, Proof, stronger
from guardian.errors import StoreConflict
from guardian.store.owner.owner_records import ChangeKind, OwnerChange, OwnerStatus
from guardian.store.schema import sqlite_statements as sql
from guardian.store.schema.records import FLOOR, FLOOR_END, Record
from guardian.store.transaction.audit import AuditPart
from guardian.store.transaction.unit import ROW, Unit

_WAITING: Final = "waiting"


class ApproversPart:
    """Who the owner is, as far as guardian can tell."""

    def __init__(self, unit: Unit, audit: AuditPart) -> None:
        self._unit = unit
        self._audit = audit

    def status(self) -> OwnerStatus:
        """Returns the floor of proof and the state of the PIN.

        The floor is the stronger of what the table and the log say: neither alone can be edited to weaken it.
        """
        row = self._unit.first(sql.OWNER_STATUS)
        if row is None:  # the row is made with the file; without it nothing shows what is accepted
            return OwnerStatus(floor=Proof.PASSKEY, pin_since_ms=None, pin_tries=0)
        return OwnerStatus(
            floor=stronger(Proof(row["floor"]), self._logged_floor()),
            pin_since_ms=row["pin_since_ms"],
            pin_digest=row["pin_digest"],
            pin_tries=row["pin_tries"],
        )

    def raise_floor(self, proof: Proof) -> None:
        """Accepts nothing weaker than `proof` from now on."""
        floor = self.status().floor
        if stronger(floor, proof) is not floor:
            self._set_floor(proof)

    def _lower_floor(self) -> None:
        """Lowers the floor to the strongest proof that is still there."""
        status = self.status()
        left = Proof.TERMINAL
        if self.passkeys():
            left = Proof.PASSKEY
        elif status.pin_since_ms is not None:
            left = Proof.PIN
        if not left.meets(status.floor):
            self._set_floor(left)

    def _set_floor(self, proof: Proof) -> None:
        key = f"{FLOOR}{self._unit.head.seq + 1}"
        self._audit.append(Record.event(None, {"kind": "proof_floor", "floor": proof.value}, key=key))
        self._unit.write(sql.SET_FLOOR, {"floor": proof.value})

    def _logged_floor(self) -> Proof:
        """The floor by the newest row about it; the strongest where that row cannot be read."""
        body = self._unit.value(sql.NEWEST_BODY_OF_KEYS, {"low": FLOOR, "high": FLOOR_END})
        if body is None:
            return Proof.TERMINAL
        try:
            return Proof(json.loads(body)["data"]["floor"])
        except (ValueError, KeyError, TypeError):
            return Proof.PASSKEY

    # Passkeys

    def passkeys(self) -> tuple[Passkey, ...]:
        """Returns the passkeys that are registered, oldest first."""
        return tuple(_passkey(row) for row in self._unit.rows(sql.PASSKEYS_NOW))

    def add_passkey(self, passkey: Passkey) -> None:
        """Registers a passkey. Raises StoreConflict: it was registered before, or another has its name."""
        if self._unit.value(sql.PASSKEY_BY_ID, {"credential": passkey.credential_id}) is not None:
            raise self._unit.refused(StoreConflict("this passkey was registered before"))
        if any(one.name == passkey.name for one in self.passkeys()):
            raise self._unit.refused(StoreConflict("another passkey has this name"))
        values = {name: getattr(passkey, name) for name in Passkey.__dataclass_fields__}
        self._unit.write(sql.INSERT_PASSKEY, values)

    def remove_passkey(self, credential_id: str) -> None:
        """Removes a passkey; the last one lowers the floor. Raises StoreConflict: it is not registered."""
        if self._unit.write(sql.REMOVE_PASSKEY, {"credential": credential_id, "now": self._unit.now_ms}) != 1:
            raise self._unit.refused(StoreConflict("there is no such passkey"))
        self._lower_floor()

    def count_assertion(self, credential_id: str, counter: int) -> None:
        """Keeps the sign counter of an assertion that verified.

        Raises StoreConflict: the passkey was removed, or another process took an assertion with this counter.
        """
        if self._unit.write(sql.COUNT_ASSERTION, {"credential": credential_id, "counter": counter}) != 1:
            raise self._unit.refused(StoreConflict("the passkey was removed, or this assertion was used already"))

    # The PIN, whose hash is in the keyring

    def note_pin(self, *, is_set: bool, digest: str | None = None) -> None:
        """Records that the PIN was set or removed; its tries begin at zero, and without one the floor is lowered.

        `digest` is that of its hash: no other hash proves anything.
        """
        since_ms = self._unit.now_ms if is_set else None
        self._unit.write(sql.SET_PIN, {"pin_since_ms": since_ms, "pin_digest": digest})
        if not is_set:
            self._lower_floor()

    def count_try(self) -> int:
        """Counts one answer to the question for the PIN, before it is looked at; returns how many it is now."""
        self._unit.write(sql.COUNT_PIN_TRY)
        return self.status().pin_tries

    def reset_tries(self) -> None:
        """Forgets the wrong answers before a right one."""
        self._unit.write(sql.RESET_PIN_TRIES)

    # Changes that wait

    def changes(self) -> tuple[OwnerChange, ...]:
        """Returns the changes that wait, oldest first, those that could take effect now among them."""
        return tuple(
            OwnerChange(
                id=row["id"],
                kind=ChangeKind(row["kind"]),
                detail=json.loads(row["detail"]),
                requested_ms=row["requested_ms"],
                effective_ms=row["effective_ms"],
            )
            for row in self._unit.rows(sql.WAITING_OWNER_CHANGES)
        )

    def request_change(self, kind: ChangeKind, detail: Mapping[str, object], *, effective_ms: int) -> None:
        """Stores a change that takes effect no sooner than `effective_ms`."""
        values = {
            "kind": kind.value,
            "detail": json.dumps(dict(detail), sort_keys=True),
            "requested_ms": self._unit.now_ms,
            "effective_ms": effective_ms,
            "state": _WAITING,
        }
        self._unit.write(sql.INSERT_OWNER_CHANGE, values)

    def end_change(self, change_id: int, state: str) -> None:
        """Ends a change that waits, as `done` or `cancelled`. Raises StoreConflict: it does not wait."""
        if self._unit.write(sql.END_OWNER_CHANGE, {"change_id": change_id, "state": state}) != 1:
            raise self._unit.refused(StoreConflict("this change does not wait any more"))


def _passkey(row: ROW) -> Passkey:
    return Passkey(**{name: row[name] for name in Passkey.__dataclass_fields__})
