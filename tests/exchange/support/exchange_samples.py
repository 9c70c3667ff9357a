"""Answers in the exchange's shape, for every request that guardian makes."""

from __future__ import annotations

from typing import Any

ORDER: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "orderId": 28,
    "orderListId": -1,
    "clientOrderId": "g1-0123456789abcdef0123456789abcdef",
    "price": "60000.00000000",
    "origQty": "0.00100000",
    "executedQty": "0.00040000",
    "cummulativeQuoteQty": "24.00000000",
    "status": "PARTIALLY_FILLED",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "side": "BUY",
    "stopPrice": "0.00000000",
    "time": 1700000000000,
    "updateTime": 1700000000123,
}
TRADE: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "id": 56,
    "orderId": 28,
    "orderListId": -1,
    "price": "60000.00000000",
    "qty": "0.00040000",
    "quoteQty": "24.00000000",
    "commission": "0.00000040",
    "commissionAsset": "BTC",
    "time": 1700000000123,
    "isBuyer": True,
    "isMaker": False,
    "isBestMatch": True,
}
PLACED: dict[str, Any] = {
    **{key: value for key, value in ORDER.items() if key not in {"time", "updateTime", "stopPrice"}},
    "transactTime": 1700000000123,
    "fills": [
        {"price": "60000.00", "qty": "0.0004", "commission": "0.0000004", "commissionAsset": "BTC", "tradeId": 56}
    ],
}
CANCELLED: dict[str, Any] = {
    **{key: value for key, value in PLACED.items() if key != "fills"},
    "status": "CANCELED",
    "origClientOrderId": ORDER["clientOrderId"],
    "clientOrderId": "cancelMyOrder1",
}


def listed(symbol: str = "BTCUSDT", base: str = "BTC", quote: str = "USDT", **more: Any) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": quote,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "isSpotTradingAllowed": True,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
            {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "100", "stepSize": "0.00000000"},
            {"filterType": "NOTIONAL", "minNotional": "5", "maxNotional": "9000000"},
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
        ],
        **more,
    }


