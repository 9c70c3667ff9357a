"""In place of aiohttp's session: it remembers what would have been sent, and nothing leaves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from yarl import URL

from tests.exchange.support.exchange_samples import answer


class _Content:
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self._body


class _Response:
    def __init__(self, body: bytes) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.content = _Content(body)


class _Pending:
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aenter__(self) -> _Response:
        return _Response(self._body)

    async def __aexit__(self, *_: object) -> None:
        return None


class RecordingSession:
    """Answers from the samples; `sent` has (method, url, headers, options) of every request."""

    closed = False

    def __init__(self) -> None:
        self.sent: list[tuple[str, URL, dict[str, str], dict[str, Any]]] = []

    def request(self, method: str, url: URL, *, headers: Mapping[str, str], **options: Any) -> _Pending:
        self.sent.append((method, url, dict(headers), options))
        return _Pending(json.dumps(answer(method, url.path)).encode())

    async def close(self) -> None:
        self.closed = True

    @property
    def places(self) -> list[tuple[str, str | None, str]]:
        """What was asked: (method, host, path)."""
        return [(method, url.host, url.path) for method, url, _, _ in self.sent]
