"""What goes on while the server serves: finding out about orders whose fate is not known."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    from guardian.bootstrap import Guardian
    from guardian.gate.resolving import Resolver

_log: Final = logging.getLogger("guardian.server")
AFTER_A_FAULT_S: Final = 30.0


@asynccontextmanager
async def while_serving(guardian: Guardian) -> AsyncIterator[None]:
    """Ask for unknown orders in the background; at the end, close what `guardian` holds open."""
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_find_out, guardian)
            try:
                yield
            finally:
                group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await guardian.close()


async def _find_out(guardian: Guardian) -> None:
    resolver = await anyio.to_thread.run_sync(_resolver, guardian)
    while True:
        try:
            await resolver.run_forever()
        except Exception:  # noqa: BLE001 - a fault in here must not end the server, and cancelling with it
            _log.exception("asking for unknown orders failed; it is tried again")
        await anyio.sleep(AFTER_A_FAULT_S)


def _resolver(guardian: Guardian) -> Resolver:
    # Imported here, for it brings python-binance along, which the first reply need not wait for.
    from guardian.gate.resolving import Resolver

    return Resolver(guardian.gate.parts)
