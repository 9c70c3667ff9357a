"""Opens a home for one command, and closes it.

What opens it is imported when a home is opened: the modules of the commands import this one, and `--help` opens none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click

from guardian.cli.support.render import say
from guardian.cli.support.vault_prompt import unlock_for_policy
from guardian.home.folder import home_folder
from guardian.store.schema.files import CHECKPOINT_NAME, DATABASE_NAME, EMERGENCY_NAME, POLICY_NAME

if TYPE_CHECKING:
    from guardian.bootstrap import Guardian
    from guardian.cli.support.stop_requests import StopRequests
    from guardian.gate.base.journal import Journal
    from guardian.home.opened import OpenedHome

Result = TypeVar("Result")
Opened = TypeVar("Opened", bound="OpenedHome")
NO_POLICY_YET: Final = "there is no policy of yours yet"


def was_set_up() -> bool:
    """Whether the home has a policy, or anything else of guardian's: before that, looking at it makes nothing."""
    home = home_folder()
    return any((home / name).exists() for name in (POLICY_NAME, DATABASE_NAME, CHECKPOINT_NAME, EMERGENCY_NAME))


def has_own_policy() -> bool:
    """Whether the home has a policy of the owner's."""
    return (home_folder() / POLICY_NAME).exists()


def with_home(
    policy_path: Path | None, work: Callable[[OpenedHome], Awaitable[Result]], *, needs_policy: bool = True
) -> Result:
    """Open the home, do the work, close the home, whatever happens.

    Raises PolicyInvalid where a policy is needed and there is no usable one.
    """
    from guardian.home.opened import open_home

    return _with_opened(open_home, policy_path, work, needs_policy)


def with_guardian(policy_path: Path | None, work: Callable[[Guardian], Awaitable[Result]]) -> Result:
    """As `with_home`, with the gate, for what goes through it. Needs no policy."""
    from guardian.bootstrap import open_guardian

    return _with_opened(open_guardian, policy_path, work, needs_policy=False)


def _with_opened(
    opens: Callable[[Path | None], Opened],
    policy_path: Path | None,
    work: Callable[[Opened], Awaitable[Result]],
    needs_policy: bool,
) -> Result:
    import asyncio  # here and not at the top: what needs the log alone has no event loop

    unlock_for_policy(policy_path)  # with no event loop around it: inside one, Ctrl-C would wait for the answer

    async def run() -> Result:
        opened = opens(policy_path)
        try:
            if needs_policy:
                opened.policy_file.current()
            return await work(opened)
        finally:
            await opened.close()

    return asyncio.run(run())


def carry_out(
    policy_path: Path | None, act: Callable[[OpenedHome, StopRequests], Awaitable[None]], *, needs_policy: bool = True
) -> None:
    """Open the home, do what the owner has agreed to, close the home. `act` says its own result.

    Ctrl-C, or another request to stop, interrupts nothing from here on: an act that may be on disk is finished and its
    result is said. A request that comes before the act begins ends the command, as does one that `act` notices in time
    through `StopRequests.unless_asked`; "nothing was changed" is said then.

    Raises PolicyInvalid where a policy is needed and there is no usable one, and click.Abort where it was stopped.
    """

    from guardian.cli.support.stop_requests import stop_requests

    async def unless_stopped(opened: OpenedHome) -> None:
        if stop.asked:
            raise stopped_unchanged()
        await act(opened, stop)

    unlock_for_policy(policy_path)
    with stop_requests() as stop:
        with_home(policy_path, unless_stopped, needs_policy=needs_policy)


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
