"""What a policy says where the file says nothing, and what it says where it does."""

from __future__ import annotations

import re
from decimal import Decimal
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest

from guardian.domain.orders import OrderSide, OrderType, TimeInForce
from guardian.domain.requests import TOOLS
from guardian.domain.trading import Environment
from guardian.policy.loading.load import load_policy, read_policy
from guardian.policy.loading.reader import HIDDEN
from guardian.policy.model import Channel, CountWindow, NotionalWindow, PaperSettings

EXAMPLE = Path(__file__).parents[3] / "policy.example.toml"
BTC = '[symbols.BTCUSDT]\nmax_notional = "100"\nmax_quantity = "0.005"\nmax_position = "0.02"\n'


def test_a_file_with_the_schema_alone_has_every_documented_default() -> None:
    """An absent key has the value that the documentation shows."""
    policy = load_policy("schema = 1\n")
    assert policy.environment is Environment.TESTNET
    assert policy.paper == PaperSettings()
    assert policy.accounting.currency == "USDT"
    assert policy.accounting.conversions == {"BTC": "BTCUSDT", "ETH": "ETHUSDT", "BNB": "BNBUSDT"}
    assert policy.tools.allowed == frozenset(TOOLS)
    assert policy.tools.cancel_foreign is False
    limits = policy.limits
    assert limits.max_open_notional == 300
    assert limits.rolling_notional == (
        NotionalWindow(window_ms=300_000, maximum=Decimal(200)),
        NotionalWindow(window_ms=86_400_000, maximum=Decimal(500)),
    )
    assert limits.max_orders == (
        CountWindow(window_ms=60_000, maximum=5),
        CountWindow(window_ms=86_400_000, maximum=50),
    )
    assert (limits.max_open_orders, limits.halt_after_orders, limits.max_calls_per_minute) == (5, 20, 120)
    assert (limits.max_daily_loss, limits.min_free_quote) == (Decimal(100), Decimal(0))
    assert (limits.duplicate_window_ms, limits.anti_slicing_window_ms) == (60_000, 900_000)
    assert limits.absence_window_ms == 900_000
    prices = policy.prices
    assert (prices.max_age_ms, prices.max_trade_age_ms) == (5_000, 300_000)
    assert (prices.collar, prices.stop_distance) == (Decimal("0.03"), Decimal("0.2"))
    assert (prices.market_buffer, prices.max_divergence) == (Decimal("0.01"), Decimal("0.02"))
    confirmation = policy.confirmation
    assert confirmation.required_above == 0
    assert confirmation.channel is Channel.TERMINAL
    assert (confirmation.proposal_ttl_ms, confirmation.token_ttl_ms) == (900_000, 300_000)
    assert (confirmation.max_outstanding, confirmation.max_drift) == (3, Decimal("0.005"))
    assert policy.symbols == {}
    assert policy.examples == ()


def test_a_symbol_with_its_three_caps_has_the_documented_sides_types_and_times() -> None:
    """What may be left out of a symbol has its default; the rest is as written."""
    symbol = load_policy("schema = 1\n" + BTC).symbols["BTCUSDT"]
    assert symbol.max_notional == 100
    assert (symbol.max_quantity, symbol.max_position) == (Decimal("0.005"), Decimal("0.02"))
    assert symbol.sides == {OrderSide.BUY, OrderSide.SELL}
    assert symbol.order_types == {OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.MARKET}
    assert symbol.time_in_force == {TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}
    assert symbol.reason is None


