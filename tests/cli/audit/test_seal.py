"""`guardian audit seal`, `verify`, `checkpoint` and `accept-loss` as a person and a script see them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from guardian.cli.app import main
from guardian.store.seal.note import parse_note, parse_verifier_key
from tests.cli.test_light_commands import LISTS_MODULES, imported
from tests.credentials.test_keyring_backends import hostile_home, linux_only, secret_service
from tests.e2e.support.processes import Person
from tests.support.keyring import MemoryKeyring
from tests.support.tamper import tamper
from tests.support.world import WIDE, World, a_world_at_home

ROOT = Path(__file__).parents[3]


class Sealable:
    """A home, the command, and a keyring in memory that the command finds."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self._capsys = capsys

    def run(self, *arguments: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        code = main(list(arguments))
        out, err = self._capsys.readouterr()
        return code, out, err

    def verdict(self, *arguments: str) -> tuple[int, Any]:
        code, out, _ = self.run("audit", "verify", "--json", *arguments)
        return code, json.loads(out)


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> MemoryKeyring:
    found = MemoryKeyring()
    monkeypatch.setattr("guardian.credentials.log.home_items.find_backend", lambda _home: found)
    return found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sealable:
    monkeypatch.setenv("GUARDIAN_HOME", str(tmp_path / "guardian"))
    return Sealable(tmp_path / "guardian", capsys)


def test_init_seals_the_log_where_a_keyring_works(home: Sealable, keyring: MemoryKeyring) -> None:
    """It says so once; `verify` proves the log from then on, and a command without the key leaves it proven."""
    code, _, err = home.run("init", "--from", "paper", "--yes")
    assert code == 0
    assert "the log is sealed with a secret in" in err
    assert home.run("halt")[0] == 0
    code, report = home.verdict()
    assert (code, report["result"], report["proven_by"]) == (0, "intact", "the secret in the keyring")
    rows = ("the halt", "what it wrote to `control`")
    assert (report["unchecked"], report["findings"], report["unanchored"]) == ([], [], len(rows))


def test_init_without_a_keyring_makes_the_home_all_the_same(home: Sealable) -> None:
    """Nothing is said of it; `verify` says what it could not check."""
    code, _, err = home.run("init", "--from", "paper", "--yes")
    assert (code, "seal" in err) == (0, False)
    assert home.run("halt")[0] == 0
    code, report = home.verdict()
    assert (code, report["result"]) == (3, "unproven")
    assert "no keyring that guardian trusts works here" in report["unchecked"][0]


def test_seal_prints_the_public_key_and_nothing_else(home: Sealable, keyring: MemoryKeyring) -> None:
    """On standard output, so that it can be kept in a file; the second time it is the same."""
    home.run("init", "--from", "paper", "--yes")
    code, out, err = home.run("audit", "seal")
    assert code == 0
    assert parse_verifier_key(out).text == out.strip()
    assert "was sealed before" in err
    assert home.run("audit", "seal")[1] == out


def test_seal_without_a_keyring_is_exit_3(home: Sealable) -> None:
    """The log is as it was, and the hint says what works on such a machine."""
    home.run("init", "--from", "paper", "--yes")
    code, out, err = home.run("audit", "seal")
    assert (code, out) == (3, "")
    assert "the log is not sealed: no keyring" in err
    assert "guardian keys vault create" in err


def test_public_key_alone_proves_a_log(
    home: Sealable, keyring: MemoryKeyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given as text or as a file, where there is no keyring; a damaged one is wrong usage."""
    home.run("init", "--from", "paper", "--yes")
    key = home.run("audit", "seal")[1].strip()
    (tmp_path / "key").write_text(key + "\n")
    monkeypatch.undo()
    monkeypatch.setenv("GUARDIAN_HOME", str(home.home))
    for given in (key, str(tmp_path / "key")):
        code, report = home.verdict("--pubkey", given)
        assert (code, report["proven_by"]) == (0, "the public key that was given")
    assert home.verdict()[0] == 3
    assert home.run("audit", "verify", "--pubkey", key[:-4])[0] == 2


def test_checkpoint_of_a_sealed_log_is_a_signed_note(home: Sealable, keyring: MemoryKeyring, tmp_path: Path) -> None:
    """Printed or written, it is a note that the public key verifies, and `verify --checkpoint` takes it."""
    home.run("init", "--from", "paper", "--yes")
    key = parse_verifier_key(home.run("audit", "seal")[1])
    code, out, err = home.run("audit", "checkpoint")
    assert code == 0
    assert parse_note(out).is_signed_by(key)
    assert key.text in err
    kept = tmp_path / "kept"
    assert home.run("audit", "checkpoint", "--out", str(kept))[0] == 0
    assert kept.read_text(encoding="utf-8") == out
    assert home.run("audit", "verify", "--checkpoint", str(kept))[0] == 0


def test_second_folder_is_named_once_by_anybody_and_changed_by_the_owner(
    home: Sealable, keyring: MemoryKeyring, tmp_path: Path
) -> None:
    """A program without a terminal can add a folder, and neither move nor remove it."""
    home.run("init", "--from", "paper", "--yes")
    assert home.run("audit", "seal", "--folder", str(tmp_path / "away"))[0] == 1
    first, other = tmp_path / "first", tmp_path / "other"
    first.mkdir()
    other.mkdir()
    assert home.run("audit", "seal", "--folder", str(first))[0] == 0
    assert [path.suffix for path in first.iterdir()] == [".checkpoint"]
    assert home.run("audit", "seal", "--folder", str(first))[0] == 0
    for arguments in (("--folder", str(other)), ("--no-folder",)):
        code, _, err = home.run("audit", "seal", *arguments)
        assert (code, "no person is at a terminal" in err) == (1, True)
    assert home.run("audit", "seal", "--no-folder", "--folder", str(other))[0] == 2
    assert list(other.iterdir()) == []


def test_accept_loss_needs_a_person(home: Sealable) -> None:
    """It loosens: without a terminal nothing is shown or changed."""
    home.run("init", "--from", "paper", "--yes")
    code, _, err = home.run("audit", "accept-loss", "--reason", "why")
    assert (code, "no person is at a terminal" in err) == (1, True)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal module there")
def test_lost_rows_are_accepted_before_trading_is_resumed(world: World, sit_down: Callable[..., Person]) -> None:
    """Rows are cut off: `resume` refuses and names the command; after it `verify` has nothing new, and it resumes."""
    assert world.assistant().order(quantity="0.0005")["outcome"] in {"done", "confirmation_required"}
    world.close()
    tamper(world, "DELETE FROM audit WHERE seq > 2")
    shown = world.command("audit", "verify")
    assert shown.returncode == 1
    assert "guardian audit accept-loss --reason TEXT" in " ".join(shown.stderr.split())
    refused = sit_down("resume")
    refused.waits_for("[y/N] ")
    refused.types("y\n")
    assert refused.leaves()[0] == 1
    assert "accept-loss" in refused.seen
    person = sit_down("audit", "accept-loss", "--reason", "a copy was put back")
    person.waits_for("[y/N] ")
    assert "TRUNCATED" in person.seen or "GAP" in person.seen
    person.types("y\n")
    person.leaves()
    assert "accepted, and written in the log" in person.seen
    owner = sit_down("resume")
    owner.waits_for("[y/N] ")
    owner.types("y\n")
    assert owner.leaves()[0] == 0
    report = json.loads(world.command("audit", "verify", "--json").stdout)
    assert {one["kind"] for one in report["accepted"]} & {"GAP", "TRUNCATED", "REWRITTEN"}
    assert not {one["kind"] for one in report["findings"]} & {"GAP", "CHAIN", "TRUNCATED", "REWRITTEN"}


def test_halt_reads_no_keyring(home: Sealable, keyring: MemoryKeyring, tmp_path: Path) -> None:
    """A sealed log is halted by a command that imports nothing of the keyring, and stays proven."""
    home.run("init", "--from", "paper", "--yes")
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(LISTS_MODULES)
    env = {
        **os.environ, "GUARDIAN_HOME": str(home.home), "PYTHONPATH": str(folder),
        "LISTED_MODULES": str(tmp_path / "modules"),
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-m", "guardian", "halt"], env=env, capture_output=True, check=False)
    assert done.returncode == 0
    assert imported(tmp_path) == set()
    assert home.verdict()[0] == 0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A paper exchange, and a home with a policy of its own whose log has a few rows."""
    with a_world_at_home(tmp_path, WIDE) as made:
        yield made


REAL = """
set -e
guardian() { "$PYTHON" -m guardian "$@"; }
guardian init --from paper --yes
guardian halt
guardian audit verify
guardian audit seal > "$KEPT"
cp -r "$GUARDIAN_HOME" "$GUARDIAN_HOME.old"
guardian halt
guardian audit seal
rm -r "$GUARDIAN_HOME"; mv "$GUARDIAN_HOME.old" "$GUARDIAN_HOME"
if guardian audit verify; then exit 9; else echo "rolled back: $?"; fi
"""


@linux_only
@pytest.mark.slow
def test_rollback_is_found_with_a_real_secret_service(tmp_path: Path) -> None:
    """Sealed by `init`, proven by `verify`; the whole folder put back from a copy is TRUNCATED by the anchor."""
    env = hostile_home(tmp_path)
    env |= {"GUARDIAN_HOME": str(tmp_path / "guardian"), "PYTHON": sys.executable, "KEPT": str(tmp_path / "key")}
    env["PYTHONPATH"] += f":{ROOT}"
    done = subprocess.run(
        [*secret_service(env, unlock=True), "bash", "-c", REAL],
        capture_output=True, text=True, env=env, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done
    assert "keyring.backends.SecretService.Keyring" in done.stderr
    assert "proven by                      the secret in the keyring" in done.stdout
    assert "rolled back: 1" in done.stdout
    assert "TRUNCATED: the log ends at row" in done.stderr
    assert "of the checkpoint (keyring) is gone" in " ".join(done.stderr.split())
