"""What a file or a pipe gives of a key pair: the private key or secret, perhaps the API key, and where it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from guardian.cli.keys.reading.armor import text_of
from guardian.cli.keys.reading.private_keys import read_private_key
from guardian.cli.keys.reading.settings import NamedValue, client_settings, env_settings
from guardian.cli.keys.reading.signing_keys import SigningKey
from guardian.domain.secrets import KeyFamily, KeyKind, Secret
from guardian.domain.trading import Environment
from guardian.errors import CredentialsError

_WORDS: Final = {
    Environment.TESTNET: ("TESTNET", "TEST", "SANDBOX"),
    Environment.DEMO: ("DEMO",),
    Environment.LIVE: ("LIVE", "PROD", "PRODUCTION", "MAINNET", "REAL"),
}
"""The words in a name that say which environment it is for."""
_OF_NO_VENDOR: Final = frozenset(
    {
        "API_KEY", "APIKEY", "API_SECRET", "APISECRET", "SECRET", "SECRET_KEY", "SECRETKEY", "API_SECRET_KEY",
        "PRIVATE_KEY", "PRIVATEKEY", "API_PRIVATE_KEY", "PRIVATE_KEY_PATH", "PRIVATE_KEY_PASSPHRASE", "ACCESS_KEY",
    }
)  # fmt: skip
_BARE: Final = re.compile(r"\A\s*([!-~]{16,512})\s+([!-~]{16,512})\s*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A signing key, and the API key where it was there too."""

    signing: SigningKey
    api_key: Secret | None = None
    places: tuple[str, ...] = field(default=())
    """Where their text is, as `line 4 (BINANCE_API_KEY)`: what to delete once they are stored."""


@dataclass(frozen=True, slots=True)
class _Roles:
    """The settings that may be each part of a pair."""

    api_key: list[NamedValue]
    secret: list[NamedValue]
    private_key: list[NamedValue]
    key_file: list[NamedValue]
    passphrase: list[NamedValue]


def read_given(
    data: Secret,
    *,
    environment: Environment,
    family: KeyFamily,
    folder: Path | None,
    most: int,
    ask_passphrase: Callable[[], Secret],
) -> Given:
    """Returns what is given in a file's bytes (one character for each byte): a private key, a `.env`, a configuration,
    or an API key and a secret on two lines.

    `folder` is where files that a setting names are looked for, of at most `most` bytes; None: nowhere.
    Raises CredentialsError, which names what was found instead, and never its value.
    """
    settings, is_configuration = _settings_in(data)
    if not settings and not is_configuration:
        pair = _two_lines(data)
        return pair or Given(signing=read_private_key(data, ask_passphrase))
    roles = _roles(settings, environment, family)
    api_key = _only(roles.api_key, "API key")
    passphrase = _only(roles.passphrase, "passphrase")
    private = _only(roles.private_key, "private key")
    secret = _only(roles.secret, "API secret")
    in_file = _only(roles.key_file, "file of a private key")
    if private is not None and secret is not None:
        raise _unclear("both a private key and an API secret", [private, secret])
    used = [one for one in (api_key, private, secret, in_file, passphrase) if one is not None]
    answer = ask_passphrase if passphrase is None else _once(passphrase.value, ask_passphrase)
    if private is not None:
        signing = read_private_key(_bytes_of(private.value), answer)
    elif secret is not None:
        signing = SigningKey(KeyKind.HMAC, secret.value)
    elif in_file is not None and folder is not None:
        signing = read_private_key(read_bytes(folder / in_file.value.reveal(), most), answer)
    else:
        raise _nothing(settings, api_key)
    # The name of the file is no secret; what is in it is not on these lines.
    secrets = [one for one in used if one is not in_file]
    return Given(
        signing=signing,
        api_key=None if api_key is None else api_key.value,
        places=_places(settings, secrets),
    )


