"""The exchange's hosts of the policy's environment, and the clock against theirs."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from threading import Thread
from typing import Final, TypeVar
from urllib.parse import urlsplit

from cryptography import x509

from guardian.cli.doctor.examined import NETWORK_TIMEOUT_S, Examined
from guardian.cli.doctor.findings import Finding, ok, problem, unclear
from guardian.domain.text.escaping import clean
from guardian.domain.trading import Environment
from guardian.errors import ExchangeError
from guardian.exchange.environments import ApiFamily, EnvironmentSpec
from guardian.exchange.http.tls import own_tls_context
from guardian.policy.prices import CLOCK_LIMIT_MS

T = TypeVar("T")

PORT: Final = 443
_NETWORK_HELP: Final = "look at the network; guardian goes through no proxy, and a portal may have to be answered first"
_CLOCK_HELP: Final = "set this machine's clock by the network's time (its settings for date and time)"


def hosts_of(environment: Environment) -> tuple[str, ...]:
    """Returns the hosts that guardian talks to there; `paper` has none beyond this machine."""
    if environment is Environment.PAPER:
        return ()
    spec = EnvironmentSpec(environment=environment)
    urls = (spec.base_url(family) for family in ApiFamily)
    return tuple(dict.fromkeys(host for url in urls if url is not None and (host := urlsplit(url).hostname)))


def reach_host(host: str, timeout_s: float = NETWORK_TIMEOUT_S) -> str | None:
    """Connects by TLS; returns who issued the host's certificate where guardian does not believe it, else None.

    Raises OSError: the name cannot be resolved, nobody answers, or what answers speaks no TLS; and TimeoutError.
    """
    return within(3 * timeout_s, lambda: _connect(host, timeout_s))


def within(timeout_s: float, work: Callable[[], T]) -> T:
    """Does the work in a thread, which is left alone where it takes longer: the system's resolver knows no time limit.

    Ctrl-C is noticed meanwhile. Raises what the work raises, and TimeoutError.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            done.set_exception(error)

    Thread(target=run, daemon=True).start()
    return done.result(timeout_s)


def _connect(host: str, timeout_s: float) -> str | None:
    try:
        with (
            socket.create_connection((host, PORT), timeout_s) as plain,
            own_tls_context().wrap_socket(plain, server_hostname=host),
        ):
            return None
    except ssl.SSLCertVerificationError:
        return _issuer(host, timeout_s)


def _issuer(host: str, timeout_s: float) -> str:
    # Only to name who answers in the host's place; nothing is sent to it.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((host, PORT), timeout_s) as plain,
        context.wrap_socket(plain, server_hostname=host) as tls,
    ):
        certificate = tls.getpeercert(binary_form=True)
    if certificate is None:
        return "nobody who says so"
    return clean(x509.load_der_x509_certificate(certificate).issuer.rfc4514_string(), 200)


def check_hosts(examined: Examined) -> Iterator[Finding]:
    """The hosts have an address, answer, and are who they say."""
    policy = examined.policy
    if policy is None:
        yield unclear("hosts", "no usable policy says which exchange to reach", "`guardian policy check`")
        return
    if policy.environment is Environment.PAPER:
        yield ok("hosts", "`paper` needs no network")
        return
    for host in hosts_of(policy.environment):
        name = f"hosts.{host}"
        try:
            issuer = examined.reach_host(host)
        except OSError as error:
            yield problem(name, f"`{host}` {_fault(error)}", _NETWORK_HELP)
            continue
        if issuer is None:
            yield ok(name, f"`{host}` answers by TLS")
        else:
            text = f"TLS to `{host}` is intercepted: its certificate is by {issuer}, which guardian does not believe"
            yield problem(name, text, "have that program leave the host out (a virus scanner, a company's proxy)")


def _fault(error: OSError) -> str:
    """Returns what did not work, as the rest of a sentence that begins with the host."""
    if isinstance(error, socket.gaierror):
        return "has no address: there is no network, or a name server that blocks it"
    if isinstance(error, TimeoutError):
        return f"does not answer within {NETWORK_TIMEOUT_S:.0f} s: there is no network, or a firewall"
    if isinstance(error, ssl.SSLError):
        why = getattr(error, "reason", None) or "no reason given"
        return f"is answered for by something that speaks no TLS that guardian takes ({why})"
    return f"cannot be reached: {error.strerror or type(error).__name__}"


def check_clock(examined: Examined) -> Iterator[Finding]:
    """This machine's clock is close enough to the exchange's for signed requests."""
    policy = examined.policy
    if policy is None or policy.environment is Environment.PAPER:
        return
    try:
        skew_ms = examined.clock_skew_ms(policy.environment)
    except ExchangeError as error:
        yield unclear("clock", f"the exchange's clock could not be asked: {error.message}", error.hint)
        return
    if abs(skew_ms) > CLOCK_LIMIT_MS:
        yield problem(
            "clock", f"this machine's clock is {skew_ms} ms from the exchange's; orders are denied", _CLOCK_HELP
        )
    else:
        yield ok("clock", f"{skew_ms} ms from the exchange's")
