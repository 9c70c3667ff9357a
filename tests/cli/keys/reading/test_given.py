"""A pair is found in a `.env`, in a client's configuration or in a pipe, with the lines that are to be deleted then."""

from __future__ import annotations

import json
import time
import traceback
from pathlib import Path

import pytest

from guardian.cli.keys.reading.given import Given, read_bytes, read_given
from guardian.domain.secrets import KeyFamily, KeyKind, Secret
from guardian.domain.trading import Environment
from guardian.errors import CredentialsError
from tests.support.private_keys import PASSPHRASE, der_in_base64, ed25519_key, private_pem, rsa_key

KEY = "CANARYkey0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRS"
SECRET = "CANARYsecret6789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTU"
OTHER = "OTHERkey0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRS"


def read(
    text: str | bytes,
    environment: Environment = Environment.TESTNET,
    family: KeyFamily = KeyFamily.SPOT,
    folder: Path | None = None,
    passphrase: str = "",
) -> Given:
    data = text.encode() if isinstance(text, str) else text
    return read_given(
        Secret(data.decode("latin-1")),
        environment=environment,
        family=family,
        folder=folder,
        most=100_000,
        ask_passphrase=lambda: Secret(passphrase),
    )


def assert_hmac(given: Given, key: str = KEY, secret: str = SECRET) -> None:
    assert (given.signing.kind, given.signing.value, given.api_key) == (KeyKind.HMAC, Secret(secret), Secret(key))


ENV_FILES = {
    "plain": f"BINANCE_API_KEY={KEY}\nBINANCE_API_SECRET={SECRET}\n",
    "quotes": f"BINANCE_API_KEY=\"{KEY}\"\nBINANCE_SECRET_KEY='{SECRET}'\n",
    "a shell's": f"export BINANCE_API_KEY={KEY}\nexport BINANCE_API_SECRET={SECRET}",
    "PowerShell's": f'$env:BINANCE_API_KEY = "{KEY}"\r\n$env:BINANCE_SECRET = "{SECRET}"\r\n',
    "a batch file's": f"set BINANCE_API_KEY={KEY}\r\nset BINANCE_API_SECRET={SECRET}\r\n",
    "comments": f"BINANCE_API_KEY={KEY} # mine\nBINANCE_API_SECRET={SECRET}\t# too\n",
    "TOML": f'BINANCE_API_KEY = "{KEY}"\nBINANCE_API_SECRET = "{SECRET}"\n',
    "YAML": f"BINANCE_API_KEY: {KEY}\nBINANCE_API_SECRET: '{SECRET}'\n",
    "a list": f"environment:\n  - BINANCE_API_KEY={KEY}\n  - BINANCE_API_SECRET={SECRET}\n",
    "no vendor": f"API_KEY={KEY}\nAPI_SECRET={SECRET}\n",
    "small letters": f"binance.api-key={KEY}\nbinance.api-secret={SECRET}\n",
    "byte order mark": f"\ufeffBINANCE_API_KEY={KEY}\nBINANCE_API_SECRET={SECRET}\n",
}


@pytest.mark.parametrize("name", ENV_FILES)
def test_pair_is_found_in_a_file_of_variables(name: str) -> None:
    """Each way to write variables gives the pair and its two lines."""
    given = read(ENV_FILES[name])
    assert_hmac(given)
    first = 2 if name == "a list" else 1
    assert [place.split(" (")[0] for place in given.places] == [f"line {first}", f"line {first + 1}"]
    assert KEY not in repr(given)


def test_lines_to_delete_are_all_that_have_the_value() -> None:
    """The same value under another name is named too, and other lines are not."""
    text = (
        f"# mine\nOPENAI_API_KEY=sk-{OTHER}\n\nBINANCE_API_KEY={KEY}\nBINANCE_API_SECRET={SECRET}\nMY_OLD_NAME={KEY}\n"
    )
    assert read(text).places == (
        "line 4 (`BINANCE_API_KEY`)", "line 5 (`BINANCE_API_SECRET`)", "line 6 (`MY_OLD_NAME`)"
    )  # fmt: skip


def test_pem_in_a_file_of_variables_is_read_over_its_lines() -> None:
    """In quotes, without, or with its line ends written out; the lines that it is on are counted."""
    pem = private_pem(ed25519_key())
    for value, last in ((f'"{pem}"', 5), (pem.rstrip(), 4), ('"' + pem.replace("\n", "\\n") + '"', 2)):
        given = read(f"BINANCE_API_KEY={KEY}\nBINANCE_PRIVATE_KEY={value}\nNEXT=1\n")
        assert (given.signing.kind, given.api_key) == (KeyKind.ED25519, Secret(KEY)), value
        lines = "line 2" if last == 2 else f"lines 2 to {last}"
        assert given.places == ("line 1 (`BINANCE_API_KEY`)", f"{lines} (`BINANCE_PRIVATE_KEY`)")