def read_bytes(path: Path, most: int) -> Secret:
    """Returns a file's bytes, one character for each. Raises CredentialsError: unreadable, or over `most` bytes."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except (OSError, ValueError) as error:
        reason = type(error).__name__
    else:
        if len(data) <= most:
            return Secret(data.decode("latin-1"))
        reason = f"over {most} bytes"
    raise CredentialsError(f"cannot read a key from `{path}` ({reason})")


def _settings_in(data: Secret) -> tuple[tuple[NamedValue, ...], bool]:
    """Returns the settings of a text, and whether it is the JSON of a client at all."""
    text = text_of(data.reveal().encode("latin-1"))
    if text is None:
        return (), False
    begun = text.lstrip("\ufeff \t\r\n")
    if begun.startswith(("{", "//", "/*")):
        return client_settings(Secret(text)), '"kty"' not in begun or '"mcpServers"' in begun
    if begun.startswith(("-----", "PuTTY", "Bag Attributes", "ssh-")):
        return (), False
    found = env_settings(Secret(text.lstrip("\ufeff")))
    return tuple(one for one in found if one.value), False


def _roles(settings: Sequence[NamedValue], environment: Environment, family: KeyFamily) -> _Roles:
    """Sorts the settings that are for this place into the parts of a pair."""
    ours = [one for one in settings if "BINANCE" in one.name.upper()]
    ours = ours or [one for one in settings if _plain(one.name) in _OF_NO_VENDOR]
    ours = [one for one in ours if _is_for(one.name, environment, family)]
    roles = _Roles([], [], [], [], [])
    for one in ours:
        kept = _role(roles, one)
        if kept is not None:
            kept.append(one)
    return _Roles(*(_nearest(kept, environment, family) for kept in _all(roles)))


def _role(roles: _Roles, one: NamedValue) -> list[NamedValue] | None:
    name = _plain(one.name).replace("_", "")
    if "PASSPHRASE" in name or "PASSWORD" in name:
        return roles.passphrase
    if "-----BEGIN" in one.value.reveal():
        return roles.private_key
    if name.endswith(("PATH", "FILE")):
        return roles.key_file if "KEY" in name else None
    if "PRIVATE" in name or name.endswith("PEM"):
        return roles.private_key
    if "SECRET" in name:
        return roles.secret
    return roles.api_key if name.endswith("KEY") else None


def _is_for(name: str, environment: Environment, family: KeyFamily) -> bool:
    """Whether a name is for this place, or for none in particular."""
    words = set(_plain(name).split("_"))
    others = {word for other, named in _WORDS.items() if other is not environment for word in named}
    return not words & others and (family is KeyFamily.FUTURES or not words & {"FUTURES", "FAPI"})


def _nearest(found: list[NamedValue], environment: Environment, family: KeyFamily) -> list[NamedValue]:
    """Returns those whose name names this place, where any does."""
    for wanted in (*((("FUTURES", "FAPI"),) if family is KeyFamily.FUTURES else ()), _WORDS[environment]):
        named = [one for one in found if set(_plain(one.name).split("_")) & set(wanted)]
        found = named or found
    return found


def _all(roles: _Roles) -> tuple[list[NamedValue], ...]:
    return (roles.api_key, roles.secret, roles.private_key, roles.key_file, roles.passphrase)


def _plain(name: str) -> str:
    return re.sub(r"[.-]", "_", name.upper())


def _only(found: list[NamedValue], what: str) -> NamedValue | None:
    if len({one.value for one in found}) > 1:
        raise _unclear(f"more than one {what}", found)
    return found[0] if found else None


def _unclear(what: str, found: Sequence[NamedValue]) -> CredentialsError:
    return CredentialsError(
        f"there is {what}: {', '.join(_place(one) for one in found)}",
        hint="take out what is not meant, or enter the key at the questions of `guardian keys add`",
    )


def _nothing(settings: Sequence[NamedValue], api_key: NamedValue | None) -> CredentialsError:
    names = sorted({one.name for one in settings if re.search(r"key|secret|binance", one.name, re.IGNORECASE)})[:8]
    seen = f"; names that were found: {', '.join(f'`{name}`' for name in names)}" if names else ""
    lacks = "no Binance key" if api_key is None else "an API key and neither a secret nor a private key"
    return CredentialsError(
        f"there is {lacks} for this environment in it{seen}",
        hint="names as `BINANCE_API_KEY`, `BINANCE_API_SECRET` and `BINANCE_PRIVATE_KEY` are known, also with the name "
        "of an environment in them",
    )


def _places(settings: Sequence[NamedValue], used: Sequence[NamedValue]) -> tuple[str, ...]:
    """Every place in the file where one of the values is, also under another name."""
    values = {one.value for one in used}
    return tuple(_place(one) for one in settings if one.value in values)


def _place(one: NamedValue) -> str:
    lines = (
        f"line {one.first_line}" if one.first_line == one.last_line else f"lines {one.first_line} to {one.last_line}"
    )
    return f"{lines} (`{one.name}`)"


def _two_lines(data: Secret) -> Given | None:
    text = text_of(data.reveal().encode("latin-1"))
    found = None if text is None or "-----" in text or text.startswith("ssh-") else _BARE.match(text.lstrip("\ufeff"))
    if found is None:
        return None
    return Given(
        signing=SigningKey(KeyKind.HMAC, Secret(found[2])),
        api_key=Secret(found[1]),
        places=("line 1 (the API key)", "line 2 (the API secret)"),
    )


def _bytes_of(text: Secret) -> Secret:
    return Secret(text.reveal().encode("utf-8", "surrogatepass").decode("latin-1"))


def _once(passphrase: Secret, then: Callable[[], Secret]) -> Callable[[], Secret]:
    """Answers with the passphrase that was given, and asks when that is not the one."""
    answers = iter([passphrase])
    return lambda: next(answers, None) or then()
