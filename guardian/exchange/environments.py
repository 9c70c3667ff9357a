"""The four environments: where each one's hosts are, and the closed list of requests that may be made there.

The list holds whole requests (method, scheme, host, port, path), not hosts: a withdrawal goes to the same host as the
deposit history. It is worked out here from the environment alone; no argument, setting or policy adds to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from guardian.domain.secrets import KeyFamily
from guardian.domain.trading import PAPER_ENDPOINT, Environment
from guardian.errors import RequestRefused


class ApiFamily(StrEnum):
    """The three parts of the exchange's interface, by the first part of the path."""

    SPOT = "/api"
    WALLET = "/sapi"
    FUTURES = "/fapi"

    @property
    def key_family(self) -> KeyFamily:
        """Which key pair signs for it."""
        return KeyFamily.FUTURES if self is ApiFamily.FUTURES else KeyFamily.SPOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A request that guardian makes: its method, its path, and whether it is signed."""

    method: str
    path: str
    signed: bool

    @property
    def family(self) -> ApiFamily:
        """By the first part of the path."""
        return ApiFamily("/" + self.path.split("/", 2)[1])

    @property
    def writes(self) -> bool:
        """Whether it changes anything at the exchange."""
        return self.method != "GET"


def _reads(signed: bool, *paths: str) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(method="GET", path=path, signed=signed) for path in paths)


ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    # The only two writes that there are.
    Endpoint(method="POST", path="/api/v3/order", signed=True),
    Endpoint(method="DELETE", path="/api/v3/order", signed=True),
    *_reads(
        False,
        "/api/v3/time",
        "/api/v3/exchangeInfo",
        "/api/v3/ticker/price",
        "/api/v3/ticker/24hr",
        "/api/v3/ticker/bookTicker",
        "/api/v3/avgPrice",
        "/api/v3/depth",
        "/api/v3/klines",
        "/fapi/v1/time",
    ),
    *_reads(
        True,
        "/api/v3/account",
        "/api/v3/account/commission",
        "/api/v3/order",
        "/api/v3/openOrders",
        "/api/v3/allOrders",
        "/api/v3/myTrades",
        "/fapi/v3/positionRisk",
        "/fapi/v3/account",
        "/fapi/v1/income",
        "/fapi/v1/forceOrders",
        "/sapi/v1/accountSnapshot",
        "/sapi/v1/capital/deposit/hisrec",
        "/sapi/v1/capital/deposit/address",
        "/sapi/v1/capital/withdraw/history",
        "/sapi/v1/asset/transfer",
    ),
)
"""What guardian asks of every environment that has the path. `/sapi/v1/asset/transfer` is read; a POST moves money."""

LIVE_ENDPOINTS: Final[tuple[Endpoint, ...]] = _reads(True, "/sapi/v1/account/apiRestrictions")
"""What guardian asks of `live` alone: the permissions of its key. It is a read; other paths below it change the key."""

_ORIGINS: Final = MappingProxyType(
    {
        Environment.TESTNET: {
            ApiFamily.SPOT: "https://testnet.binance.vision",
            ApiFamily.FUTURES: "https://testnet.binancefuture.com",
        },
        Environment.DEMO: {
            ApiFamily.SPOT: "https://demo-api.binance.com",
            ApiFamily.FUTURES: "https://demo-fapi.binance.com",
        },
        Environment.LIVE: {
            ApiFamily.SPOT: "https://api.binance.com",
            ApiFamily.WALLET: "https://api.binance.com",
            ApiFamily.FUTURES: "https://fapi.binance.com",
        },
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSpec:
    """One environment: its addresses and its list of requests.

    `paper_endpoint` is `http://127.0.0.1:PORT` or `http://[::1]:PORT`, for `paper` and nothing else; the rest follows
    from the environment and cannot be given.

    Raises:
        RequestRefused: the paper endpoint is missing, is not on loopback, or is given for another environment.
    """

    environment: Environment
    paper_endpoint: str | None = None
    permitted: MappingProxyType[tuple[str, str], Endpoint] = field(init=False, repr=False, compare=False)
    """By method (`GET`, `POST`, `DELETE`) and whole address without a query."""
    _origins: MappingProxyType[ApiFamily, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.environment is Environment.PAPER:
            origins = dict.fromkeys(ApiFamily, _loopback_origin(self.paper_endpoint))
        elif self.paper_endpoint is not None:
            raise RequestRefused("only the `paper` environment takes an endpoint")
        else:
            origins = dict(_ORIGINS[self.environment])
        permitted = {
            (endpoint.method, origins[endpoint.family] + endpoint.path): endpoint
            for endpoint in (*ENDPOINTS, *(LIVE_ENDPOINTS if self.environment is Environment.LIVE else ()))
            if endpoint.family in origins
        }
        object.__setattr__(self, "_origins", MappingProxyType(origins))
        object.__setattr__(self, "permitted", MappingProxyType(permitted))

    @property
    def has_wallet(self) -> bool:
        """Whether `/sapi` is there: on `live` and `paper` only."""
        return ApiFamily.WALLET in self._origins

    def base_url(self, family: ApiFamily) -> str | None:
        """Returns the address up to and including `/api`, `/sapi` or `/fapi`; None where the environment has none."""
        origin = self._origins.get(family)
        return None if origin is None else origin + family.value


def _loopback_origin(endpoint: str | None) -> str:
    match = PAPER_ENDPOINT.fullmatch((endpoint or "").removesuffix("/"))
    if match is None or int(match[1]) > 65535:
        raise RequestRefused(
            "the paper exchange is reached on loopback only",
            hint="`endpoint` under `[paper]` is `http://127.0.0.1:PORT` or `http://[::1]:PORT`",
        )
    return match[0]
