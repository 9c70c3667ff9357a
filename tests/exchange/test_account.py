"""Whose account it is: the exchange's own number, and nothing made up."""

from __future__ import annotations

from typing import Any

import pytest

from guardian.errors import ExchangeUnavailable
from guardian.exchange.mapping.account import account_name, is_of_another
from tests.exchange.support.exchange_setup import served
from tests.exchange.support.loopback_exchange import Told

pytestmark = pytest.mark.anyio


def test_account_is_named_by_the_number_that_the_exchange_gives() -> None:
    """The documented answer has `"uid": 354937868`; a simulator may give it as text."""
    assert account_name({"uid": 354937868}) == "uid-354937868"
    assert account_name({"uid": "354937868"}) == "uid-354937868"


@pytest.mark.parametrize("told", [{}, {"uid": None}, {"uid": 0}])
def test_account_without_a_number_has_no_name(told: dict[str, Any]) -> None:
    """An exchange that does not say has not said: absent, null, and zero."""
    assert account_name(told) is None


@pytest.mark.parametrize("uid", [True, 1.5, "", [], {}, 2**63])
def test_number_of_another_kind_is_no_answer(uid: Any) -> None:
    """What is not as documented is refused and not turned into a name."""
    with pytest.raises(ExchangeUnavailable):
        account_name({"uid": uid})


@pytest.mark.parametrize(
    ("expected", "told", "another"),
    [
        ("uid-1", {"uid": 2}, True),
        ("uid-1", {"uid": 1}, False),
        ("uid-1", {}, False),
        (None, {"uid": 2}, False),
        ("0123456789abcdef", {"uid": 2}, False),
    ],
)
def test_only_another_number_is_another_account(expected: str | None, told: dict[str, int], another: bool) -> None:
    """An answer without a number is no answer, and a key that was remembered without one may learn it later."""
    assert is_of_another(told, expected) is another


async def test_balances_and_order_slots_are_refused_once_the_account_is_another() -> None:
    """Nothing of another account is shown as balances, and no order gets a slot until the answer is right again."""
    uids = [7, 7, 8, 7]

    def reply(seen: object) -> Told:
        return Told(body={"canTrade": True, "balances": [], "uid": uids.pop(0)})

    async with served(reply) as (_, exchange):
        name = await exchange.account_name()
        assert name == "uid-7"
        exchange.expect_account(name)
        await exchange.balances()
        with pytest.raises(ExchangeUnavailable, match="another account"):
            await exchange.balances()
        with pytest.raises(ExchangeUnavailable, match="another account"):
            await exchange.order_slot().__aenter__()
        await exchange.balances()
        async with exchange.order_slot() as slot:
            assert slot is not None
