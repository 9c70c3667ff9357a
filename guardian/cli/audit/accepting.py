"""`guardian audit accept-loss`: what is gone or changed in the log, shown to the owner and accepted."""

from __future__ import annotations

import secrets
from pathlib import Path

from guardian.cli.support.exit_codes import COULD_NOT_TELL, FINE, NO
from guardian.cli.support.owner import agree
from guardian.cli.support.render import Tone, say, say_error, say_hint
from guardian.cli.support.vault_prompt import unlock_vault
from guardian.credentials.log.home_items import HomeItems
from guardian.domain.owner.statement import Statement, StatementKind
from guardian.errors import CredentialsError
from guardian.gate.seal import accepted_loss
from guardian.gate.seal.log_evidence import gather_evidence, keyring_items, seal_of_log
from guardian.home.folder import checked_home
from guardian.home.log import open_journal
from guardian.store.log.verify import verify
from guardian.store.log_findings import Finding


def accept_loss(reason: str, policy_path: Path | None) -> int:
    """Show what is wrong with the rows of the log, take the owner's yes, and write it down; returns the exit code."""
    home = checked_home()
    unlock_vault(home)
    found = verify(home, evidence=gather_evidence(home)).findings
    journal = open_journal(home)
    try:
        with journal.transaction() as tx:
            lost = accepted_loss.unaccepted_losses(tx)
        # Opening the log may have written that it is broken: what it says now is what is accepted.
        found = verify(home, evidence=gather_evidence(home)).findings
        items = _items(home)
        acceptable = [one for one in found if one.kind in accepted_loss.ACCEPTABLE]
        has_no_key = is_without_key(home, items)
        if not acceptable and not lost and not has_no_key:
            say("there is nothing to accept: no row is missing or changed")
            return NO
        for finding in acceptable:
            say(f"{finding.kind.value}: {finding.message}", Tone.BAD)
        if has_no_key:
            say("the secret that the log was sealed with is not in this keyring: a new one is made")
        say("orders, approvals and spent budgets may be missing with what is gone; a newer copy of the log is better")
        proof = agree(_statement(acceptable, lost, reason), "accept this for good?", policy_path=policy_path)
        if proof is None:
            say("nothing was changed")
            return NO
        report = accepted_loss.accept_loss(journal, items, acceptable, reason, proof, secrets.token_bytes)
    except CredentialsError as error:
        say_error(f"nothing was accepted: {error.message}")
        say_hint(error.hint or "`guardian doctor` says what is wrong with the keyring")
        return COULD_NOT_TELL
    finally:
        journal.close()
    for finding in report.findings:
        say(f"not accepted by this: {finding.kind.value}: {finding.message}", Tone.BAD)
    say("accepted, and written in the log; `guardian resume` lets trading continue")
    return FINE if report.is_intact else NO


def _items(home: Path) -> HomeItems | None:
    """Returns the keyring of a home whose log is sealed, or can be; None without a keyring, where it is not sealed."""
    try:
        return keyring_items(home)
    except CredentialsError:
        if seal_of_log(home).rows.keys:
            raise
        return None


def is_without_key(home: Path, items: HomeItems | None) -> bool:
    """Whether the log is sealed and the keyring answers without its secret: a new machine, or a new keyring."""
    seal = seal_of_log(home)
    return items is not None and seal.name is not None and bool(seal.rows.keys) and items.root(seal.name) is None


def _statement(findings: list[Finding], lost: list[str], reason: str) -> Statement:
    identities = sorted({*(one.identity for one in findings), *lost})
    return Statement(
        kind=StatementKind.LEDGER,
        fields={"decision": "accept a loss of the log", "reason": reason, "findings": identities},
    )
