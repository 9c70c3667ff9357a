"""Numbers, times and durations as the report writes them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian.domain.money import plain
from guardian.report.number_text import MINUS, counted, duration, exact, percent, rounded

AMOUNTS = st.decimals(min_value=-(10**12), max_value=10**12, places=8)


@given(AMOUNTS)
def test_exact_keeps_every_digit(value: Decimal) -> None:
    """Without its commas, and with a plain minus, it is the number."""
    assert exact(value).replace(",", "").replace(MINUS, "-") == plain(value)


@given(AMOUNTS)
def test_rounded_is_within_half_a_cent(value: Decimal) -> None:
    """Of less than a cent, the first digits are left."""
    shown = Decimal(rounded(value).replace(",", "").replace(MINUS, "-"))
    assert abs(shown - value) <= Decimal("0.005")
    assert (shown == 0) == (value == 0)


@pytest.mark.parametrize(
    ("value", "signed", "shown"),
    [
        ("1234567.5", False, "1,234,567.50"),
        ("-0.5", False, f"{MINUS}0.50"),
        ("3", True, "+3.00"),
        ("0", True, "0.00"),
        ("0.000012345", False, "0.00001234"),
        ("1E+3", False, "1,000.00"),
    ],
)
def test_rounded_groups_thousands_and_shows_signs(value: str, signed: bool, shown: str) -> None:
    """Money as a person writes it."""
    assert rounded(Decimal(value), signed=signed) == shown


def test_missing_number_is_a_dash() -> None:
    """It is no zero."""
    assert exact(None) == rounded(None) == "\N{EN DASH}"


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (0, "0 ms"), (999, "999 ms"), (1_000, "1.0 s"), (59_999, "59.9 s"), (60_000, "1 min"), (61_000, "1 min 1 s"),
        (3_600_000, "1 h"), (7_860_000, "2 h 11 min"), (90_000_000, "1 d 1 h"),
    ],
)  # fmt: skip
def test_duration_is_in_the_units_that_matter(milliseconds: int, shown: str) -> None:
    """Two units at most, and never rounded up to more than it was."""
    assert duration(milliseconds) == shown


def test_one_of_a_thing_has_no_plural() -> None:
    """In words that are read."""
    assert [counted(1, "order"), counted(2_000, "order"), counted(2, "call was", "calls were")] == [
        "1 order", "2,000 orders", "2 calls were",
    ]  # fmt: skip


@pytest.mark.parametrize(("share", "shown"), [("0", "0 %"), ("0.001", "1 %"), ("0.5", "50 %"), ("1.2", "120 %")])
def test_small_share_is_not_nothing(share: str, shown: str) -> None:
    """What is more than nothing is at least 1 %."""
    assert percent(Decimal(share)) == shown
