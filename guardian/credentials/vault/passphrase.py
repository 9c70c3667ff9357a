"""Where a vault's passphrase comes from when nobody is at a terminal, and what one must be like.

It comes from a file descriptor or a systemd credential: never from an argument or a variable, which other programs of
the user can read. Blanks around it do not count, so that the line end of a file does not.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Final

from guardian.domain.secrets import Secret
from guardian.errors import CredentialsError, KeyringUnavailable

MIN_CHARACTERS: Final = 12
MIN_DISTINCT: Final = 6
MAX_BYTES: Final = 1024
DESCRIPTOR_TIMEOUT_S: Final = 10.0
CREDENTIALS_VARIABLE: Final = "CREDENTIALS_DIRECTORY"
"""What systemd calls the folder with a service's credentials. It names a folder and is no secret."""
CREDENTIAL_NAME: Final = "guardian-vault"


def normal(passphrase: Secret) -> Secret:
    """Returns a passphrase as it is derived from: in Unicode's form C, without blanks around it.

    Raises CredentialsError where it is empty, too long, or has a control character.
    """
    made = Secret(unicodedata.normalize("NFC", passphrase.reveal()).strip())
    if not made:
        raise CredentialsError("the passphrase is empty")
    if len(made.reveal().encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise CredentialsError(f"the passphrase is over {MAX_BYTES} bytes")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in made.reveal()):
        raise CredentialsError("the passphrase has a control character", hint="it is one line of text")
    return made


def check_new(passphrase: Secret) -> None:
    """Raises CredentialsError unless a passphrase may protect a new vault."""
    if len(passphrase.reveal()) < MIN_CHARACTERS or len(set(passphrase.reveal())) < MIN_DISTINCT:
        raise CredentialsError(
            f"the passphrase is too short: under {MIN_CHARACTERS} characters, or under {MIN_DISTINCT} different ones",
            hint="four or five words that have nothing to do with one another are good; nobody can recover it",
        )


def read_descriptor(number: int) -> Secret:
    """Returns the passphrase that another program has put behind a file descriptor, and closes it.

    Reads up to the first line end or the end, at most 1024 bytes, for at most 10 seconds. No child inherits it.

    Raises CredentialsError where it is not open, is one of the three standard streams, or gives no passphrase in time.
    """
    hint = "for example `guardian serve --vault-passphrase-fd 3 3< FILE` in a shell"
    if number < 3:
        raise CredentialsError(
            f"the vault's passphrase cannot come from descriptor {number}: the MCP client and the log use it", hint=hint
        )
    try:
        os.set_inheritable(number, False)
    except OSError:
        raise CredentialsError(f"descriptor {number} is not open: it has no passphrase", hint=hint) from None
    content = bytearray()
    failures: list[str] = []

    def read() -> None:
        try:
            while len(content) <= MAX_BYTES and b"\n" not in content:
                piece = os.read(number, MAX_BYTES + 1 - len(content))
                if not piece:
                    return
                content.extend(piece)
        except OSError as error:
            failures.append(type(error).__name__)

    reader = Thread(target=read, name="guardian-passphrase", daemon=True)
    reader.start()
    reader.join(DESCRIPTOR_TIMEOUT_S)
    if reader.is_alive():
        content.clear()
        raise CredentialsError(
            f"no passphrase came from descriptor {number} within {DESCRIPTOR_TIMEOUT_S:g} s",
            hint="whoever writes it must end it with a line end, or close its end",
        )
    with suppress(OSError):
        os.close(number)
    if failures:
        content.clear()
        raise CredentialsError(f"descriptor {number} cannot be read (`{failures[0]}`)", hint=hint)
    if b"\n" in content:
        del content[content.index(b"\n") :]
    return _from(content, f"descriptor {number}")


def credential_passphrase() -> Secret | None:
    """Returns the passphrase in systemd's credential `guardian-vault`; None where this process has none.

    Raises KeyringUnavailable where it is there and is not private, or is not a passphrase.
    """
    folder = os.environ.get(CREDENTIALS_VARIABLE)
    if not folder:
        return None
    path = Path(folder) / CREDENTIAL_NAME
    flags = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise KeyringUnavailable(f"the credential `{path}` cannot be read: {reason}") from None
    try:
        is_private = _is_private(os.fstat(descriptor))
        content = bytearray(os.read(descriptor, MAX_BYTES + 1)) if is_private else bytearray()
    finally:
        os.close(descriptor)
    if not is_private:
        raise KeyringUnavailable(
            f"the credential `{path}` can be read or changed by others, or is not a file; it is not used",
            hint="let systemd put it there: `LoadCredentialEncrypted=guardian-vault:FILE` in the unit",
        )
    try:
        return _from(content, f"the credential `{path}`")
    except CredentialsError as error:
        raise KeyringUnavailable(error.message, hint=error.hint) from None


def _is_private(found: os.stat_result) -> bool:
    """Whether a file is the user's alone; or root's, read-only, and not for everybody.

    systemd gives a service that has a user of its own a file of root's with an access list. The list shows as the
    group's permission to read.
    """
    if not stat.S_ISREG(found.st_mode):
        return False
    if os.name != "posix":
        return True
    others = stat.S_IMODE(found.st_mode) & 0o077
    return not others if found.st_uid == os.geteuid() else found.st_uid == 0 and not others & ~stat.S_IRGRP


def _from(content: bytearray, where: str) -> Secret:
    """Returns the passphrase in `content`, which is emptied: no frame of an error has it. Raises CredentialsError."""
    is_too_long = len(content) > MAX_BYTES
    try:
        text = Secret(content.decode("utf-8"))
    except UnicodeDecodeError:
        text = None  # raised below, clear of the exception, which has the bytes
    finally:
        content.clear()
    if is_too_long:
        raise CredentialsError(f"what {where} gives is over {MAX_BYTES} bytes; that is no passphrase")
    if text is None:
        raise CredentialsError(f"what {where} gives is not text in UTF-8")
    try:
        return normal(text)
    except CredentialsError as error:
        raise CredentialsError(f"{error.message} ({where})", hint=error.hint) from None