ANSWERS: dict[str, Any] = {
    "/api/v3/time": {"serverTime": 1700000000000},
    "/fapi/v1/time": {"serverTime": 1700000000000},
    "/api/v3/exchangeInfo": {"symbols": [listed(), listed("ETHUSDT", "ETH"), listed("ETHBTC", "ETH", "BTC")]},
    "/api/v3/ticker/price": {"symbol": "BTCUSDT", "price": "60000.10"},
    "/api/v3/ticker/24hr": {
        "symbol": "BTCUSDT",
        "priceChange": "-94.99999800",
        "priceChangePercent": "-95.960",
        "weightedAvgPrice": "0.29628482",
        "lastPrice": "4.00000200",
        "bidPrice": "4.00000000",
        "askPrice": "4.00000200",
        "openPrice": "99.00000000",
        "highPrice": "100.00000000",
        "lowPrice": "0.10000000",
        "volume": "8913.30000000",
        "quoteVolume": "15.30000000",
        "openTime": 1499783499040,
        "closeTime": 1499869899040,
        "count": 76,
    },
    "/api/v3/ticker/bookTicker": [
        {"symbol": "BTCUSDT", "bidPrice": "60000.00", "bidQty": "1", "askPrice": "60000.01", "askQty": "2"}
    ],
    "/api/v3/avgPrice": {"mins": 5, "price": "60000.5", "closeTime": 1694061154503},
    "/api/v3/depth": {"lastUpdateId": 1027024, "bids": [["4.0", "431.0"]], "asks": [["4.000002", "12.0"]]},
    "/api/v3/klines": [
        [
            1700002800000,
            "37000.10",
            "37100",
            "36900",
            "37050.5",
            "12.5",
            1700006399999,
            "463000",
            9,
            "6",
            "222000",
            "0",
        ],
        [1700006400000, "37050.5", "37060", "37040", "37041", "0.25", 1700009999999, "9260", 2, "0.1", "3704", "0"],
    ],
    "/api/v3/account": {
        "canTrade": True,
        "updateTime": 1700000000000,
        "balances": [
            {"asset": "USDT", "free": "100.5", "locked": "24"},
            {"asset": "BTC", "free": "0.00000000", "locked": "0.00000000"},
        ],
    },
    "/api/v3/account/commission": {
        "symbol": "BTCUSDT",
        "standardCommission": {"maker": "0.001", "taker": "0.002", "buyer": "0", "seller": "0"},
        "specialCommission": {"maker": "0.0001", "taker": "0", "buyer": "0", "seller": "0"},
        "taxCommission": {"maker": "0.00001", "taker": "0", "buyer": "0", "seller": "0"},
        "discount": {"enabledForAccount": True, "enabledForSymbol": True, "discountAsset": "BNB", "discount": "0.75"},
    },
    "/api/v3/order": ORDER,
    "/api/v3/openOrders": [ORDER],
    "/api/v3/allOrders": [ORDER],
    "/api/v3/myTrades": [TRADE],
    "/fapi/v3/positionRisk": [
        {
            "symbol": "ADAUSDT",
            "positionSide": "BOTH",
            "positionAmt": "-30",
            "entryPrice": "0.385",
            "breakEvenPrice": "0.385077",
            "markPrice": "0.41047590",
            "unRealizedProfit": "-0.76427700",
            "liquidationPrice": "0",
            "notional": "-12.31427700",
            "marginAsset": "USDT",
            "initialMargin": "0.61571385",
            "maintMargin": "0.08004280",
            "updateTime": 1720736417660,
        },
        {
            "symbol": "BTCUSDT",
            "positionSide": "BOTH",
            "positionAmt": "0.000",
            "entryPrice": "0.0",
            "markPrice": "6679.50671178",
            "unRealizedProfit": "0.00000000",
            "liquidationPrice": "0",
            "notional": "0",
            "updateTime": 0,
        },
    ],
    "/fapi/v3/account": {
        "totalWalletBalance": "126.72469206",
        "totalUnrealizedProfit": "0.00000000",
        "totalMarginBalance": "126.72469206",
        "availableBalance": "126.72469206",
    },
    "/fapi/v1/income": [
        {"symbol": "", "incomeType": "TRANSFER", "income": "-0.375", "asset": "USDT", "time": 1570608000000},
        {"symbol": "BTCUSDT", "incomeType": "REALIZED_PNL", "income": "1.5", "asset": "USDT", "time": 1570608000001},
        {"symbol": "BTCUSDT", "incomeType": "REALIZED_PNL", "income": "-0.5", "asset": "USDT", "time": 1570608000002},
    ],
    "/fapi/v1/forceOrders": [
        {
            "orderId": 6071832819,
            "symbol": "BTCUSDT",
            "status": "FILLED",
            "avgPrice": "10913.21000",
            "origQty": "0.001",
            "executedQty": "0.001",
            "side": "SELL",
            "time": 1596107620044,
        }
    ],
    "/sapi/v1/accountSnapshot": {
        "code": 200,
        "msg": "",
        "snapshotVos": [
            {
                "data": {
                    "balances": [{"asset": "BTC", "free": "0.09905021", "locked": "0.00000000"}],
                    "totalAssetOfBtc": "0.09942700",
                },
                "type": "spot",
                "updateTime": 1576281599000,
            }
        ],
    },
    "/sapi/v1/capital/deposit/hisrec": [
        {
            "amount": "0.001",
            "coin": "BNB",
            "network": "BNB",
            "status": 1,
            "address": "bnb136ns6lfw4zs5hg4n85vdthaad7hq5m4gtkgf23",
            "addressTag": "101764890",
            "txId": "98A3EA560C6B3336",
            "insertTime": 1661493146000,
        }
    ],
    "/sapi/v1/capital/deposit/address": {
        "address": "1HPn8Rx2y6nNSfagQBKy27GB99Vbzg89wv",
        "coin": "BTC",
        "tag": "",
        "url": "https://btc.com/1HPn8Rx2y6nNSfagQBKy27GB99Vbzg89wv",
    },
    "/sapi/v1/capital/withdraw/history": [
        {
            "amount": "8.91000000",
            "transactionFee": "0.004",
            "coin": "USDT",
            "status": 6,
            "address": "0x94df8b352de7f46f64b01d3666bf6e936e44ce60",
            "txId": "0xb5ef8c13",
            "applyTime": "2019-10-12 11:12:02",
            "network": "ETH",
        }
    ],
    "/sapi/v1/asset/transfer": {
        "total": 2,
        "rows": [
            {
                "asset": "USDT",
                "amount": "1",
                "type": "MAIN_UMFUTURE",
                "status": "CONFIRMED",
                "tranId": 11415955596,
                "timestamp": 1544433328000,
            }
        ],
    },
}

LIVE_ANSWERS: dict[str, Any] = {
    # "Get API Key Permission" of Binance's wallet API, for a key that only reads and trades spot.
    "/sapi/v1/account/apiRestrictions": {
        "ipRestrict": True,
        "createTime": 1698645219000,
        "enableReading": True,
        "enableWithdrawals": False,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": False,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": True,
        "enableSpotAndMarginTrading": True,
        "enablePortfolioMarginTrading": False,
    },
}
"""What `live` alone is asked."""


def answer(method: str, path: str) -> Any:
    """The right answer to a request."""
    if path == "/api/v3/order":
        return {"POST": PLACED, "DELETE": CANCELLED, "GET": ORDER}[method]
    return ANSWERS[path] if path in ANSWERS else LIVE_ANSWERS[path]
