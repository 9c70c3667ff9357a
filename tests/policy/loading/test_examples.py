"""Examples in a policy: judged by the real rules, and a wrong one makes the policy invalid."""

from __future__ import annotations

from decimal import Decimal

import pytest

from guardian.domain.codes import Code
from guardian.domain.orders import OrderType, TimeInForce
from guardian.errors import PolicyInvalid, PolicyMistake
from guardian.policy.loading.examples import GIVEN, facts_of, judge_example, spec_of, split_symbol
from guardian.policy.loading.load import load_policy
from guardian.policy.model import Policy

BASE = """schema = 1
environment = "{environment}"
[limits]
duplicate_window = "60s"
[symbols.BTCUSDT]
max_notional = "100"
max_quantity = "0.005"
max_position = "0.02"
order_types = ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT"]
[symbols.ETHBTC]
max_notional = "100"
max_quantity = "0.1"
max_position = "0.5"
[symbols.DOGEEUR]
max_notional = "100"
max_quantity = "1000"
max_position = "1000"
"""
BID_ASK = 'bid = "60000", ask = "60001"'
LIMIT = 'symbol = "BTCUSDT", side = "BUY", order_type = "LIMIT", quantity = "0.001", price = "60000"'
SELL = LIMIT.replace("BUY", "SELL")


def with_example(given: str, order: str, expect: str, environment: str = "testnet") -> str:
    return (
        BASE.replace("{environment}", environment)
        + f'[[examples]]\nname = "case"\ngiven = {{ {given} }}\norder = {{ {order} }}\nexpect = {{ {expect} }}\n'
    )


def loaded(given: str, order: str, expect: str, environment: str = "testnet") -> Policy:
    return load_policy(with_example(given, order, expect, environment))


def mistake_of(given: str, order: str, expect: str) -> PolicyMistake:
    with pytest.raises(PolicyInvalid) as raised:
        loaded(given, order, expect)
    (mistake,) = raised.value.mistakes
    return mistake


