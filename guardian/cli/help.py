"""`guardian help`: the help of a command, as its `--help` prints it."""

from __future__ import annotations

import click

from guardian.cli.support.render import print_line


@click.command()
@click.argument("names", nargs=-1, metavar="[COMMAND [SUBCOMMAND]]")
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Print the help of guardian, or of one of its commands: `guardian help keys add`."""
    found = ctx.find_root()
    for name in names:
        group = found.command
        if not isinstance(group, click.Group):
            raise click.UsageError(f"`{found.command_path}` has no commands of its own", ctx=found)
        _, inner, _ = group.resolve_command(found, [name])
        if inner is None:
            raise click.UsageError(f"no such command `{name}`", ctx=found)
        found = click.Context(inner, parent=found, info_name=name)
    for line in found.get_help().splitlines():
        print_line(line)