def test_what_the_file_says_is_what_the_policy_says() -> None:
    """Every kind of value is read: a list of tools, windows, integers as amounts, strings as counts, milliseconds."""
    policy = load_policy(
        """
        schema = 1
        environment = "paper"
        paper = { endpoint = "http://[::1]:18080", api_key = "k", api_secret = "s" }
        [accounting]
        currency = "EUR"
        conversions = { USDT = "EURUSDT", BTC = "BTCEUR" }
        [tools]
        allow = ["get_balance", "get_ticker", "create_order", "cancel_order"]
        deny = ["get_balance"]
        cancel_foreign = true
        [limits]
        max_open_notional = 250
        rolling_notional = [ { window = "250ms", max = 7 } ]
        max_orders = [ { window = "2s", max = "9" } ]
        [prices]
        collar = "0%"
        [confirmation]
        channel = "elicit"
        required_above = "12.5"
        [symbols.BTCEUR]
        max_notional = "100"
        max_quantity = "0.005"
        max_position = 1
        sides = ["SELL"]
        order_types = ["STOP_LOSS_LIMIT"]
        time_in_force = ["GTC"]
        reason = "só isto"
        """
    )
    assert policy.environment is Environment.PAPER
    assert policy.paper.endpoint == "http://[::1]:18080"
    assert policy.paper.api_key is not None
    assert policy.paper.api_key.reveal() == "k"
    assert policy.paper.api_secret is not None
    assert policy.paper.api_secret.reveal() == "s"
    assert policy.accounting.currency == "EUR"
    assert policy.accounting.conversions == {"USDT": "EURUSDT", "BTC": "BTCEUR"}
    assert policy.tools.allowed == {"get_ticker", "create_order", "cancel_order"}
    assert policy.tools.cancel_foreign is True
    assert policy.limits.max_open_notional == 250
    assert policy.limits.rolling_notional == (NotionalWindow(window_ms=250, maximum=Decimal(7)),)
    assert policy.limits.max_orders == (CountWindow(window_ms=2000, maximum=9),)
    assert policy.prices.collar == 0
    assert policy.confirmation.channel is Channel.ELICIT
    assert policy.confirmation.required_above == Decimal("12.5")
    symbol = policy.symbols["BTCEUR"]
    assert symbol.max_position == 1
    assert symbol.sides == {OrderSide.SELL}
    assert symbol.order_types == {OrderType.STOP_LOSS_LIMIT}
    assert symbol.time_in_force == {TimeInForce.GTC}
    assert symbol.reason == "só isto"


def test_a_policy_that_was_loaded_cannot_be_changed() -> None:
    """Its tables refuse a new symbol and a new conversion."""
    policy = load_policy("schema = 1\n" + BTC)
    with pytest.raises(TypeError):
        policy.symbols["ETHUSDT"] = policy.symbols["BTCUSDT"]  # type: ignore[index]  # it is refused
    with pytest.raises(TypeError):
        policy.accounting.conversions["EUR"] = "EURUSDT"  # type: ignore[index]  # it is refused


def test_an_empty_paper_table_is_fine_in_every_environment() -> None:
    """The table's header alone says nothing."""
    for environment in ("paper", "testnet", "demo", "live"):
        text = f'schema = 1\nenvironment = "{environment}"\n[confirmation]\nproof = "pin"\n[paper]\n'
        assert load_policy(text).paper == PaperSettings()


def test_a_policy_carries_its_text_and_the_digest_of_it() -> None:
    """The digest is the SHA-256 of the text as UTF-8, and the text loads to the same policy again."""
    text = EXAMPLE.read_text(encoding="utf-8")
    policy = load_policy(text)
    assert policy.text == text
    assert policy.digest == sha256(text.encode()).hexdigest()
    assert load_policy(policy.text) == policy


def test_every_byte_counts_in_the_digest() -> None:
    """A comment more is another policy, so that a confirmation never outlives an edit."""
    assert load_policy("schema = 1\n").digest != load_policy("schema = 1\n#\n").digest


@pytest.mark.parametrize("text", ["schema = 1\r\n[limits]\r\nmax_open_orders = 7\r\n", "\ufeffschema = 1\n"])
def test_what_windows_editors_write_is_read(text: str) -> None:
    """Line ends of two characters and a byte order mark make no difference to what a policy says."""
    assert load_policy(text).limits.max_open_orders == (7 if "7" in text else 5)


