"""The places of key pairs on the command line: environment and family, their words, and Binance's page for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from guardian.cli.parser.choices import OneOf
from guardian.domain.secrets import KeyFamily
from guardian.domain.trading import Environment

if TYPE_CHECKING:
    from guardian.credentials.item_format import Slot
    from guardian.credentials.store import CredentialStore

KEY_PAGES: Final = {
    (Environment.TESTNET, KeyFamily.SPOT): "https://testnet.binance.vision",
    (Environment.TESTNET, KeyFamily.FUTURES): "https://testnet.binancefuture.com",
    (Environment.DEMO, KeyFamily.SPOT): "https://demo.binance.com, under API Management",
    (Environment.LIVE, KeyFamily.SPOT): "https://www.binance.com, under API Management",
}
FAMILY: Final = click.option(
    "--family",
    type=OneOf([f.value for f in KeyFamily]),
    default=KeyFamily.SPOT.value,
    show_default=True,
    help="Which of the testnet's two pairs; the other environments have one for both.",
)
ENVIRONMENT: Final = click.argument(
    "environment", type=OneOf([e.value for e in Environment if e is not Environment.PAPER])
)


def open_store() -> CredentialStore:
    """Opens the keyring. Raises KeyringUnavailable."""
    from guardian.cli.support.vault_prompt import unlock_vault
    from guardian.credentials import store
    from guardian.home.folder import home_folder

    home = home_folder()
    unlock_vault(home)
    return store.open_credentials(home=home, timeout_s=store.INTERACTIVE_TIMEOUT_S)


def checked_slot(environment: str, family: str) -> Slot:
    """Returns the place. Raises click's UsageError where the environment has no second pair."""
    slot = (Environment(environment), KeyFamily(family))
    if slot not in KEY_PAGES:
        raise click.UsageError(f"`{environment}` has one key for spot and futures: leave `--family` out.")
    return slot


def described(slot: Slot) -> str:
    """Returns the place in words: `testnet` has two pairs, so its family is named."""
    return f"`{slot[0]}` {slot[1]}" if slot[0] is Environment.TESTNET else f"`{slot[0]}`"


def as_arguments(slot: Slot) -> str:
    """Returns the place as it is typed after `guardian keys add`."""
    return f"{slot[0].value}{' --family futures' if slot[1] is KeyFamily.FUTURES else ''}"
