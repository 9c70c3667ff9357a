"""The vault in the place of a keyring: it keeps what it was given, whatever fails, ends or is changed meanwhile."""

from __future__ import annotations

import errno
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Final

import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from guardian.credentials.vault import vault_file
from guardian.credentials.vault.key_derivation import Kdf, VaultKey, derive
from guardian.credentials.vault.lifecycle import change_passphrase, create_vault
from guardian.credentials.vault.unlocked import UnlockedVaults
from guardian.credentials.vault.vault_backend import VaultBackend
from guardian.credentials.vault.vault_format import MAX_VALUE_BYTES
from guardian.domain.secrets import Secret
from guardian.errors import CredentialsError, KeyringUnavailable, VaultDamaged, VaultLocked
from tests.credentials.test_credential_store import everything_said
from tests.support.vaults import PASSPHRASE, WRONG, cheap_kdf, opened, vault_in

VALUE = "CANARYsecret6789abcdefghijklmnopqrstuvwxyz"
posix_only = pytest.mark.skipif(os.name != "posix", reason="owners, modes and links of POSIX")

NAMES: Final = st.tuples(st.sampled_from(["guardian/a", "guardian/b", "guardian/pin", "ä\n"]), st.just("v1"))
STEPS: Final = st.lists(
    st.tuples(
        st.sampled_from(["set", "delete", "get", "re-key", "again"]),
        NAMES,
        st.text(max_size=40) | st.just("x" * 3000),
        st.sampled_from([None, "open", "fsync", "replace", "fsync folder"]),
    ),
    max_size=12,
)


