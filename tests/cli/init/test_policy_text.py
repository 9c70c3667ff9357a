"""Whatever the two amounts are, the policy that is made of them is whole, and no cap in it makes another pointless."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guardian.cli.init.caps import (
    LEAST,
    MOST_PER_DAY,
    MOST_PER_ORDER,
    USUAL_PER_DAY,
    USUAL_PER_ORDER,
    Caps,
    read_cap,
    usual_per_day,
    usual_per_order,
)
from guardian.cli.init.policy_text import policy_text
from guardian.cli.init.worst_day import most_in_a_day
from guardian.domain.milliseconds import DAY_MS
from guardian.home.folder import ready_made_policy
from guardian.policy.loading.load import load_policy
from guardian.policy.loading.warnings import policy_warnings
from tests.support.profiles import tries

NAMES = ("testnet", "paper")
NUMBER = re.compile(r"[0-9.]+")


@st.composite
def caps(draw: st.DrawFn) -> Caps:
    cents = st.decimals(places=2, allow_nan=False, allow_infinity=False, min_value=LEAST, max_value=MOST_PER_ORDER)
    order = draw(cents)
    day = draw(st.one_of(st.just(order), st.decimals(places=2, min_value=order, max_value=MOST_PER_DAY)))
    return Caps(order, day)


@settings(max_examples=tries(200), deadline=None)
@given(caps=caps(), name=st.sampled_from(NAMES))
@example(Caps(LEAST, LEAST), "testnet")
@example(Caps(LEAST, MOST_PER_DAY), "testnet")
@example(Caps(MOST_PER_ORDER, MOST_PER_ORDER), "paper")
@example(Caps(MOST_PER_ORDER, MOST_PER_DAY), "testnet")
def test_policy_of_any_two_amounts_holds_together(caps: Caps, name: str) -> None:
    """It loads, so its examples hold; nothing in it is warned of; and the two amounts are what is in force."""
    ready_made = ready_made_policy(name).read_text("utf-8")
    text = policy_text(ready_made, caps, "2026-12-01")
    policy = load_policy(text)
    before = load_policy(ready_made)
    assert {warning.key for warning in policy_warnings(policy)} <= {one.key for one in policy_warnings(before)}
    assert {limits.max_notional for limits in policy.symbols.values()} == {caps.per_order}
    assert most_in_a_day(policy) in {caps.per_day, 50 * caps.per_order}
    assert max(window.maximum for window in policy.limits.rolling_notional) == caps.per_day
    assert caps.per_order <= policy.limits.max_open_notional <= caps.per_day
    assert policy.limits.max_daily_loss <= caps.per_day
    for symbol, limits in policy.symbols.items():
        was = before.symbols[symbol]
        assert limits.max_quantity >= was.max_quantity * caps.per_order / USUAL_PER_ORDER
        assert limits.max_quantity <= limits.max_position
    assert (policy.confirmation, policy.prices, policy.tools) == (before.confirmation, before.prices, before.tools)


@pytest.mark.parametrize("name", NAMES)
def test_comments_and_keys_of_the_ready_made_policy_stay(name: str) -> None:
    """Only numbers differ, and the first line that says what was asked; a comment stays in its column."""
    ready_made = ready_made_policy(name).read_text("utf-8")
    text = policy_text(ready_made, Caps(Decimal(50), Decimal(2000)), "2026-12-01")
    head, _, rest = text.partition("\n#\n")
    assert head == "# Made by `guardian init` on 2026-12-01: at most 50 an order, and 2000 in any 24 hours."
    assert NUMBER.sub("N", re.sub(" +", " ", rest)) == NUMBER.sub("N", re.sub(" +", " ", ready_made))
    for before, after in zip(ready_made.splitlines(), rest.splitlines(), strict=True):
        if "  #" in before:
            assert after.index("  #") == before.index("  #"), after
    assert max(map(len, text.splitlines())) <= 120


def test_usual_amounts_are_those_of_the_ready_made_policies() -> None:
    """So that nothing need be replaced for them."""
    for name in NAMES:
        policy = load_policy(ready_made_policy(name).read_text("utf-8"))
        assert {limits.max_notional for limits in policy.symbols.values()} == {USUAL_PER_ORDER}
        assert {w.maximum for w in policy.limits.rolling_notional if w.window_ms == DAY_MS} == {USUAL_PER_DAY}
    assert usual_per_day(USUAL_PER_ORDER) == USUAL_PER_DAY
    assert usual_per_order(None) == USUAL_PER_ORDER
    assert usual_per_order(Decimal(40)) == Decimal(40)


@pytest.mark.parametrize(
    "text",
    ["1e9", "-5", "abc", "NaN", "Infinity", "", " ", "0", "9.99", "100000000000", "1,000", "0x10", "5.001", "١٢٣"],
)
def test_what_is_no_sensible_amount_is_refused_with_words(text: str) -> None:
    """An exponent, a sign, a word, a foreign digit, too little and too much: each says what would be right."""
    with pytest.raises(ValueError, match=r"digits|too little|too much"):
        read_cap(text, LEAST, MOST_PER_ORDER)


def test_sensible_amounts_are_read() -> None:
    """Both ends are within."""
    assert [read_cap(text, LEAST, MOST_PER_ORDER) for text in (" 50 ", "10", "10000", "50.25")] == [
        Decimal(50), Decimal(10), Decimal(10_000), Decimal("50.25"),
    ]  # fmt: skip


def test_shorter_windows_and_counts_bound_a_day_too() -> None:
    """Whatever is tightest over 24 hours is the most; under a policy that buys nothing there is no amount."""
    text = ready_made_policy("testnet").read_text("utf-8")
    only_short = text.replace(', { window = "24h", max = "500" }', "").replace("entered = 450", "entered = 190")
    only_short = only_short[: only_short.index("[[examples]]")]
    assert most_in_a_day(load_policy(only_short)) == 50 * USUAL_PER_ORDER
    many = only_short.replace('{ window = "24h", max = 50 }', '{ window = "24h", max = 1000 }')
    assert most_in_a_day(load_policy(many)) == 200 * 288
    assert most_in_a_day(load_policy(ready_made_policy("read-only").read_text("utf-8"))) is None
