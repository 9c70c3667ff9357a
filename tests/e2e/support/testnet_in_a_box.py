"""The testnet without the testnet: requests are written down as they would have gone out, and answered on loopback."""

from __future__ import annotations

from typing import Any

import aiohttp
from yarl import URL

from guardian.credentials.store import CredentialStore
from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind, Secret
from guardian.exchange.http.client import GuardedClient
from tests.support.keyring import MemoryKeyring

BOTH = (KeyFamily.SPOT, KeyFamily.FUTURES)


def keyring_with(api_key: str, api_secret: str, families: tuple[KeyFamily, ...] = BOTH) -> CredentialStore:
    """A store that has this pair for the testnet's spot and futures."""
    store = CredentialStore(MemoryKeyring())
    for family in families:
        store.put(
            ApiKeyPair(
                environment="testnet",
                family=family,
                kind=KeyKind.HMAC,
                api_key=Secret(api_key),
                signing_key=Secret(api_secret),
            )
        )
    return store


class Diverted:
    """In place of aiohttp's session: `asked` has (method, scheme, host, path) of every request; a stand-in answers."""

    def __init__(self, session: aiohttp.ClientSession, stand_in: URL, asked: list[tuple[str, str, str, str]]) -> None:
        self._session = session
        self._stand_in = stand_in
        self._asked = asked

    @property
    def closed(self) -> bool:
        return self._session.closed

    def request(self, method: str, url: URL, **options: Any) -> Any:
        self._asked.append((method, url.scheme, str(url.host), url.path))
        there = URL(f"{self._stand_in.origin()}{url.raw_path_qs}", encoded=True)
        return self._session.request(method, there, **options)

    async def close(self) -> None:
        await self._session.close()


def divert(monkeypatch: Any, stand_in: str) -> list[tuple[str, str, str, str]]:
    """Lead every session of guardian's client to `stand_in`; returns the list of what was asked."""
    asked: list[tuple[str, str, str, str]] = []
    real = GuardedClient._open_session

    def opened(self: GuardedClient) -> Any:
        kept = self.session
        if isinstance(kept, Diverted) and not kept.closed:
            return kept
        self.session = None
        self.session = Diverted(real(self), URL(stand_in), asked)  # type: ignore[assignment]  # in its place
        return self.session

    monkeypatch.setattr(GuardedClient, "_open_session", opened)
    return asked
