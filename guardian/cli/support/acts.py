"""What a person did on the command line, written in the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from guardian.cli.support.render import say
from guardian.errors import StoreError
from guardian.home.folder import home_folder
from guardian.store.database import Store, Transaction
from guardian.store.schema.records import Record
from guardian.system.clock import SYSTEM_CLOCK


def note_act(tx: Transaction, kind: str, fields: Mapping[str, str | None]) -> None:
    """Append the `event` row of something that a person did on the command line."""
    record = Record.event(None, {"kind": kind, **fields}, symbol=fields.get("symbol"))
    # An act may name an environment and no account, as that of a key does, which is no scope.
    tx.audit.append(replace(record, environment=fields.get("environment"), account=fields.get("account")))


def note_in_log(kind: str, fields: Mapping[str, str | None]) -> None:
    """Write down what a person did to something besides the store, once it is done; say it where that fails."""
    try:
        store = Store.open(home_folder(), SYSTEM_CLOCK)
        try:
            with store.transaction() as tx:
                note_act(tx, kind, fields)
        finally:
            store.close()
    except StoreError as error:
        say(f"guardian: warning: this is not in the log: {error.message}")
