"""The `guardian` command: which commands there are, how errors are printed, what the exit codes mean.

0 fine, 1 the answer is no, 2 wrong usage, 3 could not tell (a store, a keyring or an exchange that did not answer, or a
bug); 130 stopped by Ctrl-C, 141 the reader of the output went away.

A command is a click command or group called `command`, in a module of its own that is imported when the command is
used. That module has the options, the help and the questions, and imports nothing heavy at its top, so that `--help`
and a refusal answer at once. What does the work is imported inside the command's function; it has ordinary imports.
Heavy are the gate, the exchange (python-binance), the server (FastMCP), the keyring and, where a table is drawn,
rich. To say no a command calls `ctx.exit(1)`; errors it lets through, as exceptions from `guardian.errors`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Final

import click

from guardian import __version__
from guardian.cli.parser.groups import CommandGroup, narrow_width
from guardian.cli.support.exit_codes import COULD_NOT_TELL, FINE, NO, READER_GONE, STOPPED, USAGE
from guardian.cli.support.render import print_line, say, say_error, say_hint
from guardian.cli.support.streams import (
    forget_lost_output,
    lost_output,
    open_missing_streams,
    says_reader_gone,
    silence_if_disk_full,
    silence_if_reader_gone,
)
from guardian.errors import (
    CredentialsError,
    ExchangeError,
    ExchangeRejected,
    GuardianError,
    PolicyInvalid,
    StoreError,
)

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "tour": ("guardian.cli.tour.command:command", "see everything once, with no keys and no network"),
    "init": ("guardian.cli.init.command:command", "make guardian's home and a policy to start from"),
    "install": (
        "guardian.cli.install.install:command",
        "put guardian into Claude Desktop, Cursor and others",
    ),
    "uninstall": ("guardian.cli.install.uninstall:command", "take it out again"),
    "bundle": ("guardian.cli.install.bundle:command", "make one file of guardian that a client installs"),
    "serve": ("guardian.cli.serve:command", "run the MCP server for an AI assistant"),
    "status": ("guardian.cli.status:command", "what is going on: environment, trading state, budgets"),
    "doctor": ("guardian.cli.doctor.command:command", "find out why something does not work"),
    "approve": ("guardian.cli.orders.approve:command", "look at the orders that wait for you, and approve one"),
    "reject": ("guardian.cli.orders.reject:command", "say no to an order that waits for you"),
    "console": ("guardian.cli.console:command", "a page on this machine: approve, look and halt"),
    "halt": ("guardian.cli.trading.halt:command", "stop trading now; cancelling and reading go on"),
    "resume": ("guardian.cli.trading.resume:command", "let trading go on after a halt"),
    "position": ("guardian.cli.position:command", "what guardian bought and what can be sold back; set it right"),
    "settle": ("guardian.cli.orders.settle:command", "end the wait for an order whose fate is unknown"),
    "audit": ("guardian.cli.audit.command:command", "read and verify the log of every call"),
    "policy": ("guardian.cli.policy.command:command", "check, show and approve the policy, the limits you set"),
    "arm": ("guardian.cli.owner.arm:command", "allow orders within a budget and a time"),
    "disarm": ("guardian.cli.owner.disarm:command", "end what `guardian arm` allowed, now"),
    "passkey": ("guardian.cli.owner.passkey:command", "keep the passkeys that prove that you agree"),
    "pin": ("guardian.cli.owner.pin:command", "set the PIN for where there is no passkey"),
    "keys": ("guardian.cli.keys.command:command", "keep Binance API keys in the system's keyring"),
    "paper": ("guardian.cli.paper:command", "run the paper exchange alone"),
    "completion": ("guardian.cli.completion:command", "have bash, zsh or fish complete these commands"),
    "help": ("guardian.cli.help:command", "print the help of a command"),
    "version": ("guardian.cli.version:command", "print the version"),
}
"""Every command: where it is, and its line in the help, which is printed without importing it."""


@dataclass(slots=True)
class Run:
    """What one run of the command line remembers beside its command."""

    debug: bool = False


class LazyGroup(CommandGroup):
    """A group that knows its commands by name and imports one only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{attribute} is not a click command")
        return command

    def summaries(self, ctx: click.Context) -> Iterator[tuple[str, str]]:  # noqa: ARG002 - the group's signature
        yield from ((name, short) for name, (_, short) in COMMANDS.items())