ETHBTC = 'bid = "0.05", ask = "0.0501", tick = "0.0001", min_notional = "0.0001"'
ALL_CAPS = (
    "NOTIONAL_EXCEEDS_MAX, QUANTITY_EXCEEDS_MAX, POSITION_EXCEEDS_MAX, OPEN_NOTIONAL_EXCEEDS_MAX, "
    "ROLLING_NOTIONAL_EXCEEDS_MAX"
)
HOLDS = [
    # each key of `given` changes what comes of an order; the limit is the documented default
    (BID_ASK, LIMIT, 'decision = "confirm"'),
    ("", LIMIT, 'decision = "deny", code = "PRICE_UNAVAILABLE"'),
    (BID_ASK + ', price_age = "5s"', LIMIT, 'decision = "confirm"'),
    (BID_ASK + ', price_age = "5001ms"', LIMIT, 'decision = "deny", code = "PRICE_STALE"'),
    (BID_ASK + ', average_age = "5m"', LIMIT, 'decision = "confirm"'),
    (BID_ASK + ', average_age = "301s"', LIMIT, 'decision = "deny", code = "TRADE_STALE"'),
    (BID_ASK + ', average = "61000"', LIMIT, 'decision = "confirm"'),
    (BID_ASK + ', average = "62000"', LIMIT, 'decision = "deny", code = "PRICE_DIVERGES"'),
    (BID_ASK + ', entered = "140"', LIMIT, 'decision = "confirm"'),
    (BID_ASK + ", entered = 141", LIMIT, 'decision = "deny", code = "ROLLING_NOTIONAL_EXCEEDS_MAX"'),
    (BID_ASK + ", ordered = 4", LIMIT, 'decision = "confirm"'),
    (BID_ASK + ', ordered = "5"', LIMIT, 'decision = "deny", code = "ORDER_COUNT_EXCEEDS_MAX"'),
    (BID_ASK + ', open = "240"', LIMIT, 'decision = "confirm"'),
    (BID_ASK + ', open = "240.00000001"', LIMIT, 'decision = "deny", code = "OPEN_NOTIONAL_EXCEEDS_MAX"'),
    (BID_ASK + ", open_orders = 4", LIMIT, 'decision = "confirm"'),
    (BID_ASK + ", open_orders = 5", LIMIT, 'decision = "deny", code = "OPEN_ORDERS_EXCEED_MAX"'),
    (BID_ASK + ', sliced = "40"', LIMIT, 'decision = "confirm"'),
    (BID_ASK + ', sliced = "41"', LIMIT, 'decision = "deny", code = "SLICING_EXCEEDS_MAX"'),
    (BID_ASK + ', position = "0.019"', LIMIT, 'decision = "confirm"'),
    (BID_ASK + ', position = "0.01901"', LIMIT, 'decision = "deny", code = "POSITION_EXCEEDS_MAX"'),
    (BID_ASK + ', open_buys = "0.01901"', LIMIT, 'decision = "deny", code = "POSITION_EXCEEDS_MAX"'),
    (BID_ASK + ', free = "60"', LIMIT, 'decision = "confirm"'),
    (BID_ASK + ', free = "59.99"', LIMIT, 'decision = "deny", code = "FREE_QUOTE_BELOW_MIN"'),
    (BID_ASK + ", since_person = 19", LIMIT, 'decision = "confirm"'),
    (BID_ASK + ", since_person = 20", LIMIT, 'decision = "deny", code = "TRADING_REDUCING"'),
    (BID_ASK + ", calls = 120", LIMIT, 'decision = "confirm"'),
    (BID_ASK + ", calls = 121", LIMIT, 'decision = "deny", code = "CALLS_EXCEED_MAX"'),
    (BID_ASK + ', loss = "100"', LIMIT, 'decision = "confirm"'),
    (BID_ASK + ', loss = "100.00000001"', LIMIT, 'decision = "deny", code = "DAILY_LOSS_EXCEEDS_MAX"'),
    (BID_ASK + ', loss = "101", position = "0.001"', SELL, 'decision = "confirm"'),
    (BID_ASK + ', trading = "halted"', LIMIT, 'decision = "deny", code = "TRADING_HALTED"'),
    (BID_ASK + ', trading = "reducing"', LIMIT, 'decision = "deny", code = "TRADING_REDUCING"'),
    (BID_ASK + ', trading = "reducing", position = "0.001"', SELL, 'decision = "confirm"'),
    (BID_ASK + ', entered = "500", position = "0.001"', SELL, 'decision = "confirm"'),
    (BID_ASK + ', entered = "500", position = "0.001", offered = "0.00001"', SELL, 'decision = "deny"'),
    (BID_ASK + ', tick = "7"', LIMIT, 'decision = "deny", code = "FILTER_PRICE"'),
    (BID_ASK + ', tick = "0"', LIMIT, 'decision = "confirm"'),
    (BID_ASK + ', step = "0.0007"', LIMIT, 'decision = "deny", code = "FILTER_QUANTITY"'),
    (BID_ASK + ', min_notional = "61"', LIMIT, 'decision = "deny", code = "FILTER_NOTIONAL"'),
    # every order type
    (BID_ASK, LIMIT + ', time_in_force = "FOK"', 'decision = "confirm"'),
    (BID_ASK, LIMIT.replace('"LIMIT"', '"LIMIT_MAKER"'), 'decision = "confirm"'),
    (
        BID_ASK,
        'symbol = "BTCUSDT", side = "BUY", order_type = "MARKET", quote_quantity = "50"',
        'decision = "confirm"',
    ),
    (BID_ASK, LIMIT.replace('"LIMIT"', '"STOP_LOSS_LIMIT"') + ", stop_price = 60000", 'decision = "confirm"'),
    (
        BID_ASK,
        LIMIT.replace('"LIMIT"', '"TAKE_PROFIT_LIMIT"') + ", stop_price = 60000",
        'decision = "deny", code = "ORDER_TYPE_NOT_ALLOWED"',
    ),
    (
        BID_ASK,
        'symbol = "BTCUSDT", side = "BUY", order_type = "STOP_LOSS", quantity = "0.001", stop_price = "60000"',
        'decision = "deny", code = "ORDER_TYPE_UNPRICED"',
    ),
    # other symbols
    (
        ETHBTC + ', rate_BTCUSDT_bid = "60000", rate_BTCUSDT_ask = "60001"',
        'symbol = "ETHBTC", side = "BUY", order_type = "LIMIT", quantity = "0.03", price = "0.05"',
        'decision = "confirm"',
    ),
    (
        ETHBTC,
        'symbol = "ETHBTC", side = "BUY", order_type = "LIMIT", quantity = "0.03", price = "0.05"',
        'decision = "deny", code = "CONVERSION_UNAVAILABLE"',
    ),
    (
        'bid = "0.1", ask = "0.1001", base = "DOGE", quote = "EUR"',
        'symbol = "DOGEEUR", side = "BUY", order_type = "LIMIT", quantity = "100", price = "0.1"',
        'decision = "deny", code = "CONVERSION_UNAVAILABLE"',
    ),
    ("", LIMIT.replace("BTCUSDT", "ADAEUR"), 'decision = "deny", code = "SYMBOL_NOT_LISTED"'),
]