def test_private_key_without_an_api_key_is_enough() -> None:
    """The API key is then to be entered by hand."""
    given = read(f"BINANCE_PRIVATE_KEY={der_in_base64(rsa_key())}\n")
    assert (given.signing.kind, given.api_key) == (KeyKind.RSA, None)


def test_file_that_a_variable_names_is_read_beside_it(tmp_path: Path) -> None:
    """`..._PRIVATE_KEY_PATH` leads to the key; its passphrase is taken from its variable, which is to be deleted."""
    (tmp_path / "key.pem").write_text(private_pem(rsa_key(), passphrase=PASSPHRASE))
    text = f"BINANCE_API_KEY={KEY}\nBINANCE_PRIVATE_KEY_PATH=key.pem\nBINANCE_PRIVATE_KEY_PASSPHRASE={PASSPHRASE}\n"
    given = read(text, folder=tmp_path)
    assert given.signing.kind is KeyKind.RSA
    assert given.places == ("line 1 (`BINANCE_API_KEY`)", "line 3 (`BINANCE_PRIVATE_KEY_PASSPHRASE`)")
    with pytest.raises(CredentialsError, match="cannot read a key from"):
        read(text.replace("key.pem", "none.pem"), folder=tmp_path)


def configuration(**env: str) -> str:
    return json.dumps({"mcpServers": {"binance": {"command": "x", "env": env}}}, indent=2)


def test_pair_is_found_in_a_clients_configuration() -> None:
    """The `env` of a server in `claude_desktop_config.json`, with the lines of both values."""
    given = read(configuration(BINANCE_API_KEY=KEY, BINANCE_API_SECRET=SECRET))
    assert_hmac(given)
    assert given.places == ("line 6 (`BINANCE_API_KEY`)", "line 7 (`BINANCE_API_SECRET`)")


def test_pem_in_a_configuration_is_read() -> None:
    """JSON writes its line ends out."""
    given = read(configuration(BINANCE_API_KEY=KEY, BINANCE_PRIVATE_KEY=private_pem(ed25519_key())))
    assert given.signing.kind is KeyKind.ED25519
    assert len(given.places) == 2


def test_pair_is_found_among_the_arguments_of_a_server() -> None:
    """`--api-key VALUE` and `--api-secret=VALUE`, as some servers take them; comments of the client are passed over."""
    text = f"""{{
  // "BINANCE_API_KEY": "{OTHER}"
  "mcp": {{"servers": {{"binance": {{
    "args": ["serve", "--binance-api-key", "{KEY}",
             "--binance-api-secret={SECRET}",],
  }}}}}},
}}"""
    given = read(text)
    assert_hmac(given)
    assert given.places == ("line 4 (`binance-api-key`)", "line 5 (`binance-api-secret`)")


def test_same_pair_for_two_servers_is_one_and_all_its_lines_are_named() -> None:
    """Two entries with the same values are no contradiction."""
    env = {"BINANCE_API_KEY": KEY, "BINANCE_API_SECRET": SECRET}
    text = json.dumps({"mcpServers": {"a": {"env": env}, "b": {"env": env}}}, indent=1)
    given = read(text)
    assert_hmac(given)
    assert len(given.places) == 4


ENVIRONMENTS = f"""
BINANCE_API_KEY={OTHER}1
BINANCE_API_SECRET={OTHER}2
BINANCE_TESTNET_API_KEY={OTHER}3
BINANCE_TESTNET_API_SECRET={OTHER}4
BINANCE_TESTNET_FUTURES_API_KEY={OTHER}5
BINANCE_TESTNET_FUTURES_API_SECRET={OTHER}6
BINANCE_LIVE_API_KEY={OTHER}7
BINANCE_LIVE_API_SECRET={OTHER}8
"""


@pytest.mark.parametrize(
    ("environment", "family", "numbers"),
    [
        (Environment.TESTNET, KeyFamily.SPOT, "34"),
        (Environment.TESTNET, KeyFamily.FUTURES, "56"),
        (Environment.LIVE, KeyFamily.SPOT, "78"),
        (Environment.DEMO, KeyFamily.SPOT, "12"),
    ],
)
def test_key_of_another_environment_is_not_taken(environment: Environment, family: KeyFamily, numbers: str) -> None:
    """Names with an environment or a family in them are for it alone; others are for what has none of its own."""
    assert_hmac(read(ENVIRONMENTS, environment, family), OTHER + numbers[0], OTHER + numbers[1])


