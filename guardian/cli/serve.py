"""`guardian serve`: the MCP server for an AI assistant, over standard input and output or over HTTP on loopback."""

from __future__ import annotations

import asyncio
import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from guardian.cli.parser.choices import OneOf
from guardian.cli.support.render import say
from guardian.cli.support.streams import silence_if_reader_gone
from guardian.errors import CredentialsError
from guardian.system.core_dumps import forbid_core_dumps
from guardian.system.secret_variables import require_no_secrets
from guardian.system.variables import secrets_at_start

if TYPE_CHECKING:
    from fastmcp import FastMCP

    from guardian.credentials.http_token import TokenDigest
    from guardian.server.http.http_server import Transport
    from guardian.server.stdio.first_line import FirstLine

PORT: Final = 8737
"""Where clients find the server over HTTP unless another port is named: clients need one that stays."""


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
@click.option(
    "--transport",
    type=OneOf(["stdio", "http", "sse"]),
    default="stdio",
    show_default=True,
    help="How clients talk to it: `http` is streamable HTTP; `sse` is deprecated, for clients that know no other.",
)
@click.option("--host", metavar="HOST", help="Over HTTP: a loopback address, or `localhost` for both, the default.")
@click.option(
    "--port", type=click.IntRange(0, 65535), metavar="N", help=f"Over HTTP: the port, {PORT} by default; 0: a free one."
)
@click.option("--stateless", is_flag=True, help="Over `http`: no sessions for clients of the older protocol.")
def command(
    policy_path: Path | None,
    descriptor: int | None,
    transport: str,
    host: str | None,
    port: int | None,
    stateless: bool,
) -> None:
    """Run the MCP server for an AI assistant. An MCP client such as Claude Desktop starts it; you need not.

    It talks MCP on standard input and output; messages for people go to standard error. With `--transport http` it
    serves on this machine's loopback, for clients that send the token of `guardian keys token create`.
    """
    if transport == "stdio" and (host is not None or port is not None):
        raise click.UsageError("`--host` and `--port` go with `--transport http`")
    if stateless and transport != "http":
        raise click.UsageError("`--stateless` goes with `--transport http`")
    forbid_core_dumps()
    require_no_secrets(secrets_at_start())
    if descriptor is not None:
        # Before anything else is opened or started: no child has it, and no other file gets its number.
        _take_passphrase(descriptor)
    if transport == "stdio":
        _serve_stdio(policy_path)
    else:
        place = ("localhost" if host is None else host, PORT if port is None else port)
        _serve_http(policy_path, "sse" if transport == "sse" else "http", place, stateless=stateless)


def _serve_stdio(policy_path: Path | None) -> None:
    from guardian.server.stdio.first_line import begin_first_line

    # Before the input is read: on Windows a question about a pipe waits for whoever reads it.
    is_terminal = sys.stdin.isatty()
    server = _server(policy_path, first_line=begin_first_line())
    if is_terminal:
        say("guardian: waiting for an MCP client on standard input; end it with Ctrl-D or Ctrl-C")
    try:
        server.run(transport="stdio", show_banner=False)
    except Exception as error:
        # A client that goes away has done nothing wrong, and nobody is left to read about it.
        if not silence_if_reader_gone(error):
            raise


def _serve_http(policy_path: Path | None, transport: Transport, place: tuple[str, int], *, stateless: bool) -> None:
    from guardian.loopback.listening import listen, loopback_addresses

    addresses = loopback_addresses(place[0])
    token = _http_token(transport)
    sockets = listen(place[1], addresses)
    server = _server(policy_path, is_over_http=True)
    from guardian.server.http.http_server import HttpServer

    http = HttpServer(mcp=server, sockets=sockets, token=token, transport=transport, stateless=stateless)
    if transport == "sse":
        say("guardian: warning: the SSE transport is deprecated; use `--transport http` if the client knows it")
    say(f"guardian: MCP over HTTP at {http.url}, for clients that send the token; Ctrl-C ends it")
    asyncio.run(http.serve(lambda _server: None))


def _http_token(transport: str) -> TokenDigest:
    """What is kept of the home's token. Raises CredentialsError where it is missing, and KeyringUnavailable."""
    from guardian.cli.support.vault_prompt import unlock_vault
    from guardian.credentials.store import INTERACTIVE_TIMEOUT_S, open_credentials
    from guardian.home.folder import home_folder

    home = home_folder()
    unlock_vault(home)
    token = open_credentials(home=home, timeout_s=INTERACTIVE_TIMEOUT_S).http_token(home).get()
    if token is None:
        raise CredentialsError(
            f"`serve --transport {transport}` needs a token, and this home lacks it: every program on this machine "
            "could connect without",
            hint="`guardian keys token create`, at a terminal",
        )
    return token


def _take_passphrase(descriptor: int) -> None:
    from guardian.credentials.vault.passphrase import read_descriptor
    from guardian.credentials.vault.unlocked import PROCESS_VAULTS

    PROCESS_VAULTS.give(read_descriptor(descriptor))


def _server(policy_path: Path | None, *, is_over_http: bool = False, first_line: FirstLine | None = None) -> FastMCP:
    # FastMCP makes a million objects that stay; looking for garbage among them is a quarter of the time it takes.
    gc.disable()
    try:
        server = _built_server(policy_path, is_over_http, first_line)
        gc.freeze()
    finally:
        gc.enable()
    return server


def _built_server(policy_path: Path | None, is_over_http: bool, first_line: FirstLine | None) -> FastMCP:
    from guardian.server.process.deferred_models import models_built_on_use

    with models_built_on_use():
        from guardian.bootstrap import open_guardian
        from guardian.server.app import build_server
        from guardian.server.process.announcements import announced
        from guardian.server.process.background_start import BackgroundStart
        from guardian.server.process.list_changes import ToolListChanges
        from guardian.server.process.shutdown import Shutdown
        from guardian.server.process.stderr_log import log_to_stderr
    log_to_stderr()
    opened = open_guardian(policy_path)
    shutdown = Shutdown(watches_output=not is_over_http)
    changes = ToolListChanges(opened.gate.allowed_tools)
    background = BackgroundStart()
    return build_server(
        opened.gate,
        lifespan=lambda: shutdown.handling_signals(announced(opened, opened.running(background.wait), changes=changes)),
        shutdown=shutdown,
        changes=changes,
        background=background,
        first_line=first_line,
    )
