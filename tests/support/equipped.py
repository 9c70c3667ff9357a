"""`guardian` for someone who has a PIN, or a security key in software, as a program of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from guardian.cli.app import main as guardian
from guardian.cli.support import owner
from guardian.domain.secrets import Secret
from guardian.proofs import usb_key
from tests.support.security_key import SecurityKey

PROGRAM: Final = "import sys; from tests.support.equipped import main; sys.exit(main(sys.argv[1:]))"


class PinInHand:
    """The hash of a PIN, without a keyring."""

    def __init__(self, stored: str) -> None:
        self._stored = stored

    def pin_hash(self, _log: str) -> Secret:
        return Secret(self._stored)


def main(arguments: Sequence[str]) -> int:
    """Runs a command; the first argument is what the person has, as JSON."""
    has = json.loads(arguments[0])
    if "pin" in has:
        owner._pin_hashes = lambda: PinInHand(has["pin"])  # there is no keyring here
    if "key" in has:
        key = SecurityKey.restored(has["key"], has["count"])
        usb_key.usb_keys = lambda: [key]
    return guardian(arguments[1:])
