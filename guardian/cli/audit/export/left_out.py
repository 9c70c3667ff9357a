"""What `--redact` leaves out: whose account it is, and where its coins are kept."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

LEFT_OUT: Final = "(left out)"
ACCOUNT_FIELDS: Final = frozenset(
    {"account", "uid", "address", "address_tag", "transaction_id", "email", "fingerprint"}
)
"""Names of fields that identify an account, a key, or a place of coins on a chain."""


def without_accounts(value: object, accounts: Collection[str]) -> object:
    """Returns JSON data without the fields that identify an account, and without these accounts anywhere in a text."""
    match value:
        case str():
            for account in accounts:
                value = value.replace(account, LEFT_OUT)
            return value
        case dict():
            return {
                name: LEFT_OUT if name in ACCOUNT_FIELDS and item is not None else without_accounts(item, accounts)
                for name, item in value.items()
            }
        case list():
            return [without_accounts(item, accounts) for item in value]
    return value
