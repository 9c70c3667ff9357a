"""Groups of commands: what they say alone, of a mistyped command, and in one line about each of theirs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from guardian.cli.support.render import print_line
from guardian.domain.text.nearest import nearest

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_SENTENCE: Final = re.compile(r"(.+?)[.:](?:\s|$)", re.DOTALL)
_NARROW: Final = 52
"""Columns; click writes for no fewer than these."""
_NARROWEST: Final = 20


def narrow_width() -> int | None:
    """Returns the columns that a help may have on a narrow terminal; None where click's own count is right."""
    columns = shutil.get_terminal_size().columns
    return max(columns, _NARROWEST) if columns < _NARROW else None


def summary(command: click.Command) -> str:
    """Returns the first sentence of a command's help, whole, in lower case and without its full stop."""
    text = command.short_help or command.help or ""
    first = _SENTENCE.match(text)
    words = " ".join((first[1] if first else text).split())
    return words[:1].lower() + words[1:]


class CommandGroup(click.Group):
    """A group that prints its help where it is called alone, and names the command that a mistyped one is most like.

    A group with `invoke_without_command` does something of its own when it is called alone.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's; alone, the group prints its help on standard output and ends with exit code 0."""
        if not args and not self.invoke_without_command and not ctx.resilient_parsing:
            for line in ctx.get_help().splitlines():
                print_line(line)
            ctx.exit(0)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's. Raises UsageError for an unknown command, with the known one that it is most like."""
        name = args[0]
        if not ctx.resilient_parsing and not name.startswith("-") and self.get_command(ctx, name) is None:
            like = nearest(name.lower(), self.list_commands(ctx))
            said = f"; did you mean `{like}`?" if like else ""
            raise click.UsageError(f"no such command `{name}`{said}", ctx=ctx)
        return super().resolve_command(ctx, args)

    def summaries(self, ctx: click.Context) -> Iterator[tuple[str, str]]:
        """Each command that is shown, in order, with its summary."""
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                yield name, summary(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes each command with its whole summary; click's own are cut to one line."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries(ctx)))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands, and after a `-` the options, that what was typed may become."""
        from click.shell_completion import CompletionItem

        items = [CompletionItem(name, help=text) for name, text in self.summaries(ctx) if name.startswith(incomplete)]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]
