"""What commands share: a home opened for one command, and a person's act written down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from guardian.cli.support.render import say
from guardian.cli.support.stop_requests import StopRequests, stop_requests
from guardian.errors import StoreError

if TYPE_CHECKING:
    from guardian.bootstrap import Guardian
    from guardian.gate.base.journal import Journal
    from guardian.store.database import Transaction

Result = TypeVar("Result")

policy_option = click.option(
    "--policy",
    "policy_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Use this policy file instead of `policy.toml` in guardian's home.",
)


def with_guardian(
    policy_path: Path | None, work: Callable[[Guardian], Awaitable[Result]], *, needs_policy: bool = True
) -> Result:
    """Open the home, do the work, close the home, whatever happens.

    Raises PolicyInvalid where a policy is needed and there is no usable one.
    """
    from guardian.bootstrap import open_guardian

    async def run() -> Result:
        opened = open_guardian(policy_path)
        try:
            if needs_policy:
                opened.policy_file.current()
            return await work(opened)
        finally:
            await opened.close()

    return asyncio.run(run())


def carry_out(
    policy_path: Path | None, act: Callable[[Guardian, StopRequests], Awaitable[None]], *, needs_policy: bool = True
) -> None:
    """Open the home, do what the owner has agreed to, close the home. `act` says its own result.

    Ctrl-C, or another request to stop, interrupts nothing from here on: an act that may be on disk is finished and its
    result is said. A request that comes before the act begins ends the command, as does one that `act` notices in time
    through `StopRequests.unless_asked`; "nothing was changed" is said then.

    Raises PolicyInvalid where a policy is needed and there is no usable one, and click.Abort where it was stopped.
    """

    async def unless_stopped(opened: Guardian) -> None:
        if stop.asked:
            raise stopped_unchanged()
        await act(opened, stop)

    with stop_requests() as stop:
        with_guardian(policy_path, unless_stopped, needs_policy=needs_policy)


def stopped_unchanged() -> click.Abort:
    """Say that nothing was changed; the exception that ends a command which was asked to stop."""
    say("nothing was changed")
    return click.Abort()


def with_journal(work: Callable[[Journal], Result]) -> Result:
    """Open the log of the home alone, do the work, close it: for what needs no policy, keys or exchange."""
    from guardian.home.log import open_journal

    journal = open_journal()
    try:
        return work(journal)
    finally:
        journal.close()


def note_act(tx: Transaction, kind: str, fields: Mapping[str, str | None]) -> None:
    """Append the `event` row of something that a person did on the command line."""
    from guardian.store.schema.records import Record

    record = Record.event(None, {"kind": kind, **fields}, symbol=fields.get("symbol"))
    # An act may name an environment and no account, as that of a key does, which is no scope.
    tx.audit.append(replace(record, environment=fields.get("environment"), account=fields.get("account")))


def note_in_log(kind: str, fields: Mapping[str, str | None]) -> None:
    """Write down what a person did to something besides the store, once it is done; say it where that fails."""
    from guardian.home.folder import home_folder
    from guardian.store.database import Store
    from guardian.system.clock import wall_clock_ms

    try:
        store = Store.open(home_folder(), now_ms=wall_clock_ms)
        try:
            with store.transaction() as tx:
                note_act(tx, kind, fields)
        finally:
            store.close()
    except StoreError as error:
        say(f"guardian: warning: this is not in the log: {error.message}")