@contextmanager
def failing(where: str | None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A disk that is full at one step of replacing the file."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    calls = 0
    real_fsync, real_open = os.fsync, os.open

    def open_(path: Path, flags: int, mode: int = 0o777) -> int:
        if ".new" in str(path):
            fail()
        return real_open(path, flags, mode)

    def fsync(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if (where == "fsync") is (calls == 1):
            fail()
        real_fsync(descriptor)

    with monkeypatch.context() as patch:
        if where == "open":
            patch.setattr("guardian.system.private_files.os.open", open_)
        elif where == "replace":
            patch.setattr(Path, "replace", fail)
        elif where is not None:
            patch.setattr("guardian.system.private_files.os.fsync", fsync)
        yield


@settings(deadline=None)
@given(steps=STEPS)
def test_vault_is_a_dictionary_whatever_fails(steps: list[tuple[str, tuple[str, str], str, str | None]]) -> None:
    """Against a dict: each step either does the whole of what it should, or raises and changes nothing."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("guardian.credentials.vault.lifecycle.new_kdf", lambda salt: cheap_kdf())
        home = Path(folder, "home")
        vault = vault_in(home)
        passphrase = PASSPHRASE
        model: dict[tuple[str, str], str] = {}
        for what, name, value, fault in steps:
            changes, error = dict(model), None
            with failing(fault, monkeypatch):
                try:
                    if what == "set":
                        vault.set_password(*name, value)
                        changes[name] = value
                    elif what == "delete":
                        vault.delete_password(*name)
                        del changes[name]
                    elif what == "re-key":
                        change_passphrase(home, Secret(WRONG), vaults=vault._vaults)
                        passphrase = WRONG
                    elif what == "again":
                        vault = opened(home, passphrase)
                    model = changes
                except CredentialsError as raised:
                    error = raised
            if isinstance(error, KeyringUnavailable):
                assert fault is not None, error
            elif error is not None:
                assert (what, name in model) == ("delete", False)
            assert {one: vault.get_password(*one) for one in model} == model
            assert vault.get_password("guardian/never", "v1") is None
        assert not list(home.glob(".vault.*"))
        assert vault.file.path.stat().st_mode & 0o077 == 0
        with vault.file.locked():
            assert set(vault.file.read().items) == set(model)


WRITER = """
import sys, itertools
from pathlib import Path
from tests.support.vaults import opened
vault = opened(Path(sys.argv[1]))
who = sys.argv[2]
for number in itertools.count():
    vault.set_password(f"guardian/{who}/{number % 3}", "v1", f"{number}-" + who * 500)
    print(number, flush=True)
    if number == int(sys.argv[3]):
        break
"""


def writer(home: Path, who: str, last: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(home), who, str(last)], stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip


def test_writer_killed_at_any_point_leaves_the_old_or_the_new_value(tmp_path: Path) -> None:
    """SIGKILL between and within writes: what was reported as written is there, whole, or what came after it."""
    vault = vault_in(tmp_path / "home")
    vault.set_password("guardian/kept", "v1", VALUE)
    for turn in range(6):
        process = writer(tmp_path / "home", "w", 10**9)
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        time.sleep(turn * 0.0007)
        process.send_signal(signal.SIGKILL)
        reported = [line for line in process.communicate(timeout=30)[0].split("\n") if line]
        last = int(reported[-1]) if reported else 2
        found = {vault.get_password(f"guardian/w/{number}", "v1") for number in range(3)}
        numbers = {int(value.split("-")[0]) for value in found if value}
        assert all(value == f"{int(value.split('-')[0])}-" + "w" * 500 for value in found if value)
        assert max(numbers) in {last, last + 1}
        assert vault.get_password("guardian/kept", "v1") == VALUE
    vault.set_password("guardian/kept", "v1", "after")
    assert not list((tmp_path / "home").glob(".vault.*")), "a draft of a killed writer is removed by the next write"


def test_two_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    """Each reads, changes and replaces the file under its lock: the last value of each of both is there."""
    vault = vault_in(tmp_path / "home")
    both = [writer(tmp_path / "home", who, 40) for who in ("a", "b")]
    for process in both:
        process.communicate(timeout=60)
        assert process.returncode == 0
    for who in ("a", "b"):
        values = {vault.get_password(f"guardian/{who}/{number}", "v1") for number in range(3)}
        assert values == {f"{number}-" + who * 500 for number in (38, 39, 40)}


def test_threads_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    """The same within one process."""
    vault = vault_in(tmp_path / "home")

    def write(who: str) -> None:
        for number in range(20):
            vault.set_password(f"guardian/{who}", "v1", str(number))

    threads = [Thread(target=write, args=(who,)) for who in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {vault.get_password(f"guardian/{who}", "v1") for who in "abcd"} == {"19"}


def test_vault_held_by_another_is_given_up_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that holds the file for ever is an error after two seconds, and nothing was changed."""
    monkeypatch.setattr(vault_file, "_LOCK_TIMEOUT_S", 0.1)
    vault = vault_in(tmp_path / "home")
    with (
        FileLock(tmp_path / "home" / "vault.lock"),
        pytest.raises(KeyringUnavailable, match="another process is using the vault"),
    ):
        vault.set_password("guardian/a", "v1", VALUE)
    assert vault.get_password("guardian/a", "v1") is None


def test_key_is_derived_once_in_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the vault is read and written, and however many backends there are, also by a wrong passphrase."""
    vault_in(tmp_path / "home")
    derived: list[Secret] = []

    def counted(passphrase: Secret, kdf: Kdf) -> VaultKey:
        derived.append(passphrase)
        return derive(passphrase, kdf)

    monkeypatch.setattr("guardian.credentials.vault.unlocked.derive", counted)
    vault = opened(tmp_path / "home")
    for number in range(5):
        vault.set_password("guardian/a", "v1", str(number))
        assert VaultBackend(tmp_path / "home", vaults=vault._vaults).get_password("guardian/a", "v1") == str(number)
    assert len(derived) == 1
    wrong = opened(tmp_path / "home", WRONG)
    for _ in range(5):
        with pytest.raises(VaultLocked, match="does not open"):
            wrong.get_password("guardian/a", "v1")
    assert len(derived) == 2


def test_vault_without_a_passphrase_is_locked_and_says_how_to_give_it(tmp_path: Path) -> None:
    """Nothing is read or written, and the hint names both ways of a server."""
    vault_in(tmp_path / "home").set_password("guardian/a", "v1", VALUE)
    before = (tmp_path / "home" / "vault").read_bytes()
    vault = VaultBackend(tmp_path / "home", vaults=UnlockedVaults(lambda: None))
    for act in (partial(vault.get_password, "guardian/a", "v1"), partial(vault.set_password, "guardian/a", "v1", "x")):
        with pytest.raises(VaultLocked, match="was not given") as caught:
            act()
        assert "--vault-passphrase-fd" in str(caught.value.hint)
        assert "`guardian-vault`" in str(caught.value.hint)
        assert VALUE not in everything_said(caught.value)
    assert (tmp_path / "home" / "vault").read_bytes() == before


def test_passphrase_that_was_changed_locks_the_other_processes(tmp_path: Path) -> None:
    """One that has the older key can neither read nor overwrite the vault any more."""
    theirs = vault_in(tmp_path / "home")
    mine = opened(tmp_path / "home")
    mine.set_password("guardian/a", "v1", VALUE)
    change_passphrase(tmp_path / "home", Secret(WRONG), vaults=mine._vaults)
    assert mine.get_password("guardian/a", "v1") == VALUE
    with pytest.raises(VaultLocked):
        theirs.get_password("guardian/a", "v1")
    with pytest.raises(VaultLocked):
        theirs.set_password("guardian/a", "v1", "overwritten")
    with pytest.raises(VaultLocked, match="does not open"):
        opened(tmp_path / "home", PASSPHRASE).get_password("guardian/a", "v1")
    assert opened(tmp_path / "home", WRONG).get_password("guardian/a", "v1") == VALUE


def test_new_vault_has_strong_costs_and_is_private(tmp_path: Path) -> None:
    """What `create` makes: Argon2id with 64 MiB, mode 0600, open in the process that made it, and no second one."""
    vaults = UnlockedVaults(lambda: None)
    file = create_vault(tmp_path, Secret(PASSPHRASE), vaults=vaults)
    with file.locked():
        assert file.read().kdf.memory_kib == 65536
    assert file.path.stat().st_mode & 0o777 == 0o600
    VaultBackend(tmp_path, vaults=vaults).set_password("guardian/a", "v1", VALUE)
    with pytest.raises(CredentialsError, match="there is a vault already"):
        create_vault(tmp_path, Secret(PASSPHRASE), vaults=vaults)
    assert opened(tmp_path).get_password("guardian/a", "v1") == VALUE


@posix_only
@pytest.mark.parametrize("what", ["readable", "link", "folder", "pipe", "lock is a link"])
def test_file_that_is_not_own_and_private_is_not_used(tmp_path: Path, what: str) -> None:
    """A vault that others can read, a link, a folder or a pipe is refused with what to do, and nothing hangs."""
    vault = vault_in(tmp_path / "home")
    path = vault.file.path
    if what == "readable":
        path.chmod(0o644)
    elif what == "lock is a link":
        (tmp_path / "home" / "vault.lock").unlink(missing_ok=True)
        (tmp_path / "home" / "vault.lock").symlink_to(tmp_path / "elsewhere")
    else:
        path.rename(tmp_path / "real")
        put: dict[str, Callable[[], None]] = {
            "link": partial(path.symlink_to, tmp_path / "real"),
            "folder": path.mkdir,
            "pipe": partial(os.mkfifo, path, 0o600),
        }
        put[what]()
    for act in (partial(vault.get_password, "guardian/a", "v1"), partial(vault.set_password, "guardian/a", "v1", "x")):
        with pytest.raises(KeyringUnavailable) as caught:
            act()
        assert caught.value.hint
    assert not (tmp_path / "elsewhere").exists()


def test_vault_that_is_gone_is_not_an_empty_one(tmp_path: Path) -> None:
    """Between being found and being read the file may go: that is an error, and no new vault is made."""
    vault = vault_in(tmp_path / "home")
    vault.file.path.unlink()
    with pytest.raises(VaultDamaged, match="is gone"):
        vault.get_password("guardian/a", "v1")
    with pytest.raises(VaultDamaged, match="is gone"):
        vault.set_password("guardian/a", "v1", VALUE)
    assert not vault.file.path.exists()


def test_value_is_in_no_error_and_no_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails while a value is set or read, the error and guardian's own frames have nothing of it."""
    vault = vault_in(tmp_path / "home")
    errors: list[BaseException] = []
    for fault in ("open", "fsync", "replace"):
        with failing(fault, monkeypatch), pytest.raises(KeyringUnavailable) as caught:
            vault.set_password("guardian/a", "v1", VALUE)
        errors.append(caught.value)
    with pytest.raises(CredentialsError, match="is over") as too_long:
        vault.set_password("guardian/a", "v1", VALUE + "x" * MAX_VALUE_BYTES)
    errors.append(too_long.value)

    def broken(_: int) -> bytes:
        raise RuntimeError("a bug")

    monkeypatch.setattr(vault, "_random_bytes", broken)
    with pytest.raises(RuntimeError) as bug:
        vault.set_password("guardian/a", "v1", VALUE)
    errors.append(bug.value)
    said = "".join(map(everything_said, errors))
    assert "set_password" in said or "a bug" in said
    assert VALUE not in said
    assert PASSPHRASE not in said


def test_long_vault_is_full_and_not_cut(tmp_path: Path) -> None:
    """Past a mebibyte nothing more is taken, and what is there stays readable."""
    vault = vault_in(tmp_path / "home")
    value = secrets.token_hex(MAX_VALUE_BYTES // 2)
    taken = 0
    with pytest.raises(KeyringUnavailable, match="the vault is full"):  # noqa: PT012 - the one that is too much raises
        while True:
            vault.set_password(f"guardian/{taken}", "v1", value)
            taken += 1
    assert 8 < taken < 16
    assert vault.get_password("guardian/0", "v1") == value