def _remember_debug(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    ctx.ensure_object(Run).debug = value


@click.command(cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", message="guardian %(version)s")
@click.option(
    "--debug", is_flag=True, expose_value=False, callback=_remember_debug, help="Show where in the code a bug is."
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Let an AI assistant look at and trade on Binance, within the limits you set.

    Start with `guardian tour`. Everything is kept in one folder: GUARDIAN_HOME, else the system's place for user data.
    """
    if ctx.invoked_subcommand is None:
        for line in ctx.get_help().splitlines():
            print_line(line)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (`sys.argv` unless given) and return its exit code. Prints every error itself."""
    open_missing_streams()
    forget_lost_output()
    try:
        code = _main(arguments)
        lost = lost_output()
        if lost is None:
            return code
        return READER_GONE if says_reader_gone(lost) else COULD_NOT_TELL
    except OSError as error:
        # The words for a person could not be written either.
        if silence_if_reader_gone(error):
            return READER_GONE
        if not silence_if_disk_full(error):
            raise
        return COULD_NOT_TELL


def _main(arguments: Sequence[str] | None) -> int:
    for stream in (sys.stdout, sys.stderr):
        # A character that the terminal's encoding lacks is shown escaped instead of ending the command.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    run = Run()
    try:
        return _run(arguments, run)
    except GuardianError as error:
        return _print_error(error, run)
    except Exception as error:  # noqa: BLE001 - the outermost guard: a bug is printed in one line, not a page
        if silence_if_reader_gone(error):
            return READER_GONE
        if silence_if_disk_full(error):
            say_error("the output could not be written; is the disk full?")
            return COULD_NOT_TELL
        return _print_bug(error, run)


def _run(arguments: Sequence[str] | None, run: Run) -> int:
    try:
        given = list(sys.argv[1:] if arguments is None else arguments)
        with cli.make_context("guardian", given, obj=run, terminal_width=narrow_width()) as ctx:
            cli.invoke(ctx)
        sys.stdout.flush()
    except click.exceptions.Exit as left:
        return left.exit_code
    except click.UsageError as error:
        _print_usage_error(error)
        return USAGE
    except click.ClickException as error:
        say_error(_restyled(error.format_message()))
        return NO
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else (FINE if left.code is None else NO)
    except (KeyboardInterrupt, click.Abort):
        say("")
        say("guardian: stopped")
        return STOPPED
    return FINE


def _print_usage_error(error: click.UsageError) -> None:
    if error.ctx is not None:
        for line in error.ctx.get_usage().replace("Usage:", "usage:", 1).splitlines():
            say(line)
    say_error(_restyled(error.format_message()))
    if error.ctx is not None:
        say_hint(f"`{error.ctx.command_path} --help`")


def _restyled(message: str) -> str:
    """click's sentence in guardian's manner: on one line, lower case, no full stop."""
    words = " ".join(message.split())
    return words[:1].lower() + words[1:].removesuffix(".")


def _print_error(error: GuardianError, run: Run) -> int:
    if run.debug:
        _print_traceback(error)
    if isinstance(error, PolicyInvalid):
        say_error(f"the policy has {len(error.mistakes)} mistake{'s' if len(error.mistakes) != 1 else ''}")
        for mistake in error.mistakes:
            say(f"  {mistake}")
    elif isinstance(error, ExchangeRejected):
        say_error(f"{error.message}; the exchange's own words: {error.text!r}")
    else:
        say_error(error.message)
    if error.hint:
        say_hint(error.hint)
    return COULD_NOT_TELL if isinstance(error, StoreError | CredentialsError | ExchangeError) else NO


def _print_bug(error: Exception, run: Run) -> int:
    import traceback

    damaged = _damaged_cell()
    if damaged is not None:
        return _print_error(damaged, run)

    # The text of a foreign exception may hold anything, a signed address for one; the kind and the place do not.
    package = Path(__file__).parents[1]
    ours = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(package)]
    place = f" at `{Path(ours[-1].filename).relative_to(package.parent).as_posix()}:{ours[-1].lineno}`" if ours else ""
    if run.debug:
        _print_traceback(error)
    say_error(f"a bug in guardian: `{type(error).__name__}`{place}")
    if not run.debug:
        say_hint("`guardian --debug ...` with the same command shows the way to it")
    return COULD_NOT_TELL


def _damaged_cell() -> GuardianError | None:
    """Returns what is wrong with the home's log, where that can have been the cause of an exception."""
    try:
        from guardian.home.folder import home_folder
        from guardian.store.log.read_only import find_damaged_cell

        return find_damaged_cell(home_folder())
    except Exception:  # noqa: BLE001 - the exception that this is about is printed then
        return None


def _print_traceback(error: BaseException) -> None:
    import traceback

    # Never with the local variables: they may hold keys.
    trace = traceback.TracebackException.from_exception(error, capture_locals=False)
    for line in "".join(trace.format()).splitlines():
        say(f"| {line}")  # the text of a foreign exception forges no line of guardian's