@pytest.mark.parametrize(("given", "order", "expect"), HOLDS)
def test_an_example_that_holds_lets_the_policy_load(given: str, order: str, expect: str) -> None:
    """What `given` says is what the rules see, and what it leaves out has the documented default."""
    (example,) = loaded(given, order, expect).examples
    assert example.name == "case"


def test_every_key_of_given_is_tried_here() -> None:
    """A key that this file does not exercise would be a key that could do nothing."""
    tried = " ".join(given for given, _, _ in HOLDS)
    assert not [key for key in GIVEN if f"{key} =" not in tried and key != "unconfirmed"]


def test_what_went_unconfirmed_counts_towards_the_question() -> None:
    """Below the threshold nothing is asked; together with what went before, it is."""
    text = with_example(BID_ASK + ', unconfirmed = "40"', LIMIT, 'decision = "allow"')
    text = text.replace("[limits]", '[confirmation]\nrequired_above = "100"\n[limits]')
    load_policy(text)
    with pytest.raises(PolicyInvalid, match="expected allow, and it came to confirm"):
        load_policy(text.replace('unconfirmed = "40"', 'unconfirmed = "41"'))


@pytest.mark.parametrize(
    ("given", "order", "expect", "message"),
    [
        (BID_ASK, LIMIT, 'decision = "allow"', '"case": expected allow, and it came to confirm'),
        (BID_ASK, LIMIT, 'decision = "deny"', '"case": expected deny, and it came to confirm'),
        (
            BID_ASK,
            LIMIT,
            'decision = "deny", code = "DUPLICATE_ORDER"',
            '"case": expected deny with DUPLICATE_ORDER, and it came to confirm',
        ),
        (
            BID_ASK,
            LIMIT.replace("0.001", "1"),
            'decision = "confirm"',
            f'"case": expected confirm, and it came to deny with {ALL_CAPS}',
        ),
        (
            BID_ASK + ', trading = "halted"',
            LIMIT,
            'decision = "deny", code = "NOTIONAL_EXCEEDS_MAX"',
            '"case": expected deny with NOTIONAL_EXCEEDS_MAX, and it came to deny with TRADING_HALTED',
        ),
        (
            'bid = "0.1", ask = "0.1001"',
            'symbol = "DOGEEUR", side = "BUY", order_type = "LIMIT", quantity = "100", price = "0.1"',
            'decision = "deny"',
            '"case": the assets of DOGEEUR are unknown; give `base` and `quote`',
        ),
    ],
)
def test_an_example_that_fails_says_what_was_expected_and_what_came(
    given: str, order: str, expect: str, message: str
) -> None:
    """The mistake names the example and its line, what was expected, and what came, with all codes."""
    mistake = mistake_of(given, order, expect)
    assert (mistake.key, mistake.message) == ("examples[1]", message)
    lines = with_example(given, order, expect).splitlines()
    assert lines[(mistake.line or 0) - 1] == "[[examples]]"


