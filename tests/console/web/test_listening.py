"""The sockets of the page: loopback alone, one port on both addresses, and never a port that somebody else has."""

from __future__ import annotations

import socket

import pytest

from guardian.console.web.listening import listen
from guardian.errors import GuardianError

IPV6 = "::1"


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as made:
            made.bind((IPV6, 0))
    except OSError:
        return False
    return True


def close(sockets: tuple[socket.socket, ...]) -> None:
    for one in sockets:
        one.close()


def test_both_loopback_addresses_have_one_port() -> None:
    """A browser tries both for `localhost`, so both are guardian's."""
    made = listen(0)
    try:
        assert [one.getsockname()[0] for one in made] == (["127.0.0.1", IPV6] if has_ipv6() else ["127.0.0.1"])
        assert len({one.getsockname()[1] for one in made}) == 1
        assert not any(one.get_inheritable() for one in made)
    finally:
        close(made)


def test_port_that_is_taken_is_refused_with_what_to_do() -> None:
    """Neither shared nor replaced by another one in silence."""
    first = listen(0)
    try:
        with pytest.raises(GuardianError) as refused:
            listen(first[0].getsockname()[1])
        assert "--port" in (refused.value.hint or "")
    finally:
        close(first)


@pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6 on this machine")
def test_port_that_another_has_on_the_other_address_is_not_used() -> None:
    """Whoever listens on ::1 there would get the browser's requests for `localhost` first."""
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as other:
        other.bind((IPV6, 0))
        other.listen()
        with pytest.raises(GuardianError):
            listen(other.getsockname()[1])


def test_machine_without_ipv6_is_served_on_the_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can listen on ::1 there."""
    monkeypatch.setattr(socket, "has_ipv6", False)
    made = listen(0)
    try:
        assert [one.getsockname()[0] for one in made] == ["127.0.0.1"]
    finally:
        close(made)
