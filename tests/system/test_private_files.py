"""The rule of ssh: what is not the user's own and private is refused, with what to type."""

from __future__ import annotations

import os
import shlex
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from guardian.bootstrap import open_guardian
from guardian.cli.app import main
from guardian.errors import NotPrivate, PolicyInvalid
from guardian.exchange.limits.limits_file import SharedRows
from guardian.gate.base.policy_file import read_policy_text
from guardian.home.folder import home_folder
from guardian.paper.host.home import PORT_FILE, find_or_start, read_port_file, stop
from guardian.paper.storage import SqliteStorage
from guardian.store.emergency import EmergencyFile
from guardian.store.schema.records import Phase, Record
from guardian.system.private_files import HOME_FILES, check_home, make_folder, open_private, replace_file
from tests.support.clock import ClockOf

pytestmark = pytest.mark.skipif(os.name != "posix", reason="this system has no such owners and modes")
as_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")

STRANGER = 12345


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that guardian made and used, and in which the rate limits are open."""
    made = home_folder()
    assert main(["init", "--from", "paper"]) == 0
    guardian = open_guardian(home=made)
    with guardian.journal.transaction() as tx:
        tx.audit.append(Record(phase=Phase.EVENT, body={"kind": "test"}))
    guardian.journal.close()  # which writes the checkpoint
    with closing(SharedRows(made / "limits.db", ClockOf(lambda: 1))) as limits:
        limits.change(["a"], lambda rows: None)
        yield made


@pytest.fixture
def no_umask() -> Iterator[None]:
    """The machine's umask takes nothing away."""
    before = os.umask(0)
    yield
    os.umask(before)


def files_of(home: Path) -> list[Path]:
    return sorted(path for path in home.iterdir() if path.name != "policy.toml")


def test_what_guardian_makes_is_private_from_the_start(no_umask: None, home: Path) -> None:
    """With no umask at all, the home, its missing parents and every file in it are the owner's alone (before: 0777
    parents, a 0666 policy for a moment, and limits.db 0644)."""
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in (home, *home.iterdir())}
    assert found.pop(home) == 0o700
    assert set(found.values()) == {0o600}
    assert {"guardian.db", "limits.db", "limits.db-wal", "emergency.log", "policy.toml"} <= {
        path.name for path in found
    }
    deep = home.parent / "a" / "b" / "c"
    make_folder(deep)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (deep, deep.parent, deep.parent.parent)] == [0o700] * 3


def test_every_file_of_a_home_is_known_to_the_rule(home: Path) -> None:
    """Whatever guardian keeps in its home is looked at when the home is opened."""
    found = find_or_start(home)
    assert found.url
    try:
        names = [path.name for path in files_of(home)]
    finally:
        stop(home)
    assert {"paper.db", PORT_FILE} <= set(names)
    assert [name for name in names if not any(fnmatchcase(name, one) for one in HOME_FILES)] == []


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o770, 0o777, 0o1777])
def test_home_that_is_open_to_others_is_refused(home: Path, mode: int, capsys: pytest.CaptureFixture[str]) -> None:
    """No command uses a home that others can enter; it says which and what to type, and that line mends it."""
    home.chmod(mode)
    for arguments in (["status"], ["serve"], ["audit"], ["audit", "verify"], ["init"], ["approve"]):
        assert main(arguments) == 3, arguments
        told = capsys.readouterr().err
        assert f"`{home}` is open to other users (mode {mode:04o})" in told
        assert f"hint: `chmod -R go-rwx {home}`" in told
    subprocess.run(["chmod", "-R", "go-rwx", str(home)], check=True)
    home.chmod(stat.S_IMODE(home.stat().st_mode) & 0o777)
    assert main(["audit", "verify"]) == 3


def test_every_file_that_is_open_to_others_is_refused(home: Path) -> None:
    """Each file of guardian's in a home, not the database alone, must be private."""
    for path in files_of(home):
        path.chmod(0o640)
        with pytest.raises(NotPrivate, match=f"`{path}` is open"):
            open_guardian(home=home)
        path.chmod(0o600)
    open_guardian(home=home)


