"""The rows of promise 6: what says no to a BUY, and what becomes of a full exit then. A cancel passes in every one."""

from __future__ import annotations

from typing import Final

from tests.adversary import exits as w
from tests.adversary.exits import HELD, OWN, Exit, Row, limits, market, sets, symbol_limits
from tests.adversary.rig import Rig, spec

_PASSES, _ASKED, _DENIED = Exit.PASSES, Exit.ASKED, Exit.DENIED
_OTHER = {"confirmation": {"required_above": "0"}}


def _bitcoin_falls_on_an_order(rig: Rig) -> None:
    w.bitcoin_falls(rig)
    rig.ask(spec(price="56000"))


STATE: Final = (
    Row(rule="policy_valid", code="POLICY_INVALID", expected=_DENIED, world=w.policy_breaks),
    Row(rule="environment", code="POLICY_ENVIRONMENT_CHANGED", expected=_DENIED, policy={"environment": "demo"}),
    Row(rule="tool_allowed", code="TOOL_NOT_ALLOWED", expected=_DENIED, policy={"tools": {"deny": ["create_order"]}}),
    Row(
        rule="compared", code="ORDERS_NOT_COMPARED", expected=_PASSES,
        world=w.no_answer("/api/v3/allOrders", restarts=True),
    ),
    Row(rule="calls", code="CALLS_EXCEED_MAX", expected=_PASSES, policy=limits(max_calls_per_minute=1)),
    Row(rule="symbol_listed", code="SYMBOL_NOT_LISTED", expected=_ASKED, policy={"symbols": {"BTCUSDT": None}}),
    Row(
        rule="side_allowed", code="SIDE_NOT_ALLOWED", expected=_PASSES, policy=symbol_limits(sides=["BUY"]),
        no=spec("BTCUSDT", "SELL", OWN, price="60000"),
    ),
    Row(
        rule="order_type_allowed", code="ORDER_TYPE_NOT_ALLOWED", expected=_PASSES,
        policy=symbol_limits(order_types=["LIMIT_MAKER"]),
    ),
    Row(
        rule="order_type_allowed", code="ORDER_TYPE_UNPRICED", expected=_DENIED,
        no=w.stop("BTCUSDT", "BUY", "0.001", "61000"), sale=w.stop("BTCUSDT", "SELL", HELD, "59000"),
    ),
    Row(
        rule="time_in_force_allowed", code="TIME_IN_FORCE_NOT_ALLOWED", expected=_PASSES,
        policy=symbol_limits(time_in_force=["FOK"]),
    ),
)  # fmt: skip

EXCHANGE: Final = (
    Row(
        rule="instrument_trading", code="SYMBOL_UNKNOWN", expected=_DENIED,
        world=market(sets(is_listed=False), restarts=True),
    ),
    Row(
        rule="instrument_trading", code="SYMBOL_NOT_TRADING", expected=_DENIED,
        world=market(sets(status="BREAK"), restarts=True),
    ),
    Row(
        rule="instrument_trading", code="INSTRUMENT_UNAVAILABLE", expected=_DENIED,
        world=w.no_answer("/api/v3/exchangeInfo", restarts=True),
    ),
    Row(
        rule="exchange_filters", code="FILTER_ORDER_TYPE", expected=_DENIED,
        world=market(sets(order_types=("LIMIT_MAKER",)), restarts=True),
    ),
    Row(
        rule="exchange_filters", code="FILTER_PRICE", expected=_DENIED, no=spec(price="59000.001"),
        sale=spec("BTCUSDT", "SELL", HELD, price="60000.001"),
    ),
    Row(
        rule="exchange_filters", code="FILTER_PERCENT_PRICE", expected=_DENIED,
        world=market(sets(percent=w.D("0.001")), restarts=True), sale=spec("BTCUSDT", "SELL", HELD, price="60600"),
    ),
    Row(
        rule="exchange_filters", code="FILTER_QUANTITY", expected=_DENIED, no=spec(quantity="0.0010001", price="59000"),
        sale=spec("BTCUSDT", "SELL", "0.0009801", price="60000"),
    ),
    Row(
        rule="exchange_filters", code="FILTER_NOTIONAL", expected=_DENIED,
        world=market(sets(min_notional=w.D(1000)), restarts=True),
    ),
    Row(
        rule="exchange_filters", code="FILTER_ORDER_COUNT", expected=_DENIED,
        world=market(sets(max_orders=1), restarts=True),
    ),
    Row(
        rule="exchange_filters", code="OPEN_ORDERS_UNKNOWN", expected=_PASSES,
        world=w.no_answer("/api/v3/openOrders", restarts=True),
    ),
    Row(
        rule="exchange_filters", code="FILTER_POSITION", expected=_PASSES,
        world=market(sets(max_position=w.D("0.0001")), restarts=True),
    ),
    Row(
        rule="price_usable", code="PRICE_UNAVAILABLE", expected=_DENIED, why="no two-sided book of the symbol",
        world=market(sets(bid=w.D(0))),
    ),
    Row(rule="price_usable", code="PRICE_STALE", expected=_DENIED, world=w.an_answer_takes_long),
    Row(
        rule="price_average", code="PRICE_UNAVAILABLE", expected=_PASSES, why="no average price of the symbol",
        world=market(sets(average=None)),
    ),
    Row(rule="price_average", code="TRADE_STALE", expected=_PASSES, world=market(sets(traded_ago_ms=600_000))),
    Row(rule="price_average", code="PRICE_DIVERGES", expected=_PASSES, world=market(sets(average=w.D(65000)))),
    Row(
        rule="collar", code="PRICE_OUTSIDE_COLLAR", expected=_DENIED, no=spec(price="65000"),
        sale=spec("BTCUSDT", "SELL", HELD, price="55000"),
    ),
    Row(
        rule="stop_distance", code="STOP_PRICE_TOO_FAR", expected=_DENIED,
        no=spec(price="80000", kind="STOP_LOSS_LIMIT", stop="80000"),
        sale=spec("BTCUSDT", "SELL", HELD, price="40000", kind="STOP_LOSS_LIMIT", stop="40000"),
    ),
    Row(rule="clock", code="CLOCK_UNKNOWN", expected=_DENIED, world=w.no_answer("/api/v3/time", restarts=True)),
    Row(rule="clock", code="CLOCK_SKEWED", expected=_DENIED, world=w.clock_is_wrong),
)  # fmt: skip

