"""How near orders came to each limit of the policy that was in force."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from guardian.policy.loading.load import load_policy
from guardian.report.limit_use import JudgedOrder, budget_by_step, highest_uses
from guardian.report.time_steps import time_steps
from tests.support.world import BASE, merged, toml

START_MS = 1_800_000_000_000
DAY_MS = 86_400_000
POLICY = load_policy(toml(BASE))
LOOSER = load_policy(
    toml(merged(BASE, {"limits": {"rolling_notional": [{"window": "24h", "max": "1000"}], "max_open_notional": "900"}}))
)
POLICIES = {"one": POLICY, "two": LOOSER}


def order(
    notional: str = "54", *, policy: str = "one", at: int = 0, exit_: bool = False, side: str = "BUY", **usage: Any
) -> JudgedOrder:
    """An order of the first symbol with what was counted before it."""
    counted = {
        "entered": {"300000": "10", "86400000": "100"}, "open_notional": "20", "open_orders": 1, "open_buys": "0.001",
        "position": "0.002", "ordered": {"60000": 1, "86400000": 9}, "orders_since_person": 3, **usage,
    }  # fmt: skip
    judged = {"notional": notional, "is_exit": exit_, "usage": counted}
    return JudgedOrder(
        time_ms=START_MS + at, environment="paper", account="a1", symbol="BTCUSDT",
        data={"policy": policy, "judged": judged, "order": {"quantity": "0.0009", "side": side}},
    )  # fmt: skip


def uses(*orders: JudgedOrder) -> dict[str, tuple[str, str]]:
    """What was used of what, by limit."""
    return {use.name: (str(use.used), str(use.limit)) for use in highest_uses(orders, POLICIES)}


def test_order_uses_every_limit_with_what_was_counted_before_it() -> None:
    """Each limit of the policy that counts something, in the order of the policy, the shorter window first."""
    assert list(uses(order()).items()) == [
        ("rolling_notional 5m", ("64", "200")),
        ("rolling_notional 24h", ("154", "500")),
        ("max_open_notional", ("74", "300")),
        ("max_orders 1m", ("2", "5")),
        ("max_orders 24h", ("10", "50")),
        ("max_open_orders", ("2", "5")),
        ("halt_after_orders", ("4", "20")),
        ("max_notional BTCUSDT", ("54", "100")),
        ("max_quantity BTCUSDT", ("0.0009", "0.005")),
        ("max_position BTCUSDT", ("0.0039", "0.02")),
    ]


def test_exit_uses_the_limits_of_a_single_order_alone() -> None:
    """Selling back spends no budget and takes the position down."""
    assert set(uses(order(exit_=True, side="SELL"))) == {"max_notional BTCUSDT", "max_quantity BTCUSDT"}


def test_highest_share_of_the_limit_at_that_time_is_shown() -> None:
    """400 of 500 is nearer to the limit than 600 of 1000."""
    found = uses(
        order(entered={"300000": "0", "86400000": "346"}),
        order(entered={"300000": "0", "86400000": "546"}, policy="two", at=DAY_MS),
    )
    assert found["rolling_notional 24h"] == ("400", "500")
    assert found["max_open_notional"] == ("74", "300")


@pytest.mark.parametrize(
    "broken",
    [
        {"policy": "gone"}, {"judged": None}, {"judged": {"notional": "many"}}, {"judged": {"notional": "NaN"}},
        {"order": {"quantity": True}}, {"order": []},
    ],
)  # fmt: skip
def test_row_that_cannot_be_read_is_left_out(broken: dict[str, Any]) -> None:
    """A limit is never said to be used by a number that is none."""
    one = order()
    row = JudgedOrder(
        time_ms=one.time_ms, environment="paper", account="a1", symbol="BTCUSDT", data={**one.data, **broken}
    )
    assert highest_uses([row], POLICIES) == ()


def test_part_of_the_usage_that_is_missing_leaves_out_its_limits() -> None:
    """The others are shown."""
    found = uses(order(entered=None, position={"a": 1}))
    assert "max_position BTCUSDT" not in found
    assert not any(name.startswith("rolling") for name in found)
    assert found["max_open_notional"] == ("74", "300")


def test_budget_of_the_longest_window_is_followed_by_day() -> None:
    """The highest of the day; a day without orders used nothing, and the limit is the last that is known."""
    steps = time_steps(START_MS, START_MS + 3 * DAY_MS)
    orders = [
        order(entered={"300000": "0", "86400000": "10"}),
        order(entered={"300000": "0", "86400000": "100"}),
        order(entered={"300000": "0", "86400000": "50"}, policy="two", at=2 * DAY_MS),
    ]
    found = budget_by_step(orders, POLICIES, steps)
    assert found.name == "rolling_notional 24h"
    assert found.used[:3] == (Decimal(154), Decimal(0), Decimal(104))
    assert found.limit[:3] == (Decimal(500), Decimal(500), Decimal(1000))


def test_no_orders_use_no_budget() -> None:
    """There is nothing to draw then."""
    assert budget_by_step([], POLICIES, time_steps(START_MS, START_MS + DAY_MS)).name == ""
