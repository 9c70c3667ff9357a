"""The bearer token that MCP clients send over HTTP: of a random token of 256 bits the keyring keeps the SHA-256 alone.

Service `guardian/http/token/<home>`, username `v1`, where `<home>` are 16 hex digits of the SHA-256 of the home's path:
a token opens the servers of one home, so that one for a home on paper does not open another that trades.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from guardian.credentials.items import KeyringItems
from guardian.domain.secrets import Secret
from guardian.errors import CredentialsError

SERVICE: Final = "guardian/http/token"
PREFIX: Final = "guardian_"
"""So that programs which look for secrets in files know one."""
TOKEN_BYTES: Final = 32
MAX_TOKEN_CHARS: Final = 200
_FIELDS: Final = frozenset({"v", "sha256", "created"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDigest:
    """What is kept of a token: its SHA-256, and when it was made, in UTC."""

    digest: bytes
    created: datetime

    def matches(self, presented: str) -> bool:
        """Whether this is the token, in a time that does not depend on where the two differ."""
        # What is longer is another one, and is not hashed; the comparison is made all the same.
        sent = presented.encode("utf-8", "surrogatepass")[: MAX_TOKEN_CHARS + 1]
        return hmac.compare_digest(sha256(sent).digest(), self.digest)


class HttpToken:
    """The token of one home. Each method raises KeyringUnavailable where the keyring fails."""

    def __init__(self, items: KeyringItems, home: Path, now: Callable[[], datetime]) -> None:
        self._items = items
        self._now = now
        self.service = f"{SERVICE}/{sha256(str(home).encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"

    def get(self) -> TokenDigest | None:
        """Returns what is kept of the token, None where it is missing. Raises CredentialsError for a damaged item."""
        value = self._items.get(self.service)
        if value is None:
            return None
        try:
            return _unpacked(value)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise CredentialsError(
                f"the item `{self.service}` in the keyring is damaged or was not made by guardian",
                hint="`guardian keys token create` makes a new token",
            ) from None

    def create(self, random_bytes: Callable[[int], bytes]) -> Secret:
        """Makes a token in place of the one before, and returns it, this once.

        Raises CredentialsError where the keyring did not keep it.
        """
        text = PREFIX + base64.urlsafe_b64encode(random_bytes(TOKEN_BYTES)).rstrip(b"=").decode("ascii")
        created = self._now().astimezone(UTC).replace(microsecond=0)
        kept = {"v": 1, "sha256": sha256(text.encode("ascii")).hexdigest(), "created": created.isoformat()}
        self._items.put(self.service, Secret(json.dumps(kept, separators=(",", ":"))))
        return Secret(text)

    def remove(self) -> bool:
        """Removes the token, also a damaged one, and makes sure; False where there was none."""
        return self._items.remove(self.service)


def _unpacked(value: Secret) -> TokenDigest:
    """Raises what JSON and its fields raise where the item is not one of these."""
    found = json.loads(value.reveal())
    digest = bytes.fromhex(found["sha256"])
    if found.keys() != _FIELDS or found["v"] != 1 or len(digest) != sha256().digest_size:
        raise ValueError("not a version 1 item")
    return TokenDigest(digest=digest, created=datetime.fromisoformat(found["created"]).astimezone(UTC))
