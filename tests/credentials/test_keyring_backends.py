"""Which keyring is used: one of a few, by name, whatever the environment, a file or an installed package says."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import textwrap
import types
from pathlib import Path
from typing import Any

import pytest

from guardian.credentials import backends
from guardian.credentials.store import CredentialStore, open_credentials
from guardian.errors import KeyringUnavailable
from tests.support.keyring import MemoryKeyring
from tests.support.vaults import vault_in

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere this would reach the user's own keyring")
HERE = Path(__file__).parent
NO_VAULT = HERE / "no-vault"
CANARIES = (b"CANARYkey", b"CANARYsecret")
REQUESTS = '{"jsonrpc":"2.0","id":1,"method":"initialize"}\n{"jsonrpc":"2.0","method":"notifications/initialized"}\n'

EVIL_BACKEND = """
    import os, pathlib, sys
    from keyring.backend import KeyringBackend

    def touched(what):
        pathlib.Path(os.environ["EVIL_MARK"]).write_text(what)

    touched("imported")

    class Keyring(KeyringBackend):
        priority = 99
        def get_password(self, service, username):
            touched("get " + sys.stdin.readline())
            return None
        def set_password(self, service, username, password):
            touched(password)
        def delete_password(self, service, username):
            touched("delete")
"""


def hostile_home(folder: Path) -> dict[str, str]:
    """A HOME and an environment that push keyring towards a backend of the attacker's in every way it knows."""
    home = folder / "home"
    run = home / "run"
    evil = folder / "evil"
    config = home / ".config" / "python_keyring"
    info = evil / "evil-1.0.dist-info"
    for path in (run, config, info):
        path.mkdir(parents=True)
    run.chmod(0o700)
    (evil / "evil_backend.py").write_text(textwrap.dedent(EVIL_BACKEND))
    (config / "keyringrc.cfg").write_text(f"[backend]\ndefault-keyring=evil_backend.Keyring\nkeyring-path={evil}\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[keyring.backends]\nevil = evil_backend\n")
    kept = {k: v for k, v in os.environ.items() if k in {"PATH", "LANG"}}
    return {
        **kept,
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(run),
        "PYTHONPATH": str(evil),
        "EVIL_MARK": str(folder / "mark"),
        "PYTHON_KEYRING_BACKEND": "evil_backend.Keyring",
        "KEYRING_PROPERTY_PREFERRED_COLLECTION": "/org/freedesktop/secrets/collection/session",
        "KEYRING_PROPERTY_SCHEME": "KeePassXC",
        "KEYRING_PROPERTY_APPID": "evil",
        "KEYRING_PROPERTY_GET_PASSWORD": "evil",
    }


def next_login(env: dict[str, str]) -> dict[str, str]:
    """The environment of the next login, whose runtime folder is new: a daemon of the last one may still leave."""
    run = Path(env["HOME"], "next-run")
    run.mkdir(mode=0o700)
    return {**env, "XDG_RUNTIME_DIR": str(run)}


def run_python(code: str, env: dict[str, str], *, wrap: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*wrap, sys.executable, "-c", textwrap.dedent(code)],
        input=REQUESTS, capture_output=True, text=True, env=env, timeout=60, cwd=env["HOME"], check=False,
    )  # fmt: skip


OPEN = """
    import sys
    from pathlib import Path
    from guardian.credentials.store import open_credentials
    from guardian.errors import KeyringUnavailable
    try:
        print(open_credentials(home=Path("no-vault"), timeout_s=3).backend_name)
    except KeyringUnavailable as error:
        print("unavailable:", error.message, error.hint)
    print(sys.stdin.read(), end="")
"""


@linux_only
@pytest.mark.parametrize("way", ["variable", "file", "entry point"])
def test_hostile_settings_do_catch_keyrings_own_choice(tmp_path: Path, way: str) -> None:
    """The traps of this file are real: `keyring.get_keyring()` falls into each of them, and reads standard input."""
    env = hostile_home(tmp_path)
    for name in [n for n in env if n.startswith("KEYRING_PROPERTY_")]:
        del env[name]
    if way != "variable":
        del env["PYTHON_KEYRING_BACKEND"]
    if way == "entry point":
        (tmp_path / "home" / ".config" / "python_keyring" / "keyringrc.cfg").unlink()
    run_python("import keyring; keyring.get_keyring().get_password('a', 'b')", env)
    assert (tmp_path / "mark").read_text().startswith('get {"jsonrpc"')


@linux_only
@pytest.mark.parametrize(
    "named",
    [None, "evil_backend.Keyring", "keyring.backends.null.Keyring", "keyring.backends.fail.Keyring",
     "keyring.backends.chainer.ChainerBackend", "keyrings.alt.file.PlaintextKeyring"],
)  # fmt: skip
def test_backend_named_from_outside_is_ignored_where_there_is_no_keyring(tmp_path: Path, named: str | None) -> None:
    """Without a real keyring the answer is KeyringUnavailable: no variable, file or entry point provides another.

    Nothing of the other backend is even imported, and what waits on standard input is left for the MCP server.
    """
    env = hostile_home(tmp_path)
    if named is None:
        del env["PYTHON_KEYRING_BACKEND"]
    else:
        env["PYTHON_KEYRING_BACKEND"] = named
    result = run_python(OPEN, env)
    assert result.stdout.startswith("unavailable: no keyring that guardian trusts works here"), result.stderr
    assert "Secret Service" in result.stdout
    assert result.stdout.endswith(REQUESTS)
    assert not (tmp_path / "mark").exists()


