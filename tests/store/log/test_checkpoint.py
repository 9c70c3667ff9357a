"""The checkpoint: outside the database, only of what is committed, never back."""

from __future__ import annotations

import threading

import pytest

from guardian.errors import StoreCorrupt
from guardian.store.log.checkpoint import keep_checkpoint, parse_checkpoint, read_checkpoint, write_checkpoint
from guardian.store.schema.files import CHECKPOINT_LOCK_NAME, CHECKPOINT_NAME
from guardian.store.schema.records import Checkpoint, Entry, Phase, Record
from tests.store.support.store_world import World
from tests.support.present import present


def append(world: World) -> Entry:
    with world.store.transaction() as tx:
        return tx.audit.append(Record(phase=Phase.EVENT))


def test_checkpoint_is_one_line_with_the_last_row(world: World) -> None:
    """`guardian/audit/chain/v1 SEQ DIGEST`, and it reads back."""
    entry = append(world)
    assert write_checkpoint(world.home, world.store)
    text = (world.home / CHECKPOINT_NAME).read_text()
    assert text == f"guardian/audit/chain/v1 1 {entry.digest}\n"
    assert read_checkpoint(world.home) == Checkpoint(seq=1, digest=entry.digest)


def test_checkpoint_never_goes_back(world: World) -> None:
    """An older one does not replace a later one."""
    later, older = Checkpoint(seq=9, digest="a" * 64), Checkpoint(seq=8, digest="b" * 64)
    assert keep_checkpoint(world.home, later)
    assert keep_checkpoint(world.home, older)
    assert read_checkpoint(world.home) == later


def test_checkpoint_never_goes_back_with_many_at_once(world: World) -> None:
    """Whoever comes last, the highest stays, and no draft is left lying about."""
    threads = [
        threading.Thread(target=keep_checkpoint, args=(world.home, Checkpoint(seq=n, digest=f"{n:064x}")))
        for n in range(1, 21)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert present(read_checkpoint(world.home)).seq == 20
    assert not list(world.home.glob("*.new"))


def test_checkpoint_is_brought_up_to_date_at_start_and_stop(world: World) -> None:
    """After a kill it may lag; the next start, and every orderly end, brings it up."""
    append(world)
    world.reopen()
    assert present(read_checkpoint(world.home)).seq == 1
    append(world)
    (world.home / CHECKPOINT_NAME).unlink()
    other = world.open()
    assert present(read_checkpoint(world.home)).seq == 2
    other.close()


def test_empty_log_has_no_checkpoint(world: World) -> None:
    """There is no row to name."""
    assert write_checkpoint(world.home, world.store)
    assert read_checkpoint(world.home) is None


def test_checkpoint_that_cannot_be_written_is_only_older(world: World) -> None:
    """Nothing is raised: the row is committed, and the checkpoint that is there stays."""
    append(world)
    write_checkpoint(world.home, world.store)
    (world.home / CHECKPOINT_LOCK_NAME).unlink()
    (world.home / CHECKPOINT_LOCK_NAME).mkdir()
    append(world)
    assert not write_checkpoint(world.home, world.store)
    assert present(read_checkpoint(world.home)).seq == 1


def test_damaged_checkpoint_is_neither_used_nor_replaced(world: World) -> None:
    """What is no checkpoint stays for a person to look at."""
    append(world)
    (world.home / CHECKPOINT_NAME).write_text("hello")
    with pytest.raises(StoreCorrupt):
        read_checkpoint(world.home)
    assert not write_checkpoint(world.home, world.store)
    assert (world.home / CHECKPOINT_NAME).read_text() == "hello"


DIGEST = "0123456789abcdef" * 4


def test_both_forms_are_read() -> None:
    """A file's line, and what fits on a command line."""
    assert parse_checkpoint(f"guardian/audit/chain/v1 12 {DIGEST}\n") == Checkpoint(seq=12, digest=DIGEST)
    assert parse_checkpoint(f"12:{DIGEST}") == Checkpoint(seq=12, digest=DIGEST)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        f"0:{DIGEST}",
        f"-1:{DIGEST}",
        f"1:{DIGEST}0",
        f"1:{DIGEST.upper()}",
        f"guardian/audit/chain/v2 1 {DIGEST}",
        f"1:{DIGEST}\n1:{DIGEST}",
        f"\uff11:{DIGEST}",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    """Other versions, other digits, nothing, too much."""
    with pytest.raises(ValueError, match="not a checkpoint"):
        parse_checkpoint(text)
