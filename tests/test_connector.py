"""The connector of an environment when it is closed."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from guardian.connector import ExchangeConnector
from guardian.domain.trading import Environment
from guardian.errors import ExchangeUnavailable
from guardian.policy.model import PaperSettings
from guardian.system.clock import SYSTEM_CLOCK

pytestmark = pytest.mark.anyio


def connector(home: Path, environment: Environment) -> ExchangeConnector:
    """One that has not connected yet."""

    async def account_of(*_: object) -> str:
        raise AssertionError("no account is queried")

    return ExchangeConnector(
        environment, home, PaperSettings(), account_of, SYSTEM_CLOCK, lambda: "", known_account=account_of
    )


@pytest.mark.parametrize("needs_keys", [True, False])
async def test_closed_connector_starts_nothing(tmp_path: Path, needs_keys: bool) -> None:
    """After the close no paper exchange is looked for or started, and no connection is made."""
    closed = connector(tmp_path, Environment.PAPER)
    await closed.close()
    with pytest.raises(ExchangeUnavailable, match="closed"):
        await closed.connect(needs_keys=needs_keys)
    assert list(tmp_path.iterdir()) == []


async def test_connector_that_is_closed_while_it_reads_the_keys_makes_no_exchange(tmp_path: Path) -> None:
    """A keyring that answers after the close comes too late."""
    made = connector(tmp_path, Environment.TESTNET)
    is_reading, may_answer = threading.Event(), threading.Event()

    def read_keys() -> tuple[None, None]:
        is_reading.set()
        may_answer.wait(5)
        return None, None

    made._read_keys = read_keys
    task = asyncio.create_task(made.connect(needs_keys=False))
    await asyncio.to_thread(is_reading.wait, 5)
    await made.close()
    may_answer.set()
    with pytest.raises(ExchangeUnavailable, match="closed"):
        await task
    assert made._exchange is None
