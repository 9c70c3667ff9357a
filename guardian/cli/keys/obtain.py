"""Where a new key comes from: made here, entered, pasted, read from a file or from a pipe."""

from __future__ import annotations

from guardian.cli.keys.prompts import ask_api_key, ask_passphrase, ask_private_key, hmac_steps
from guardian.cli.keys.reading.given import Given, read_bytes, read_given
from guardian.cli.keys.reading.private_keys import read_private_key
from guardian.cli.keys.reading.signing_keys import SigningKey, generate_ed25519
from guardian.cli.keys.sources import MOST_BYTES, Source
from guardian.credentials.item_format import Slot
from guardian.domain.secrets import KeyKind
from guardian.errors import CredentialsError


def obtain(source: Source, slot: Slot) -> Given:
    """Returns a new key, with its API key where that was given too. Asks a person for what is missing of an HMAC pair.

    Raises CredentialsError where what is given cannot be used, or is of another kind than was said.
    """
    if source.file is not None or source.piped is not None:
        data = source.piped if source.file is None else read_bytes(source.file, MOST_BYTES)
        assert data is not None
        folder = None if source.file is None else source.file.parent
        found = read_given(
            data, environment=slot[0], family=slot[1], folder=folder, most=MOST_BYTES, ask_passphrase=ask_passphrase
        )
    elif source.makes_a_key:
        found = Given(signing=generate_ed25519())
    elif source.kind is KeyKind.HMAC:
        hmac_steps(slot)
        api_key = ask_api_key("API key")
        found = Given(signing=SigningKey(KeyKind.HMAC, ask_api_key("API secret")), api_key=api_key)
    else:
        found = Given(signing=read_private_key(ask_private_key(), ask_passphrase))
    if source.kind is not None and found.signing.kind is not source.kind:
        raise CredentialsError(
            f"this is a key of kind `{found.signing.kind}`, not `{source.kind}`; it was not stored",
            hint="leave `--kind` out, or give the other key",
        )
    return found
