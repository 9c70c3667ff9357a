"""Opening the log for reading: whose error it is that ends it."""

from __future__ import annotations

import errno

import pytest

from guardian.store.log.read_only import read_only
from tests.store.support.store_world import World


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(errno.ENOSPC, "full")], ids=["reader gone", "disk full"])
def test_error_of_whoever_takes_the_rows_is_not_the_logs(world: World, error: OSError) -> None:
    """`audit list | head` ends as every command whose reader is gone, and does not blame the log."""
    with pytest.raises(type(error)) as raised, read_only(world.home / "guardian.db"):
        raise error
    assert raised.value is error
