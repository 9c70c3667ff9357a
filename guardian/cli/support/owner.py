"""The owner check: is a person at a terminal, do they agree, and what proves it."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from guardian.cli.support.render import say
from guardian.cli.support.terminal import (
    CannotHide,
    forget_typed_ahead,
    is_terminal,
    read_answer,
    read_answer_unless,
    read_hidden,
)
from guardian.cli.support.vault_prompt import unlock_vault
from guardian.domain.owner.proof import Proof, ProofGiven
from guardian.domain.owner.statement import Statement, StatementKind
from guardian.domain.secrets import Secret
from guardian.domain.text.escaping import clean
from guardian.errors import OwnerNotPresent, PolicyInvalid, StoreError

if TYPE_CHECKING:
    from guardian.gate.base.journal import Journal
    from guardian.gate.owner.agreement import Agreement, PinHashes

READING_S: Final = 1.0
"""An answer that comes sooner after its question was not given by someone who read it."""
_NOTED_HERE: Final = frozenset({StatementKind.RESUME, StatementKind.LEDGER, StatementKind.KEYS})
"""Statements whose act writes no proof of its own: the log has a row of the yes before the act."""
_YES: Final = frozenset({"y", "yes"})


def require_owner(action: str) -> None:
    """The one door in front of every command that loosens something. `action` is what the command is about to do.

    Promises that standard input and standard error are real terminals: questions can be put and answers come from a
    keyboard, not from a pipe. It stops accidents, not a program that has a shell: `agree` takes the proof that does.
    Raises OwnerNotPresent; nothing was changed then.
    """
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise OwnerNotPresent(
            f"cannot {action}: no person is at a terminal",
            hint="run this command yourself in a terminal window, with neither its input nor its messages redirected",
        )


def agree(
    statement: Statement,
    question: str,
    *,
    policy_path: Path | None = None,
    is_over: Callable[[], bool] | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    usb_key: bool = False,
    log_in: Path | None = None,
) -> ProofGiven | None:
    """Take the owner's yes to a statement, by the proof that the home demands; None where they say no.

    A terminal's is the answer to `question`; a PIN is typed, and nothing is a no; a passkey signs the statement. Run
    outside of an event loop, where Ctrl-C would wait for the answer. With `is_over`, which is asked a few times a
    second, None also once that is so, and an answer has to leave time for reading: see `ask_considered`.
    With `usb_key` a USB security key signs, whatever is demanded: nothing is stronger. `log_in` is the folder whose log
    says what is demanded, and gets the row, in place of the home's.

    Raises:
        OwnerNotPresent: there is no terminal.
        ProofRefused: what was given proves nothing, or what is demanded is not set up.
        StoreError: the log took no row; nothing was changed.
    """
    require_owner("ask for your yes")
    from guardian.gate.owner.agreement import Agreement
    from guardian.home.log import open_journal
    from guardian.store.schema.records import Record

    journal = open_journal(log_in)
    try:
        agreement = Agreement(journal, random_bytes=secrets.token_bytes, pins=_pin_hashes)
        demanded = agreement.demanded(_proof_of_policy(policy_path, journal))
        if usb_key:
            return _by_usb_key(agreement, statement, question, is_over or (lambda: False))
        given = agree_with(agreement, demanded, statement, question, is_over=is_over, monotonic=monotonic)
        if given is not None and given.kind is not Proof.TERMINAL and statement.kind in _NOTED_HERE:
            body = {"kind": "agreed", "statement": statement.as_dict(), "proof": given.as_record()}
            journal.append(Record.event(None, body))
        return given
    finally:
        journal.close()


def agree_with(
    agreement: Agreement,
    demanded: Proof,
    statement: Statement,
    question: str,
    *,
    is_over: Callable[[], bool] | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> ProofGiven | None:
    """As `agree`, with the proof that the caller found to be demanded."""
    if demanded is Proof.TERMINAL:
        agreed = ask_yes(question) if is_over is None else ask_considered(question, is_over, monotonic)
        return ProofGiven(kind=Proof.TERMINAL) if agreed else None
    if demanded is Proof.PIN:
        from guardian.home.folder import home_folder

        unlock_vault(home_folder())  # before the question: its passphrase is another one
        pin = ask_secret(f"{question} type your PIN, or nothing for no", is_over)
        return agreement.by_pin(statement, pin) if pin else None
    return _by_passkey(agreement, statement, question, is_over)


def _by_passkey(
    agreement: Agreement, statement: Statement, question: str, is_over: Callable[[], bool] | None
) -> ProofGiven | None:
    from guardian.cli.support.render import say
    from guardian.console.one_question import answer_on_page, yes_question

    return answer_on_page(yes_question(agreement, statement, question), say, is_over)


def _by_usb_key(
    agreement: Agreement, statement: Statement, question: str, is_over: Callable[[], bool]
) -> ProofGiven | None:
    from guardian.cli.support.security_key import agree_by_usb_key

    def ask_pin(is_given_up: Callable[[], bool]) -> Secret:
        return ask_secret("the PIN of your security key, or nothing for no", is_given_up)

    return agree_by_usb_key(agreement, statement, question, ask_pin=ask_pin, is_over=is_over)


def _pin_hashes() -> PinHashes:
    from guardian.credentials.owner_items import open_owner_items
    from guardian.home.folder import home_folder

    home = home_folder()
    unlock_vault(home)
    return open_owner_items(home)


def _proof_of_policy(policy_path: Path | None, journal: Journal) -> Proof:
    """What the policy demands; of a policy that cannot be used, the last good one's. The floor holds besides."""
    from guardian.home.folder import home_folder
    from guardian.home.opened import policy_file_of

    try:
        return policy_file_of(home_folder(), policy_path, journal).current().policy.confirmation.proof
    except PolicyInvalid:
        return Proof.TERMINAL


