"""Which permissions of a key make it unsafe for live."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guardian.domain.accounts import KeyPermissions
from guardian.policy.permissions import EXPIRES_SOON_MS, KNOWN, ExtraPermission, KeyJudgement, judge_permissions

NOW = 1_800_000_000_000
SAFE = {name: name in {"enableReading", "enableSpotAndMarginTrading", "ipRestrict"} for name in KNOWN}
EXTRAS = {
    "enableMargin": ExtraPermission.MARGIN,
    "enableFutures": ExtraPermission.FUTURES,
    "enableVanillaOptions": ExtraPermission.OPTIONS,
    "enablePortfolioMarginTrading": ExtraPermission.PORTFOLIO_MARGIN,
    "enableFixApiTrade": ExtraPermission.FIX_TRADING,
}


def judged(*allowed: ExtraPermission, **changed: bool) -> KeyJudgement:
    """The judgement of a safe key with these permissions changed."""
    return judge_permissions(found(**changed), allowed=allowed, now_ms=NOW)


def found(**changed: bool) -> KeyPermissions:
    return KeyPermissions(flags=SAFE | changed, unreadable=frozenset(), expires_ms=None)


def without(name: str, *, unreadable: bool = False) -> KeyJudgement:
    """The judgement of an answer that lacks a permission, or has no boolean for it."""
    flags = {one: is_on for one, is_on in SAFE.items() if one != name}
    answer = KeyPermissions(flags=flags, unreadable=frozenset({name} if unreadable else ()), expires_ms=None)
    return judge_permissions(answer, now_ms=NOW)


def expiring(expires_ms: int) -> tuple[str, ...]:
    return judge_permissions(replace(found(), expires_ms=expires_ms), now_ms=NOW).warnings


def test_key_that_reads_and_trades_spot_from_one_address_is_safe() -> None:
    """Reading, spot trading and an address restriction: no problem and no warning; reading over FIX is reading."""
    assert judged() == KeyJudgement(problems=(), warnings=())
    assert judged(enableFixReadOnly=True).is_safe


@pytest.mark.parametrize("name", ["enableWithdrawals", "enableInternalTransfer", "permitsUniversalTransfer"])
def test_key_that_can_move_money_is_refused_whatever_the_policy_allows(name: str) -> None:
    """A withdrawal or a transfer leaves the reach of every cap, so that no policy can admit it."""
    (problem,) = judged(*ExtraPermission, **{name: True}).problems
    assert f"`{name}` is on" in problem


@pytest.mark.parametrize("name", EXTRAS)
def test_other_trading_permission_is_refused_unless_the_policy_names_it(name: str) -> None:
    """Margin, futures and the like are admitted by their own name in the policy and by no other."""
    (problem,) = judged(**{name: True}).problems
    assert f"`{name}` is on" in problem
    assert f'"{EXTRAS[name].value}"' in problem
    assert judged(EXTRAS[name], **{name: True}).is_safe
    assert not judged(*(extra for extra in ExtraPermission if extra is not EXTRAS[name]), **{name: True}).is_safe


@pytest.mark.parametrize("name", ["enableReading", "enableSpotAndMarginTrading"])
def test_key_without_what_guardian_needs_is_refused(name: str) -> None:
    """A key that cannot read or trade is named for what it is before an order fails with it."""
    (problem,) = judged(**{name: False}).problems
    assert f"`{name}` is off" in problem


@pytest.mark.parametrize("name", ["enableTeleport", "permitsEverything", "canBorrow"])
def test_permission_that_is_not_known_is_refused_where_it_is_on(name: str) -> None:
    """A new permission of Binance's is refused until a person has looked at what it does; off it is nothing."""
    (problem,) = judged(*ExtraPermission, **{name: True}).problems
    assert f"`{name}` is on, which this version of guardian does not know" in problem
    assert judged(**{name: False}).is_safe


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_permission_that_is_missing_is_refused(name: str) -> None:
    """What the answer does not say is not off."""
    (problem,) = without(name).problems
    assert f"does not say whether `{name}` is on" in problem


def test_permission_that_is_no_boolean_is_refused() -> None:
    """A known field, or one that looks like a permission, needs a boolean."""
    assert "`enableWithdrawals`" in without("enableWithdrawals", unreadable=True).problems[0]
    assert "`enableTeleport`" in without("enableTeleport", unreadable=True).problems[0]


def test_many_unknown_permissions_are_named_in_part() -> None:
    """A sentence stays a sentence however many there are."""
    (problem,) = judged(**{f"enableX{number}": True for number in range(9)}).problems
    assert problem.startswith("`enableX0`, `enableX1`, `enableX2`, `enableX3`, `enableX4` and 4 more is on")


def test_key_without_an_address_restriction_or_about_to_end_is_warned_about() -> None:
    """Both are the owner's to mend, and neither makes an order unsafe."""
    open_key = judged(ipRestrict=False)
    assert open_key.is_safe
    assert "every address" in open_key.warnings[0]
    (ending,) = expiring(NOW + EXPIRES_SOON_MS - 1)
    assert "ends in 13 days" in ending
    assert expiring(NOW + EXPIRES_SOON_MS) == ()
    assert "ends in 0 days" in expiring(NOW - 1)[0]
