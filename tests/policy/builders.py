"""Policies, facts and orders for tests: a market in which everything passes, but for what a test changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from guardian.domain.codes import Code
from guardian.domain.instruments import Instrument, Range
from guardian.domain.market import AveragePrice, BookTop, DayOpen
from guardian.domain.orders import OrderSide, OrderSpec, OrderType, TimeInForce
from guardian.domain.owner.proof import Proof
from guardian.domain.requests import TOOLS
from guardian.domain.trading import Environment, TradingState
from guardian.policy.engine import judge_order
from guardian.policy.facts import Confirmed, DayTrading, Facts, ListedOrders, Usage
from guardian.policy.model import (
    Accounting,
    Channel,
    ConfirmationRules,
    CountWindow,
    Limits,
    LiveRules,
    NotionalWindow,
    PaperSettings,
    Policy,
    PriceRules,
    SymbolLimits,
    ToolRules,
)
from guardian.policy.verdict import Denial, Verdict

D = Decimal
NOW_MS = 1_750_000_000_000
FIVE_MINUTES, DAY, MINUTE = 300_000, 86_400_000, 60_000
BID, ASK = D("60000"), D("60001")


def symbol_limits(**changed: object) -> SymbolLimits:
    """At most 100 USDT an order, 0.005 in quantity and 0.02 in position; every side, type and time in force."""
    values: dict[str, Any] = {
        "max_notional": D("100"),
        "max_quantity": D("0.005"),
        "max_position": D("0.02"),
        "sides": frozenset(OrderSide),
        "order_types": frozenset(OrderType) - {OrderType.STOP_LOSS, OrderType.TAKE_PROFIT},
        "time_in_force": frozenset(TimeInForce),
        **changed,
    }
    return SymbolLimits(**values)


def a_policy(symbol: Mapping[str, Any] | None = None, **changed: object) -> Policy:
    """The documented defaults, for BTCUSDT and ETHBTC; `changed` names fields of any of its tables.

    `symbol` changes the limits of BTCUSDT.
    """
    tables: dict[str, dict[str, Any]] = {
        "accounting": {
            "currency": "USDT",
            "conversions": {"BTC": "BTCUSDT", "ETH": "ETHUSDT", "BNB": "BNBUSDT"},
        },
        "tools": {"allowed": frozenset(TOOLS), "cancel_foreign": False},
        "limits": {
            "max_open_notional": D("300"),
            "rolling_notional": (
                NotionalWindow(window_ms=FIVE_MINUTES, maximum=D("200")),
                NotionalWindow(window_ms=DAY, maximum=D("500")),
            ),
            "max_orders": (CountWindow(window_ms=MINUTE, maximum=5), CountWindow(window_ms=DAY, maximum=50)),
            "max_open_orders": 5,
            "max_daily_loss": D("100"),
            "duplicate_window_ms": 60_000,
            "anti_slicing_window_ms": 900_000,
            "absence_window_ms": 900_000,
            "halt_after_orders": 20,
            "max_calls_per_minute": 120,
            "min_free_quote": D("0"),
        },
        "prices": {
            "max_age_ms": 5_000,
            "max_trade_age_ms": 300_000,
            "collar": D("0.03"),
            "stop_distance": D("0.2"),
            "market_buffer": D("0.01"),
            "max_divergence": D("0.02"),
        },
        "confirmation": {
            "required_above": D("1000"),
            "channel": Channel.TERMINAL,
            "proof": Proof.TERMINAL,
            "proposal_ttl_ms": 900_000,
            "token_ttl_ms": 300_000,
            "max_outstanding": 3,
            "max_drift": D("0.005"),
        },
        "live": {"loosening_delay_ms": 600_000, "allow_permissions": frozenset()},
    }
    whole: dict[str, Any] = {
        "environment": Environment.TESTNET,
        "symbols": {
            "BTCUSDT": symbol_limits(**(symbol or {})),
            "ETHBTC": symbol_limits(max_quantity=D("0.1"), max_position=D("0.5")),
        },
        "digest": "d1",
    }
    for name, value in changed.items():
        table = next((table for table in tables.values() if name in table), whole)
        table[name] = value
    return Policy(
        paper=PaperSettings(),
        accounting=Accounting(**tables["accounting"]),
        tools=ToolRules(**tables["tools"]),
        limits=Limits(**tables["limits"]),
        prices=PriceRules(**tables["prices"]),
        confirmation=ConfirmationRules(**tables["confirmation"]),
        live=LiveRules(**tables["live"]),
        **whole,
    )


def an_instrument(symbol: str = "BTCUSDT", base: str = "BTC", quote: str = "USDT", **changed: object) -> Instrument:
    """A listed symbol that is trading: tick 0.01, step 0.00001, at least 5 in notional."""
    values: dict[str, Any] = {
        "symbol": symbol,
        "base_asset": base,
        "quote_asset": quote,
        "status": "TRADING",
        "order_types": frozenset(kind.value for kind in OrderType),
        "price": Range(minimum=D("0.01"), maximum=D("1000000"), step=D("0.01")),
        "lot": Range(minimum=D("0.00001"), maximum=D("9000"), step=D("0.00001")),
        "min_notional": D("5"),
        **changed,
    }
    return Instrument(**values)


ETHBTC = an_instrument(
    "ETHBTC",
    "ETH",
    "BTC",
    price=Range(minimum=D("0.00001"), maximum=D("1000"), step=D("0.00001")),
    lot=Range(minimum=D("0.0001"), maximum=D("9000"), step=D("0.0001")),
    min_notional=D("0.0001"),
)


def a_book(bid: Decimal | str = BID, ask: Decimal | str = ASK, age_ms: int = 0) -> BookTop:
    """The best prices, fetched `age_ms` ago."""
    return BookTop(bid=D(bid), ask=D(ask), fetched_ms=NOW_MS - age_ms)


def an_average(price: Decimal | str = BID, age_ms: int = 0) -> AveragePrice:
    """The average price, of which the last trade was `age_ms` ago."""
    return AveragePrice(price=D(price), traded_ms=NOW_MS - age_ms)


def opened(price: Decimal | str, **changed: object) -> DayOpen:
    """The price of 24 hours ago, which the trade before it and the day's prices agree with."""
    values: dict[str, Any] = {name: D(price) for name in ("price", "previous", "low", "high")}
    return DayOpen(**{**values, **changed})


