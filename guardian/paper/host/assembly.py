"""Puts a paper exchange together: keys, feed, storage, clock."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Final

from guardian.domain.secrets import Secret
from guardian.paper.keys import HmacVerifier, Verifier
from guardian.paper.market.feed import Feed
from guardian.paper.market.seeded import SeededFeed
from guardian.paper.market.symbols import START_BALANCES
from guardian.paper.storage import Storage
from guardian.paper.venue import FIRST_UID, Clock, Venue
from guardian.system.clock import wall_clock_ms

DEFAULT_SEED: Final = 20_240_808
_LETTERS: Final = string.ascii_letters + string.digits


def random_key() -> str:
    """64 letters and digits, as Binance's keys and secrets are."""
    return "".join(secrets.choice(_LETTERS) for _ in range(64))


def random_id() -> str:
    """22 letters and digits, as the client order ids are that Binance makes up."""
    return "".join(secrets.choice(_LETTERS) for _ in range(22))


def assemble(
    storage: Storage,
    *,
    api_key: Secret,
    api_secret: Secret,
    seed: int = DEFAULT_SEED,
    feed: Feed | None = None,
    clock: Clock = wall_clock_ms,
    balances: Mapping[str, Decimal] = START_BALANCES,
    other_keys: Mapping[str, Verifier] | None = None,
) -> Venue:
    """Returns a paper exchange on this storage with one HMAC key and perhaps others; all of them open the one account.

    What the account is called follows from the first key that a storage has seen, and does not change with it.

    Raises:
        StoreCorrupt: what the storage holds does not add up.
        StoreUnavailable: it cannot be read or written.
    """
    return Venue(
        seed=seed,
        feed=feed or SeededFeed(seed),
        storage=storage,
        clock=clock,
        new_id=random_id,
        uid=FIRST_UID + int(sha256(api_key.reveal().encode()).hexdigest(), 16) % (9 * FIRST_UID),
        keys={api_key.reveal(): HmacVerifier(api_secret), **(other_keys or {})},
        balances=balances,
    )
