"""What an API key may do, judged: which permissions make a key unsafe for `live`.

The judgement is about the permissions of the key, as the exchange answers them. Whatever is not known to be harmless
is refused: a permission that this version has never heard of may be one that moves money.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from guardian.domain.milliseconds import DAY_MS, HOUR_MS

if TYPE_CHECKING:
    from guardian.domain.accounts import KeyPermissions

FRESH_MS: Final = 6 * HOUR_MS
"""Permissions that were read longer ago count as unknown: a person may have changed the key since."""
EXPIRES_SOON_MS: Final = 14 * DAY_MS
_MOST_NAMED: Final = 5


class ExtraPermission(StrEnum):
    """A permission that the policy can admit with `[live] allow_permissions`. Guardian itself uses none of them."""

    MARGIN = "margin"
    FUTURES = "futures"
    OPTIONS = "options"
    PORTFOLIO_MARGIN = "portfolio_margin"
    FIX_TRADING = "fix_trading"


_NEEDED: Final = MappingProxyType(
    {
        "enableReading": "the key may not read, so that no balance and no order could be checked",
        "enableSpotAndMarginTrading": "the key may not trade spot, so that no order could be placed",
    }
)
_MOVES_MONEY: Final = MappingProxyType(
    {
        "enableWithdrawals": "the key may withdraw to any address",
        "enableInternalTransfer": "the key may transfer to other accounts",
        "permitsUniversalTransfer": "the key may transfer between wallets",
    }
)
_EXTRA: Final = MappingProxyType(
    {
        "enableMargin": ExtraPermission.MARGIN,
        "enableFutures": ExtraPermission.FUTURES,
        "enableVanillaOptions": ExtraPermission.OPTIONS,
        "enablePortfolioMarginTrading": ExtraPermission.PORTFOLIO_MARGIN,
        "enableFixApiTrade": ExtraPermission.FIX_TRADING,
    }
)
_HARMLESS: Final = frozenset({"ipRestrict", "enableFixReadOnly"})
KNOWN: Final = frozenset({*_NEEDED, *_MOVES_MONEY, *_EXTRA, *_HARMLESS})
"""Every boolean that Binance documents of a key ("Get API Key Permission" of its wallet API)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyJudgement:
    """What follows from a key's permissions: why it is not used for orders, and what its owner should know."""

    problems: tuple[str, ...]
    """Sentences; none where the key is safe."""
    warnings: tuple[str, ...]

    @property
    def is_safe(self) -> bool:
        """Whether orders may be created with the key."""
        return not self.problems


def judge_permissions(found: KeyPermissions, *, allowed: Collection[ExtraPermission] = (), now_ms: int) -> KeyJudgement:
    """Judges a key by its permissions. `allowed` is what the policy admits; `now_ms` is in ms since the epoch."""
    return KeyJudgement(problems=tuple(_problems(found, allowed)), warnings=tuple(_warnings(found, now_ms)))


def _problems(found: KeyPermissions, allowed: Collection[ExtraPermission]) -> Iterator[str]:
    for name, sentence in _NEEDED.items():
        if found.flags.get(name) is False:
            yield f"{sentence} (`{name}` is off)"
    for name, sentence in _MOVES_MONEY.items():
        if found.flags.get(name) is True:
            yield f"{sentence} (`{name}` is on)"
    for name, extra in _EXTRA.items():
        if found.flags.get(name) is True and extra not in allowed:
            yield f'`{name}` is on, and `[live] allow_permissions` of the policy does not list "{extra.value}"'
    unknown = [name for name, is_on in found.flags.items() if is_on and name not in KNOWN]
    if unknown:
        yield f"{_named(unknown)} is on, which this version of guardian does not know"
    unread = [name for name in (*KNOWN, *found.unreadable) if name not in found.flags]
    if unread:
        yield f"the exchange's answer does not say whether {_named(unread)} is on"


def _warnings(found: KeyPermissions, now_ms: int) -> Iterator[str]:
    if found.flags.get("ipRestrict") is False:
        yield "the key works from every address: restrict it to this machine's on Binance's page"
    if found.expires_ms is not None and found.expires_ms - now_ms < EXPIRES_SOON_MS:
        days = max(0, (found.expires_ms - now_ms) // DAY_MS)
        yield f"the key's permission to trade ends in {days} days: renew it on Binance's page"


def _named(names: Collection[str]) -> str:
    """Returns the first few names as text, sorted. They are plain: the mapping takes no others."""
    found = sorted(set(names))
    shown = ", ".join(f"`{name}`" for name in found[:_MOST_NAMED])
    return shown if len(found) <= _MOST_NAMED else f"{shown} and {len(found) - _MOST_NAMED} more"
