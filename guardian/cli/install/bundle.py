"""`guardian bundle`: guardian as one file that a client installs."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="The file to write.  [default: guardian-VERSION.mcpb]",
)  # fmt: skip
@click.option("--replace", is_flag=True, help="Write over a file that is there.")
@click.pass_context
def command(ctx: click.Context, output: Path | None, replace: bool) -> None:
    """Make an MCP bundle (.mcpb) of this guardian, for Claude Desktop and other clients that install bundles.

    The client starts it with `uv`, which downloads at the first start what guardian needs, in the versions that are
    installed here. No key and no policy is in it; the client asks for guardian's home alone. It is not signed: the
    files that `mcpb sign` makes are refused by the client. On this machine `guardian install` needs no download.
    """
    from guardian.cli.install.bundle_work import write_bundle

    ctx.exit(write_bundle(output, replace=replace))
