"""In place of aiohttp's session: it remembers what would have been sent, and nothing leaves."""

from __future__ import annotations

import json

from tests.exchange.support.exchange_samples import answer


class _Content:
    def __init__(self, body) -> None:
        self._body = body

    async def iter_any(self):
        yield self._body


class _Response:
    def __init__(self, body) -> None:
        self.status, self.headers, self.content = 200, {}, _Content(body)


class _Pending:
    def __init__(self, body) -> None:
        self._body = body

    async def __aenter__(self):
        return _Response(self._body)

    async def __aexit__(self, *_) -> None:
        return None


class RecordingSession:
    """Answers from the samples; `sent` has (method, url, headers, options) of every request."""

    closed = False

    def __init__(self) -> None:
        self.sent = []

    def request(self, method, url, *, headers, **options):
        self.sent.append((method, url, dict(headers), options))
        return _Pending(json.dumps(answer(method, url.path)).encode())

    async def close(self) -> None:
        self.closed = True

    @property
    def places(self):
        """What was asked: (method, host, path)."""
        return [(method, url.host, url.path) for method, url, _, _ in self.sent]
