"""How the hosts of an environment are found and whom the client believes, for a play of `live` on loopback.

Guardian itself makes no `Network`: its client asks the system's resolver and believes certifi's authorities. No
setting, variable, policy or command leads here; only code that builds a client can hand one over, as a test does.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A resolver and a TLS context that take the place of the system's and of guardian's own."""

    resolver: AbstractResolver
    tls: ssl.SSLContext
