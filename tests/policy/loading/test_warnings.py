"""Warnings about a valid policy: what can never take effect, and what will deny more than its owner may expect."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardian.domain.orders import OrderSide
from guardian.policy.loading.load import load_policy
from guardian.policy.loading.warnings import policy_warnings
from guardian.policy.model import CountWindow, NotionalWindow, Policy
from tests.policy.builders import DAY, FIVE_MINUTES, MINUTE, D, a_policy, symbol_limits

ROOT = Path(__file__).parents[3]
SHIPPED = [*sorted((ROOT / "policies").glob("*.toml")), ROOT / "policy.example.toml"]


def warned(policy: Policy) -> dict[str, str]:
    """By key: message and hint of each warning."""
    found = policy_warnings(policy)
    assert len({warning.key for warning in found}) == len(found)
    return {warning.key: f"{warning.message} ({warning.hint})" for warning in found}


def rolling(*windows: tuple[int, str]) -> tuple[NotionalWindow, ...]:
    return tuple(NotionalWindow(window_ms=length, maximum=D(most)) for length, most in windows)


def counts(*windows: tuple[int, int]) -> tuple[CountWindow, ...]:
    return tuple(CountWindow(window_ms=length, maximum=most) for length, most in windows)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_no_policy_that_comes_with_guardian_is_warned_of(path: Path) -> None:
    """Ready-made policies and the example contradict themselves nowhere, and each has a path for fees in BNB."""
    policy = load_policy(path.read_text("utf-8"))
    assert policy_warnings(policy) == ()
    assert policy.accounting.conversions["BNB"] == "BNBUSDT"


def test_absent_conversions_have_a_path_for_fees() -> None:
    """A file that says nothing of conversions counts BTC, ETH and BNB."""
    assert load_policy("schema = 1").accounting.conversions == {"BTC": "BTCUSDT", "ETH": "ETHUSDT", "BNB": "BNBUSDT"}


def test_policy_of_the_tests_is_warned_of_nothing() -> None:
    """The defaults with two symbols."""
    assert policy_warnings(a_policy()) == ()


def test_without_a_symbol_nothing_is_warned_of() -> None:
    """A policy that only reads has no order that could be held back."""
    assert policy_warnings(a_policy(symbols={}, conversions={}, collar=D(0))) == ()


# -- fees and conversions


def test_fees_in_bnb_without_a_path_are_warned_of() -> None:
    """Once paid, they make the daily loss unknown; the line to add is in the hint. Before, nothing said so."""
    found = warned(a_policy(conversions={"BTC": "BTCUSDT"}))
    assert list(found) == ["accounting.conversions"]
    assert "no symbol for BNB" in found["accounting.conversions"]
    assert 'add `BNB = "BNBUSDT"`' in found["accounting.conversions"]


def test_currency_that_fees_are_paid_in_needs_no_path() -> None:
    """BNB counted in BNB."""
    policy = a_policy(
        currency="BNB", conversions={"USDT": "BNBUSDT", "BTC": "BNBBTC"}, symbols={"BNBUSDT": symbol_limits()}
    )
    assert warned(policy) == {}


@pytest.mark.parametrize(
    ("conversions", "key", "words"),
    [
        ({"BNB": "BNBBTC"}, "accounting.conversions.BNB", "leads to BTC, which has no symbol"),
        ({"BNB": "BNBETH", "ETH": "ETHBTC", "BTC": "BNBBTC"}, "accounting.conversions.BNB", "BNBBTC goes in a circle"),
        ({"BNB": "BNBUSDT", "TRY": "BTCTRY"}, "accounting.conversions.TRY", "leads to BTC, which has no symbol"),
    ],
)
def test_path_that_does_not_arrive_is_warned_of(conversions: dict[str, str], key: str, words: str) -> None:
    """A path that ends elsewhere, or in a circle, counts nothing."""
    found = warned(a_policy(conversions=conversions, symbols={"BTCUSDT": symbol_limits()}))
    assert words in found[key]


def test_path_over_several_symbols_is_no_reason_to_warn() -> None:
    """Multiplying and dividing steps that arrive."""
    conversions = {"BNB": "BNBBTC", "BTC": "BTCTRY", "TRY": "USDTTRY"}
    assert warned(a_policy(conversions=conversions)) == {}


def test_symbol_whose_quote_asset_has_no_path_is_warned_of() -> None:
    """Every order of it but an exit is denied."""
    listed = {symbol: symbol_limits() for symbol in ("BTCEUR", "USDTTRY", "BTCUSDT")}
    found = warned(a_policy(symbols=listed))
    assert list(found) == ["symbols.BTCEUR", "symbols.USDTTRY"]


# -- prices


@pytest.mark.parametrize(
    ("collar", "buffer", "warns"), [("0.03", "0.01", 0), ("0.01", "0.01", 0), ("0.009", "0.01", 1)]
)
def test_collar_below_the_market_buffer_is_warned_of(collar: str, buffer: str, warns: int) -> None:
    """A MARKET order is sent at the buffer, so a narrower collar denies every one of them; the same is enough."""
    found = warned(a_policy(collar=D(collar), market_buffer=D(buffer)))
    assert len(found) == warns
    if warns:
        assert "no MARKET order passes" in found["prices.collar"]
        assert 'market_buffer = "0.9%"' in found["prices.collar"]


# -- caps


@pytest.mark.parametrize(
    ("windows", "warns"),
    [
        (rolling((FIVE_MINUTES, "200"), (DAY, "500")), []),
        (rolling((DAY, "500"), (FIVE_MINUTES, "200")), []),
        (rolling((FIVE_MINUTES, "500")), []),
        (rolling((FIVE_MINUTES, "500"), (DAY, "200")), ["the 5m limit of 500 can never take effect: within 24h"]),
        (rolling((FIVE_MINUTES, "200"), (DAY, "200")), ["the 5m limit of 200"]),
    ],
)
def test_shorter_window_that_a_longer_one_is_tighter_than_is_warned_of(
    windows: tuple[NotionalWindow, ...], warns: list[str]
) -> None:
    """What is entered within 24 h is at least what is entered within 5 m, so the shorter one never denies first."""
    found = [one.message for one in policy_warnings(a_policy(rolling_notional=windows, max_open_notional=D(200)))]
    assert len(found) == len(warns)
    assert all(words in message for words, message in zip(warns, found, strict=True))


def test_shorter_count_that_a_longer_one_is_tighter_than_is_warned_of() -> None:
    """The same for numbers of orders; the nearest tighter window is named."""
    found = warned(a_policy(max_orders=counts((MINUTE, 50), (60 * MINUTE, 40), (DAY, 30))[1:]))
    assert "the 1h limit of 40 can never take effect: within 24h no more than 30 passes" in found["limits.max_orders"]
    several = policy_warnings(a_policy(max_orders=counts((MINUTE, 50), (60 * MINUTE, 40), (DAY, 30))))
    assert [one.message.split(" can")[0] for one in several] == ["the 1m limit of 50", "the 1h limit of 40"]
    assert "within 1h no more than 40" in several[0].message


@pytest.mark.parametrize(
    ("most", "open_notional", "windows", "words"),
    [
        ("200", "200", rolling((DAY, "200")), None),
        ("200.01", "200", rolling((DAY, "500")), "passes but an exit: that is the limit of `limits.max_open_notional`"),
        ("200.01", "300", rolling((FIVE_MINUTES, "200"), (DAY, "500")), "limit of `limits.rolling_notional` for 5m"),
    ],
)
def test_cap_of_one_order_above_a_cap_over_all_is_warned_of(
    most: str, open_notional: str, windows: tuple[NotionalWindow, ...], words: str | None
) -> None:
    """A single order already exceeds the cap over all, so no order but an exit ever reaches its own."""
    policy = a_policy({"max_notional": D(most)}, max_open_notional=D(open_notional), rolling_notional=windows)
    found = warned(policy)
    assert list(found) == ([] if words is None else ["symbols.BTCUSDT.max_notional"])
    if words is not None:
        assert words in found["symbols.BTCUSDT.max_notional"]


def test_quantity_above_the_position_is_warned_of() -> None:
    """No BUY may be larger than all that may be held. Where only selling is allowed, the two have nothing in common."""
    found = warned(a_policy({"max_quantity": D("0.03"), "max_position": D("0.02")}))
    assert "no BUY of more than 0.02 passes" in found["symbols.BTCUSDT.max_quantity"]
    assert warned(a_policy({"max_quantity": D("0.02"), "max_position": D("0.02")})) == {}
    selling = {"max_quantity": D("0.03"), "max_position": D("0.02"), "sides": frozenset({OrderSide.SELL})}
    assert warned(a_policy(selling)) == {}


def test_threshold_above_every_cap_is_no_reason_to_warn() -> None:
    """Who wants to be asked about nothing may say so."""
    assert warned(a_policy(required_above=D(10**9))) == {}