@linux_only
def test_session_bus_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """A bus that accepts and says nothing is an error after the time-out, and the process can still end."""
    env = hostile_home(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        path = tmp_path / "bus"
        server.bind(str(path))
        server.listen()
        env["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={path}"
        result = run_python(OPEN.replace("timeout_s=3", "timeout_s=0.5"), env)
    assert result.stdout.startswith("unavailable: the keyring did not answer within 0.5 s"), result.stderr
    assert result.stdout.endswith(REQUESTS)
    assert result.returncode == 0


def secret_service(env: dict[str, str], *, unlock: bool) -> tuple[str, ...]:
    missing = [p for p in ("dbus-run-session", "gnome-keyring-daemon") if shutil.which(p) is None]
    if missing:
        if os.environ.get("GUARDIAN_TEST_REQUIRE_KEYRING") == "1":
            pytest.fail(f"required here, but not installed: {', '.join(missing)}")
        pytest.skip(f"not installed: {', '.join(missing)}")
    # The daemon ends with the bus, and the bus with the command.
    start = "printf %s only-for-this-test | gnome-keyring-daemon --unlock --components=secrets >/dev/null"
    if not unlock:
        start = "gnome-keyring-daemon --start --components=secrets >/dev/null </dev/null"
    return ("dbus-run-session", "--", "bash", "-c", f'{start}; exec "$@"', "_")


@linux_only
def test_real_secret_service_keeps_the_contract_under_hostile_settings(tmp_path: Path) -> None:
    """The whole store works over GNOME Keyring while everything points elsewhere, and no file shows a secret."""
    env = hostile_home(tmp_path)
    wrap = secret_service(env, unlock=True)
    env["GUARDIAN_TEST_REAL_KEYRING"] = "1"
    result = subprocess.run(
        [*wrap, sys.executable, "-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider",
         "--basetemp", str(tmp_path / "inner"), str(HERE / "test_credential_store.py")],
        capture_output=True, text=True, env=env, timeout=120, cwd=HERE.parents[1], input="", check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert not (tmp_path / "mark").exists()


def _store_canaries(env: dict[str, str]) -> None:
    stored = run_python(
        """
        from pathlib import Path
        from guardian.credentials.store import open_credentials
        from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind, Secret
        store = open_credentials(home=Path("no-vault"), timeout_s=10)
        store.put(ApiKeyPair(environment="testnet", family=KeyFamily.SPOT, kind=KeyKind.HMAC,
                             api_key=Secret("CANARYkey" * 7), signing_key=Secret("CANARYsecret" * 5)))
        print(store.backend_name, *store.list())
        import sys
        print(sys.stdin.read(), end="")
        """,
        env, wrap=secret_service(env, unlock=True),
    )  # fmt: skip
    assert stored.stdout.startswith("keyring.backends.SecretService.Keyring StoredKey("), stored.stderr
    assert stored.stdout.endswith(REQUESTS), "something read standard input"


@linux_only
def test_real_secret_service_keeps_keys_between_sessions_and_no_file_shows_them(tmp_path: Path) -> None:
    """A key stored in one login session is there in the next; neither half is readable in any file."""
    env = hostile_home(tmp_path)
    _store_canaries(env)
    env = next_login(env)
    again = run_python(
        """
        from pathlib import Path
        from guardian.credentials.store import open_credentials
        from guardian.domain.secrets import KeyFamily
        found = open_credentials(home=Path("no-vault"), timeout_s=10).get("testnet", KeyFamily.SPOT)
        print(found is not None and found.signing_key.reveal() == "CANARYsecret" * 5)
        """,
        env, wrap=secret_service(env, unlock=True),
    )  # fmt: skip
    assert again.stdout.strip() == "True", again.stderr
    assert not any(canary in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() for canary in CANARIES)
    assert list((tmp_path / "home" / ".local").rglob("*.keyring")), "the keyring was not kept under the private home"
    assert not (tmp_path / "mark").exists()


@linux_only
def test_locked_secret_service_is_an_error_within_three_seconds(tmp_path: Path) -> None:
    """A keyring that is there and locked, with nobody to unlock it, is reported as such, and soon."""
    env = hostile_home(tmp_path)
    _store_canaries(env)
    env = next_login(env)
    locked = run_python(
        """
        import time
        from pathlib import Path
        from guardian.credentials.store import open_credentials
        from guardian.domain.secrets import KeyFamily
        from guardian.errors import KeyringUnavailable
        begin = time.monotonic()
        try:
            open_credentials(home=Path("no-vault"), timeout_s=3).get("testnet", KeyFamily.SPOT)
        except KeyringUnavailable as error:
            print(error.message, "|", error.hint, "|", time.monotonic() - begin < 3.5)
        """,
        env, wrap=secret_service(env, unlock=False),
    )  # fmt: skip
    assert "has no windows in which the keyring could ask: unlock it beforehand" in locked.stdout, locked.stderr
    assert locked.stdout.strip().endswith("True")


def _pretend(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr(backends, "sys", types.SimpleNamespace(platform=platform))


@pytest.mark.parametrize(
    ("platform", "tried"),
    [("darwin", "the Keychain of macOS"), ("win32", "the Credential Manager of Windows")],
)
def test_each_system_tries_its_own_backend_and_no_other(
    monkeypatch: pytest.MonkeyPatch, platform: str, tried: str
) -> None:
    """On macOS and Windows exactly one backend is tried."""
    if sys.platform == platform:
        pytest.skip("would reach the user's own keyring")
    _pretend(monkeypatch, platform)
    with pytest.raises(KeyringUnavailable) as caught:
        open_credentials(home=NO_VAULT)
    assert f"`{tried}`" in caught.value.message
    assert caught.value.message.count("`") == 2


def test_unknown_system_has_no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without an allowed backend gets an error that says so."""
    _pretend(monkeypatch, "plan9")
    with pytest.raises(KeyringUnavailable, match="none is known for this system"):
        open_credentials(home=NO_VAULT)


@pytest.mark.parametrize("platform", ["win32", "darwin", "linux"])
def test_environment_sets_no_property_of_the_backend(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    """KEYRING_PROPERTY_* and KEYCHAIN_PATH change nothing; on Windows secrets stay on this machine."""
    from keyring.backend import KeyringBackend

    class Plain(KeyringBackend):
        priority = 5  # a plain number, as other backends have it
        keychain = "/from/KEYCHAIN_PATH"
        appid = "from argv"
        persist = "enterprise"

        def get_password(self, service: str, username: str) -> str | None:
            return None

        def set_password(self, service: str, username: str, password: str) -> None:
            raise AssertionError("not used")

    module = types.ModuleType("plain_backend")
    module.Keyring = Plain  # type: ignore[attr-defined]  # a module made here
    monkeypatch.setitem(sys.modules, "plain_backend", module)
    monkeypatch.setattr(backends, "_BACKENDS", {platform: ("plain_backend.Keyring",)})
    monkeypatch.setenv("KEYRING_PROPERTY_APPID", "evil")
    monkeypatch.setenv("KEYRING_PROPERTY_PERSIST", "session")
    monkeypatch.setenv("KEYRING_PROPERTY_GET_PASSWORD", "evil")
    _pretend(monkeypatch, platform)
    backend: Any = open_credentials(home=NO_VAULT)._items._backend
    assert backend.appid == "guardian"
    assert backend.keychain is None
    assert backend.persist == ("local machine" if platform == "win32" else "enterprise")
    assert callable(backend.get_password)
    assert CredentialStore(backend).backend_name == "plain_backend.Keyring"


@pytest.mark.parametrize("priority", [0, -1])
def test_backend_that_does_not_recommend_itself_is_not_used(monkeypatch: pytest.MonkeyPatch, priority: int) -> None:
    """A backend that says it is unfit is passed over."""
    module = types.ModuleType("unfit_backend")
    module.Keyring = type("Keyring", (), {"priority": priority})  # type: ignore[attr-defined]  # a module made here
    monkeypatch.setitem(sys.modules, "unfit_backend", module)
    monkeypatch.setattr(backends, "_BACKENDS", {"linux": ("unfit_backend.Keyring",)})
    _pretend(monkeypatch, "linux")
    with pytest.raises(KeyringUnavailable, match="no keyring"):
        open_credentials(home=NO_VAULT)


def test_keyring_is_not_imported_before_it_is_used() -> None:
    """Importing the credentials module leaves keyring and cryptography alone."""
    code = "import sys, guardian.credentials.store; print({'keyring', 'cryptography'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "set()"


def _working_keyring(monkeypatch: pytest.MonkeyPatch) -> type[MemoryKeyring]:
    """A machine whose keyring works."""
    module = types.ModuleType("working_backend")
    made = type("Keyring", (MemoryKeyring,), {"priority": 5})
    module.Keyring = made  # type: ignore[attr-defined]  # a module made here
    monkeypatch.setitem(sys.modules, "working_backend", module)
    monkeypatch.setattr(backends, "_BACKENDS", {"linux": ("working_backend.Keyring",)})
    _pretend(monkeypatch, "linux")
    return made


def test_vault_is_used_where_it_was_made_and_the_keyring_everywhere_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a keyring that works too: a home with a vault has its keys there alone, another home in the keyring."""
    _working_keyring(monkeypatch)
    made = vault_in(tmp_path / "with")
    assert open_credentials(home=tmp_path / "with").backend_name == f"vault {made.file.path}"
    assert open_credentials(home=tmp_path / "without").backend_name == "working_backend.Keyring"
    made.file.path.unlink()
    made.file.path.symlink_to(tmp_path / "nowhere")
    # What looks like a vault and cannot be used is not passed over for the keyring.
    with pytest.raises(KeyringUnavailable, match="symbolic link"):
        open_credentials(home=tmp_path / "with").list()