BUDGETS: Final = (
    Row(
        rule="countable", code="USAGE_UNKNOWN", expected=_ASKED, why="orders counted in another currency",
        symbol="BTCUSDC", world=w.currency_is_edited,
    ),
    Row(
        rule="convertible", code="CONVERSION_UNAVAILABLE", expected=_PASSES, why="no usable price on the way",
        symbol="BTCUSDC",
        world=market(sets(bid=w.D(0)), symbol="USDCUSDT"),
    ),
    Row(
        rule="convertible", code="CONVERSION_UNAVAILABLE", expected=_ASKED, why="no way and no price known",
        symbol="BTCUSDC",
        policy={"accounting": {"conversions": {"USDC": None}}},
    ),
    Row(rule="max_notional", code="NOTIONAL_EXCEEDS_MAX", expected=_DENIED, policy=symbol_limits(max_notional="10")),
    Row(
        rule="slicing", code="SLICING_EXCEEDS_MAX", expected=_PASSES, world=w.a_sale_was_too_large,
        no=spec("BTCUSDT", "SELL", OWN, price="60500"),
    ),
    Row(
        rule="max_quantity", code="QUANTITY_EXCEEDS_MAX", expected=_DENIED,
        policy=symbol_limits(max_quantity="0.0001"),
    ),
    Row(rule="max_position", code="POSITION_EXCEEDS_MAX", expected=_PASSES, policy=symbol_limits(max_position="0.001")),
    Row(
        rule="max_open_notional", code="OPEN_NOTIONAL_EXCEEDS_MAX", expected=_PASSES,
        policy=limits(max_open_notional="50"),
    ),
    Row(rule="max_open_orders", code="OPEN_ORDERS_EXCEED_MAX", expected=_PASSES, policy=limits(max_open_orders=1)),
    Row(
        rule="rolling_notional", code="ROLLING_NOTIONAL_EXCEEDS_MAX", expected=_PASSES,
        policy=limits(rolling_notional=[{"window": "24h", "max": "110"}]),
    ),
    Row(
        rule="max_orders", code="ORDER_COUNT_EXCEEDS_MAX", expected=_PASSES,
        policy=limits(max_orders=[{"window": "1m", "max": 2}]),
    ),
    Row(
        rule="daily_loss", code="DAILY_LOSS_EXCEEDS_MAX", expected=_PASSES, policy=limits(max_daily_loss="1"),
        world=w.bitcoin_falls, no=spec(price="56000"), sale=spec("BTCUSDT", "SELL", HELD, price="57000"),
    ),
    Row(rule="daily_loss", code="DAILY_LOSS_UNKNOWN", expected=_PASSES, world=w.ether_cannot_be_priced),
    Row(
        rule="duplicate", code="DUPLICATE_ORDER", expected=_PASSES, policy=limits(duplicate_window="1h"),
        world=w.it_was_sent_before, sale=spec("BTCUSDT", "SELL", HELD, price="60500"),
    ),
    Row(
        rule="unresolved", code="ORDER_UNRESOLVED", expected=_PASSES, why="of a BUY",
        world=w.fate_is_unknown(spec(price="41000")),
    ),
    Row(
        rule="unresolved", code="ORDER_UNRESOLVED", expected=_PASSES, why="of a SELL",
        world=w.fate_is_unknown(spec("BTCUSDT", "SELL", "0.0005", price="61000")),
        sale=spec("BTCUSDT", "SELL", "0.00049", price="60000"),
    ),
    Row(rule="free_quote", code="FREE_QUOTE_BELOW_MIN", expected=_PASSES, policy=limits(min_free_quote="1000000")),
    Row(
        rule="free_base",
        code="FREE_BASE_BELOW_QUANTITY",
        expected=_PASSES,
        no=spec("BTCUSDT", "SELL", "1000000", price="60000"),
    ),
    Row(
        rule="free_quote", code="BALANCE_UNAVAILABLE", expected=_DENIED, world=w.no_answer("/api/v3/account"),
    ),
)  # fmt: skip