def usage(**changed: object) -> Usage:
    """Nothing was entered before, and trading is active."""
    values: dict[str, Any] = {
        "trading": TradingState.ACTIVE,
        "traded": (),
        "entered": {FIVE_MINUTES: D(0), DAY: D(0)},
        "ordered": {MINUTE: 0, DAY: 0},
        **changed,
    }
    return Usage(**values)


_USAGE_FIELDS = frozenset(Usage.__dataclass_fields__)


def held(
    position: str = "0",
    before: str = "0",
    cash: str = "0",
    *,
    symbol: str = "BTCUSDT",
    quote: str = "USDT",
    **fees: str,
) -> DayTrading:
    """What was traded of a symbol within the day: held now and before, and what came in; `fees` by asset."""
    return DayTrading(
        symbol=symbol,
        quote_asset=quote,
        position=D(position),
        position_before=D(before),
        cash={quote: D(cash), **{asset: D(change) for asset, change in fees.items()}},
    )


def facts(**changed: object) -> Facts:
    """A calm market in BTCUSDT, 10,000 USDT and 10 BTC free, a true clock. `changed` names fields of Facts or Usage.

    `average` is that of BTCUSDT. A book that comes without an average has its middle for one.
    """
    used = {name: value for name, value in changed.items() if name in _USAGE_FIELDS}
    own = {"BTCUSDT": changed.pop("average")} if "average" in changed else {"BTCUSDT": an_average()}
    books = changed.get("books", {})
    assert isinstance(books, dict)
    middles = {symbol: an_average((book.bid + book.ask) / 2) for symbol, book in books.items()}
    averages = {symbol: average for symbol, average in {**middles, **own}.items() if average is not None}
    values: dict[str, Any] = {
        "now_ms": NOW_MS,
        "clock_ms": NOW_MS,
        "environment": Environment.TESTNET,
        "policy_problems": (),
        "unapproved": None,
        "uncompared": None,
        "instruments": {"BTCUSDT": an_instrument()},
        "statuses_known": True,
        "books": {"BTCUSDT": a_book()},
        "averages": averages,
        "free": {"USDT": D("10000"), "BTC": D("10")},
        "held": {"USDT": D("10000")},
        "listed_orders": ListedOrders(),
        "clock_skew_ms": 0,
        "usage": usage(**used),
        **{name: value for name, value in changed.items() if name not in used},
    }
    return Facts(**values)