def test_the_example_policy_has_every_key_with_its_default() -> None:
    """`policy.example.toml` leaves no key to its default, and what it says is the default."""
    shown = {setting.key: setting for setting in read_policy(EXAMPLE.read_text(encoding="utf-8")).settings}
    assert not [key for key, setting in shown.items() if setting.is_default]
    bare = {setting.key: setting for setting in read_policy("schema = 1\n" + BTC).settings}
    assert bare.keys() | {"symbols.BTCUSDT.reason"} == shown.keys()
    for key, setting in bare.items():
        assert shown[key].value == setting.value, key


def test_the_example_policy_explains_the_paper_keys_too() -> None:
    """The keys that have no default, and no place under the default environment, stand there as comments."""
    text = EXAMPLE.read_text(encoding="utf-8")
    live = text.replace("# endpoint", "endpoint").replace("# api_", "api_")
    live = live.replace('environment = "testnet"', 'environment = "paper"')
    paper = load_policy(live).paper
    assert paper.endpoint == "http://127.0.0.1:18080"
    assert paper.api_key is not None
    assert paper.api_secret is not None


def test_every_key_of_the_example_policy_has_a_comment() -> None:
    """The line of each key, or the one above it, says what it does."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    examples = lines.index("[[examples]]")
    uncommented = [
        line
        for above, line in pairwise(lines[:examples])
        if re.match(r"[a-z_]+ =", line) and "#" not in line and not above.startswith("#")
    ]
    assert uncommented == []


def test_each_setting_says_where_it_comes_from() -> None:
    """A value of the file has its line, a default has none, and a key is named in full."""
    settings = {s.key: s for s in read_policy("schema = 1\n\n[limits]\nmax_open_orders = 7\n" + BTC).settings}
    assert settings["limits.max_open_orders"].line == 4
    assert settings["limits.max_open_orders"].value == "7"
    assert settings["symbols.BTCUSDT.max_notional"].value == '"100"'
    assert settings["limits.rolling_notional"].is_default
    assert (
        settings["limits.rolling_notional"].value == '[{ window = "5m", max = "200" }, { window = "24h", max = "500" }]'
    )
    assert settings["tools.cancel_foreign"].value == "false"


def test_the_keys_of_a_simulator_are_in_no_setting_and_no_repr() -> None:
    """They guard nothing, and are hidden all the same."""
    reading = read_policy(
        'schema = 1\nenvironment = "paper"\n[paper]\nendpoint = "http://127.0.0.1:1"\n'
        'api_key = "canary-key"\napi_secret = "canary-secret"\n'
    )
    assert "canary" not in repr(reading)
    assert {s.value for s in reading.settings if s.key.startswith("paper.api_")} == {HIDDEN}


def test_names_in_any_script_are_keys_of_a_policy() -> None:
    """Symbols and assets are named as the exchange lists them, in any script, `BTCU` with its four letters included."""
    text = (
        'schema = 1\n[accounting]\ncurrency = "USDT"\nconversions = { "币安人生" = "币安人生USDT" }\n'
        + BTC.replace("BTCUSDT", '"币安人生USDT"')
        + BTC.replace("BTCUSDT", "BTCU")
        + '[[examples]]\nname = "too much"\n'
        'given = { bid = "1", ask = "2", rate_BTCUSDT_bid = "1", rate_BTCUSDT_ask = "2" }\n'
        'order = { symbol = "币安人生USDT", side = "BUY", order_type = "LIMIT", quantity = "1", price = "2" }\n'
        'expect = { decision = "deny", code = "QUANTITY_EXCEEDS_MAX" }\n'
    )
    reading = read_policy(text)
    assert set(reading.policy.symbols) == {"币安人生USDT", "BTCU"}
    assert reading.policy.accounting.conversions == {"币安人生": "币安人生USDT"}
    assert 'symbols."币安人生USDT".max_notional' in {setting.key for setting in reading.settings}
