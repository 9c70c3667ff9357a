"""A home whose log is sealed with a secret in a keyring in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from guardian.credentials.log.home_items import HomeItems
from guardian.credentials.turns import KeyringQueue, Turn
from guardian.gate.base.journal import Journal
from guardian.gate.seal.keeping import SealKeeper
from guardian.gate.seal.log_evidence import gather_evidence
from guardian.gate.seal.sealing import Sealed, seal_log
from guardian.store.log.verify import verify
from guardian.store.log_findings import FindingKind, Report
from guardian.store.schema.records import Phase, Record
from guardian.store.seal.evidence import SealEvidence
from tests.support.clock import ClockOf
from tests.support.keyring import MemoryKeyring

START_MS = 1_800_000_000_000


class SealedHome:
    """A home, its journal, and its keyring, in which a program that may write the folder cannot read or write."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.now_ms = START_MS
        self.keyring = MemoryKeyring()
        self.calls = 0

    def items(self, _home: Path | None = None) -> HomeItems:
        return HomeItems(self.keyring, KeyringQueue(3.0, Turn()), self.home)

    @contextmanager
    def journal(self, *, has_key: bool = True, signs_at_end: bool = False) -> Iterator[Journal]:
        """The journal of a process; without `has_key` of one that never looks at the keyring.

        Commands but `guardian halt` have one that `signs_at_end`.
        """
        journal = Journal(self.home, ClockOf(lambda: self.now_ms))
        if has_key:
            journal.use_seal(SealKeeper(journal, items=self.items, signs_at_end=signs_at_end))
        try:
            yield journal
        finally:
            journal.close()

    def seal(self) -> Sealed:
        with self.journal() as journal:
            return seal_log(journal, self.items(), lambda count: b"r" * count)

    def append(self, journal: Journal, count: int = 1) -> None:
        for _ in range(count):
            self.calls += 1
            with journal.transaction() as tx:
                tx.audit.append(self.record(f"c{self.calls}"))

    @staticmethod
    def record(call_id: str) -> Record:
        return Record(phase=Phase.CALL, call_id=call_id, tool="get_ticker")

    def evidence(self) -> SealEvidence:
        return gather_evidence(self.home, items=self.items)

    def verified(self) -> Report:
        return verify(self.home, evidence=self.evidence())

    def kinds(self) -> set[FindingKind]:
        return {finding.kind for finding in self.verified().findings}
