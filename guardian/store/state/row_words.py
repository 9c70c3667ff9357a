"""What rows of the other tables and their values are called. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from guardian.domain.text.escaping import clean
from guardian.store.schema.sqlite_statements import LOGGED
from guardian.store.state.row_images import image_digest
from guardian.store.state.table_statements import ONE_ROW

_MOST: Final = 40
"""Characters of a value that are shown."""
_NAMES: Final = {
    "accounts": "the account of key",
    "acts": "act of a person",
    "control": "control",
    "flows": "flow",
    "holdings": "holding",
    "mandates": "mandate",
    "marks": "timestamp",
    "orders": "order",
    "owner": "the proofs of the owner",
    "owner_changes": "waiting change of the owner's",
    "passkeys": "passkey",
    "policies": "policy",
    "policy_approvals": "approved policy",
    "proposals": "proposal",
    "redemptions": "used token of proposal",
    "slicing": "denial over a limit",
}
"""What a row of each table is called."""
_NAMED_BY: Final = {"mandates": "id", "passkeys": "name", "proposals": "id"}
"""The column that people know a row by, where it is not the primary key."""


def called(name: str, image: Mapping[str, object]) -> str:
    """Returns what people call a row of a table."""
    if name in ONE_ROW:
        return _NAMES[name]
    by = _NAMED_BY.get(name)
    names = [by] if by else LOGGED[name].keys
    return f"{_NAMES[name]} `{'/'.join(shown(image.get(one)) for one in names)}`"


def shown(value: object) -> str:
    """Returns a value for people; of a long text its beginning, its length and a digest of it."""
    if value is None:
        return "nothing"
    text = clean(str(value))
    if len(text) <= _MOST:
        return text or "an empty text"
    return f"{text[:_MOST]}... ({len(text)} characters, {image_digest({'': value}).hex()[:8]})"
