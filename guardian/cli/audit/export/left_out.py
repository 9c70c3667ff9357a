"""What an export leaves out: keys of a paper exchange always; with `--redact`, whose account and which addresses."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

LEFT_OUT: Final = "(left out)"
ACCOUNT_FIELDS: Final = frozenset(
    {"account", "uid", "address", "address_tag", "transaction_id", "email", "fingerprint"}
)
"""Names of fields that identify an account, a key, or a place of coins on a chain."""

_PAPER_KEY: Final = re.compile(
    r"""(\bapi_(?:key|secret)\b["']?\s*=\s*)("{3}.*?"{3}|'{3}.*?'{3}|"(?:[^"\\]|\\.)*"|'[^']*')""", re.DOTALL
)
"""A key of `[paper]` in the text of a policy, which the log keeps as it was."""


def without_paper_keys(value: object) -> object:
    """Returns JSON data without the keys of a paper exchange in the text of a policy."""
    match value:
        case str():
            return _PAPER_KEY.sub(rf'\1"{LEFT_OUT}"', value)
        case dict():
            return {name: without_paper_keys(item) for name, item in value.items()}
        case list():
            return [without_paper_keys(item) for item in value]
    return value


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