CONFIRMATION: Final = (
    Row(
        rule="still_holds", code="CONFIRMATION_POLICY_CHANGED", expected=_DENIED, policy=_OTHER, is_confirmed=True,
        world=lambda rig: rig.policy(_OTHER, limits(max_open_orders=7)),
    ),
    Row(
        rule="still_holds", code="CONFIRMATION_PRICE_DRIFT", expected=_DENIED, policy=_OTHER, is_confirmed=True,
        world=lambda rig: rig.venue.show("BTCUSDT", w.D(59500), w.D(60500)), no=spec(),
        sale=spec("BTCUSDT", "SELL", HELD),
    ),
)  # fmt: skip

HALTS: Final = (
    Row(
        rule="owner", code="TRADING_HALTED", expected=_DENIED, why="you ran `guardian halt`", world=w.owner_halts,
        is_halt=True,
    ),
    Row(
        rule="reducing", code="TRADING_REDUCING", expected=_PASSES, why="you ran `guardian halt --reducing`",
        world=w.owner_reduces, is_halt=True,
    ),
    Row(
        rule="rejects", code="TRADING_HALTED", expected=_DENIED, why="five orders in a row were rejected",
        world=w.rejects, is_halt=True,
    ),
    Row(
        rule="burst", code="TRADING_REDUCING", expected=_PASSES, why="a burst of orders", world=w.many_at_once,
        is_halt=True,
    ),
    Row(
        rule="halt_after_orders", code="TRADING_REDUCING", expected=_PASSES,
        why="`limits.halt_after_orders` without you",
        policy=limits(halt_after_orders=1), is_halt=True,
    ),
    Row(
        rule="daily_loss", code="TRADING_REDUCING", expected=_PASSES, why="past `limits.max_daily_loss`",
        policy=limits(max_daily_loss="1"), is_halt=True,
        world=_bitcoin_falls_on_an_order,
        no=spec(price="56500"), sale=spec("BTCUSDT", "SELL", HELD, price="57000"),
    ),
    Row(
        rule="clock", code="TRADING_HALTED", expected=_DENIED, why="the clock is off", world=w.clock_is_far_off,
        is_halt=True,
    ),
    Row(
        rule="contradicted", code="TRADING_HALTED", expected=_DENIED, why="the exchange contradicts the log",
        world=w.log_and_exchange_contradict, is_halt=True,
    ),
    Row(
        rule="exchange_contradicts", code="TRADING_HALTED", expected=_DENIED,
        why="the exchange contradicts the order that was sent",
        world=w.exchange_tells_of_another_price, is_halt=True,
    ),
    Row(
        rule="not_in_log", code="TRADING_HALTED", expected=_DENIED,
        why="the exchange has an order of guardian's that the log lacks",
        world=w.order_is_not_in_the_log, is_halt=True,
    ),
    Row(
        rule="emergency", code="TRADING_HALTED", expected=_DENIED, why="an outcome could not be written",
        world=w.something_was_not_written, is_halt=True,
    ),
    Row(
        rule="broken", code="TRADING_HALTED", expected=_DENIED, why="the log's chain is broken",
        world=w.chain_breaks, is_halt=True,
    ),
)  # fmt: skip

ROWS: Final = (*STATE, *EXCHANGE, *BUDGETS, *CONFIRMATION, *HALTS)

JUDGED: Final = {
    "POLICY_NOT_APPROVED": "",
    "LIVE_PROOF_MISSING": "",
    "LIVE_KEYS_UNCHECKED": "",
    "LIVE_KEYS_UNSAFE": "",
    "LIVE_NOT_ARMED": "",
    "USAGE_UNKNOWN": " (the log cannot be read)",
    "NOTIONAL_UNKNOWN": "",
}
"""Codes that no world here brings about: the test judges an exit on facts made by hand. It is denied."""
