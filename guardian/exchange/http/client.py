"""The guarded client: python-binance's AsyncClient with one request path, which checks the list before it signs.

Everything that python-binance can do over REST (some 720 methods) ends in `_request`; here that method is replaced.
What is not on the environment's list is refused there, whichever method was called and whatever the library's own
address was. From there:

    _request    checks; a write takes its slot and its timestamp here, and is sent once
    _read       sends a read, up to three times
    _once       sends once, and counts what that used of the limits
    _deliver    signs; every failure becomes one of guardian's exceptions, which it returns
    _sent       is the HTTP request
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

import aiohttp
from yarl import URL

from guardian.domain.secrets import KeyFamily
from guardian.domain.trading import Environment
from guardian.errors import ExchangeError, ExchangeRateLimited, NoCredentials, NotSent, RequestRefused
from guardian.exchange.environments import ApiFamily, Endpoint, EnvironmentSpec
from guardian.exchange.http.answers import Answer, decoded, refusal_code, used_of
from guardian.exchange.http.error_mapping import closed, from_exception
from guardian.exchange.http.request_list import check_parameters, encoded, permitted
from guardian.exchange.http.retrying import pauses
from guardian.exchange.http.signing import Signer
from guardian.exchange.http.tls import own_tls_context
from guardian.exchange.limits.rate_limits import RateLimits, Slot
from guardian.exchange.limits.weights import HEADERS
from guardian.exchange.network import Network
from guardian.system.clock import Clock
from guardian.system.lazy_modules import loaded_on_use

UNUSED: Final = (
    "dateparser",
    "Crypto.Hash.SHA256",
    "Crypto.PublicKey.ECC",
    "Crypto.PublicKey.RSA",
    "Crypto.Signature.eddsa",
    "Crypto.Signature.pkcs1_15",
)
"""What python-binance imports to read dates in words and to sign by itself; guardian does neither with it."""

with warnings.catch_warnings(), loaded_on_use(*UNUSED):
    # python-binance 1.0.37 imports names that websockets 14 and later deprecate; nothing of websockets is used here.
    warnings.filterwarnings("ignore", message=r"websockets\.\w+ is deprecated", category=DeprecationWarning)
    from binance import AsyncClient

RECV_WINDOW_MS: Final = 5_000
CLOCK_AHEAD_MS: Final = 1_000
"""The exchange refuses a timestamp that is further ahead than this."""
LARGEST_ANSWER: Final = 64 * 1024 * 1024
"""In bytes. The whole listing of `live` is the largest answer."""

# Where python-binance would send what guardian never requests. No resolver knows `.invalid` (RFC 2606).
_NOWHERE: Final = "https://refused.invalid"

# Network errors, which may be gone when a read is tried again.
_NETWORK_ERRORS: Final = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class _Tried:
    """The outcome of one try: the JSON or the exception to raise, and whether another try may help and is safe."""

    outcome: object
    again: bool = False


class GuardedClient(AsyncClient):  # type: ignore[misc]  # python-binance has no types, so its class is Any
    """The client of one environment. It is made inside the running event loop and sends nothing by itself.

    Reads and cancels are stamped with the local clock less `correction_ms`, an order with the time its caller fixed.
    `random_fraction` is evenly distributed between 0 and 1; with it the pauses between the tries of a read vary.
    `network` is what a test finds the hosts by; None is the system's resolver and certifi's authorities.
    Once `is_closed` is true nothing is sent and no session is opened, for a request in flight neither.
    """

    session: aiohttp.ClientSession | None
    REQUEST_RECVWINDOW = RECV_WINDOW_MS
    READ_TIMEOUT_S = 10.0
    """For all tries of a read together."""
    SILENCE_S = 4.0
    """A read that receives nothing for this long, or is not connected by then, is tried again."""
    WRITE_TIMEOUT_S = 15.0
    """Above the exchange's own 10 s, so that its answer, -1007 included, can arrive."""
    CONNECT_TIMEOUT_S = 8.0

    def __init__(
        self,
        spec: EnvironmentSpec,
        signers: Mapping[KeyFamily, Signer],
        *,
        clock: Clock,
        correction_ms: Callable[[ApiFamily], int],
        rate_limits: RateLimits,
        random_fraction: Callable[[], float],
        is_closed: Callable[[], bool],
        network: Network | None = None,
    ) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        # The library made these without connecting. They would get round `_request`.
        self.ws_api = self.ws_future = None
        self._spec = spec
        self._signers = dict(signers)
        self._clock = clock
        self._correction_ms = correction_ms
        self._rate_limits = rate_limits
        self._random_fraction = random_fraction
        self._is_closed = is_closed
        self._network = network
        self._point_at(spec)

    def _point_at(self, spec: EnvironmentSpec) -> None:
        for name in dir(type(self)):
            if name.endswith("_URL"):
                setattr(self, name, _NOWHERE)
        self.API_URL = spec.base_url(ApiFamily.SPOT) or _NOWHERE
        self.MARGIN_API_URL = spec.base_url(ApiFamily.WALLET) or _NOWHERE
        self.FUTURES_URL = spec.base_url(ApiFamily.FUTURES) or _NOWHERE

    # -- what python-binance has no method for

    async def get_listing(self, **parameters: object) -> object:
        """`exchangeInfo` with parameters; the library's own method takes none."""
        return await self._get("exchangeInfo", data=parameters)

    async def get_commission(self, **parameters: object) -> object:
        """`account/commission`, which every environment has; the library's `tradeFee` is on production only."""
        return await self._get("account/commission", True, data=parameters)

    # -- the one request path

    async def _request(
        self, method: str, uri: str, signed: bool, force_params: bool = False, **kwargs: object
    ) -> object:
        """Checks, takes a slot in the limits, signs, sends, decodes. A read may be sent again; a write is sent once.

        Raises:
            RequestRefused: not on the list; nothing was signed.
            NoCredentials, NotSent, ExchangeRejected, ExchangeRateLimited: nothing happened.
            ExchangeUnavailable: a read had no usable answer.
            OutcomeUnknown: a write was sent, and its outcome is not known.
        """
        endpoint = permitted(self._spec, method, uri)
        given = kwargs.get("data") or {}
        if signed is not endpoint.signed or force_params or kwargs.keys() - {"data"} or not isinstance(given, dict):
            raise RequestRefused("the request is not made in the way that is listed; it was not sent")
        parameters: dict[str, object] = dict(given)
        fixed = parameters.pop("timestamp", None) if endpoint.writes else None
        slot = parameters.pop("slot", None) if endpoint.method == "POST" else None
        check_parameters(parameters)
        signer = self._signer_for(endpoint) if endpoint.signed else None
        if not endpoint.writes:
            return await self._read(endpoint, uri, parameters, signer)
        if not isinstance(slot, Slot) or slot.is_used:
            slot = await self._rate_limits.take(endpoint, parameters, self._account(endpoint))
        try:
            parameters |= {"timestamp": self._timestamp(endpoint, fixed), "recvWindow": RECV_WINDOW_MS}
            query = encoded(parameters)
            self._check_age(fixed)
        except ExchangeError:
            self._rate_limits.give_back(slot)
            raise
        tried = await self._once(endpoint, uri, query, signer, slot, self.WRITE_TIMEOUT_S)
        if isinstance(tried.outcome, ExchangeError):
            raise tried.outcome
        return tried.outcome

    async def take_order_slot(self) -> Slot:
        """Takes the slot in the limits for one order, before the order is on disk. Raises ExchangeRateLimited."""
        endpoint = self._spec.permitted["POST", f"{self.API_URL}/v3/order"]
        return await self._rate_limits.take(endpoint, {}, self._account(endpoint))

    async def _read(
        self, endpoint: Endpoint, address: str, parameters: dict[str, object], signer: Signer | None
    ) -> object:
        """Sends a read, up to three times within its time-out where the network or the exchange's server failed."""
        encoded(parameters)  # what cannot be sent takes no slot
        slot = await self._rate_limits.take(endpoint, parameters, self._account(endpoint))
        ends = self._clock.monotonic() + self.READ_TIMEOUT_S
        tried = await self._read_once(endpoint, address, parameters, signer, slot, self.READ_TIMEOUT_S)
        for pause_s in pauses(self._random_fraction):
            if not tried.again or self._clock.monotonic() + pause_s >= ends:
                break
            await self._clock.pause(pause_s)
            slot = await self._rate_limits.take(endpoint, parameters, self._account(endpoint))
            left_s = ends - self._clock.monotonic()
            if left_s <= 0:
                self._rate_limits.give_back(slot)
                break
            tried = await self._read_once(endpoint, address, parameters, signer, slot, left_s)
        if isinstance(tried.outcome, ExchangeError):
            raise tried.outcome
        return tried.outcome

    async def _read_once(
        self,
        endpoint: Endpoint,
        address: str,
        parameters: Mapping[str, object],
        signer: Signer | None,
        slot: Slot,
        timeout_s: float,
    ) -> _Tried:
        """Sends a read once, with its own timestamp."""
        stamped = dict(parameters)
        if signer is not None:
            stamped |= {"timestamp": self._timestamp(endpoint, None), "recvWindow": RECV_WINDOW_MS}
        return await self._once(endpoint, address, encoded(stamped), signer, slot, timeout_s)

    async def _once(
        self, endpoint: Endpoint, address: str, query: str, signer: Signer | None, slot: Slot, timeout_s: float
    ) -> _Tried:
        """Sends once and returns the outcome; counts what it used of the limits in any case."""
        used: Mapping[str, int] = {}
        slot.is_used = True
        try:
            answer = await self._deliver(endpoint, address, query, signer, timeout_s)
            if not isinstance(answer, Answer):
                return answer
            used = answer.used
        finally:
            self._rate_limits.settle_soon(slot, used)
        outcome = decoded(answer, write=endpoint.writes, now_ms=self._clock.now_ms())
        if isinstance(outcome, ExchangeRateLimited):
            self._rate_limits.note(endpoint, slot, outcome, refusal_code(answer))
        elif endpoint.path == "/api/v3/exchangeInfo":
            self._rate_limits.learn(endpoint.family, self._account(endpoint), outcome)
        return _Tried(outcome, again=not endpoint.writes and answer.status >= 500)

    def _account(self, endpoint: Endpoint) -> str:
        """Returns the name under which limits of an account are counted."""
        signer = self._signers.get(endpoint.family.key_family)
        return "none" if signer is None else signer.fingerprint

    def _signer_for(self, endpoint: Endpoint) -> Signer:
        family = endpoint.family.key_family
        signer = self._signers.get(family)
        if signer is None:
            environment = self._spec.environment
            # Only testnet has a second pair.
            is_second = environment is Environment.TESTNET and family is KeyFamily.FUTURES
            hint = f"`guardian keys add {environment.value}{' --family futures' if is_second else ''}`"
            if environment is Environment.PAPER:
                hint = "give `api_key` and `api_secret` under `[paper]` in the policy"
            raise NoCredentials(f"no key is stored for `{environment.value}`; nothing was sent", hint=hint)
        return signer

    def _timestamp(self, endpoint: Endpoint, fixed: object) -> int:
        if not endpoint.writes:
            return self._clock.now_ms() - self._correction_ms(endpoint.family)
        if not isinstance(fixed, int) or isinstance(fixed, bool):
            raise RequestRefused("a write needs the timestamp that was fixed with its intent; it was not sent")
        return fixed - self._correction_ms(endpoint.family) if endpoint.method == "DELETE" else fixed

    def _check_age(self, fixed: object) -> None:
        """The last check before sending: a machine that slept since the intent must not send."""
        age_ms = self._clock.now_ms() - fixed if isinstance(fixed, int) else RECV_WINDOW_MS
        if not -CLOCK_AHEAD_MS <= age_ms < RECV_WINDOW_MS:
            raise NotSent(
                "the request's time had passed before it could be sent; nothing was sent", hint="send it again"
            )

    async def _deliver(
        self, endpoint: Endpoint, address: str, payload: str, signer: Signer | None, timeout_s: float
    ) -> Answer | _Tried:
        """Signs and sends. Returns the answer or the failure, and never raises: exception frames would hold the key.

        A cancellation is raised again as a new one, for the same reason.
        """
        if self._is_closed():
            return _Tried(closed(write=endpoint.writes))
        request = _signed(endpoint, address, payload, signer)
        if request is None:
            hint = "`guardian keys add` stores another"
            return _Tried(NotSent("the stored key cannot sign; nothing was sent", hint=hint))
        try:
            return await self._sent(endpoint, *request, timeout_s)
        except asyncio.CancelledError as cancellation:
            arguments = cancellation.args
        except Exception as problem:  # noqa: BLE001  the caller of a write has to know what any failure means
            is_network = isinstance(problem, _NETWORK_ERRORS)
            outcome = from_exception(problem, write=endpoint.writes)
            return _Tried(outcome, again=is_network and not endpoint.writes)
        del request
        raise asyncio.CancelledError(*arguments)

    async def _sent(
        self, endpoint: Endpoint, url: URL, headers: Mapping[str, str], body: bytes | None, timeout_s: float
    ) -> Answer:
        total = timeout_s
        silence = None if endpoint.writes else min(self.SILENCE_S, total)
        async with self._open_session().request(
            endpoint.method,
            url,
            headers=headers,
            data=body,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                total=total, connect=silence or min(self.CONNECT_TIMEOUT_S, total), sock_read=silence
            ),
        ) as response:
            content = bytearray()
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > LARGEST_ANSWER:
                    raise ValueError("too large")
            return Answer(
                status=response.status,
                body=bytes(content),
                retry_after=response.headers.get("Retry-After"),
                used=used_of(response.headers, HEADERS),
            )

    def _open_session(self) -> aiohttp.ClientSession:
        session = self.session
        if session is None or session.closed:
            # The embedded exchange closes idle connections after 5 s: let go of them before it does.
            keepalive_s = 4.0 if self._spec.environment is Environment.PAPER else 15.0
            session = self.session = aiohttp.ClientSession(
                connector=self._connector(keepalive_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept": "application/json", "User-Agent": "guardian"},
                trust_env=False,
            )
            # aiohttp sends a DELETE again, by itself, when a kept connection had gone; there is no public switch.
            session._retry_connection = False  # noqa: SLF001
        return session

    def _connector(self, keepalive_s: float) -> aiohttp.TCPConnector:
        if self._spec.environment is Environment.PAPER:
            # Without TLS there is nothing to check: the paper exchange is on this machine.
            return aiohttp.TCPConnector(keepalive_timeout=keepalive_s)
        if self._network is None:
            return aiohttp.TCPConnector(keepalive_timeout=keepalive_s, ssl=own_tls_context())
        return aiohttp.TCPConnector(
            keepalive_timeout=keepalive_s, ssl=self._network.tls, resolver=self._network.resolver
        )

    # -- what is closed off

    @classmethod
    async def create(cls, *_: object, **__: object) -> NoReturn:
        """The library's way to make a client sends a ping with the key in it."""
        raise RequestRefused("the guarded client is made by its constructor, which sends nothing")

    def _init_session(self) -> None:
        """Opens nothing: the base class would open a session at once; here the first request does."""
        return

    def _get_headers(self) -> dict[str, str]:
        """Returns no headers: the key goes with signed requests only."""
        return {}

    def _generate_signature(self, data: object, uri_encode: bool = True) -> NoReturn:  # noqa: ARG002
        raise RequestRefused("requests are signed in the guarded client's own request path only")

    async def _ws_api_request(self, method: str, signed: bool, params: object) -> NoReturn:  # noqa: ARG002
        raise RequestRefused("guardian opens no websocket; nothing was sent")

    async def _ws_futures_api_request(self, method: str, signed: bool, params: object) -> NoReturn:  # noqa: ARG002
        raise RequestRefused("guardian opens no websocket; nothing was sent")


def _signed(
    endpoint: Endpoint, address: str, payload: str, signer: Signer | None
) -> tuple[URL, dict[str, str], bytes | None] | None:
    """Returns the address, the headers and the body to send; None where the stored key cannot sign."""
    headers = {}
    body = None
    if signer is not None:
        signature = signer.sign(payload.encode())
        if signature is None:
            return None
        payload = f"{payload}&{encoded({'signature': signature})}"
        headers["X-MBX-APIKEY"] = signer.api_key().reveal()
    if endpoint.writes:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = payload.encode()
    elif payload:
        address = f"{address}?{payload}"
    return URL(address, encoded=True), headers, body
