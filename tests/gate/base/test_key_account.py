"""The name of a home's log, by which another home's account is told apart."""

from __future__ import annotations

from typing import Any, NoReturn

from guardian.errors import StoreUnavailable
from guardian.gate.base.key_account import log_name
from tests.gate.support.fakes import Room


class UnreadableJournal:
    """A journal on a disk that has failed."""

    def transaction(self, **_options: object) -> NoReturn:
        raise StoreUnavailable("the disk")


def test_log_without_rows_has_an_empty_name(room: Room) -> None:
    """An empty log is no other's, and its name is known to be empty."""
    assert log_name(room.journal) == ""


def test_log_that_cannot_be_read_has_no_name() -> None:
    """What cannot be read is not taken for an empty log."""
    journal: Any = UnreadableJournal()
    assert log_name(journal) is None
