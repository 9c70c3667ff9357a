"""The policy file: read again at each call, with the last good one in its place where it is broken or gone."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from guardian.domain.trading import Environment
from guardian.errors import PolicyInvalid, StoreUnavailable
from guardian.gate.base.policy_file import MAX_BYTES, PolicyFile
from guardian.policy.loading.load import load_policy
from guardian.policy.model import Policy
from tests.gate.support.fakes import Room, denials
from tests.support.world import BASE, merged, toml

GOOD = toml(BASE)
OTHER = toml(merged(BASE, {"limits": {"max_open_orders": 4}}))
BROKEN = GOOD + "\n[nonsense]\n"


class Memory:
    """Keeps the last good policy, unless it is out of order."""

    def __init__(self, text: str | None = None) -> None:
        self.text = text
        self.kept: list[str] = []
        self.broken = False

    def remember(self, policy: Policy) -> None:
        if self.broken:
            raise StoreUnavailable("the disk")
        self.kept.append(policy.text)
        self.text = policy.text

    def recall(self) -> str | None:
        if self.broken:
            raise StoreUnavailable("the disk")
        return self.text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "policy.toml"
    write(made, GOOD)
    return made


def write(path: Path, text: str | bytes) -> None:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o600)


def policy_file(path: Path, memory: Memory | None = None, *, packaged: bool = False) -> PolicyFile:
    return PolicyFile(path, load_policy, memory or Memory(), packaged=packaged)


def test_edit_takes_effect_at_the_next_call_even_within_the_same_second(path: Path) -> None:
    """The text decides, not the file's time or size; an unchanged text is not read in again."""
    loads: list[str] = []

    def load(text: str) -> Policy:
        loads.append(text)
        return load_policy(text)

    file = PolicyFile(path, load, Memory(), packaged=False)
    before = file.current().policy
    stat = path.stat()
    write(path, GOOD.replace("max_open_orders = 5", "max_open_orders = 4"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    after = file.current()
    assert file.current().policy is after.policy
    assert len(loads) == 2
    assert (before.limits.max_open_orders, after.policy.limits.max_open_orders) == (5, 4)
    assert after.problems == ()
    assert after.source == str(path)


def test_snapshot_of_a_call_is_not_changed_by_an_edit(path: Path) -> None:
    """A call that began under one policy is judged by it to the end."""
    file = policy_file(path)
    before = file.current()
    write(path, OTHER)
    assert file.current().policy is not before.policy
    assert before.policy.limits.max_open_orders == 5


def test_broken_text_leaves_the_last_good_policy_with_its_mistakes_until_it_is_mended(path: Path) -> None:
    """Mistakes are reported while the last good policy is used; the same text again after a break is good again."""
    file = policy_file(path)
    file.current()
    for damage in (BROKEN, b"\xff\xfe", b"x" * (MAX_BYTES + 1), ""):
        write(path, damage)
        broken = file.current()
        assert broken.problems
        assert broken.policy.text == GOOD
        assert file.current().problems == broken.problems
        write(path, GOOD)
        assert file.current().problems == ()
    path.unlink()
    assert "cannot be read" in file.current().problems[0]
    path.mkdir()
    assert "cannot be read" in file.current().problems[0]
    path.rmdir()
    write(path, GOOD)
    assert file.current().problems == ()


@pytest.mark.skipif(os.name != "posix", reason="such modes exist on POSIX systems")
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_file_that_others_can_write_is_refused_unless_it_is_packaged(path: Path, mode: int) -> None:
    """A policy that another account could have written says nothing."""
    path.chmod(mode)
    with pytest.raises(PolicyInvalid, match="can be written by others") as caught:
        policy_file(path).current()
    assert "chmod go-w" in caught.value.message
    packaged = policy_file(path, packaged=True)
    assert packaged.current().problems == ()
    assert (packaged.packaged, policy_file(path).packaged) == (True, False)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads everything")
def test_file_that_cannot_be_read_is_refused(path: Path) -> None:
    """An unreadable file is no policy."""
    path.chmod(0)
    with pytest.raises(PolicyInvalid, match="cannot be read"):
        policy_file(path).current()


def test_last_good_policy_stands_in_at_a_start(path: Path) -> None:
    """A start with a file that is broken or gone continues under the last good policy, with the file's mistakes."""
    memory = Memory()
    policy_file(path, memory).current()
    assert memory.kept == [GOOD]
    write(path, BROKEN)
    assert policy_file(path, memory).current().policy.text == GOOD
    path.unlink()
    found = policy_file(path, memory).current()
    assert (found.policy.text, len(found.problems)) == (GOOD, 1)


def test_start_without_any_good_policy_is_refused_with_every_mistake(path: Path) -> None:
    """No policy means no guardian: the mistakes of the file are reported."""
    write(path, BROKEN + "\n[more]\n")
    for memory in (Memory(), Memory(GOOD)):
        memory.broken = memory.text is not None
        with pytest.raises(PolicyInvalid) as caught:
            policy_file(path, memory).current()
        assert "nonsense" in caught.value.message
        assert "more" in caught.value.message


def test_policy_that_could_not_be_remembered_is_remembered_later_and_a_packaged_one_never(path: Path) -> None:
    """A store that fails holds nobody up; the packaged policy is not the owner's and is not kept as theirs."""
    memory = Memory()
    memory.broken = True
    file = policy_file(path, memory)
    assert file.current().problems == ()
    write(path, BROKEN)
    memory.broken = False
    file.current()
    assert memory.kept == []  # the broken one is not kept, and the good one is not in force as the file's
    write(path, GOOD)
    file.current()
    file.current()
    assert memory.kept == [GOOD]
    kept = Memory()
    policy_file(path, kept, packaged=True).current()
    assert kept.kept == []


def test_text_that_was_never_judged_does_not_pass_for_one_that_was(path: Path) -> None:
    """Where reading in a text fails by a fault of guardian's, it fails at each call; the old policy does not go on."""
    failing = False

    def load(text: str) -> Policy:
        if failing:
            raise RecursionError("too deep")
        return load_policy(text)

    file = PolicyFile(path, load, Memory(), packaged=False)
    file.current()
    failing = True
    write(path, OTHER)
    for _ in range(3):
        with pytest.raises(RecursionError):
            file.current()
    failing = False
    assert file.current().policy.limits.max_open_orders == 4


def test_no_thread_sees_a_new_text_with_the_old_policy(path: Path) -> None:
    """While one thread reads an edit in, another waits for it instead of going on under the old policy."""
    reading, loads = threading.Event(), list[str]()

    def load(text: str) -> Policy:
        loads.append(text)
        if text == OTHER:
            reading.set()
            time.sleep(0.2)
        return load_policy(text)

    file = PolicyFile(path, load, Memory(), packaged=False)
    file.current()
    write(path, OTHER)
    first = threading.Thread(target=file.current)
    first.start()
    assert reading.wait(5)
    seen = file.current().policy.limits.max_open_orders
    first.join()
    assert seen == 4
    assert loads == [GOOD, OTHER]


def test_environment_is_named_by_a_broken_file_and_not_by_one_that_is_gone(path: Path) -> None:
    """A file with mistakes may still name it; from one that cannot be read nothing is guessed."""
    file = PolicyFile(path, load_policy, Memory(), packaged=False)
    write(path, BROKEN)
    assert file.named_environment() is Environment.PAPER
    path.unlink()
    assert file.named_environment() is None


def test_store_keeps_the_last_good_policy_over_a_restart(room: Room) -> None:
    """Started again with a broken file, the gate denies creates with its mistakes; reads and cancels go on."""
    room.ask()
    name = room.last().client_order_id
    room.write(BROKEN)
    room.again()
    reply = room.ask(price="59990")
    assert "POLICY_INVALID" in denials(reply)
    assert "nonsense" in (reply.error.message if reply.error else "")
    assert room.cancel(client_order_id=name).outcome.value == "done"
    room.policy()
    assert room.ask(price="59980").outcome.value == "done"
