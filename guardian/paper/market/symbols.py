"""The symbols that the paper exchange lists, with filters as Binance has them today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from guardian.domain.money import ZERO, round_down

AVERAGE_MINUTES: Final = 5

ORDER_TYPES: Final = (
    "LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT",
)  # fmt: skip
TIMES_IN_FORCE: Final = frozenset({"GTC", "IOC", "FOK"})
SELF_TRADE_MODES: Final = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT")

RATE_LIMITS: Final[tuple[Mapping[str, Any], ...]] = (
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
    {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200000},
    {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300000},
)


def eight(value: Decimal) -> str:
    """Returns a number as Binance writes prices and quantities: a string with eight decimals."""
    return format(round_down(value), "f")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One symbol: its assets, its grid, its bounds, and the price around which the seeded path moves.

    A bound, a step or a factor of zero is disabled, as on Binance.
    """

    symbol: str
    base_asset: str
    quote_asset: str
    tick: Decimal
    step: Decimal
    min_price: Decimal
    max_price: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    market_min_quantity: Decimal = ZERO
    market_max_quantity: Decimal
    market_step: Decimal = ZERO
    min_notional: Decimal
    max_notional: Decimal
    min_notional_for_market: bool = True
    max_notional_for_market: bool = False
    max_orders: int = 200
    max_stop_orders: int = 5
    max_iceberg_parts: int = 100
    max_iceberg_orders: int = 0
    max_position: Decimal = ZERO
    bid_up: Decimal = Decimal(5)
    bid_down: Decimal = Decimal("0.2")
    ask_up: Decimal = Decimal(5)
    ask_down: Decimal = Decimal("0.2")
    usual_price: Decimal
    usual_quantity: Decimal
    """What one level of the seeded book holds, about."""

    def exchange_info(self) -> dict[str, Any]:
        """Returns the symbol's row in `exchangeInfo`."""
        return {
            "symbol": self.symbol,
            "status": "TRADING",
            "baseAsset": self.base_asset,
            "baseAssetPrecision": 8,
            "quoteAsset": self.quote_asset,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "baseCommissionPrecision": 8,
            "quoteCommissionPrecision": 8,
            "orderTypes": list(ORDER_TYPES),
            "icebergAllowed": True,
            "ocoAllowed": False,
            "otoAllowed": False,
            "opoAllowed": False,
            "quoteOrderQtyMarketAllowed": True,
            "allowTrailingStop": False,
            "cancelReplaceAllowed": False,
            "amendAllowed": False,
            "pegInstructionsAllowed": False,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": self._filters(),
            "permissions": [],
            "permissionSets": [["SPOT"]],
            "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
            "allowedSelfTradePreventionModes": list(SELF_TRADE_MODES),
        }

    def _filters(self) -> list[dict[str, Any]]:
        filters: list[dict[str, Any]] = [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": eight(self.min_price),
                "maxPrice": eight(self.max_price),
                "tickSize": eight(self.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": eight(self.min_quantity),
                "maxQty": eight(self.max_quantity),
                "stepSize": eight(self.step),
            },
            {"filterType": "ICEBERG_PARTS", "limit": self.max_iceberg_parts},
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": eight(self.market_min_quantity),
                "maxQty": eight(self.market_max_quantity),
                "stepSize": eight(self.market_step),
            },
            {
                "filterType": "TRAILING_DELTA",
                "minTrailingAboveDelta": 10,
                "maxTrailingAboveDelta": 2000,
                "minTrailingBelowDelta": 10,
                "maxTrailingBelowDelta": 2000,
            },
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": str(self.bid_up),
                "bidMultiplierDown": str(self.bid_down),
                "askMultiplierUp": str(self.ask_up),
                "askMultiplierDown": str(self.ask_down),
                "avgPriceMins": AVERAGE_MINUTES,
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": eight(self.min_notional),
                "applyMinToMarket": self.min_notional_for_market,
                "maxNotional": eight(self.max_notional),
                "applyMaxToMarket": self.max_notional_for_market,
                "avgPriceMins": AVERAGE_MINUTES,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": self.max_orders},
            {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": self.max_stop_orders},
            {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10},
        ]
        if self.max_iceberg_orders > 0:
            filters.append({"filterType": "MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders": self.max_iceberg_orders})
        if self.max_position > 0:
            filters.append({"filterType": "MAX_POSITION", "maxPosition": eight(self.max_position)})
        return filters


def _usdt(
    base: str,
    *,
    step: str,
    most: str,
    market_most: str,
    price: str,
    quantity: str,
    max_iceberg_orders: int = 0,
    max_position: str = "0",
) -> Listing:
    return Listing(
        symbol=f"{base}USDT",
        base_asset=base,
        quote_asset="USDT",
        tick=Decimal("0.01"),
        step=Decimal(step),
        min_price=Decimal("0.01"),
        max_price=Decimal(1_000_000 if base in {"BTC", "ETH"} else 100_000),
        min_quantity=Decimal(step),
        max_quantity=Decimal(most),
        market_max_quantity=Decimal(market_most),
        min_notional=Decimal(5),
        max_notional=Decimal(9_000_000),
        usual_price=Decimal(price),
        usual_quantity=Decimal(quantity),
        max_iceberg_orders=max_iceberg_orders,
        max_position=Decimal(max_position),
    )


_LISTED: Final = (
    _usdt("BTC", step="0.00001", most="9000", market_most="120.48710234", price="60000", quantity="0.35"),
    _usdt("ETH", step="0.0001", most="9000", market_most="2718.40012917", price="3000", quantity="6"),
    _usdt("BNB", step="0.001", most="90000", market_most="1460.92114000", price="600", quantity="20"),
    _usdt(
        "SOL",
        step="0.001",
        most="90000",
        market_most="12044.87311000",
        price="150",
        quantity="90",
        max_iceberg_orders=10,
        max_position="50000",
    ),
    Listing(
        symbol="ETHBTC",
        base_asset="ETH",
        quote_asset="BTC",
        tick=Decimal("0.00001"),
        step=Decimal("0.0001"),
        min_price=Decimal("0.00001"),
        max_price=Decimal(922327),
        min_quantity=Decimal("0.0001"),
        max_quantity=Decimal(100000),
        market_max_quantity=Decimal("441.10250000"),
        min_notional=Decimal("0.0001"),
        max_notional=Decimal(9_000_000),
        usual_price=Decimal("0.05"),
        usual_quantity=Decimal(4),
    ),
)

LISTINGS: Final[Mapping[str, Listing]] = MappingProxyType({listing.symbol: listing for listing in _LISTED})
ASSETS: Final = ("BTC", "ETH", "BNB", "SOL", "USDT", "USDC", "EUR")
"""What an account can hold; the last two are listed in no symbol here and are always empty."""

START_BALANCES: Final[Mapping[str, Decimal]] = MappingProxyType(
    {"USDT": Decimal(10000), "BTC": Decimal("0.5"), "ETH": Decimal(5), "BNB": Decimal(10)}
)
"""What a new paper account owns."""

COMMISSION: Final = Decimal("0.001")
"""The part of what is received that the exchange keeps, for makers and takers alike."""
DISCOUNT: Final = Decimal("0.75")
"""The part of a commission that is left to pay when it is paid in BNB."""
DISCOUNT_ASSET: Final = "BNB"
