"""The spot account: whose it is, balances, and commission rates."""

from __future__ import annotations

import re
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from guardian.domain.accounts import Balance, Balances, KeyPermissions
from guardian.domain.market import Fee
from guardian.domain.money import total
from guardian.exchange.mapping.rows import Row, malformed

_UID: Final = "uid-"
_FIELD_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
_MOST_FIELDS: Final = 100
_IS_PERMISSION: Final = re.compile(r"(?:enable|permit)", re.IGNORECASE)
"""How the names of Binance's permissions begin: `enableFutures`, `permitsUniversalTransfer`."""


def account_name(answer: object) -> str | None:
    """`/api/v3/account`: whose account it is, as `uid-` and the exchange's own number; None where it does not say.

    All keys of an account have the same answer to this, whenever they were made.
    """
    row = Row(answer)
    uid = row.identifier("uid") if row.has("uid") else "0"
    return None if uid == "0" else f"{_UID}{uid}"


def is_of_another(answer: object, expected: str | None) -> bool:
    """Whether `/api/v3/account` names another account than the expected one; no name is not another name."""
    found = account_name(answer)
    return found is not None and expected is not None and expected.startswith(_UID) and found != expected


def balances(answer: object) -> Balances:
    """`/api/v3/account`. An account that does not say so cannot trade."""
    row = Row(answer)
    found = tuple(
        Balance(asset=one.shown_name("asset"), free=one.number("free"), locked=one.number("locked"))
        for one in map(Row, row.values("balances"))
    )
    return Balances(
        balances=found, can_trade=row.flag("canTrade", absent=False), updated=row.optional_time("updateTime")
    )


def without_zero(found: Balances) -> Balances:
    """Returns the same without assets of which there is nothing, where the exchange did not leave them out itself."""
    kept = tuple(one for one in found.balances if one.free or one.locked)
    return Balances(balances=kept, can_trade=found.can_trade, updated=found.updated)


def fee(answer: object, symbol: str) -> Fee:
    """`/api/v3/account/commission`: what a trade costs is the sum of the standard, special and tax rates.

    The discount is stated only where it is on for both the account and the symbol; it lowers the standard rate alone.
    """
    row = Row(answer)
    if row.listed_name("symbol") != symbol:
        raise malformed("another symbol")
    extra = (name for name in ("specialCommission", "taxCommission") if row.has(name))
    parts = [row.row("standardCommission"), *map(row.row, extra)]

    def rate(name: str) -> Decimal:
        return total(part.number(name) for part in parts)

    discount = row.row("discount") if row.has("discount") else None
    is_on = (
        discount is not None
        and discount.flag("enabledForAccount", absent=False)
        and discount.flag("enabledForSymbol", absent=False)
    )
    return Fee(
        symbol=symbol,
        maker=rate("maker"),
        taker=rate("taker"),
        buyer=rate("buyer"),
        seller=rate("seller"),
        discount_asset=discount.optional_shown_name("discountAsset") if discount is not None and is_on else None,
        discount=discount.number("discount") if discount is not None and is_on else None,
    )


def key_permissions(answer: object) -> KeyPermissions:
    """`/sapi/v1/account/apiRestrictions`: every boolean of it, known or not, since a permission may be a new one.

    A name that begins as those of permissions do needs a boolean; of another one a number, text or null is no
    permission, and anything else is unreadable. Raises ExchangeUnavailable for what is no object of plain names.
    """
    if not isinstance(answer, dict) or not 0 < len(answer) <= _MOST_FIELDS:
        raise malformed("the key's permissions")
    flags: dict[str, bool] = {}
    unreadable: set[str] = set()
    for name, value in answer.items():
        if not isinstance(name, str) or _FIELD_NAME.fullmatch(name) is None:
            raise malformed("the name of a permission")
        if isinstance(value, bool):
            flags[name] = value
        elif _IS_PERMISSION.match(name) or not (value is None or isinstance(value, int | str)):
            unreadable.add(name)
    expires_ms = Row(answer).known_time("tradingAuthorityExpirationTime")
    return KeyPermissions(flags=MappingProxyType(flags), unreadable=frozenset(unreadable), expires_ms=expires_ms)
