"""A USD-M futures account to look at: two positions, its income, and the orders that once were forced on it.

Seeded and plausible; the positions were opened when the paper exchange was first started and are valued at the spot
feed's average price. Nothing can be traded here.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

from guardian.domain.milliseconds import DAY_MS, WEEK_MS
from guardian.domain.money import ZERO, minus, plain, plus, round_down, times, total
from guardian.paper.engine.refusals import refusal
from guardian.paper.market.symbols import eight
from guardian.paper.rest.endpoint import Call, Endpoint, Security
from guardian.paper.rest.endpoints.futures_market import FUNDING_MS, FUTURES_SYMBOLS, optional_contract

_WALLET: Final = Decimal(1500)
_MAINTENANCE: Final = Decimal("0.004")


@dataclass(frozen=True, slots=True)
class _Position:
    symbol: str
    amount: Decimal
    leverage: int
    entry_factor: Decimal
    """The entry price as a part of the price when the exchange was born."""


_POSITIONS: Final = (
    _Position("BTCUSDT", Decimal("0.020"), 10, Decimal("0.985")),
    _Position("ETHUSDT", Decimal("-0.300"), 5, Decimal("1.012")),
)
_FORCED: Final = (("BTCUSDT", "SELL", "0.003", 2), ("ETHUSDT", "BUY", "0.120", 5), ("SOLUSDT", "SELL", "4", 30))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Valued:
    """A position and what it is worth now, in USDT."""

    position: _Position
    entry: Decimal
    mark: Decimal
    notional: Decimal
    profit: Decimal
    initial_margin: Decimal
    maintenance: Decimal


def _valued(call: Call, position: _Position) -> _Valued:
    born = call.venue.state.born
    entry = round_down(times(call.venue.feed.last_price(position.symbol, born), position.entry_factor))
    mark = call.venue.feed.average(position.symbol, call.now).price
    notional = round_down(times(mark, position.amount))
    return _Valued(
        position=position,
        entry=entry,
        mark=mark,
        notional=notional,
        profit=round_down(times(minus(mark, entry), position.amount)),
        initial_margin=round_down(abs(notional) / position.leverage),
        maintenance=round_down(times(abs(notional), _MAINTENANCE)),
    )


def _position_risk_v2(call: Call) -> list[dict[str, Any]]:
    """Returns every contract, with a position or without, as version 2 has it."""
    wanted = optional_contract(call)
    held = {position.symbol: position for position in _POSITIONS}
    rows = []
    for symbol in FUTURES_SYMBOLS:
        if wanted not in {None, symbol}:
            continue
        row = _valued(call, held.get(symbol) or _Position(symbol, ZERO, 20, ZERO))
        rows.append(
            {
                "symbol": symbol,
                "positionAmt": plain(row.position.amount),
                "entryPrice": plain(row.entry),
                "breakEvenPrice": plain(row.entry),
                "markPrice": eight(row.mark),
                "unRealizedProfit": eight(row.profit),
                "liquidationPrice": "0",
                "leverage": str(row.position.leverage),
                "maxNotionalValue": "1000000",
                "marginType": "cross",
                "isolatedMargin": eight(ZERO),
                "isAutoAddMargin": "false",
                "positionSide": "BOTH",
                "notional": plain(row.notional),
                "isolatedWallet": "0",
                "updateTime": call.venue.state.born if row.position.amount else 0,
            }
        )
    return rows


def _commission_rate(call: Call) -> dict[str, Any]:
    call.params.needed("symbol")
    return {
        "symbol": optional_contract(call),
        "makerCommissionRate": "0.000200",
        "takerCommissionRate": "0.000500",
        "rpiCommissionRate": "0.000050",
    }


def _position_risk_v3(call: Call) -> list[dict[str, Any]]:
    wanted = optional_contract(call)
    rows = [_valued(call, position) for position in _POSITIONS if wanted in {None, position.symbol}]
    return [
        {
            "symbol": row.position.symbol,
            "positionSide": "BOTH",
            "positionAmt": str(row.position.amount),
            "entryPrice": plain(row.entry),
            "breakEvenPrice": plain(row.entry),
            "markPrice": eight(row.mark),
            "unRealizedProfit": eight(row.profit),
            "liquidationPrice": "0",
            "isolatedMargin": "0",
            "notional": plain(row.notional),
            "marginAsset": "USDT",
            "isolatedWallet": "0",
            "initialMargin": eight(row.initial_margin),
            "maintMargin": eight(row.maintenance),
            "positionInitialMargin": eight(row.initial_margin),
            "openOrderInitialMargin": "0",
            "adl": 2,
            "bidNotional": "0",
            "askNotional": "0",
            "updateTime": call.venue.state.born,
        }
        for row in rows
    ]


def _symbol_config(call: Call) -> list[dict[str, Any]]:
    wanted = optional_contract(call)
    leverage = {position.symbol: position.leverage for position in _POSITIONS}
    return [
        {
            "symbol": symbol,
            "marginType": "CROSSED",
            "isAutoAddMargin": False,
            "leverage": leverage.get(symbol, 20),
            "maxNotionalValue": "1000000",
        }
        for symbol in FUTURES_SYMBOLS
        if wanted in {None, symbol}
    ]


def _totals(call: Call) -> tuple[list[_Valued], dict[str, str]]:
    rows = [_valued(call, position) for position in _POSITIONS]
    profit = total(row.profit for row in rows)
    initial, maintenance = total(row.initial_margin for row in rows), total(row.maintenance for row in rows)
    balance = plus(_WALLET, profit)
    available = max(ZERO, minus(balance, initial))
    return rows, {
        "walletBalance": eight(_WALLET),
        "unrealizedProfit": eight(profit),
        "marginBalance": eight(balance),
        "maintMargin": eight(maintenance),
        "initialMargin": eight(initial),
        "positionInitialMargin": eight(initial),
        "openOrderInitialMargin": eight(ZERO),
        "crossWalletBalance": eight(_WALLET),
        "crossUnPnl": eight(profit),
        "availableBalance": eight(available),
        "maxWithdrawAmount": eight(available),
    }


def _totalled(totals: dict[str, str]) -> dict[str, str]:
    return {
        "totalInitialMargin": totals["initialMargin"],
        "totalMaintMargin": totals["maintMargin"],
        "totalWalletBalance": totals["walletBalance"],
        "totalUnrealizedProfit": totals["unrealizedProfit"],
        "totalMarginBalance": totals["marginBalance"],
        "totalPositionInitialMargin": totals["positionInitialMargin"],
        "totalOpenOrderInitialMargin": totals["openOrderInitialMargin"],
        "totalCrossWalletBalance": totals["crossWalletBalance"],
        "totalCrossUnPnl": totals["crossUnPnl"],
        "availableBalance": totals["availableBalance"],
        "maxWithdrawAmount": totals["maxWithdrawAmount"],
    }


def _account_v3(call: Call) -> dict[str, Any]:
    rows, totals = _totals(call)
    born = call.venue.state.born
    return _totalled(totals) | {
        "assets": [{"asset": "USDT", **totals, "updateTime": born}],
        "positions": [
            {
                "symbol": row.position.symbol,
                "positionSide": "BOTH",
                "positionAmt": str(row.position.amount),
                "unrealizedProfit": eight(row.profit),
                "isolatedMargin": eight(ZERO),
                "notional": plain(row.notional),
                "isolatedWallet": "0",
                "initialMargin": eight(row.initial_margin),
                "maintMargin": eight(row.maintenance),
                "updateTime": born,
            }
            for row in rows
        ],
    }


def _account_v2(call: Call) -> dict[str, Any]:
    rows, totals = _totals(call)
    born = call.venue.state.born
    return {
        "feeTier": 0,
        "feeBurn": True,
        "canTrade": False,
        "canDeposit": False,
        "canWithdraw": False,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
        **_totalled(totals),
        "assets": [{"asset": "USDT", **totals, "marginAvailable": True, "updateTime": born}],
        "positions": [
            {
                "symbol": row.position.symbol,
                "initialMargin": eight(row.initial_margin),
                "maintMargin": eight(row.maintenance),
                "unrealizedProfit": eight(row.profit),
                "positionInitialMargin": eight(row.initial_margin),
                "openOrderInitialMargin": "0",
                "leverage": str(row.position.leverage),
                "isolated": False,
                "entryPrice": plain(row.entry),
                "maxNotional": "1000000",
                "bidNotional": "0",
                "askNotional": "0",
                "positionSide": "BOTH",
                "positionAmt": str(row.position.amount),
                "updateTime": born,
            }
            for row in rows
        ],
    }


def _balance(call: Call) -> list[dict[str, Any]]:
    _, totals = _totals(call)
    names = ("crossWalletBalance", "crossUnPnl", "availableBalance", "maxWithdrawAmount")
    return [
        {
            "accountAlias": "paper",
            "asset": "USDT",
            "balance": totals["walletBalance"],
            **{name: totals[name] for name in names},
            "marginAvailable": True,
            "updateTime": call.venue.state.born,
        }
    ]


def _income(call: Call) -> list[dict[str, Any]]:
    wanted, kind = optional_contract(call), call.params.text("incomeType", r"^[A-Z_]{3,40}$")
    limit = call.params.integer("limit", least=1, most=1000) or 100
    start, end = call.params.period(default_ms=WEEK_MS, now=call.now)
    rows = [
        row
        for row in _all_income(call)
        if wanted in {None, row["symbol"]} and kind in {None, row["incomeType"]} and start <= row["time"] <= end
    ]
    return rows[:limit]


def _all_income(call: Call) -> list[dict[str, Any]]:
    """Ninety days until the exchange was born, the oldest first."""
    born = call.venue.state.born
    rows: list[dict[str, Any]] = []
    first = (born - 90 * DAY_MS) // FUNDING_MS
    for period in range(first + 1, born // FUNDING_MS + 1):
        when = period * FUNDING_MS
        for position in _POSITIONS:
            luck = _number(call, "funding", position.symbol, period) % 2001 - 1000
            rows.append(_income_row(call, position.symbol, "FUNDING_FEE", Decimal(luck).scaleb(-4), when, ""))
        if period % 3 == 0:
            luck = _number(call, "pnl", period) % 40_001 - 18_000
            trade = str(_number(call, "trade", period) % 10**9)
            rows.append(_income_row(call, "BTCUSDT", "REALIZED_PNL", Decimal(luck).scaleb(-3), when + 60_000, trade))
            rows.append(_income_row(call, "BTCUSDT", "COMMISSION", Decimal("-0.48"), when + 60_000, trade))
    for days_ago, amount in ((60, "1000"), (20, "-150.5"), (6, "500"), (3, "-75.25"), (1, "50")):
        rows.append(_income_row(call, "", "TRANSFER", Decimal(amount), born - days_ago * DAY_MS, ""))
    return sorted(rows, key=lambda row: int(row["time"]))


def _income_row(call: Call, symbol: str, kind: str, income: Decimal, when: int, trade: str) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "incomeType": kind,
        "income": eight(income),
        "asset": "USDT",
        "info": kind,
        "time": when,
        "tranId": 10**9 + _number(call, "income", symbol, kind, when) % 10**10,
        "tradeId": trade,
    }


def _forced_orders(call: Call) -> list[dict[str, Any]]:
    wanted = optional_contract(call)
    kind = call.params.text("autoCloseType")
    if kind not in {None, "LIQUIDATION", "ADL"}:
        raise refusal(-1130, "Data sent for parameter 'autoCloseType' is not valid.")
    limit = call.params.integer("limit", least=1, most=100) or 50
    start, end = call.params.period(default_ms=WEEK_MS, now=call.now)
    rows: list[dict[str, Any]] = []
    for symbol, side, amount, days_ago in _FORCED:
        when = call.venue.state.born - days_ago * DAY_MS + 44
        if wanted in {None, symbol} and kind != "ADL" and start <= when <= end:
            rows.append(_forced_order(call, symbol, side, Decimal(amount), when))
    return rows[:limit]


def _forced_order(call: Call, symbol: str, side: str, amount: Decimal, when: int) -> dict[str, Any]:
    average = call.venue.feed.average(symbol, when).price
    return {
        "orderId": 6_000_000_000 + _number(call, "forced", symbol) % 10**9,
        "symbol": symbol,
        "pair": symbol,
        "status": "FILLED",
        "clientOrderId": f"autoclose-{when}{_number(call, 'autoclose', symbol) % 10**6:06d}",
        "price": plain(call.venue.feed.last_price(symbol, when)),
        "avgPrice": format(average.quantize(Decimal("0.00001")), "f"),
        "origQty": plain(amount),
        "executedQty": plain(amount),
        "cumQuote": plain(round_down(times(average, amount))),
        "cumBase": plain(amount),
        "timeInForce": "IOC",
        "type": "LIMIT",
        "reduceOnly": False,
        "closePosition": False,
        "side": side,
        "positionSide": "BOTH",
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "origType": "LIMIT",
        "time": when,
        "updateTime": when + 43,
    }


def _number(call: Call, *what: object) -> int:
    text = "/".join(str(part) for part in (call.venue.seed, "futures", *what))
    return int(sha256(text.encode()).hexdigest()[:12], 16)


ENDPOINTS: Final = tuple(
    Endpoint("GET", f"/fapi/{path}", security, answer, strict=False)
    for path, security, answer in (
        ("v2/positionRisk", Security.SIGNED, _position_risk_v2),
        ("v3/positionRisk", Security.SIGNED, _position_risk_v3),
        ("v1/commissionRate", Security.SIGNED, _commission_rate),
        ("v1/symbolConfig", Security.SIGNED, _symbol_config),
        ("v2/balance", Security.SIGNED, _balance),
        ("v3/balance", Security.SIGNED, _balance),
        ("v3/account", Security.SIGNED, _account_v3),
        ("v2/account", Security.SIGNED, _account_v2),
        ("v1/income", Security.SIGNED, _income),
        ("v1/forceOrders", Security.SIGNED, _forced_orders),
    )
)
