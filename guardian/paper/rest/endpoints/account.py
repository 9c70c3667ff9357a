"""The spot account: balances and commissions."""

from __future__ import annotations

from typing import Any, Final

from guardian.paper.engine.state import State
from guardian.paper.market.symbols import ASSETS, COMMISSION, DISCOUNT, DISCOUNT_ASSET, eight
from guardian.paper.rest.endpoint import Call, Endpoint, Security

_RATE: Final = eight(COMMISSION)
_NO_RATE: Final = "0.00000000"


def _account(call: Call) -> dict[str, Any]:
    omit_zero = call.params.flag("omitZeroBalances")
    call.params.finish(signed=True)
    state = call.venue.state
    held = {balance.asset: balance for balance in state.ledger}
    assets = list(dict.fromkeys([*ASSETS, *held]))
    balances = [state.ledger.of(asset) for asset in assets]
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": _RATE, "taker": _RATE, "buyer": _NO_RATE, "seller": _NO_RATE},
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": max(state.born, state.updated),
        "accountType": "SPOT",
        "balances": [
            {"asset": balance.asset, "free": eight(balance.free), "locked": eight(balance.locked)}
            for balance in balances
            if not omit_zero or balance.free > 0 or balance.locked > 0
        ],
        "permissions": ["SPOT"],
        "uid": call.venue.uid,
    }


def commission_rates(state: State, symbol: str) -> dict[str, Any]:
    """Returns the rates of a symbol as they are now."""
    none = {"maker": _NO_RATE, "taker": _NO_RATE, "buyer": _NO_RATE, "seller": _NO_RATE}
    return {
        "symbol": symbol,
        "standardCommission": none | {"maker": _RATE, "taker": _RATE},
        "specialCommission": dict(none),
        "taxCommission": dict(none),
        "discount": {
            "enabledForAccount": state.fees_in_bnb,
            "enabledForSymbol": True,
            "discountAsset": DISCOUNT_ASSET,
            "discount": eight(DISCOUNT),
        },
    }


def _commission(call: Call) -> dict[str, Any]:
    return commission_rates(call.venue.state, call.listing().symbol)


def _order_counts(call: Call) -> list[dict[str, Any]]:
    call.params.finish(signed=True)
    return call.meter.order_counts(call.now)


ENDPOINTS: Final = (
    Endpoint("GET", "/api/v3/account", Security.SIGNED, _account),
    Endpoint("GET", "/api/v3/account/commission", Security.SIGNED, _commission),
    Endpoint("GET", "/api/v3/rateLimit/order", Security.SIGNED, _order_counts),
)
