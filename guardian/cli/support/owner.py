"""The owner check: is a person at a terminal, and do they agree."""

from __future__ import annotations

import sys

import click

from guardian.cli.support.terminal import CannotHide, forget_typed_ahead, is_terminal, read_answer, read_hidden
from guardian.domain.secrets import Secret
from guardian.domain.text.escaping import clean
from guardian.errors import OwnerNotPresent


def require_owner(action: str) -> None:
    """The one door in front of every command that loosens something. `action` is what the command is about to do.

    Promises that standard input and standard error are real terminals: questions can be put and answers come from a
    keyboard, not from a pipe. It stops accidents, not a program that has a shell; the owner's PIN, once there is one,
    is requested here. Raises OwnerNotPresent; nothing was changed then.
    """
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise OwnerNotPresent(
            f"cannot {action}: no person is at a terminal",
            hint="run this command yourself in a terminal window, with neither its input nor its messages redirected",
        )


def ask_yes(question: str) -> bool:
    """Put `question` on the terminal; only `y` or `yes` is a yes, and the end of the input is a no.

    What was typed before the question was there is thrown away: it cannot be an answer to it. Raises OwnerNotPresent
    where there is no terminal.
    """
    require_owner("ask a question")
    forget_typed_ahead()
    _ask(f"{question} [y/N] ")
    return read_answer().strip().lower() in {"y", "yes"}


def ask_secret(prompt: str) -> Secret:
    """A secret typed or pasted at the terminal without being shown. Blanks around it are dropped; it may be empty.

    Raises OwnerNotPresent where there is no terminal or its echo cannot be turned off.
    """
    require_owner("ask for a secret")
    try:
        return Secret(read_hidden(lambda: _ask(f"{prompt}: ")).strip())
    except (CannotHide, EOFError):
        raise OwnerNotPresent(
            "cannot ask for a secret: the terminal gave no answer, or would have shown it",
            hint="run this command yourself in a terminal window",
        ) from None


def _ask(text: str) -> None:
    click.echo(clean(text), nl=False, err=True)
    sys.stderr.flush()