def test_every_file_that_is_a_link_is_refused(home: Path, tmp_path: Path) -> None:
    """A link in the place of a file of guardian's is neither followed nor replaced."""
    for number, path in enumerate(files_of(home)):
        target = tmp_path / str(number)
        path.rename(target)
        before = target.read_bytes()
        path.symlink_to(target)
        with pytest.raises(NotPrivate, match="symbolic link") as refused:
            open_guardian(home=home)
        assert f"`rm {path}`" in (refused.value.hint or "")
        assert target.read_bytes() == before
        path.unlink()
        target.rename(path)
    assert main(["audit", "verify"]) == 3


def test_emergency_file_follows_no_link(home: Path, tmp_path: Path) -> None:
    """What a link at `emergency.log` leads to is not written (before: it was overwritten), and trading is halted."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    place = home / "emergency.log"
    place.unlink()
    place.symlink_to(victim)
    emergency = EmergencyFile(home, second=tmp_path / "second")
    assert not emergency.is_empty()
    assert emergency.preallocate()
    assert emergency.append({"kind": "test"})
    assert victim.read_text() == "mine"
    assert [record.get("kind", record["id"]) for record in emergency.pending()] == [f"unreadable-{place}", "test"]


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_what_is_not_a_file_neither_serves_nor_blocks(home: Path, kind: str) -> None:
    """A pipe or a folder in the place of the emergency file is not waited for; it counts as not empty."""
    place = home / "emergency.log"
    place.unlink()
    os.mkfifo(place) if kind == "fifo" else place.mkdir()
    assert not EmergencyFile(home, second=home / "second").is_empty()
    with pytest.raises(NotPrivate, match="not a regular file"):
        open_guardian(home=home)


def test_own_folder_without_a_file_of_guardians_becomes_private(tmp_path: Path) -> None:
    """A folder that the user made with a usual umask can become a home; one that others can write cannot."""
    folder = tmp_path / "made-by-hand"
    folder.mkdir()
    (folder / "policy.toml").write_text("")
    folder.chmod(0o755)
    check_home(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o775)
    with pytest.raises(NotPrivate, match="0775"):
        check_home(folder)


def test_folder_above_that_every_user_can_change_is_refused(home: Path, tmp_path: Path) -> None:
    """Where anybody can put another home in its place it is not used; with the sticky bit, as in /tmp, it is."""
    shared = tmp_path / "shared"
    shared.mkdir()
    moved = home.rename(shared / "home")
    shared.chmod(0o777)
    with pytest.raises(NotPrivate, match="can change") as refused:
        open_guardian(home=moved)
    assert (refused.value.hint or "").startswith(f"`chmod o-w {shared}`")
    shared.chmod(0o1777)
    open_guardian(home=moved)


def test_halt_works_in_a_home_that_is_refused(home: Path) -> None:
    """Stopping asks less than all else: where the log is not used, the emergency file has the halt."""
    home.chmod(0o755)
    assert main(["halt"]) == 0
    assert not EmergencyFile(home).is_empty()


@as_root
def test_home_of_another_user_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root in a container beside a user's home, and a user beside root's: both read who and what to type (before:
    used without a word)."""
    subprocess.run(["chown", "-Rh", str(STRANGER), str(home)], check=True)
    for arguments in (["status"], ["halt"], ["serve"], ["audit"], ["init"]):
        assert main(arguments) == 3, arguments
        told = capsys.readouterr().err
        assert f"`{home}` belongs to user {STRANGER}, and guardian runs as `root` (user 0)" in told
        assert f"`chown -Rh 0 {home}`" in told
    subprocess.run(["chown", "-Rh", "0", str(home)], check=True)
    assert main(["audit", "verify"]) == 3


@as_root
@pytest.mark.parametrize("name", ["guardian.db", "limits.db", "audit.checkpoint", "emergency.log", "guardian.lock"])
def test_file_of_another_user_is_refused(home: Path, name: str) -> None:
    """One file of another user's in a home is enough."""
    os.chown(home / name, STRANGER, -1)
    with pytest.raises(NotPrivate, match=f"{name}` belongs to user {STRANGER}"):
        open_guardian(home=home)


