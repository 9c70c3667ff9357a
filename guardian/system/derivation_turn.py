"""One Argon2id derivation at a time in a process."""

from __future__ import annotations

from threading import Lock
from typing import Final

DERIVATION_TURN: Final = Lock()
"""Held while a key or a PIN's hash is derived.

OpenSSL computes the lanes of Argon2id in a pool of threads that all derivations of a process share; several that begin
at once wait for one another and never end (seen with OpenSSL 3.5 and four lanes).
"""
