"""`guardian policy`: check, show and approve the limits that the owner set."""

from __future__ import annotations

from pathlib import Path

import click

from guardian.cli.parser.groups import CommandGroup
from guardian.cli.support.render import print_line

_FILE = click.argument("file", required=False, type=click.Path(path_type=Path))
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group(cls=CommandGroup)
def command() -> None:
    """Check, show and approve the policy, the limits you set.

    FILE is the policy to look at; left out, it is the one that would serve: `policy.toml` in guardian's home, else the
    policy that comes with guardian. None of these commands changes it.
    """


@command.command("check")
@_FILE
@_JSON
@click.pass_context
def check(ctx: click.Context, file: Path | None, as_json: bool) -> None:
    """Say whether a policy is valid, and every mistake with its line.

    The examples in the file are tried. What is valid and can never take effect is a warning. Exit code 0: valid. 1: it
    has mistakes. 3: the file cannot be read.
    """
    from guardian.cli.policy.report import print_check

    print_check(ctx, file, as_json=as_json)


@command.command("show")
@_FILE
@_JSON
@click.pass_context
def show(ctx: click.Context, file: Path | None, as_json: bool) -> None:
    """Show every key of a policy with the value that is in force, and whether the file or a default says so."""
    from guardian.cli.policy.report import print_settings

    print_settings(ctx, file, as_json=as_json)


@command.command("example")
def example() -> None:
    """Print a policy that has every key, each explained."""
    from guardian.home.folder import EXAMPLE_POLICY, ready_made_policy

    for line in ready_made_policy(EXAMPLE_POLICY).read_text("utf-8").splitlines():
        print_line(line)


@command.command("approve")
@_FILE
@click.pass_context
def approve(ctx: click.Context, file: Path | None) -> None:
    """Look at what is looser in a policy, and put it in force.

    On `live`, and wherever your PIN or passkey is demanded, an edit that loosens the policy waits for this. On `live`
    it takes effect after `live.loosening_delay`. An edit that tightens it holds at once. It needs a real terminal.
    Exit code 0: approved, or nothing waits. 1: not approved.
    """
    from guardian.cli.support.owner import require_owner

    require_owner("approve a policy")
    from guardian.cli.policy.approving import approve_file

    ctx.exit(approve_file(file))
