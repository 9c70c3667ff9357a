"""Binance's answer about a key's permissions: every boolean is kept, and what is none where one belongs is named."""

from __future__ import annotations

from typing import Any

import pytest

from guardian.errors import ExchangeUnavailable
from guardian.exchange.mapping.account import key_permissions
from guardian.policy.permissions import KNOWN, judge_permissions
from tests.exchange.support.exchange_samples import LIVE_ANSWERS

DOCUMENTED: dict[str, Any] = LIVE_ANSWERS["/sapi/v1/account/apiRestrictions"]


def test_documented_answer_is_read_whole() -> None:
    """Every boolean of it is known, and the time the key was made is no permission."""
    found = key_permissions(DOCUMENTED)
    assert set(found.flags) == KNOWN
    assert found.unreadable == frozenset()
    assert found.expires_ms is None
    assert judge_permissions(found, now_ms=0).is_safe


def test_permission_that_nobody_knows_is_kept() -> None:
    """A new boolean is there to be refused."""
    assert key_permissions(DOCUMENTED | {"canFly": True}).flags["canFly"] is True


@pytest.mark.parametrize("value", ["false", "true", 0, 1, None, [], {}, ["x"]])
@pytest.mark.parametrize("name", ["enableWithdrawals", "enableTeleport", "permitsAll", "EnableX"])
def test_permission_that_is_no_boolean_is_unreadable(name: str, value: object) -> None:
    """Neither text nor a number stands for a boolean of a permission."""
    found = key_permissions(DOCUMENTED | {name: value})
    assert name in found.unreadable
    assert name not in found.flags


def test_object_or_list_is_unreadable_whatever_its_name_is() -> None:
    """Permissions may be nested in it."""
    assert key_permissions(DOCUMENTED | {"more": {"withdraw": True}}).unreadable == {"more"}
    assert key_permissions(DOCUMENTED | {"note": "x", "count": 3, "none": None}).unreadable == frozenset()


def test_time_at_which_trading_ends_is_read() -> None:
    """Only a sensible time is one."""
    name = "tradingAuthorityExpirationTime"
    assert key_permissions(DOCUMENTED | {name: 1_628_985_600_000}).expires_ms == 1_628_985_600_000
    assert key_permissions(DOCUMENTED | {name: -5}).expires_ms is None


MANY = {f"enable{number}": False for number in range(101)}


@pytest.mark.parametrize("answer", [None, [], {}, "x", {"enable\u202eX": True}, {"": True}, {"a" * 65: True}, MANY])
def test_answer_of_another_shape_is_refused(answer: object) -> None:
    """No object, none too large, and no name that is not plain text."""
    with pytest.raises(ExchangeUnavailable):
        key_permissions(answer)
