"""Another program's file is replaced as a whole or not at all, and nothing that it writes meanwhile is lost."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from guardian.clients import config_files
from guardian.clients.config_files import MOST_BYTES, backups, planned_change, read_config, rewrite
from guardian.errors import ClientConfigUnusable

NOW = datetime(2026, 11, 30, 23, 59, 1, tzinfo=UTC)
POSIX = pytest.mark.skipif(os.name != "posix", reason="modes and owners are POSIX's")


def add(text: bytes) -> Callable[[bytes | None], bytes]:
    """An edit that puts something behind what is there."""
    return lambda before: (before or b"") + text


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "client" / "config.json"
    path.parent.mkdir()
    path.write_bytes(b"old")
    return path


def test_file_is_replaced_with_a_dated_copy_beside_it(config: Path) -> None:
    """The copy is the old file, byte for byte; nothing else is left."""
    change = rewrite(config, add(b" new"), now=NOW)
    assert config.read_bytes() == b"old new"
    assert change.backup is not None
    assert change.backup.read_bytes() == b"old"
    assert names(config.parent) == {"config.json", "config.json.guardian-20261130-235901.bak"}


def test_two_copies_of_one_second_are_kept_and_the_newest_is_first(config: Path) -> None:
    """A backup never takes the place of another."""
    for text in (b"1", b"2", b"3"):
        rewrite(config, add(text), now=NOW)
    assert [path.read_bytes() for path in backups(config)] == [b"old12", b"old1", b"old"]


def test_missing_file_is_made_for_its_owner_alone_without_a_copy(config: Path) -> None:
    """There is nothing to keep a copy of."""
    config.unlink()
    change = rewrite(config, add(b"new"), now=NOW)
    assert (change.before, change.backup, names(config.parent)) == (None, None, {"config.json"})
    if os.name == "posix":
        assert stat.S_IMODE(config.stat().st_mode) == 0o600


def test_what_needs_no_change_is_not_written(config: Path) -> None:
    """Neither a new file nor a copy is made."""
    before = config.stat()
    assert rewrite(config, lambda _before: b"old", now=NOW).is_empty
    assert config.stat() == before
    assert names(config.parent) == {"config.json"}


def test_plan_writes_nothing(config: Path) -> None:
    """A plan says what would be written."""
    assert planned_change(config, add(b" new")).after == b"old new"
    assert names(config.parent) == {"config.json"}
    assert config.read_bytes() == b"old"


def test_what_a_client_writes_meanwhile_is_kept(config: Path) -> None:
    """A client replaces its file after guardian has read it: guardian begins again with that; no copy is left over."""
    seen: list[bytes | None] = []

    def edit(before: bytes | None) -> bytes:
        seen.append(before)
        if len(seen) == 1:
            other = config.with_name("of-the-client")
            other.write_bytes(b"theirs")
            other.replace(config)
        return (before or b"") + b" ours"

    change = rewrite(config, edit, now=NOW)
    assert config.read_bytes() == b"theirs ours"
    assert seen == [b"old", b"theirs"]
    assert change.backup is not None
    assert change.backup.read_bytes() == b"theirs"
    assert len(names(config.parent)) == 2


def test_file_that_changes_all_the_time_is_left_alone(config: Path) -> None:
    """After a few tries guardian gives up, and the client's last word stays."""
    counter = iter(range(100))

    def edit(before: bytes | None) -> bytes:
        config.write_bytes(b"theirs %d" % next(counter))
        return b"ours"

    with pytest.raises(ClientConfigUnusable, match="being changed by another program"):
        rewrite(config, edit, now=NOW)
    assert config.read_bytes() == b"theirs 4"
    assert names(config.parent) == {"config.json"}


def test_second_guardian_does_not_write_at_the_same_time(config: Path) -> None:
    """The draft of the first is there: the second refuses, and says what to do about one that was killed."""
    draft = config.with_name(".config.json.guardian-draft")
    draft.write_bytes(b"half")
    with pytest.raises(ClientConfigUnusable, match="another guardian is changing") as raised:
        rewrite(config, add(b"new"), now=NOW)
    assert str(draft) in (raised.value.hint or "")
    assert (config.read_bytes(), draft.read_bytes()) == (b"old", b"half")