@as_root
def test_process_of_another_user_refuses_roots_home(tmp_path: Path) -> None:
    """The same the other way round, as a process of that user sees it."""
    code = (
        "import os, pwd, sys\n"
        "from pathlib import Path\n"
        "from guardian.system.private_files import check_home\n"
        "from guardian.errors import NotPrivate\n"
        f"os.setgid({STRANGER}); os.setuid({STRANGER})\n"
        "try: check_home(Path(sys.argv[1]))\n"
        "except NotPrivate as error: print(error.message, error.hint)\n"
    )
    folder = Path("/tmp") / f"guardian-test-{os.getpid()}"
    folder.mkdir()
    try:
        done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    finally:
        folder.rmdir()
    assert f"belongs to `root` (user 0), and guardian runs as user {STRANGER}" in done.stdout
    assert f"`sudo chown -Rh {STRANGER} {folder}`" in done.stdout


@as_root
def test_policy_is_the_users_or_roots(tmp_path: Path) -> None:
    """A policy that another user owns is not in force; one that root put there and nobody else can write is."""
    path = tmp_path / "policy.toml"
    path.write_text("x = 1")
    path.chmod(0o644)
    assert read_policy_text(path, packaged=False) == "x = 1"
    os.chown(path, STRANGER, -1)
    with pytest.raises(PolicyInvalid, match=f"belongs to user {STRANGER}"):
        read_policy_text(path, packaged=False)


def test_policy_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe in the place of a policy is a mistake of the policy, reported at once (before: waited for without end)."""
    os.mkfifo(tmp_path / "policy.toml")
    with pytest.raises(PolicyInvalid, match="is not a file"):
        read_policy_text(tmp_path / "policy.toml", packaged=False)
    assert main(["policy", "check", str(tmp_path / "policy.toml")]) == 1


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="/proc is needed to count open files")
def test_policy_that_is_a_folder_leaves_no_file_open(tmp_path: Path) -> None:
    """A server reads its policy at every call: what cannot be read must not use up its open files."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        with pytest.raises(PolicyInvalid):
            read_policy_text(tmp_path, packaged=False)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_paper_exchange_uses_private_files_alone(home: Path) -> None:
    """The paper exchange of a home keeps to the same rule: its file, its port file, and the home that it starts in."""
    storage = SqliteStorage(home / "paper.db")
    storage.close()
    (home / "paper.db").chmod(0o644)
    with pytest.raises(NotPrivate, match=r"paper\.db"):
        SqliteStorage(home / "paper.db")
    with pytest.raises(NotPrivate, match=r"paper\.db"):
        find_or_start(home)
    (home / "paper.db").chmod(0o600)
    (home / PORT_FILE).write_text('{"port": 1, "pid": 1, "api_key": "a", "api_secret": "b", "nonce": "c"}')
    assert read_port_file(home) is not None
    (home / PORT_FILE).chmod(0o644)
    assert read_port_file(home) is None


def test_limits_file_that_is_a_link_is_left_alone(tmp_path: Path) -> None:
    """The counts go on in memory; what the link leads to stays as it was."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "limits.db").symlink_to(victim)
    with pytest.raises(sqlite3.OperationalError):
        SharedRows(tmp_path / "limits.db", ClockOf(lambda: 1)).change(["a"], lambda rows: None)
    assert victim.read_text() == "mine"


def test_file_is_replaced_as_a_whole_and_nothing_else_is(tmp_path: Path) -> None:
    """`replace_file` makes a private regular file; a link, a folder and a pipe stay, and no draft is left behind."""
    path = tmp_path / "out"
    replace_file(path, b"one")
    replace_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / "link").symlink_to(victim)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "dangling", "folder", "pipe"):
        with pytest.raises(NotPrivate):
            replace_file(tmp_path / name, b"three")
    assert victim.read_bytes() == b"mine"
    assert {entry.name for entry in tmp_path.iterdir()} == {"out", "victim", "link", "dangling", "folder", "pipe"}


def test_truncation_waits_for_the_check(tmp_path: Path) -> None:
    """A file that is refused has not been emptied first."""
    path = tmp_path / "file"
    path.write_bytes(b"mine")
    path.chmod(0o644)
    with pytest.raises(PermissionError):
        open_private(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    assert path.read_bytes() == b"mine"


def test_what_to_type_survives_a_shell(tmp_path: Path) -> None:
    """A path with blanks and quotes is quoted in the hint, so that the line does what it says."""
    folder = tmp_path / "it's a home; $(touch x)"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(NotPrivate) as refused:
        check_home(folder)
    command = (refused.value.hint or "").strip("`")
    assert shlex.split(command) == ["chmod", "-R", "go-rwx", str(folder)]
