"""What the facade makes its requests through: the guarded client, created when it is first needed, the clock of each
host, and the rate limits of all requests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from guardian.domain.secrets import ApiKeyPair, KeyFamily
from guardian.domain.trading import Environment
from guardian.errors import CredentialsError, ExchangeRejected, ExchangeUnavailable, GuardianError, OutcomeUnknown
from guardian.exchange.clock import ExchangeClock
from guardian.exchange.environments import ApiFamily, EnvironmentSpec
from guardian.exchange.error_codes import OUTSIDE_WINDOW
from guardian.exchange.limits.limits_file import SharedRows
from guardian.exchange.limits.rate_limits import RateLimits
from guardian.exchange.mapping import market
from guardian.exchange.network import Network
from guardian.system.clock import Clock

if TYPE_CHECKING:
    from guardian.exchange.http.client import GuardedClient
    from guardian.exchange.http.signing import Signer


MEASURED_HINT: Final = "nothing was cancelled; the clock was measured again, so request the cancel again"
NOT_MEASURED_HINT: Final = (
    "nothing was cancelled: this machine's clock is off, and the exchange's could not be measured; "
    "let the system set the time by itself, or request the cancel again in a moment"
)


class ExchangeSession:
    """The requests of one environment. Its parameters are described at `Exchange`."""

    def __init__(
        self,
        spec: EnvironmentSpec,
        signers: Mapping[KeyFamily, Signer],
        *,
        clock: Clock,
        limits_path: Path | None,
        random_fraction: Callable[[], float],
        network: Network | None = None,
    ) -> None:
        self._spec = spec
        self._signers = signers
        self._clock = clock
        self._random_fraction = random_fraction
        self._network = network
        self._client: GuardedClient | None = None
        self._is_closed = False
        # One for each host: /sapi is on that of /api.
        self._spot_clock = ExchangeClock(self._spot_time, clock)
        self._futures_clock = ExchangeClock(self._futures_time, clock)
        self.rate_limits = RateLimits(
            spec,
            clock=clock,
            shared=None if limits_path is None else SharedRows(limits_path, clock),
        )

    def warm_up(self) -> None:
        """Imports python-binance, and loads the authorities where they are needed; see `Exchange.warm_up`."""
        import guardian.exchange.http.client  # noqa: F401  # the import itself is the point
        from guardian.exchange.http.tls import own_tls_context

        if self._spec.environment is not Environment.PAPER:
            own_tls_context()

    def client(self) -> GuardedClient:
        """Returns the one client, which sends nothing by itself."""
        if self._client is None:
            # python-binance takes half a second to import: not before it is needed.
            from guardian.exchange.http.client import GuardedClient

            self._client = GuardedClient(
                self._spec,
                self._signers,
                clock=self._clock,
                correction_ms=self._correction_ms,
                rate_limits=self.rate_limits,
                random_fraction=self._random_fraction,
                is_closed=lambda: self._is_closed,
                network=self._network,
            )
        return self._client

    def clock(self, family: ApiFamily) -> ExchangeClock:
        """Returns the clock of that part's host."""
        return self._futures_clock if family is ApiFamily.FUTURES else self._spot_clock

    async def close(self) -> None:
        """Closes the kept connections and the file of the limits for good; see `Exchange.close`."""
        self._is_closed = True
        self.rate_limits.close()
        if self._client is not None:
            await self._client.close_connection()

    async def read(
        self, call: Callable[[GuardedClient], Awaitable[object]], family: ApiFamily = ApiFamily.SPOT
    ) -> object:
        """Awaits one read. Where its timestamp was refused, measures the clock and repeats the read once."""
        clock = self.clock(family)
        refused: ExchangeRejected | None = None
        try:
            return await self._read_once(call)
        except ExchangeRejected as rejection:
            if not clock.forget_if_refused(rejection):
                raise
            refused = rejection
        if not await self._is_measured(clock):
            raise refused
        return await self._read_once(call)

    async def write(self, call: Callable[[GuardedClient], Awaitable[object]]) -> object:
        """Awaits one write, once."""
        try:
            return await call(self.client())
        except GuardianError as error:
            self._spot_clock.forget_if_refused(error)
            raise
        except Exception:  # noqa: BLE001  python-binance's own exceptions can hold addresses and signatures
            # And it is not known what had been sent.
            problem = OutcomeUnknown("the request broke off and may have been sent")
        raise problem

    async def cancel(self, call: Callable[[GuardedClient], Awaitable[object]]) -> object:
        """Awaits one cancel, once. It is stamped with the corrected clock, which a new process measures first.

        Where the timestamp is refused all the same, the clock is measured for the next cancel, and the hint says so.
        """
        clock = self._spot_clock
        if KeyFamily.SPOT in self._signers:
            await clock.measure_if_unknown()
        try:
            return await self.write(call)
        except ExchangeRejected as rejection:
            if rejection.code != OUTSIDE_WINDOW:
                raise
            refused = rejection
        hint = MEASURED_HINT if await clock.measure_if_unknown() else NOT_MEASURED_HINT
        raise ExchangeRejected(refused.code, refused.text, http_status=refused.http_status, hint=hint)

    async def _read_once(self, call: Callable[[GuardedClient], Awaitable[object]]) -> object:
        """Awaits one read. The client translates network errors; python-binance's own exceptions end here."""
        try:
            return await call(self.client())
        except GuardianError:
            raise
        except Exception:  # noqa: BLE001  as above
            problem = ExchangeUnavailable("the request could not be made")
        raise problem

    @staticmethod
    async def _is_measured(clock: ExchangeClock) -> bool:
        try:
            await clock.skew_ms()
        except GuardianError:
            return False
        return True

    def _correction_ms(self, family: ApiFamily) -> int:
        return self.clock(family).correction_ms()

    async def _spot_time(self) -> int:
        return market.server_time(await self._read_once(lambda client: client.get_server_time()))

    async def _futures_time(self) -> int:
        return market.server_time(await self._read_once(lambda client: client.futures_time()))


def signers_by_family(
    environment: Environment, spot: ApiKeyPair | None, futures: ApiKeyPair | None
) -> dict[KeyFamily, Signer]:
    """Returns what signs for each part, each key decoded once. Raises CredentialsError where one belongs elsewhere.

    A key that cannot sign is found out by what is signed with it, so that all that needs no key works.
    """
    one_pair = environment is not Environment.TESTNET
    given = {KeyFamily.SPOT: spot, KeyFamily.FUTURES: futures or (spot if one_pair else None)}
    keys = {family: pair for family, pair in given.items() if pair is not None}
    for family, pair in keys.items():
        if pair.environment != environment.value or not (one_pair or pair.family is family):
            raise CredentialsError("a key pair of another environment or family was given; it is not used")
    if not keys:
        return {}
    from guardian.exchange.http.signing import Signer  # cryptography is slow to import

    signers = {pair.digest: Signer(pair) for pair in keys.values()}
    return {family: signers[pair.digest] for family, pair in keys.items()}
