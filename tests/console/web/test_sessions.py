"""Codes and sessions: one use, a short life, few tries, and an end."""

from __future__ import annotations

import itertools
from hashlib import sha256

import pytest

from guardian.console.web.sessions import (
    ABSOLUTE_S,
    CODE_ALPHABET,
    CODE_LENGTH,
    CODE_LIFETIME_S,
    CODE_TRIES,
    IDLE_S,
    MOST_SESSIONS,
    LoginRefusal,
    NewSession,
    Sessions,
)


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def sessions(time: Time) -> Sessions:
    numbers = itertools.count()
    return Sessions(time, lambda size: sha256(str(next(numbers)).encode()).digest()[:size])


def opened(sessions: Sessions) -> NewSession:
    found = sessions.log_in(sessions.new_code())
    assert isinstance(found, NewSession)
    return found


def is_open(sessions: Sessions, session: NewSession) -> bool:
    return sessions.is_open(session.cookie, session.page_token)


def test_code_is_of_letters_that_are_not_mistaken(sessions: Sessions) -> None:
    """60 bits, of Crockford's alphabet; no two are alike."""
    codes = {sessions.new_code() for _ in range(100)}
    assert len(codes) == 100
    assert {len(code) for code in codes} == {CODE_LENGTH}
    assert set("".join(codes)) <= set(CODE_ALPHABET)


def test_code_works_within_its_life_and_not_after(sessions: Sessions, time: Time) -> None:
    """To the second."""
    code = sessions.new_code()
    time.now = CODE_LIFETIME_S
    assert sessions.log_in(code) is LoginRefusal.EXPIRED
    second = sessions.new_code()
    time.now += CODE_LIFETIME_S - 0.001
    assert isinstance(sessions.log_in(second), NewSession)


def test_used_code_is_known_as_used_whatever_comes_after(sessions: Sessions) -> None:
    """Also once a new one was made, so that the second person learns why."""
    code = sessions.new_code()
    assert isinstance(sessions.log_in(code), NewSession)
    assert sessions.log_in(code) is LoginRefusal.USED
    sessions.new_code()
    assert sessions.log_in(code) is LoginRefusal.USED


def test_wrong_codes_lock_the_right_one(sessions: Sessions) -> None:
    """After that only a new code opens anything."""
    code = sessions.new_code()
    assert [sessions.log_in(f"X{n}") for n in range(CODE_TRIES)] == [LoginRefusal.WRONG] * CODE_TRIES
    assert sessions.log_in(code) is LoginRefusal.LOCKED
    assert isinstance(sessions.log_in(sessions.new_code()), NewSession)


def test_nothing_is_opened_before_a_code_is_made(sessions: Sessions) -> None:
    """An empty code is not the code that there is not."""
    assert sessions.log_in("") is LoginRefusal.WRONG


def test_session_ends_when_nobody_does_anything(sessions: Sessions, time: Time) -> None:
    """Looking alone keeps none open; what a person does keeps it open for another while."""
    session = opened(sessions)
    for _ in range(3):
        time.now += IDLE_S - 1
        assert is_open(sessions, session)
        sessions.keep_alive(session.cookie, session.page_token)
    time.now += IDLE_S
    assert not is_open(sessions, session)
    sessions.keep_alive(session.cookie, session.page_token)
    assert not is_open(sessions, session)


def test_session_ends_after_half_a_day_whatever_is_done(sessions: Sessions, time: Time) -> None:
    """Somebody who is always there logs in again."""
    session = opened(sessions)
    while time.now < ABSOLUTE_S - IDLE_S / 2:
        time.now += IDLE_S / 2
        sessions.keep_alive(session.cookie, session.page_token)
    assert is_open(sessions, session)
    time.now = ABSOLUTE_S
    assert not is_open(sessions, session)


def test_secrets_of_two_sessions_do_not_mix(sessions: Sessions) -> None:
    """The cookie of one with the page's token of another opens nothing."""
    one, other = opened(sessions), opened(sessions)
    assert not sessions.is_open(one.cookie, other.page_token)
    assert is_open(sessions, one)
    assert is_open(sessions, other)


def test_oldest_session_makes_way(sessions: Sessions) -> None:
    """There are only a few at a time."""
    first = opened(sessions)
    others = [opened(sessions) for _ in range(MOST_SESSIONS)]
    assert not is_open(sessions, first)
    assert all(is_open(sessions, one) for one in others)


def test_session_that_is_closed_stays_closed(sessions: Sessions) -> None:
    """And closing it again does nothing."""
    session = opened(sessions)
    for _ in range(2):
        sessions.close(session.cookie, session.page_token)
        assert not is_open(sessions, session)


def test_secrets_are_not_shown(sessions: Sessions) -> None:
    """A session that is printed by accident shows neither of its two secrets."""
    session = opened(sessions)
    assert session.cookie not in repr(session)
    assert session.page_token not in repr(session)