SHAPES = [
    (BID_ASK + ", bod = 5", LIMIT, 'decision = "confirm"', "given.bod", "there is no such key"),
    (BID_ASK + ", rate_bTC_bid = 5", LIMIT, 'decision = "confirm"', "given.rate_bTC_bid", "there is no such key"),
    ('bid = "5"', LIMIT, 'decision = "confirm"', "given.bid", "both its bid and its ask"),
    ('ask = "5"', LIMIT, 'decision = "confirm"', "given.ask", "both its bid and its ask"),
    ("rate_BTCUSDT_bid = 5", LIMIT, 'decision = "deny"', "given.rate_BTCUSDT_bid", "both its bid and its ask"),
    ("rate_BTCUSDT_ask = 5", LIMIT, 'decision = "deny"', "given.rate_BTCUSDT_ask", "both its bid and its ask"),
    (BID_ASK.replace('"60000"', "60000.5"), LIMIT, 'decision = "deny"', "given.bid", "is a float"),
    (BID_ASK.replace('"60000"', '"0"'), LIMIT, 'decision = "deny"', "given.bid", "greater than zero"),
    (BID_ASK + ', price_age = "5"', LIMIT, 'decision = "deny"', "given.price_age", "is not a duration"),
    (BID_ASK + ", ordered = -1", LIMIT, 'decision = "deny"', "given.ordered", "too small"),
    (BID_ASK + ', trading = "on"', LIMIT, 'decision = "deny"', "given.trading", "is not known here"),
    (BID_ASK, LIMIT + ", note = 1", 'decision = "deny"', "order.note", "there is no such key"),
    (BID_ASK, LIMIT + ", stop_price = 1", 'decision = "deny"', "order.stop_price", "LIMIT has none"),
    (BID_ASK, LIMIT + ", quote_quantity = 1", 'decision = "deny"', "order.quantity", "either"),
    (BID_ASK, LIMIT.replace("quantity", "quote_quantity"), 'decision = "deny"', "order.quote_quantity", "MARKET only"),
    (BID_ASK, LIMIT.replace(', quantity = "0.001"', ""), 'decision = "deny"', "order.quantity", "either"),
    (BID_ASK, LIMIT.replace(', price = "60000"', ""), 'decision = "deny"', "order.price", "LIMIT needs one"),
    (BID_ASK, LIMIT.replace('"LIMIT"', '"MARKET"'), 'decision = "deny"', "order.price", "MARKET has none"),
    (
        BID_ASK,
        LIMIT.replace('"LIMIT"', '"STOP_LOSS_LIMIT"'),
        'decision = "deny"',
        "order.stop_price",
        "STOP_LOSS_LIMIT needs one",
    ),
    (
        BID_ASK,
        LIMIT.replace('"LIMIT"', '"LIMIT_MAKER"') + ', time_in_force = "GTC"',
        'decision = "deny"',
        "order.time_in_force",
        "LIMIT_MAKER has none",
    ),
    (BID_ASK, LIMIT.replace('"0.001"', "0.001"), 'decision = "deny"', "order.quantity", "is a float"),
    (BID_ASK, LIMIT.replace('"0.001"', '"0"'), 'decision = "deny"', "order.quantity", "greater than zero"),
    (BID_ASK, LIMIT.replace("BUY", "HOLD"), 'decision = "deny"', "order.side", "is not known here"),
    (BID_ASK, LIMIT.replace('symbol = "BTCUSDT", ', ""), 'decision = "deny"', "order.symbol", "required and missing"),
    (BID_ASK, LIMIT, "", "expect.decision", "required and missing"),
    (BID_ASK, LIMIT, 'decision = "maybe"', "expect.decision", "is not known here"),
    (BID_ASK, LIMIT, 'decision = "deny", code = "TOO_MUCH"', "expect.code", "is not known here"),
    (BID_ASK, LIMIT, 'decision = "deny", code = "EXCHANGE_REJECTED"', "expect.code", "is not known here"),
    (BID_ASK, LIMIT, 'decision = "confirm", code = "PRICE_STALE"', "expect.code", "nothing is denied where"),
    (BID_ASK, LIMIT, 'decision = "deny", codes = ["PRICE_STALE"]', "expect.codes", "there is no such key"),
]


@pytest.mark.parametrize(("given", "order", "expect", "key", "message"), SHAPES)
def test_an_example_of_the_wrong_shape_is_refused(given: str, order: str, expect: str, key: str, message: str) -> None:
    """An example that says something that cannot be would prove nothing; its key and line are reported."""
    with pytest.raises(PolicyInvalid) as raised:
        loaded(given, order, expect)
    # Where the quantity is missing or misread, so is the choice of one of two; the first mistake is the one meant.
    mistake = next(m for m in raised.value.mistakes if m.key == f"examples[1].{key}")
    assert message in mistake.message
    assert mistake.line is not None