def test_pair_is_found_on_two_lines_of_a_pipe() -> None:
    """The API key and then the secret, as a password manager gives them."""
    given = read(f"{KEY}\n{SECRET}\n")
    assert_hmac(given)
    assert given.places == ("line 1 (the API key)", "line 2 (the API secret)")


def test_private_key_alone_is_read_in_any_form() -> None:
    """A PEM, DER and an encrypted PEM have no variables in them."""
    pem = private_pem(ed25519_key())
    assert read(pem).signing.kind is KeyKind.ED25519
    assert read(pem.encode("utf-16")).places == ()
    assert read(private_pem(rsa_key(), passphrase=PASSPHRASE), passphrase=PASSPHRASE).signing.kind is KeyKind.RSA


UNCLEAR = {
    "two API keys": (f"BINANCE_API_KEY={KEY}\nBINANCE_KEY={OTHER}\nBINANCE_SECRET={SECRET}\n", "more than one API key"),
    "two secrets": (
        f"BINANCE_API_KEY={KEY}\nBINANCE_SECRET={SECRET}\nBINANCE_API_SECRET={OTHER}\n", "more than one API secret"
    ),
    "secret and private key": (
        f"BINANCE_API_KEY={KEY}\nBINANCE_SECRET={SECRET}\nBINANCE_PRIVATE_KEY={der_in_base64(ed25519_key())}\n",
        "both a private key and an API secret",
    ),
    "no secret": (f"BINANCE_API_KEY={KEY}\n", "an API key and neither a secret nor a private key"),
    "another vendor": (f"KRAKEN_API_KEY={KEY}\nKRAKEN_API_SECRET={SECRET}\n", "no Binance key for this environment"),
    "another environment": (f"BINANCE_LIVE_API_KEY={KEY}\nBINANCE_LIVE_API_SECRET={SECRET}\n", "no Binance key for"),
    "an empty configuration": ('{"mcpServers": {}}', "no Binance key for this environment"),
    "JSON that is cut off": ('{"mcpServers": {"x": {"env": {"BINANCE_API_KEY": "' + KEY, "no Binance key"),
    "a key that is none": (f"BINANCE_API_KEY={KEY}\nBINANCE_PRIVATE_KEY=hello\n", "not a private key"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNCLEAR)
def test_what_is_not_clear_is_not_guessed(name: str) -> None:
    """Names and lines are shown, never a value; neither is one in the frames behind the error."""
    text, sentence = UNCLEAR[name]
    with pytest.raises(CredentialsError, match=sentence) as caught:
        read(text)
    assert caught.value.hint
    stack = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    shown = str(caught.value) + "".join(str(frame.locals) for frame in stack if "tests" not in frame.filename)
    assert not [value for value in (KEY, SECRET, OTHER) if value in shown]


def test_file_that_is_too_long_or_not_there_is_no_key(tmp_path: Path) -> None:
    """Neither is read."""
    (tmp_path / "long").write_bytes(b"x" * 1001)
    for path in (tmp_path / "long", tmp_path / "none", tmp_path):
        with pytest.raises(CredentialsError, match="cannot read a key from"):
            read_bytes(path, 1000)


LONG = {
    "a configuration with a history": json.dumps(
        {"history": [{"display": "word " * 9, "n": "x"} for _ in range(20_000)],
         "mcpServers": {"b": {"env": {"BINANCE_API_KEY": KEY, "BINANCE_API_SECRET": SECRET}}}}, indent=1,
    ),
    "quotes that are not closed": f"BINANCE_API_KEY={KEY}\nBINANCE_API_SECRET={SECRET}\n" + "A='x\n" * 50_000,
    "PEMs that do not end": f"BINANCE_API_KEY={KEY}\nBINANCE_API_SECRET={SECRET}\n" + "A=-----BEGIN X\n" * 10_000,
}  # fmt: skip


@pytest.mark.parametrize("name", LONG)
def test_long_file_is_read_in_time_that_grows_with_it(name: str) -> None:
    """Tens of thousands of lines with the pair among them take seconds at most, whatever they open."""
    begin = time.process_time()
    assert_hmac(read(LONG[name]))
    assert time.process_time() - begin < 20