@pytest.mark.parametrize("step", ["_fill", "_back_up", "_look"])
def test_failure_half_way_leaves_the_file_as_it_was(config: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """A full disk at any step: the old file is there, and no draft and no copy are left."""
    real, calls = getattr(config_files, step), iter(range(10))

    def fail(*arguments: object) -> object:
        if step == "_look" and next(calls) == 0:
            return real(*arguments)
        if step == "_fill":
            os.close(int(str(arguments[0])))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(config_files, step, fail)
    with pytest.raises(ClientConfigUnusable, match="No space left on device; it is as it was"):
        rewrite(config, add(b"new"), now=NOW)
    assert config.read_bytes() == b"old"
    assert names(config.parent) == {"config.json"}


@POSIX
def test_mode_of_the_file_is_kept_and_the_copy_has_it_too(config: Path) -> None:
    """Others' secrets in a private file are private in its copy."""
    for mode in (0o600, 0o644, 0o640):
        config.chmod(mode)
        change = rewrite(config, add(b"."), now=NOW)
        assert change.backup is not None
        assert {stat.S_IMODE(path.stat().st_mode) for path in (config, change.backup)} == {mode}


@POSIX
def test_link_is_followed_and_stays(config: Path, tmp_path: Path) -> None:
    """A configuration that is kept elsewhere, with a link to it, is still kept there."""
    link = tmp_path / "link.json"
    link.symlink_to(config)
    change = rewrite(link, add(b" new"), now=NOW)
    assert link.is_symlink()
    assert config.read_bytes() == b"old new"
    assert change.path == config
    assert backups(link) == [change.backup]


@POSIX
def test_link_to_a_file_that_is_missing_makes_it(config: Path, tmp_path: Path) -> None:
    """The target is written, where its folder is there."""
    config.unlink()
    link = tmp_path / "link.json"
    link.symlink_to(config)
    rewrite(link, add(b"new"), now=NOW)
    assert (link.is_symlink(), config.read_bytes()) == (True, b"new")


def test_what_is_no_editable_file_is_refused_and_left(tmp_path: Path) -> None:
    """A folder, a loop of links, a pipe, a read-only file and a huge one are each named."""
    folder = tmp_path / "folder"
    folder.mkdir()
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    cases = {folder: "is not a file", huge: "which no client's configuration has", folder / "x" / "y": "cannot be"}
    (tmp_path / "plain").write_bytes(b"x")
    cases[tmp_path / "plain" / "below"] = "is not a file"
    read_only = tmp_path / "read_only"
    read_only.write_bytes(b"{}")
    read_only.chmod(0o400)
    cases[read_only] = "is read-only"
    if os.name == "posix":
        loop, pipe = tmp_path / "loop", tmp_path / "pipe"
        loop.symlink_to(tmp_path / "other")
        (tmp_path / "other").symlink_to(loop)
        os.mkfifo(pipe)
        cases |= {loop: "a link that leads nowhere", pipe: "is not a file"}
    before = names(tmp_path)
    for path, words in cases.items():
        with pytest.raises(ClientConfigUnusable, match=words):
            rewrite(path, add(b"new"), now=NOW)
    assert names(tmp_path) == before
    assert read_only.read_bytes() == b"{}"


@POSIX
def test_another_users_file_is_refused(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `sudo` the new file would be root's, and the client could not write it any more."""
    monkeypatch.setattr(os, "geteuid", lambda: config.stat().st_uid + 1)
    with pytest.raises(ClientConfigUnusable, match="belongs to another user"):
        rewrite(config, add(b"new"), now=NOW)
    assert config.read_bytes() == b"old"


def test_reading_returns_none_for_a_missing_file(config: Path) -> None:
    """A client that was never configured is no error."""
    assert read_config(config) == b"old"
    config.unlink()
    assert read_config(config) is None
