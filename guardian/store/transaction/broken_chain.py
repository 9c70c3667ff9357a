"""The part of a transaction that records a broken chain: trading halts, and the log says why.

Every damage is recorded once, by its identity. So the owner can resume knowing of it, and it does not halt trading
again; what is damaged later, or elsewhere, does. `guardian audit verify` continues to find all of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from guardian.domain.trading import TradingState
from guardian.store.log_findings import BROKEN_CHAIN, CHAIN_IS_BROKEN, REPORTED_BY, Finding, FindingKind
from guardian.store.schema import sqlite_statements as sql
from guardian.store.schema.records import Record
from guardian.store.transaction.audit import AuditPart
from guardian.store.transaction.trading_state import TradingPart
from guardian.store.transaction.unit import Unit

SHOWN: Final = 16
"""Maximum number of findings that a row has in words; of the others it has the identities."""


class BrokenChainPart:
    """Halts trading for what is wrong with the log itself."""

    def __init__(self, unit: Unit, audit: AuditPart, trading: TradingPart) -> None:
        self._unit = unit
        self._audit = audit
        self._trading = trading

    def record(self, findings: Iterable[Finding]) -> bool:
        """Halts trading and appends a row for new findings; returns False where all were recorded. Raises StoreError.

        Where trading is halted already, the break is added to the reason, so that nobody resumes without knowing of it.
        A schema that is not guardian's halts each time that the file is opened: its interlocks may be gone.
        """
        known = self._recorded_identities()
        before = self._trading.status()
        is_halted = before.state is TradingState.HALTED
        new = {
            finding.identity: finding
            for finding in findings
            if not finding.is_reported
            and (finding.identity not in known or (finding.kind is FindingKind.SCHEMA and not is_halted))
        }
        if not new:
            return False
        reason = reason_of(list(new.values()))
        if not is_halted or CHAIN_IS_BROKEN not in (before.reason or ""):
            self._trading.halt(reason, by="guardian")
        self._audit.append(
            Record.event(
                None,
                key=f"{REPORTED_BY}{self._unit.head.seq + 1}",
                body={
                    "kind": BROKEN_CHAIN if is_halted else "halted",
                    "by": "guardian",
                    "cause": BROKEN_CHAIN,
                    "reason": reason,
                    "findings": [finding.message for finding in new.values()][:SHOWN],
                    "marks": list(new),
                },
            )
        )
        return True

    def _recorded_identities(self) -> frozenset[str]:
        """Returns the identities of all recorded findings; a row that cannot be read counts as empty."""
        low, high = REPORTED_BY, REPORTED_BY[:-1] + chr(ord(REPORTED_BY[-1]) + 1)
        marks: set[str] = set()
        for row in self._unit.rows(sql.BODIES_OF_KEYS, {"low": low, "high": high}):
            try:
                stored = json.loads(row["body"])["data"]["marks"]
            except (ValueError, TypeError, KeyError, RecursionError):
                continue
            if isinstance(stored, list):
                marks.update(mark for mark in stored if isinstance(mark, str))
        return frozenset(marks)


def reason_of(findings: list[Finding]) -> str:
    """Returns why trading halts: the first finding, how many more there are, and what to do. There is at least one."""
    more = f", and {len(findings) - 1} more" if len(findings) > 1 else ""
    lost = any(finding.lost is not None for finding in findings)
    forgotten = "; orders and spent budgets may be missing" if lost else ""
    return f"{CHAIN_IS_BROKEN}: {findings[0].message}{more}{forgotten}; `guardian audit verify` shows more"
