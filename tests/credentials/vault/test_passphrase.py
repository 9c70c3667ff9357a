"""Where a passphrase comes from, and what it must be like: read once, bounded, closed, and in no error."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from guardian.credentials.vault import passphrase
from guardian.credentials.vault.passphrase import check_new, credential_passphrase, normal, read_descriptor
from guardian.domain.secrets import Secret
from guardian.errors import CredentialsError, KeyringUnavailable
from tests.credentials.test_credential_store import everything_said
from tests.support.vaults import PASSPHRASE

posix_only = pytest.mark.skipif(os.name != "posix", reason="owners, modes and links of POSIX")


def pipe_with(content: bytes, *, closed: bool = True) -> tuple[int, int]:
    reading, writing = os.pipe()
    os.write(writing, content)
    if closed:
        os.close(writing)
    return reading, writing


@pytest.mark.parametrize("content", [PASSPHRASE, f"{PASSPHRASE}\n", f"  {PASSPHRASE}\r\n", f"{PASSPHRASE}\nmore\n"])
def test_first_line_of_a_descriptor_is_the_passphrase(content: str) -> None:
    """Blanks and line ends around it do not count; the descriptor is closed afterwards and no child inherits it."""
    reading, _ = pipe_with(content.encode())
    os.set_inheritable(reading, True)
    assert read_descriptor(reading) == Secret(PASSPHRASE)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reading)


def test_line_end_is_enough_where_the_other_end_stays_open() -> None:
    """A program that keeps its end of the pipe open does not keep the server from starting."""
    reading, writing = pipe_with(f"{PASSPHRASE}\n".encode(), closed=False)
    begin = time.monotonic()
    assert read_descriptor(reading) == Secret(PASSPHRASE)
    assert time.monotonic() - begin < 2
    os.close(writing)


def test_descriptor_that_gives_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody writes, and nobody closes: an error after the time-out, with what is missing."""
    monkeypatch.setattr(passphrase, "DESCRIPTOR_TIMEOUT_S", 0.1)
    reading, writing = pipe_with(PASSPHRASE.encode(), closed=False)
    with pytest.raises(CredentialsError, match="no passphrase came") as caught:
        read_descriptor(reading)
    assert PASSPHRASE not in everything_said(caught.value)
    os.close(writing)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"), (b"  \n", "is empty"), (b"a" * 2000, "is over 1024 bytes"),
        (b"CANARY\xff\xfe words", "not text in UTF-8"), (b"CANARY\x00 words nobody", "control character"),
    ],
)  # fmt: skip
def test_descriptor_with_something_else_is_refused(content: bytes, why: str) -> None:
    """Nothing, too much, other bytes: refused, and the error has no frame with what was read."""
    reading, _ = pipe_with(content)
    with pytest.raises(CredentialsError, match=why) as caught:
        read_descriptor(reading)
    said = everything_said(caught.value)
    assert "CANARY" not in said
    assert "aaaa" not in said


@pytest.mark.parametrize("number", [0, 1, 2, 200])
def test_standard_streams_and_closed_descriptors_are_refused(number: int) -> None:
    """The MCP connection is never read for a passphrase, and one that is not open is said not to be."""
    with pytest.raises(CredentialsError, match=f"descriptor {number}"):
        read_descriptor(number)


@posix_only
def test_folder_behind_a_descriptor_is_refused(tmp_path: Path) -> None:
    """What cannot be read is an error, not a wait."""
    with pytest.raises(CredentialsError, match="cannot be read"):
        read_descriptor(os.open(tmp_path, os.O_RDONLY))


@pytest.fixture
def credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The credential of a service, as systemd puts it there for root or the user's own service manager."""
    folder = tmp_path / "credentials"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    path = folder / "guardian-vault"
    path.write_text(f"{PASSPHRASE}\n")
    path.chmod(0o400)
    return path


def test_credential_is_read(credential: Path) -> None:
    """A private file of the user's own; without the file or the variable there is no passphrase, and no error."""
    assert credential_passphrase() == Secret(PASSPHRASE)
    credential.unlink()
    assert credential_passphrase() is None


def test_without_the_variable_nothing_is_looked_for() -> None:
    """No service manager, no credential."""
    assert credential_passphrase() is None


@posix_only
@pytest.mark.parametrize("what", ["0644", "0440", "0660", "link", "folder", "pipe", "two lines", "empty"])
def test_credential_that_is_not_private_or_no_passphrase_is_not_used(credential: Path, what: str) -> None:
    """Open to others, a link, a folder, a pipe or no line of text: refused, with the file's name and nothing of it."""
    if what.startswith("0"):
        credential.chmod(int(what, 8))
    elif what in {"two lines", "empty"}:
        credential.chmod(0o600)
        credential.write_text("CANARY\nCANARY" if what == "two lines" else "")
    else:
        real = credential.rename(credential.with_name("real"))
        if what == "link":
            credential.symlink_to(real)
        elif what == "folder":
            credential.mkdir()
        else:
            os.mkfifo(credential, 0o600)
    with pytest.raises(KeyringUnavailable, match="guardian-vault") as caught:
        credential_passphrase()
    assert "CANARY" not in everything_said(caught.value)


@posix_only
@pytest.mark.parametrize(
    ("owner", "mode", "fine"),
    [
        (0, 0o440, True), (0, 0o400, True), (0, 0o444, False), (0, 0o460, False), (0, 0o404, False),
        (1234, 0o400, False), (1234, 0o600, False), (7, 0o400, True), (7, 0o600, True), (7, 0o640, False),
    ],
)  # fmt: skip
def test_systemds_read_only_file_of_roots_is_private_enough(
    monkeypatch: pytest.MonkeyPatch, owner: int, mode: int, fine: bool
) -> None:
    """For a service with a user of its own the file is root's, and its access list shows as the group's reading."""
    monkeypatch.setattr("guardian.credentials.vault.passphrase.os.geteuid", lambda: 7)
    found = os.stat_result((stat.S_IFREG | mode, 0, 0, 1, owner, 0, 0, 0, 0, 0))
    assert passphrase._is_private(found) is fine


def test_same_words_in_another_form_of_unicode_are_the_same() -> None:
    """`é` typed as one sign or as two opens the same vault."""
    assert normal(Secret(" cafe\u0301 ")) == normal(Secret("caf\u00e9"))


@pytest.mark.parametrize("weak", ["2short", "elevenchars", "aaaaaaaaaaaaaaaa", "abababababababab"])
def test_weak_passphrase_makes_no_vault(weak: str) -> None:
    """Under 12 characters, or of few different ones; it is not shown."""
    with pytest.raises(CredentialsError, match="too short") as caught:
        check_new(Secret(weak))
    assert weak not in everything_said(caught.value)


@posix_only
def test_child_does_not_have_the_descriptor() -> None:
    """A process that is started while the passphrase is being waited for has no such descriptor."""
    code = (
        "import os, sys, subprocess, threading, time\n"
        "from guardian.credentials.vault.passphrase import read_descriptor\n"
        "reading, writing = os.pipe(); os.set_inheritable(reading, True)\n"
        "thread = threading.Thread(target=read_descriptor, args=(reading,)); thread.start(); time.sleep(0.3)\n"
        "look = f'import os; os.fstat({reading})'\n"
        "print(subprocess.run([sys.executable, '-c', look], close_fds=False, stderr=subprocess.DEVNULL).returncode)\n"
        "os.write(writing, b'five plain words of nobody\\n'); thread.join()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "1"