def cross_facts(**changed: object) -> Facts:
    """The same for ETHBTC, which is counted through BTCUSDT, with 1 BTC free."""
    values: dict[str, Any] = {
        "instruments": {"ETHBTC": ETHBTC, "BTCUSDT": an_instrument()},
        "books": {"ETHBTC": a_book("0.05", "0.05001"), "BTCUSDT": a_book()},
        "averages": {"ETHBTC": an_average("0.05"), "BTCUSDT": an_average()},
        "free": {"BTC": D("1"), "ETH": D("10")},
        "held": {"BTC": D("1")},
        **changed,
    }
    return facts(**values)


def an_order(**changed: object) -> OrderSpec:
    """BUY LIMIT of 0.001 BTCUSDT at 60000 (60 USDT), GTC."""
    values: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "side": OrderSide.BUY,
        "order_type": OrderType.LIMIT,
        "quantity": D("0.001"),
        "price": D("60000"),
        "time_in_force": TimeInForce.GTC,
        **changed,
    }
    for name in ("quantity", "quote_quantity", "price", "stop_price"):
        if isinstance(values.get(name), str):
            values[name] = D(str(values[name]))
    return OrderSpec(**values)


def a_sell(**changed: object) -> OrderSpec:
    """The same as a SELL."""
    return an_order(side=OrderSide.SELL, **changed)


def a_market(side: OrderSide = OrderSide.BUY, **changed: object) -> OrderSpec:
    """A MARKET order of 0.001 BTCUSDT, or of a `quote_quantity`."""
    quantity = None if "quote_quantity" in changed else "0.001"
    values = {"quantity": quantity, **changed}
    return an_order(side=side, order_type=OrderType.MARKET, price=None, time_in_force=None, **values)


def a_stop(side: OrderSide = OrderSide.SELL, **changed: object) -> OrderSpec:
    """A STOP_LOSS_LIMIT of 0.001 BTCUSDT at 58000, triggered at 59000; as a BUY at 62000, triggered at 61000."""
    selling = side is OrderSide.SELL
    values = {
        "order_type": OrderType.STOP_LOSS_LIMIT,
        "stop_price": "59000" if selling else "61000",
        "price": "58000" if selling else "62000",
        **changed,
    }
    return an_order(side=side, **values)


def confirmed(**changed: object) -> Confirmed:
    """A person confirmed this order at this market, under this policy."""
    values: dict[str, Any] = {
        "policy_digest": "d1",
        "shown_bid": BID,
        "shown_ask": ASK,
        "protected_price": D("60601.01"),
        "notional": D("60.60101"),
        "quote_notional": D("60.60101"),
        **changed,
    }
    return Confirmed(**values)


def judged(spec: OrderSpec | None = None, given: Facts | None = None, policy: Policy | None = None) -> Verdict:
    """The verdict on an order; whatever is left out is the one that passes."""
    return judge_order(spec or an_order(), given or facts(), policy or a_policy())


def codes(verdict: Verdict) -> list[Code]:
    """The codes of the denials, in their order."""
    return [denial.code for denial in verdict.denials]


def denial(verdict: Verdict, code: Code) -> Denial:
    """The one denial with this code; an AssertionError where there is none or more than one."""
    found = [one for one in verdict.denials if one.code is code]
    assert len(found) == 1, f"expected one {code.name} among {[one.name for one in codes(verdict)]}"
    return found[0]


def without_policy_limit(policy: Policy, symbol: str) -> Policy:
    """The policy without one of its symbols."""
    return replace(policy, symbols={name: one for name, one in policy.symbols.items() if name != symbol})
