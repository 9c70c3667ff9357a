"""Which names of symbols and assets are taken."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from guardian.domain.text.names import LONGEST_NAME, is_listed_name, is_name

NAMES = [
    "A", "BTC", "BTCU", "BTCUSDT", "1000SATSUSDT", "BTCUSDT_240628", "_", "币安人生USDT", "这是测试币456", "ΑΩ",
    "БИТКОЙН", "שקל", "٤٢", "ひらがな", "A" * LONGEST_NAME, "𠮷" * LONGEST_NAME,
]  # fmt: skip
NOT_NAMES = [
    "", "A" * 41, "BTC USDT", " BTC", "BTCUSDT\n", "BTC/USDT", "BTC-USDT", "BTC.USDT", "BTC&symbol=X", "BTC%55",
    "BTC\x00", "BTC\u200bUSDT", "\u202eTDSUCTB", "BTC\ufeff", "BTC\u00ad", "BTC\u2060", "BTC\u3164", "BTC\u115f",
    "BTC\uffa0", "BTC\u034f", "BTC\ufe0f", "BTC\u0301", "\u0301", "BTC\U000e0042", "BTC\ud800", "BTC\ue000",
    "BTC\u00a0", "BTC\u3000", "BTCU\u017fDT", "ＢＴＣ", "𝐁𝐓𝐂", "B²", "Ⅳ", "½", "BTC💰", "BTC،", "ﬁ",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_letters_and_digits_of_any_script_are_names(name: str) -> None:
    """Names of 1 to 40 letters and digits of any script and `_` are taken, `BTCU` and Chinese ones included."""
    assert is_name(name)
    assert is_listed_name(name)


@pytest.mark.parametrize("name", NOT_NAMES)
def test_what_cannot_be_seen_or_looks_like_another_name_is_no_name(name: str) -> None:
    """Invisible characters, marks, other ways to write the same letters, punctuation and 41 characters are refused."""
    assert not is_name(name)
    assert not is_listed_name(name)


@pytest.mark.parametrize("name", ["btcusdt", "BTCusdt", "aBTC"])
def test_small_latin_letters_are_listed_and_never_asked_for(name: str) -> None:
    """The exchange refuses a to z in a request; what it lists with them is still a place to continue a list from."""
    assert not is_name(name)
    assert is_listed_name(name)


def test_every_character_that_is_taken_is_visible() -> None:
    """Of all characters of Unicode only letters and decimal digits are taken, and none that is drawn as nothing."""
    taken = {chr(code) for code in range(sys.maxunicode + 1) if is_listed_name(chr(code))}
    assert {unicodedata.category(character) for character in taken} == {"Lu", "Ll", "Lt", "Lm", "Lo", "Nd", "Pc"}
    assert {character for character in taken if unicodedata.category(character) == "Pc"} == {"_"}
    assert not taken & set("\u115f\u1160\u3164\uffa0")
    assert taken >= set("ABCXYZabcxyz0189")