def ask_yes(question: str) -> bool:
    """Put `question` on the terminal; only `y` or `yes` is a yes, and the end of the input is a no.

    What was typed before the question was there is thrown away: it cannot be an answer to it. Raises OwnerNotPresent
    where there is no terminal.
    """
    require_owner("ask a question")
    forget_typed_ahead()
    put(f"{question} [y/N] ")
    return read_answer().strip().lower() in _YES


def ask_considered(question: str, is_over: Callable[[], bool], monotonic: Callable[[], float]) -> bool | None:
    """As `ask_yes`, for what has to be read first; None once `is_over`, which is asked a few times a second.

    An answer within READING_S of the question is not taken: it is said, and the question is put again. `monotonic` is
    seconds on a clock that is never set. Raises OwnerNotPresent where there is no terminal.
    """
    require_owner("ask a question")
    while True:
        forget_typed_ahead()
        put(f"{question} [y/N] ")
        asked = monotonic()
        answer = read_answer_unless(is_over)
        if not answer:  # at its end the input answers nothing any more
            say("")
            return None if answer is None else False
        if monotonic() - asked >= READING_S:
            return answer.strip().lower() in _YES
        say("an answer within a second of the question is not taken, for nobody reads that fast")


def wait_without_answer(words: str, *, is_over: Callable[[], bool]) -> bool:
    """Show `words` as long as an answer cannot be taken yet, until `is_over`; they are taken off the screen then.

    What is typed meanwhile is not taken, and that is said. False where the input ended. Raises OwnerNotPresent.
    """
    require_owner("ask a question")
    while True:
        put(words)
        answer = read_answer_unless(is_over)
        if answer is None:
            click.echo(f"\r{' ' * len(words)}\r", nl=False, err=True)
            return True
        if not answer:
            say("")
            return False
        say("nothing is taken as an answer before the market is on the screen")


def ask_secret(prompt: str, is_over: Callable[[], bool] | None = None) -> Secret:
    """A secret typed or pasted at the terminal without being shown. Blanks around it are dropped; it may be empty.

    With `is_over`, which is asked a few times a second where the system lets it, it is empty also once that is so.

    Raises OwnerNotPresent where there is no terminal or its echo cannot be turned off.
    """
    require_owner("ask for a secret")
    try:
        return Secret(read_hidden(lambda: put(f"{prompt}: "), is_over or (lambda: False)).strip())
    except (CannotHide, EOFError):
        raise OwnerNotPresent(
            "cannot ask for a secret: the terminal gave no answer, or would have shown it",
            hint="run this command yourself in a terminal window",
        ) from None


def put(text: str) -> None:
    """Put words on the terminal after which something is typed, without a line end."""
    click.echo(clean(text), nl=False, err=True)
    sys.stderr.flush()


def agree_unless_terminal(statement: Statement, question: str) -> ProofGiven | None:
    """As `agree`, but asks nothing where a terminal is all that is demanded, for acts that ask questions of their own.

    Where the log cannot be read, a terminal is enough only if no home's passkey or PIN guards the keys.
    """
    require_owner("ask for your yes")
    from guardian.credentials.owner_items import open_owner_items
    from guardian.gate.owner.agreement import Agreement
    from guardian.home.folder import home_folder
    from guardian.home.log import open_journal

    try:
        journal = open_journal()
        try:
            agreement = Agreement(journal, random_bytes=secrets.token_bytes)
            demanded = agreement.demanded(_proof_of_policy(None, journal))
        finally:
            journal.close()
    except (StoreError, PolicyInvalid):  # a log that is broken, or a home that is no folder
        if open_owner_items(home_folder()).guard() is not None:
            raise
        demanded = Proof.TERMINAL
    return ProofGiven(kind=Proof.TERMINAL) if demanded is Proof.TERMINAL else agree(statement, question)
