"""What the exchange keeps of a trade: a part of what is received or, where that is wanted, less of it in BNB."""

from __future__ import annotations

from decimal import Decimal

from guardian.domain.money import divided_down, round_down, times
from guardian.paper.engine.balances import Ledger
from guardian.paper.market.feed import Feed
from guardian.paper.market.symbols import COMMISSION, DISCOUNT, DISCOUNT_ASSET, LISTINGS


def commission(received: Decimal) -> Decimal:
    """Returns the ordinary commission on what was received, in the same asset."""
    return round_down(times(received, COMMISSION))


def commission_in_bnb(asset: str, received: Decimal, ledger: Ledger, feed: Feed, now: int) -> Decimal | None:
    """Returns the discounted commission in BNB at its last price; None where the account has not got that much free.

    Of received BNB it is taken as it comes in.
    """
    due = times(times(received, COMMISSION), DISCOUNT)
    if asset == DISCOUNT_ASSET:
        return round_down(due)
    quote = "USDT"
    if asset != quote:
        if f"{asset}{quote}" not in LISTINGS:
            return None
        due = times(due, feed.last_price(f"{asset}{quote}", now))
    price = feed.last_price(f"{DISCOUNT_ASSET}{quote}", now)
    if price <= 0:
        return None
    amount = round_down(divided_down(due, price))
    return amount if ledger.of(DISCOUNT_ASSET).free >= amount else None