def test_an_example_needs_a_name() -> None:
    """The name is what a failure is reported by."""
    with pytest.raises(PolicyInvalid) as raised:
        load_policy(with_example(BID_ASK, LIMIT, 'decision = "confirm"').replace('name = "case"\n', ""))
    assert [mistake.key for mistake in raised.value.mistakes] == ["examples[1].name"]


def test_a_code_is_found_by_a_likely_misspelling() -> None:
    """The hint names the code that was meant."""
    mistake = mistake_of(BID_ASK, LIMIT, 'decision = "deny", code = "NOTIONAL_EXCEED_MAX"')
    assert mistake.hint == 'did you mean "NOTIONAL_EXCEEDS_MAX"?'


def test_examples_are_not_judged_under_a_policy_with_other_mistakes() -> None:
    """A failure that follows from another mistake would send the owner looking in the wrong place."""
    text = with_example(BID_ASK, LIMIT, 'decision = "allow"').replace('"0.005"', '"x"')
    with pytest.raises(PolicyInvalid) as raised:
        load_policy(text)
    assert [mistake.key for mistake in raised.value.mistakes] == ["symbols.BTCUSDT.max_quantity"]


def test_a_live_policys_examples_test_its_limits() -> None:
    """Whether live trading is switched on is no part of the file, so a live policy can promise what it allows."""
    text = with_example(BID_ASK, LIMIT, 'decision = "confirm"', environment="live")
    load_policy(text.replace("[limits]", '[confirmation]\nproof = "passkey"\n[limits]'))
    for environment in ("paper", "demo"):
        loaded(BID_ASK, LIMIT, 'decision = "confirm"', environment=environment)


def test_an_example_happens_without_a_clock() -> None:
    """The same example gives the same facts at any time, in the environment of its policy."""
    policy = loaded(BID_ASK, LIMIT, 'decision = "confirm"', environment="paper")
    (example,) = policy.examples
    facts = facts_of(example, policy)
    assert facts == facts_of(example, policy)
    assert facts.now_ms == facts.clock_ms
    assert facts.environment is policy.environment
    assert facts.averages["BTCUSDT"].price == Decimal("60000.5")


def test_time_in_force_defaults_as_the_tool_does() -> None:
    """GTC for the limit types but LIMIT_MAKER, nothing for the others."""
    orders = {
        OrderType.LIMIT: (LIMIT, TimeInForce.GTC),
        OrderType.LIMIT_MAKER: (LIMIT.replace('"LIMIT"', '"LIMIT_MAKER"'), None),
        OrderType.STOP_LOSS_LIMIT: (
            LIMIT.replace('"LIMIT"', '"STOP_LOSS_LIMIT"') + ", stop_price = 60000",
            TimeInForce.GTC,
        ),
        OrderType.MARKET: (LIMIT.replace('"LIMIT"', '"MARKET"').replace(', price = "60000"', ""), None),
    }
    for kind, (order, wanted) in orders.items():
        (example,) = loaded(BID_ASK, order, 'decision = "confirm"').examples
        spec = spec_of(example)
        assert (spec.order_type, spec.time_in_force) == (kind, wanted)


def test_an_example_can_be_judged_alone_for_its_whole_verdict() -> None:
    """What the check compares is the engine's own verdict."""
    policy = loaded(BID_ASK, LIMIT.replace("0.001", "1"), 'decision = "deny"')
    verdict = judge_example(policy.examples[0], policy)
    assert verdict.denied_by(Code.NOTIONAL_EXCEEDS_MAX)
    assert verdict.notional == 60000


@pytest.mark.parametrize(
    ("name", "asset", "assets"),
    [
        ("BTCUSDT", "BTC", ("BTC", "USDT")),
        ("BTCUSDT", "USDT", ("BTC", "USDT")),
        ("USDTTRY", "USDT", ("USDT", "TRY")),
        ("BTCUSDT", "ETH", None),
        ("BTCUSDT", "BTCUSDT", None),
    ],
)
def test_a_symbol_is_split_at_an_asset_that_it_trades(name: str, asset: str, assets: tuple[str, str] | None) -> None:
    """Where there is no exchange to ask, the spelling decides; a symbol that has nothing of the asset is an error."""
    if assets is None:
        with pytest.raises(ValueError, match="does not trade"):
            split_symbol(name, asset)
    else:
        assert split_symbol(name, asset) == assets
