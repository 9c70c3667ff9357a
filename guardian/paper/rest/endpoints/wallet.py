"""The wallet's history: deposits, withdrawals, transfers, snapshots. Seeded and plausible, and older than the exchange.

All of it ends when the paper exchange was first started, so that it stays the same however often it is started again.
Nothing can be deposited, withdrawn or transferred here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

from guardian.domain.milliseconds import DAY_MS, HOUR_MS
from guardian.domain.money import ZERO, plain, plus, round_down, times
from guardian.paper.engine.orders import PayFeesInBnb, Trade
from guardian.paper.engine.refusals import refusal
from guardian.paper.engine.state import State
from guardian.paper.market.symbols import COMMISSION, LISTINGS, START_BALANCES, eight
from guardian.paper.rest.endpoint import Call, Endpoint, Security

_WINDOW_MS: Final = 90 * DAY_MS
_DONE: Final = 1
_COMPLETED: Final = 6
_COIN: Final = r"^[A-Za-z0-9]{1,20}$"
_NETWORK: Final = r"^[A-Z0-9]{1,20}$"

NETWORKS: Final = {
    "BTC": ("BTC",),
    "ETH": ("ETH", "BSC", "ARBITRUM"),
    "BNB": ("BSC",),
    "SOL": ("SOL",),
    "USDT": ("TRX", "ETH", "BSC"),
    "USDC": ("ETH", "SOL", "BSC"),
}
"""The networks of each coin, its default first."""
_EXPLORERS: Final = {
    "BTC": "https://btc.com/",
    "ETH": "https://etherscan.io/address/",
    "BSC": "https://bscscan.com/address/",
    "ARBITRUM": "https://arbiscan.io/address/",
    "TRX": "https://tronscan.org/#/address/",
    "SOL": "https://solscan.io/account/",
}
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class _Transfer:
    coin: str
    amount: str
    network: str
    days_ago: int


_DEPOSITS: Final = (
    _Transfer("USDT", "12000", "TRX", 88),
    _Transfer("BTC", "0.5", "BTC", 61),
    _Transfer("ETH", "6.25", "ETH", 40),
    _Transfer("BNB", "10", "BSC", 33),
    _Transfer("USDT", "1500", "ETH", 12),
    _Transfer("USDT", "800", "TRX", 2),
)
_WITHDRAWALS: Final = (
    _Transfer("USDT", "2500", "TRX", 70),
    _Transfer("ETH", "1.2", "ETH", 25),
    _Transfer("USDT", "300", "BSC", 5),
)
_UNIVERSAL: Final = (
    ("MAIN_UMFUTURE", "USDT", "1000", 60),
    ("UMFUTURE_MAIN", "USDT", "150.5", 20),
    ("MAIN_UMFUTURE", "USDT", "500", 6),
    ("UMFUTURE_MAIN", "USDT", "75.25", 3),
    ("MAIN_UMFUTURE", "USDT", "50", 1),
    ("MAIN_FUNDING", "USDT", "20", 2),
)
_TYPES: Final = r"^[A-Z_]{3,40}$"


def _digest(call: Call, *what: object) -> str:
    return sha256("/".join(str(part) for part in (call.venue.seed, *what)).encode()).hexdigest()


def _moment(call: Call, days_ago: int, *what: object) -> int:
    """Returns a time of that day before the exchange was born, in whole seconds."""
    shift = int(_digest(call, "moment", days_ago, *what)[:8], 16) % (20 * HOUR_MS)
    return (call.venue.state.born - days_ago * DAY_MS - shift) // 1000 * 1000


def _number(call: Call, *what: object) -> int:
    return int(_digest(call, "number", *what)[:12], 16)


def _address(call: Call, coin: str, network: str) -> str:
    """Returns an address of about the right form that belongs to nobody.

    Its checksum is wrong, so that wallets refuse it.
    """
    digest = _digest(call, "address", network if network in {"ETH", "BSC", "ARBITRUM"} else f"{network}/{coin}")
    if network in {"ETH", "BSC", "ARBITRUM"}:
        return "0x" + digest[:40]
    letters = "".join(_BASE58[int(digest[index : index + 2], 16) % 58] for index in range(0, 64, 2))
    if network == "TRX":
        return "T" + (letters * 2)[:33]
    return "1" + (letters * 2)[: 43 if network == "SOL" else 32]


def _transaction(call: Call, network: str, *what: object) -> str:
    digest = _digest(call, "transaction", network, *what)
    return "0x" + digest if network in {"ETH", "BSC", "ARBITRUM"} else digest


def _page(call: Call, rows: list[tuple[int, dict[str, Any]]], *, most: int = 1000) -> list[dict[str, Any]]:
    """Returns the rows of the requested period and page, newest first."""
    offset = call.params.integer("offset") or 0
    limit = call.params.integer("limit", least=1, most=most) or most
    start, end = call.params.period(longest_ms=_WINDOW_MS, default_ms=_WINDOW_MS, now=call.now)
    chosen = [row for when, row in sorted(rows, key=lambda pair: -pair[0]) if start <= when <= end]
    return chosen[offset : offset + limit]


def _deposits(call: Call) -> list[dict[str, Any]]:
    coin, status = call.params.text("coin", _COIN), call.params.integer("status")
    rows = []
    for deposit in _DEPOSITS:
        if coin not in {None, deposit.coin} or status not in {None, _DONE}:
            continue
        when = _moment(call, deposit.days_ago, "deposit", deposit.coin)
        row = {
            "id": str(_number(call, "deposit", when) + 10**17),
            "amount": deposit.amount,
            "coin": deposit.coin,
            "network": deposit.network,
            "status": _DONE,
            "address": _address(call, deposit.coin, deposit.network),
            "addressTag": "",
            "txId": _transaction(call, deposit.network, "deposit", when),
            "insertTime": when,
            "completeTime": when + 600_000,
            "transferType": 0,
            "confirmTimes": "12/12",
            "unlockConfirm": 12,
            "walletType": 0,
            "travelRuleStatus": 0,
        }
        rows.append((when, row))
    return _page(call, rows)


def _withdrawals(call: Call) -> list[dict[str, Any]]:
    coin, status = call.params.text("coin", _COIN), call.params.integer("status")
    rows = []
    for withdrawal in _WITHDRAWALS:
        if coin not in {None, withdrawal.coin} or status not in {None, _COMPLETED}:
            continue
        when = _moment(call, withdrawal.days_ago, "withdrawal", withdrawal.coin)
        row = {
            "id": _digest(call, "withdrawal", when)[:32],
            "amount": withdrawal.amount,
            "transactionFee": "1" if withdrawal.coin == "USDT" else "0.0016",
            "coin": withdrawal.coin,
            "status": _COMPLETED,
            "address": _address(call, f"{withdrawal.coin}/elsewhere", withdrawal.network),
            "txId": _transaction(call, withdrawal.network, "withdrawal", when),
            "applyTime": _written(when),
            "network": withdrawal.network,
            "transferType": 0,
            "info": "",
            "confirmNo": 12,
            "walletType": 0,
            "txKey": "",
            "completeTime": _written(when + 900_000),
        }
        rows.append((when, row))
    return _page(call, rows)


def _written(when: int) -> str:
    return datetime.fromtimestamp(when // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _deposit_address(call: Call) -> dict[str, Any]:
    coin = call.params.needed("coin", _COIN).upper()
    network = call.params.text("network", _NETWORK)
    if coin not in NETWORKS:
        raise refusal(-4018, "We don't have this asset.")
    network = network or NETWORKS[coin][0]
    if network not in NETWORKS[coin]:
        raise refusal(-4019, "The current currency is not open for deposit on this network.")
    address = _address(call, coin, network)
    return {"coin": coin, "address": address, "tag": "", "url": _EXPLORERS[network] + address}


def _transfers(call: Call) -> dict[str, Any]:
    kind = call.params.needed("type", _TYPES)
    page = call.params.integer("current", least=1) or 1
    size = call.params.integer("size", least=1, most=100) or 10
    start, end = call.params.period(default_ms=7 * DAY_MS, now=call.now)
    rows = []
    for name, asset, amount, days_ago in _UNIVERSAL:
        when = _moment(call, days_ago, "transfer", name)
        if name == kind and start <= when <= end:
            row = {
                "asset": asset,
                "amount": amount,
                "type": name,
                "status": "CONFIRMED",
                "tranId": 10**11 + _number(call, "transfer", when) % 10**11,
                "timestamp": when,
            }
            rows.append(row)
    rows.sort(key=lambda row: -int(str(row["timestamp"])))
    return {"total": len(rows), "rows": rows[(page - 1) * size : page * size]}


def _snapshots(call: Call) -> dict[str, Any]:
    kind = call.params.needed("type")
    if kind not in {"SPOT", "MARGIN", "FUTURES"}:
        raise refusal(-1130, "Data sent for parameter 'type' is not valid.")
    limit = call.params.integer("limit", least=1, most=30) or 7
    start, end = call.params.period(longest_ms=30 * DAY_MS, default_ms=30 * DAY_MS, now=call.now)
    last = (call.now // DAY_MS) * DAY_MS - 1000
    rows: list[dict[str, Any]] = []
    for when in range(last, last - 30 * DAY_MS, -DAY_MS):
        if start <= when <= end and len(rows) < limit:
            rows.append({"type": kind.lower(), "updateTime": when, "data": _SNAPSHOTS[kind](call, when)})
    return {"code": 200, "msg": "", "snapshotVos": rows[::-1]}


def _spot_snapshot(call: Call, when: int) -> dict[str, Any]:
    balances = balances_at(call.venue.state, call.venue.history.trades_after(when))
    feed = call.venue.feed
    worth = ZERO
    bitcoin = feed.last_price("BTCUSDT", when)
    for asset, amount in balances.items():
        price = Decimal(1) if asset == "USDT" else None
        if f"{asset}USDT" in LISTINGS:
            price = feed.last_price(f"{asset}USDT", when)
        if price is not None:
            worth = plus(worth, times(amount, price))
    return {
        "totalAssetOfBtc": eight(round_down(worth / bitcoin)),
        "balances": [{"asset": asset, "free": plain(amount), "locked": "0"} for asset, amount in balances.items()],
    }


def balances_at(state: State, later: Iterable[Trade]) -> dict[str, Decimal]:
    """Returns what the account owned once: what it owns now, with every later trade undone.

    Before the exchange was born that is what it was born with.
    """
    owned = {balance.asset: plus(balance.free, balance.locked) for balance in state.ledger}
    owned = {asset: owned.get(asset, ZERO) for asset in dict.fromkeys([*START_BALANCES, *owned])}
    for trade in later:
        listing = LISTINGS[trade.symbol]
        sign = Decimal(-1) if trade.is_buyer else Decimal(1)
        owned[listing.base_asset] = plus(owned[listing.base_asset], times(sign, trade.quantity))
        owned[listing.quote_asset] = plus(owned[listing.quote_asset], times(-sign, trade.quote_quantity))
        owned[trade.commission_asset] = plus(owned[trade.commission_asset], trade.commission)
    return owned


def _margin_snapshot(_call: Call, _when: int) -> dict[str, Any]:
    return {
        "marginLevel": "999.00000000",
        "totalAssetOfBtc": "0.00000000",
        "totalLiabilityOfBtc": "0.00000000",
        "totalNetAssetOfBtc": "0.00000000",
        "userAssets": [
            {
                "asset": "USDT",
                "borrowed": "0.00000000",
                "free": "0.00000000",
                "interest": "0.00000000",
                "locked": "0.00000000",
                "netAsset": "0.00000000",
            }
        ],
    }


def _futures_snapshot(call: Call, when: int) -> dict[str, Any]:
    mark = call.venue.feed.average("BTCUSDT", when).price
    return {
        "assets": [{"asset": "USDT", "marginBalance": "1500.00000000", "walletBalance": "1500.00000000"}],
        "position": [
            {
                "entryPrice": eight(mark),
                "markPrice": eight(mark),
                "positionAmt": "0.02000000",
                "symbol": "BTCUSDT",
                "unRealizedProfit": "0.00000000",
            }
        ],
    }


_SNAPSHOTS: Final = {"SPOT": _spot_snapshot, "MARGIN": _margin_snapshot, "FUTURES": _futures_snapshot}


def _trade_fee(call: Call) -> list[dict[str, Any]]:
    listing = call.optional_listing()
    rate = plain(COMMISSION)
    return [
        {"symbol": symbol, "makerCommission": rate, "takerCommission": rate}
        for symbol in ([listing.symbol] if listing is not None else LISTINGS)
    ]


def _restrictions(call: Call) -> dict[str, Any]:
    usual: dict[str, object] = {
        "ipRestrict": False,
        "createTime": call.venue.state.born,
        "enableReading": True,
        "enableWithdrawals": False,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": False,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableSpotAndMarginTrading": True,
        "enablePortfolioMarginTrading": False,
    }
    return {name: value for name, value in {**usual, **call.venue.key_restrictions}.items() if value is not None}


def _no_pairs(_call: Call) -> list[dict[str, Any]]:
    """Nothing is traded on margin here."""
    return []


def _burn(call: Call) -> dict[str, Any]:
    return {"spotBNBBurn": call.venue.state.fees_in_bnb, "interestBNBBurn": False}


def _set_burn(call: Call) -> dict[str, Any]:
    wanted = call.params.text("spotBNBBurn")
    enabled = call.params.flag("spotBNBBurn")
    if call.params.flag("interestBNBBurn"):
        raise refusal(-1130, "Data sent for parameter 'interestBNBBurn' is not valid.")
    if wanted is not None:
        call.venue.execute(PayFeesInBnb(enabled), call.now)
    return _burn(call)


_READS: Final = (
    ("bnbBurn", _burn),
    ("accountSnapshot", _snapshots),
    ("capital/deposit/hisrec", _deposits),
    ("capital/withdraw/history", _withdrawals),
    ("capital/deposit/address", _deposit_address),
    ("asset/transfer", _transfers),
    ("asset/tradeFee", _trade_fee),
    ("account/apiRestrictions", _restrictions),
)
ENDPOINTS: Final = (
    *(Endpoint("GET", f"/sapi/v1/{path}", Security.SIGNED, answer, strict=False) for path, answer in _READS),
    Endpoint("POST", "/sapi/v1/bnbBurn", Security.SIGNED, _set_burn, strict=False),
    Endpoint("GET", "/sapi/v1/margin/allPairs", Security.NONE, _no_pairs, strict=False),
    Endpoint("GET", "/sapi/v1/margin/isolated/allPairs", Security.NONE, _no_pairs, strict=False),
)
