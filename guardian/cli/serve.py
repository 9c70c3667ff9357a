"""`guardian serve`: the MCP server for an AI assistant, over standard input and output."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from guardian.cli.support.render import say
from guardian.cli.support.streams import silence_if_reader_gone
from guardian.system.core_dumps import forbid_core_dumps
from guardian.system.secret_variables import require_no_secrets
from guardian.system.variables import secrets_at_start

if TYPE_CHECKING:
    from fastmcp import FastMCP

TRANSPORTS: Final = ("stdio",)


@click.command("serve")
@click.option(
    "--policy",
    "policy_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The policy. Default: policy.toml in guardian's home.",
)
@click.option(
    "--vault-passphrase-fd",
    "descriptor",
    type=click.IntRange(min=0),
    metavar="N",
    help="Read the passphrase of guardian's vault from this file descriptor, once.",
)
@click.option("--transport", default="stdio", show_default=True, metavar="stdio", help="How the client talks to it.")
def command(policy_path: Path | None, descriptor: int | None, transport: str) -> None:
    """Run the MCP server for an AI assistant. An MCP client such as Claude Desktop starts it; you need not.

    It talks MCP on standard input and output; messages for people go to standard error.
    """
    if transport not in TRANSPORTS:
        raise click.UsageError(f"the transport `{transport}` is not there yet; this version has `stdio` only")
    forbid_core_dumps()
    require_no_secrets(secrets_at_start())
    if descriptor is not None:
        # Before anything else is opened or started: no child has it, and no other file gets its number.
        _take_passphrase(descriptor)
    server = _server(policy_path)
    if sys.stdin.isatty():
        say("guardian: waiting for an MCP client on standard input; end it with Ctrl-D or Ctrl-C")
    try:
        server.run(transport="stdio", show_banner=False)
    except Exception as error:
        # A client that goes away has done nothing wrong, and nobody is left to read about it.
        if not silence_if_reader_gone(error):
            raise


def _take_passphrase(descriptor: int) -> None:
    from guardian.credentials.vault.passphrase import read_descriptor
    from guardian.credentials.vault.unlocked import PROCESS_VAULTS

    PROCESS_VAULTS.give(read_descriptor(descriptor))


def _server(policy_path: Path | None) -> FastMCP:
    # FastMCP makes a million objects that stay; looking for garbage among them is a quarter of the time it takes.
    gc.disable()
    try:
        from guardian.bootstrap import open_guardian
        from guardian.server.app import build_server
        from guardian.server.process.announcements import announced
        from guardian.server.process.shutdown import Shutdown
        from guardian.server.process.stderr_log import log_to_stderr

        gc.freeze()
    finally:
        gc.enable()
    log_to_stderr()
    opened = open_guardian(policy_path)
    shutdown = Shutdown()
    return build_server(
        opened.gate, lifespan=lambda: shutdown.handling_signals(announced(opened, opened.running())), shutdown=shutdown
    )
