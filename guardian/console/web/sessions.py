"""Who may use the page: a one-time code from the terminal, and the browser sessions that were opened with one.

A session is two secrets. The cookie is sent by the browser, to every port of `localhost`, since cookies know no ports;
the page's own token is kept by the page for its origin, port included, and is sent as a header. Each request needs
both, so that another program that serves on `localhost` learns one of them at most.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

CODE_LENGTH: Final = 12
"""Characters of a code, 5 bits each."""
CODE_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: nothing in it is mistaken for another when it is typed."""
CODE_LIFETIME_S: Final = 300.0
CODE_TRIES: Final = 5
"""Wrong codes before the right one opens nothing any more."""
IDLE_S: Final = 3600.0
"""A session ends so long after the last thing that a person did on the page."""
ABSOLUTE_S: Final = 12 * 3600.0
MOST_SESSIONS: Final = 4
_SECRET_BYTES: Final = 32
_READ_AS: Final = str.maketrans({"I": "1", "L": "1", "O": "0"})


class LoginRefusal(StrEnum):
    """Why a code opens nothing."""

    WRONG = "wrong"
    USED = "used"
    EXPIRED = "expired"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class NewSession:
    """The two secrets of a session, which exist nowhere else in this form."""

    cookie: str
    page_token: str

    def __repr__(self) -> str:
        return "NewSession(...)"


@dataclass(slots=True)
class _Session:
    cookie_digest: bytes
    page_digest: bytes
    began_s: float
    active_s: float


@dataclass(slots=True)
class _Code:
    digest: bytes
    made_s: float
    tries_left: int = CODE_TRIES
    used: bool = False


class Sessions:
    """The code that is valid now, and the sessions of this process. Nothing of it is stored.

    `seconds` is a clock that only goes forward, `random_bytes` returns a number of unpredictable bytes.
    """

    def __init__(self, seconds: Callable[[], float], random_bytes: Callable[[int], bytes]) -> None:
        self._seconds = seconds
        self._random_bytes = random_bytes
        self._code: _Code | None = None
        self._used: set[bytes] = set()
        self._sessions: list[_Session] = []

    def new_code(self) -> str:
        """Makes a code, which replaces the one before."""
        number = int.from_bytes(self._random_bytes(_SECRET_BYTES), "big")
        letters = []
        for _ in range(CODE_LENGTH):
            number, place = divmod(number, len(CODE_ALPHABET))
            letters.append(CODE_ALPHABET[place])
        code = "".join(letters)
        self._code = _Code(_digest(code), self._seconds())
        return code

    def log_in(self, typed: str) -> NewSession | LoginRefusal:
        """Opens a session for the code, once."""
        digest, code = _digest(_as_code(typed)), self._code
        if digest in self._used:
            return LoginRefusal.USED
        if code is None or code.used:
            return LoginRefusal.WRONG
        if self._seconds() - code.made_s >= CODE_LIFETIME_S:
            return LoginRefusal.EXPIRED
        if code.tries_left <= 0:
            return LoginRefusal.LOCKED
        if not hmac.compare_digest(digest, code.digest):
            code.tries_left -= 1
            return LoginRefusal.WRONG
        code.used = True
        self._used.add(digest)
        return self._open()

    def is_open(self, cookie: str, page_token: str) -> bool:
        """Returns whether these are the secrets of one session that has not ended."""
        return self._find(cookie, page_token) is not None

    def keep_alive(self, cookie: str, page_token: str) -> None:
        """Notes that a person did something on the page."""
        session = self._find(cookie, page_token)
        if session is not None:
            session.active_s = self._seconds()

    def close(self, cookie: str, page_token: str) -> None:
        """Ends the session."""
        session = self._find(cookie, page_token)
        if session is not None:
            self._sessions.remove(session)

    def _open(self) -> NewSession:
        cookie, page_token = (self._random_bytes(_SECRET_BYTES).hex() for _ in range(2))
        now = self._seconds()
        self._sessions.append(_Session(_digest(cookie), _digest(page_token), began_s=now, active_s=now))
        del self._sessions[:-MOST_SESSIONS]
        return NewSession(cookie, page_token)

    def _find(self, cookie: str, page_token: str) -> _Session | None:
        now = self._seconds()
        self._sessions = [one for one in self._sessions if _lasts(one, now)]
        mine, page = _digest(cookie), _digest(page_token)
        for one in self._sessions:
            if hmac.compare_digest(one.cookie_digest, mine) and hmac.compare_digest(one.page_digest, page):
                return one
        return None


def _lasts(session: _Session, now_s: float) -> bool:
    return now_s - session.began_s < ABSOLUTE_S and now_s - session.active_s < IDLE_S


def _as_code(typed: str) -> str:
    """Returns what a person typed or pasted as a code: the link too, and whatever the case."""
    after_link = typed.rpartition("#")[2]
    return "".join(after_link.split()).replace("-", "").upper().translate(_READ_AS)


def _digest(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()
