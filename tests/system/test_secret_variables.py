"""Which variables hold a secret of Binance's, and that a server with one does not start."""

from __future__ import annotations

import pytest

from guardian.errors import GuardianError
from guardian.system.secret_variables import require_no_secrets, secret_variables
from tests.e2e.support.processes import Machine

CANARY = "CANARYkey0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
PEM = "-----BEGIN PRIVATE KEY-----\nCANARYMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----\n"

SECRET = (
    "BINANCE_API_KEY", "BINANCE_API_SECRET", "BINANCE_SECRET_KEY", "BINANCE_PRIVATE_KEY", "BINANCE_SECRET",
    "BINANCE_TESTNET_API_KEY", "BINANCE_TESTNET_API_SECRET", "BINANCE_TESTNET_SECRET_KEY", "TESTNET_BINANCE_API_KEY",
    "BINANCE_API_KEY_TESTNET", "BINANCE_FUTURES_API_SECRET", "BINANCE_APIKEY", "BINANCE_APISECRET", "binance_api_key",
    "MY_BINANCE_ACCESS_KEY", "BINANCE_KEY", "BINANCE_PEM", "BINANCE_PRIVATE_KEY_PASSPHRASE", "Binance-Api-Key",
)  # fmt: skip
HARMLESS = (
    "BINANCE_TESTNET", "BINANCE_BASE_URL", "BINANCE_PRIVATE_KEY_PATH", "BINANCE_SECRET_FILE", "BINANCE_API_KEY_ID",
    "API_KEY", "SECRET", "OPENAI_API_KEY", "HOME", "PATH", "CREDENTIALS_DIRECTORY",
)  # fmt: skip


@pytest.mark.parametrize("name", SECRET)
def test_variable_with_a_secret_is_known_by_its_name(name: str) -> None:
    """The names that clients, examples and other servers use, in either case, for each environment."""
    assert secret_variables({name: CANARY, "HOME": "/"}) == (name,)
    assert secret_variables({name: "  "}) == ()


@pytest.mark.parametrize("name", HARMLESS)
def test_other_variable_is_let_alone(name: str) -> None:
    """What only says where a secret is, and what is not Binance's."""
    assert secret_variables({name: CANARY}) == ()


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "ENCRYPTED ", "OPENSSH "])
def test_private_key_is_known_by_its_value(kind: str) -> None:
    """In PEM form, under whatever name, with real or escaped line ends; a public key is none."""
    pem = PEM.replace("BEGIN ", f"BEGIN {kind}")
    assert secret_variables({"SIGNING": pem, "OTHER": pem.replace("\n", "\\n")}) == ("OTHER", "SIGNING")
    assert secret_variables({"PUBLIC": pem.replace("PRIVATE", "PUBLIC")}) == ()


def test_refusal_names_the_variables_the_files_and_the_command_and_no_value() -> None:
    """Which variables, where clients keep them, how to import them."""
    with pytest.raises(GuardianError) as caught:
        require_no_secrets(secret_variables({"BINANCE_API_KEY": CANARY, "K": PEM}))
    assert "`BINANCE_API_KEY`, `K`" in caught.value.message
    hint = str(caught.value.hint)
    assert all(name in hint for name in ("claude_desktop_config.json", ".mcp.json", ".cursor/mcp.json", ".env"))
    assert "`guardian keys add testnet --from FILE`" in hint
    assert "CANARY" not in caught.value.message + hint
    require_no_secrets(())


@pytest.mark.usefixtures("spawned")
@pytest.mark.parametrize(("name", "value"), [("BINANCE_TESTNET_API_SECRET", CANARY), ("SIGNING_KEY", PEM)])
def test_server_with_a_secret_in_its_environment_does_not_start(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: str
) -> None:
    """Exit 1 with an error and a hint, nothing on standard output, nothing made in the home; other commands run."""
    machine = Machine(tmp_path_factory.mktemp("machine"))
    environment = {**machine.environment, name: value}
    done = machine.run("serve", env=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("guardian: error: a secret is in the environment of this server")
    assert f"`{name}`" in done.stderr
    assert "guardian: hint: " in done.stderr
    assert "CANARY" not in done.stderr
    assert not machine.home.exists()
    assert machine.run("policy", "check", env=environment).returncode == 0
