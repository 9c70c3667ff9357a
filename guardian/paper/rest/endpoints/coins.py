"""What some clients load before they trade at all: the coins with their networks, and the contracts margined in coins.

Nothing can be deposited or withdrawn here, and there are no such contracts.
"""

from __future__ import annotations

from typing import Any, Final

from guardian.paper.market.symbols import ASSETS, eight
from guardian.paper.rest.endpoint import Call, Endpoint, Security
from guardian.paper.rest.endpoints.wallet import NETWORKS

_NAMES: Final = {
    "BTC": "Bitcoin",
    "ETH": "Ethereum",
    "BNB": "BNB",
    "SOL": "Solana",
    "USDT": "TetherUS",
    "USDC": "USD Coin",
    "EUR": "Euro",
}
_NETWORK_NAMES: Final = {
    "ARBITRUM": "Arbitrum One",
    "BSC": "BNB Smart Chain (BEP20)",
    "BTC": "Bitcoin",
    "ETH": "Ethereum (ERC20)",
    "SOL": "Solana",
    "TRX": "Tron (TRC20)",
}
_LEGAL_MONEY: Final = frozenset({"EUR"})


def _all_coins(call: Call) -> list[dict[str, Any]]:
    return [_coin(call, coin) for coin in ASSETS]


def _coin(call: Call, coin: str) -> dict[str, Any]:
    balance = call.venue.state.ledger.of(coin)
    networks = NETWORKS.get(coin, ())
    return {
        "coin": coin,
        "depositAllEnable": False,
        "withdrawAllEnable": False,
        "name": _NAMES[coin],
        "free": eight(balance.free),
        "locked": eight(balance.locked),
        "freeze": "0",
        "withdrawing": "0",
        "ipoing": "0",
        "ipoable": "0",
        "storage": "0",
        "isLegalMoney": coin in _LEGAL_MONEY,
        "trading": coin not in _LEGAL_MONEY,
        "networkList": [_network(coin, network, is_default=network == networks[0]) for network in networks],
    }


def _network(coin: str, network: str, *, is_default: bool) -> dict[str, Any]:
    why = "There are no deposits and no withdrawals on the paper exchange"
    return {
        "network": network,
        "coin": coin,
        "withdrawIntegerMultiple": "0.00000001",
        "isDefault": is_default,
        "depositEnable": False,
        "withdrawEnable": False,
        "depositDesc": why,
        "withdrawDesc": why,
        "specialTips": "",
        "specialWithdrawTips": "",
        "name": _NETWORK_NAMES[network],
        "resetAddressStatus": False,
        "addressRegex": "",
        "memoRegex": "",
        "withdrawFee": "0",
        "withdrawMin": "0",
        "withdrawMax": "0",
        "withdrawInternalMin": "0",
        "depositDust": "0",
        "minConfirm": 1,
        "unLockConfirm": 0,
        "sameAddress": False,
        "withdrawTag": False,
        "estimatedArrivalTime": 1,
        "busy": False,
        "contractAddressUrl": "",
        "contractAddress": "",
    }


def _no_contracts(call: Call) -> dict[str, Any]:
    return {"timezone": "UTC", "serverTime": call.now, "rateLimits": [], "exchangeFilters": [], "symbols": []}


ENDPOINTS: Final = (
    Endpoint("GET", "/sapi/v1/capital/config/getall", Security.SIGNED, _all_coins, strict=False),
    Endpoint("GET", "/dapi/v1/exchangeInfo", Security.NONE, _no_contracts, strict=False),
)
