"""A machine without a keyring: its keys are in a vault, and its server is a process whose testnet is on loopback."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from guardian.credentials.store import CredentialStore
from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind, Secret
from guardian.home.folder import ready_made_policy
from tests.e2e.support.processes import Machine, RawServed
from tests.support.vaults import PASSPHRASE, vault_in

ROOT: Final = Path(__file__).parents[3]
ENTRY: Final = """
import sys
sys.path.insert(0, {root!r})
import pytest
from tests.e2e.support.testnet_in_a_box import divert
divert(pytest.MonkeyPatch(), {url!r})
{more}
from guardian.__main__ import main
sys.exit(main())
"""


def put_keys(machine: Machine, api_key: Secret, api_secret: Secret) -> None:
    """A home on the testnet whose vault has this pair for spot and futures."""
    machine.write_policy(ready_made_policy("testnet").read_text("utf-8"))
    store = CredentialStore(vault_in(machine.home))
    for family in KeyFamily:
        store.put(
            ApiKeyPair(environment="testnet", family=family, kind=KeyKind.HMAC, api_key=api_key, signing_key=api_secret)
        )


def serve_diverted(machine: Machine, url: str, *arguments: str, more: str = "", **options: Any) -> RawServed:
    """`guardian serve` in a process of its own, whose requests go to `url`; `more` is code that runs in it before."""
    code = ENTRY.format(root=str(ROOT), url=url, more=more)
    served = RawServed(machine, *arguments, entry=("-c", code), **options)
    served.start()
    return served


def descriptor_with(passphrase: str = PASSPHRASE) -> int:
    """The reading end of a pipe in which the passphrase is."""
    reading, writing = os.pipe()
    os.write(writing, f"{passphrase}\n".encode())
    os.close(writing)
    return reading


def credential_in(folder: Path, passphrase: str = PASSPHRASE) -> Mapping[str, str]:
    """The variable by which systemd names the folder in which it has put the passphrase."""
    folder.mkdir(mode=0o700)
    path = folder / "guardian-vault"
    path.write_text(f"{passphrase}\n", "utf-8")
    path.chmod(0o400)
    return {"CREDENTIALS_DIRECTORY": str(folder)}
