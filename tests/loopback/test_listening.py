"""Sockets: on loopback alone, one port on both addresses, and never a port that somebody else has."""

from __future__ import annotations

import socket

import pytest

from guardian.errors import GuardianError
from guardian.loopback.listening import listen, loopback_addresses

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


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("localhost", ("127.0.0.1", IPV6)),
        ("LocalHost", ("127.0.0.1", IPV6)),
        ("127.0.0.1", ("127.0.0.1",)),
        ("127.8.9.10", ("127.8.9.10",)),
        ("::1", (IPV6,)),
    ],
)
def test_loopback_is_known_by_its_address(host: str, addresses: tuple[str, ...]) -> None:
    """`localhost` is both addresses, whatever the hosts file says."""
    assert loopback_addresses(host) == addresses


BEYOND = [
    "0.0.0.0", "::", "", " ", "*", "192.168.1.2", "10.0.0.1", "169.254.1.1", "fe80::1", "example.com", "localhost.",
    "localhost.evil.example", "127.0.0.1.evil.example", "127.1", "2130706433", "0x7f000001", "0", "::ffff:127.0.0.1",
    "::ffff:0.0.0.0", "[::1]", "::1%lo", "127.0.0.1:80", "255.255.255.255", socket.gethostname(), "ip6-localhost",
    "127.0.0.1 ", "127.0.0.1\n", "0:0:0:0:0:0:0:1",
]  # fmt: skip


@pytest.mark.parametrize("host", BEYOND)
def test_whatever_is_not_loopback_is_refused_and_not_looked_up(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All addresses of the machine, those of its network, and names, wherever they lead today."""

    def looked_up(*_: object, **__: object) -> None:
        raise AssertionError("a name was looked up")

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    monkeypatch.setattr(socket, "gethostbyname", looked_up)
    with pytest.raises(GuardianError, match="loopback alone"):
        loopback_addresses(host)


def test_one_address_alone_is_listened_on() -> None:
    """The other one stays free for somebody else."""
    made = listen(0, ("127.0.0.1",))
    try:
        assert [one.getsockname()[0] for one in made] == ["127.0.0.1"]
    finally:
        close(made)


def test_address_that_the_system_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who names ::1 on a machine without it is not left with an errno."""
    monkeypatch.setattr(socket, "has_ipv6", False)
    with pytest.raises(GuardianError, match="has no `::1`"):
        listen(0, (IPV6,))
