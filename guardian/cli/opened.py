"""What commands share: a home opened for one command, and a person's act written down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from guardian.bootstrap import Guardian
    from guardian.store.database import Transaction

Result = TypeVar("Result")

policy_option = click.option(
    "--policy",
    "policy_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Use this policy file instead of `policy.toml` in guardian's home.",
)


def with_guardian(policy_path: Path | None, work: Callable[[Guardian], Awaitable[Result]]) -> Result:
    """Open the home, do the work, close the home, whatever happens."""
    from guardian.bootstrap import open_guardian

    async def run() -> Result:
        guardian = open_guardian(policy_path)
        try:
            return await work(guardian)
        finally:
            await guardian.close()

    return asyncio.run(run())


def note_act(tx: Transaction, kind: str, fields: Mapping[str, str | None]) -> None:
    """Append the `event` row of something that a person did on the command line."""
    from guardian.store.records import Phase, Record

    tx.append(
        Record(
            phase=Phase.EVENT,
            call_id=None,
            tool=None,
            symbol=fields.get("symbol"),
            outcome=None,
            environment=fields.get("environment"),
            account=fields.get("account"),
            body={"kind": kind, **fields},
        )
    )
