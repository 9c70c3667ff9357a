"""`guardian completion`: has bash, zsh or fish complete guardian's commands."""

from __future__ import annotations

import click

from guardian.cli.parser.choices import OneOf
from guardian.cli.parser.scripts import SCRIPTS, answer_line
from guardian.cli.support.render import print_line


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("shell", type=OneOf(list(SCRIPTS)))
@click.option("--answer", is_flag=True, hidden=True, help="Complete the last of the words that follow.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="")
@click.pass_context
def command(ctx: click.Context, shell: str, answer: bool, words: tuple[str, ...]) -> None:
    """Print the script with which a shell completes guardian's commands and options.

    SHELL is bash, zsh or fish.

    \b
    bash: put this line into ~/.bashrc
        source <(guardian completion bash)
    zsh: put this line into ~/.zshrc, below the one with compinit
        source <(guardian completion zsh)
    fish: run this once
        guardian completion fish > ~/.config/fish/completions/guardian.fish
    """
    if not answer:
        if words:
            raise click.UsageError("give the name of the shell alone")
        for line in SCRIPTS[shell].splitlines():
            print_line(line)
        return
    from click.shell_completion import ShellComplete

    # One word is always there, the one that is being typed; it may be empty.
    *before, typed = words or ("",)
    completion = ShellComplete(ctx.find_root().command, {}, "guardian", "")
    for item in completion.get_completions(before, typed):
        print_line(answer_line(shell, item))
