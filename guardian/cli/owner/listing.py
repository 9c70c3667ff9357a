"""Prints the passkeys, and the changes of them that wait."""

from __future__ import annotations

from guardian.cli.support.opened_home import with_journal
from guardian.cli.support.render import Column, print_json, say, say_warning, table
from guardian.cli.support.times import local_time, utc_time
from guardian.gate.base.journal import Journal
from guardian.gate.owner.change_views import change_lines
from guardian.gate.owner.changes import waiting_changes
from guardian.proofs.passkeys import fingerprint


def print_passkeys(*, as_json: bool) -> None:
    """Print every registered passkey with the fingerprint of its public key."""

    def work(journal: Journal) -> None:
        with journal.transaction() as tx:
            passkeys, status, changes = tx.approvers.passkeys(), tx.approvers.status(), waiting_changes(tx)
            lines = change_lines(changes, tx.now_ms, local_time)
        if as_json:
            print_json(
                {
                    "passkeys": [
                        {"name": p.name, "fingerprint": fingerprint(p.public_key), "registered": utc_time(p.created_ms)}
                        for p in passkeys
                    ],
                    "pin": None if status.pin_since_ms is None else utc_time(status.pin_since_ms),
                    "floor": status.floor.value,
                    "waiting": list(lines),
                }
            )
            return
        if passkeys:
            table(
                [Column("name", whole=True), "fingerprint", "registered"],
                [(p.name, fingerprint(p.public_key), local_time(p.created_ms)) for p in passkeys],
            )
        else:
            say("no passkey is registered; `guardian passkey add NAME` registers one")
        say("a PIN is set" if status.pin_since_ms is not None else "no PIN is set")
        say(f"approvals in this home need at least: {status.floor.value}")
        for line in lines:
            say_warning(line)

    with_journal(work)
