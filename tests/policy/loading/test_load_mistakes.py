"""Every kind of mistake in a policy file: refused, with its line and its dotted key, all of them at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from guardian.errors import PolicyInvalid, PolicyMistake
from guardian.policy.loading.lines import Path as KeyPath
from guardian.policy.loading.lines import find_lines
from guardian.policy.loading.load import load_policy

ROOT = Path(__file__).parents[3]
EXAMPLE = (ROOT / "policy.example.toml").read_text(encoding="utf-8")
SYMBOL = '[symbols.BTCUSDT]\nmax_notional = "100"\nmax_quantity = "0.005"\nmax_position = "0.02"\n'


def mistakes_of(text: str) -> tuple[PolicyMistake, ...]:
    with pytest.raises(PolicyInvalid) as raised:
        load_policy(text)
    return raised.value.mistakes


def only_mistake(text: str) -> PolicyMistake:
    mistakes = mistakes_of(text)
    assert len(mistakes) == 1, mistakes
    return mistakes[0]


LIMITS, PRICES, CONFIRMATION = "[limits]\n", "[prices]\n", "[confirmation]\n"
SEVENTEEN = [f'{{ window = "{n}s", max = 1 }}' for n in range(1, 18)]
KINDS = [
    # amounts
    (LIMITS + "max_open_notional = 100.5", "limits.max_open_notional", "is a float"),
    (LIMITS + "max_open_notional = nan", "limits.max_open_notional", "is a float"),
    (LIMITS + "max_open_notional = inf", "limits.max_open_notional", "is a float"),
    (LIMITS + "max_open_notional = 1e3", "limits.max_open_notional", "is a float"),
    (LIMITS + 'max_open_notional = "nan"', "limits.max_open_notional", "not a plain decimal"),
    (LIMITS + 'max_open_notional = "1e3"', "limits.max_open_notional", "not a plain decimal"),
    (LIMITS + 'max_open_notional = "1_000"', "limits.max_open_notional", "not a plain decimal"),
    (LIMITS + 'max_open_notional = " 5"', "limits.max_open_notional", "not a plain decimal"),
    (LIMITS + 'max_open_notional = "\u0663"', "limits.max_open_notional", "not a plain decimal"),
    (LIMITS + 'max_open_notional = "\uff11\uff12"', "limits.max_open_notional", "not a plain decimal"),
    (LIMITS + 'max_open_notional = "5\\n"', "limits.max_open_notional", "not a plain decimal"),
    (LIMITS + 'max_open_notional = ""', "limits.max_open_notional", "not a plain decimal"),
    (LIMITS + 'max_open_notional = "unlimited"', "limits.max_open_notional", "not a plain decimal"),
    (LIMITS + 'max_open_notional = "-5"', "limits.max_open_notional", "is negative"),
    (LIMITS + "max_open_notional = -5", "limits.max_open_notional", "is negative"),
    (LIMITS + "max_open_notional = true", "limits.max_open_notional", "true is not an amount"),
    (LIMITS + 'max_open_notional = ["5"]', "limits.max_open_notional", "a list is not an amount"),
    (LIMITS + "max_open_notional = {}", "limits.max_open_notional", "a table is not an amount"),
    (LIMITS + "max_open_notional = 2026-01-01", "limits.max_open_notional", "a date is not an amount"),
    (LIMITS + 'max_open_notional = "1234567890123456"', "limits.max_open_notional", "too many digits"),
    (LIMITS + "max_open_notional = 1234567890123456", "limits.max_open_notional", "is not an amount"),
    (LIMITS + f"max_open_notional = {'0xff' + 'f' * 9000}", "limits.max_open_notional", "a huge number"),
    (LIMITS + 'max_open_notional = "1.123456789"', "limits.max_open_notional", "too many digits"),
    (LIMITS + 'max_open_notional = "0"', "limits.max_open_notional", "greater than zero"),
    (LIMITS + "max_open_notional = 0", "limits.max_open_notional", "greater than zero"),
    (LIMITS + 'max_daily_loss = "0"', "limits.max_daily_loss", "greater than zero"),
    (LIMITS + 'min_free_quote = "-1"', "limits.min_free_quote", "is negative"),
    # counts
    (LIMITS + "max_open_orders = 0", "limits.max_open_orders", "too small"),
    (LIMITS + "max_open_orders = -1", "limits.max_open_orders", "too small"),
    (LIMITS + 'max_open_orders = "-1"', "limits.max_open_orders", "too small"),
    (LIMITS + "max_open_orders = 1000001", "limits.max_open_orders", "too large"),
    (LIMITS + "max_open_orders = 5.0", "limits.max_open_orders", "is a float"),
    (LIMITS + 'max_open_orders = "5.0"', "limits.max_open_orders", "not a whole number"),
    (LIMITS + "max_open_orders = true", "limits.max_open_orders", "not a whole number"),
    (LIMITS + "halt_after_orders = 0", "limits.halt_after_orders", "too small"),
    (LIMITS + "max_calls_per_minute = 0", "limits.max_calls_per_minute", "too small"),
    (CONFIRMATION + "max_outstanding = 0", "confirmation.max_outstanding", "too small"),
    # durations
    (PRICES + "max_age = 5", "prices.max_age", "5 is not a duration"),
    (PRICES + 'max_age = "5"', "prices.max_age", "not a duration"),
    (PRICES + 'max_age = "5 s"', "prices.max_age", "not a duration"),
    (PRICES + 'max_age = "5d"', "prices.max_age", "not a duration"),
    (PRICES + 'max_age = "-5s"', "prices.max_age", "not a duration"),
    (PRICES + 'max_age = "1.5s"', "prices.max_age", "not a duration"),
    (PRICES + 'max_age = "\u0665s"', "prices.max_age", "not a duration"),
    (PRICES + 'max_age = "0s"', "prices.max_age", "longer than zero"),
    (PRICES + 'max_age = "2h"', "prices.max_age", "too long, the most is 1h"),
    (PRICES + 'max_trade_age = "25h"', "prices.max_trade_age", "too long, the most is 24h"),
    (LIMITS + 'duplicate_window = "0s"', "limits.duplicate_window", "longer than zero"),
    (LIMITS + 'anti_slicing_window = "0m"', "limits.anti_slicing_window", "longer than zero"),
    (LIMITS + 'absence_window = "59s"', "limits.absence_window", "too short, the least is 60s"),
    (LIMITS + 'absence_window = "25h"', "limits.absence_window", "too long, the most is 24h"),
    (CONFIRMATION + 'proposal_ttl = "0s"', "confirmation.proposal_ttl", "longer than zero"),
    (CONFIRMATION + 'token_ttl = "999999h"', "confirmation.token_ttl", "too long"),
    # percentages
    (PRICES + "collar = 3", "prices.collar", "3 is not a percentage"),
    (PRICES + "collar = 0.03", "prices.collar", "is a float"),
    (PRICES + 'collar = "0.03"', "prices.collar", "not a percentage"),
    (PRICES + 'collar = "-3%"', "prices.collar", "not a percentage"),
    (PRICES + 'collar = "3 %"', "prices.collar", "not a percentage"),
    (PRICES + 'collar = "101%"', "prices.collar", "over 100%"),
    (PRICES + 'collar = "100.000001%"', "prices.collar", "over 100%"),
    (CONFIRMATION + "max_drift = true", "confirmation.max_drift", "true is not a percentage"),
    # words
    ('environment = "test"', "environment", '"test" is not known here'),
    ("environment = 1", "environment", "1 is not known here"),
    (CONFIRMATION + 'channel = "Terminal"', "confirmation.channel", "not known here"),
    ("[tools]\ncancel_foreign = 1", "tools.cancel_foreign", "neither true nor false"),
    ('[tools]\ncancel_foreign = "false"', "tools.cancel_foreign", "neither true nor false"),
    # lists
    (LIMITS + "rolling_notional = []", "limits.rolling_notional", "is empty"),
    (LIMITS + "max_orders = []", "limits.max_orders", "is empty"),
    (LIMITS + 'rolling_notional = "100"', "limits.rolling_notional", "is not a list of tables"),
    (LIMITS + 'rolling_notional = ["100"]', "limits.rolling_notional[1]", "is not a table"),
    (LIMITS + 'rolling_notional = [{ window = "5m" }]', "limits.rolling_notional[1].max", "required and missing"),
    (LIMITS + "max_orders = [{ max = 5 }]", "limits.max_orders[1].window", "required and missing"),
    (LIMITS + 'max_orders = [{ window = "0s", max = 5 }]', "limits.max_orders[1].window", "longer than zero"),
    (LIMITS + 'max_orders = [{ window = "745h", max = 5 }]', "limits.max_orders[1].window", "the most is 744h"),
    (LIMITS + 'max_orders = [{ window = "1m", max = 0 }]', "limits.max_orders[1].max", "too small"),
    (LIMITS + 'rolling_notional = [{ window = "1m", max = 1.5 }]', "limits.rolling_notional[1].max", "is a float"),
    (LIMITS + 'rolling_notional = [{ window = "1m", max = "0" }]', "limits.rolling_notional[1].max", "greater than"),
    (
        LIMITS + 'max_orders = [{ window = "60s", max = 5 }, { window = "1m", max = 9 }]',
        "limits.max_orders",
        "two limits for the same window",
    ),
    (LIMITS + f"max_orders = [{', '.join(SEVENTEEN)}]", "limits.max_orders", "more than 16 entries"),
    ('[tools]\nallow = "some"', "tools.allow", '"some" is not known here'),
    ("[tools]\nallow = 5", "tools.allow", "5 is not a list"),
    ('[tools]\nallow = ["get_tickr"]', "tools.allow[1]", '"get_tickr" is not known here'),
    ('[tools]\ndeny = ["get_ticker", "withdraw"]', "tools.deny[2]", '"withdraw" is not known here'),
    ("[tools]\ndeny = [1.5]", "tools.deny[1]", "is a float"),
    ('[tools]\nallow = ["create_order"]', "tools.allow", "allows create_order and not cancel_order"),
    ('[tools]\ndeny = ["cancel_order"]', "tools.deny", "allows create_order and not cancel_order"),
    # tables
    ("limits = 5", "limits", "5 is not a table"),
    ("[[limits]]\nmax_open_orders = 5", "limits", "a list is not a table"),
    ("examples = 5", "examples", "5 is not a list of tables"),
    # accounting
    ('[accounting]\ncurrency = "usdt"', "accounting.currency", "not the name of an asset"),
    ("[accounting]\ncurrency = 5", "accounting.currency", "not the name of an asset"),
    ('[accounting]\nconversions = "BTCUSDT"', "accounting.conversions", "is not a table"),
    ('[accounting]\nconversions = { btc = "BTCUSDT" }', "accounting.conversions.btc", "not the name of an asset"),
    ('[accounting]\nconversions = { BTC = "BTC" }', "accounting.conversions.BTC", "BTC does not trade BTC"),
    ('[accounting]\nconversions = { BTC = "ETHUSDT" }', "accounting.conversions.BTC", "ETHUSDT does not trade BTC"),
    ('[accounting]\nconversions = { BTCUSDT = "BTCUSDT" }', "accounting.conversions.BTCUSDT", "does not trade"),
    ("[accounting]\nconversions = { BTC = 1.5 }", "accounting.conversions.BTC", "not the name of a symbol"),
    # symbols
    (SYMBOL.replace('max_notional = "100"\n', ""), "symbols.BTCUSDT.max_notional", "required and missing"),
    (SYMBOL.replace('max_quantity = "0.005"\n', ""), "symbols.BTCUSDT.max_quantity", "required and missing"),
    (SYMBOL.replace('max_position = "0.02"\n', ""), "symbols.BTCUSDT.max_position", "required and missing"),
    (SYMBOL.replace('"100"', '"0"'), "symbols.BTCUSDT.max_notional", "greater than zero"),
    (SYMBOL.replace('"100"', "99.5"), "symbols.BTCUSDT.max_notional", "is a float"),
    (SYMBOL.replace('"0.02"', '"0.000000001"'), "symbols.BTCUSDT.max_position", "too many digits"),
    (SYMBOL.replace("BTCUSDT", "btcusdt"), "symbols.btcusdt", "not the name of a symbol"),
    (SYMBOL.replace("BTCUSDT", '"BTC/USDT"'), 'symbols."BTC/USDT"', "not the name of a symbol"),
    (SYMBOL.replace("BTCUSDT", '"BTCU\\u017fDT"'), 'symbols."BTCU\\u017fDT"', "not the name of a symbol"),
    (SYMBOL.replace("BTCUSDT", "B" * 41), f'symbols."{"B" * 40}..."', "not the name of a symbol"),
    (SYMBOL.replace("BTCUSDT", '"BTC\\u200bUSDT"'), 'symbols."BTC\\u200bUSDT"', "not the name of a symbol"),
    (SYMBOL + "sides = []", "symbols.BTCUSDT.sides", "is empty"),
    (SYMBOL + "order_types = []", "symbols.BTCUSDT.order_types", "is empty"),
    (SYMBOL + "time_in_force = []", "symbols.BTCUSDT.time_in_force", "is empty"),
    (SYMBOL + 'sides = "BUY"', "symbols.BTCUSDT.sides", "is not a list"),
    (SYMBOL + 'sides = ["BUY", "buy"]', "symbols.BTCUSDT.sides[2]", '"buy" is not known here'),
    (SYMBOL + 'sides = ["BUY", "BUY"]', "symbols.BTCUSDT.sides[2]", "is listed twice"),
    (SYMBOL + 'order_types = ["STOP_LOSS"]', "symbols.BTCUSDT.order_types[1]", "STOP_LOSS has no worst price"),
    (SYMBOL + 'order_types = ["TAKE_PROFIT"]', "symbols.BTCUSDT.order_types[1]", "TAKE_PROFIT has no worst price"),
    (SYMBOL + 'order_types = ["OCO"]', "symbols.BTCUSDT.order_types[1]", '"OCO" is not known here'),
    (SYMBOL + 'time_in_force = ["GTX"]', "symbols.BTCUSDT.time_in_force[1]", '"GTX" is not known here'),
    (SYMBOL + "reason = 5", "symbols.BTCUSDT.reason", "is not a string"),
    (SYMBOL + 'reason = " "', "symbols.BTCUSDT.reason", "is empty"),
    (SYMBOL + f'reason = "{"x" * 501}"', "symbols.BTCUSDT.reason", "longer than 500"),
    (SYMBOL + 'reason = "a\\u202eb"', "symbols.BTCUSDT.reason", "cannot be seen"),
    (SYMBOL + 'reason = "a\\nb"', "symbols.BTCUSDT.reason", "more than one line"),
]


@pytest.mark.parametrize(("text", "key", "message"), KINDS, ids=[f"{n}-{k[1]}" for n, k in enumerate(KINDS)])
def test_a_mistake_is_refused_with_its_key_and_its_line(text: str, key: str, message: str) -> None:
    """What does not fit makes the whole policy invalid; the mistake names the key, its line, and what is wrong."""
    whole = "schema = 1\n" + text
    mistake = only_mistake(whole)
    assert mistake.key == key
    assert message in mistake.message
    assert mistake.line is not None
    name = re.sub(r"\[[0-9]+\]$", "", key).rpartition(".")[2].strip('"')
    missing = "missing" in message
    marked = whole.split("\n")[mistake.line - 1]
    assert missing or name in marked or "\\u017f" in marked


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (LIMITS + "max_open_notional = 100.10", 'write it as a string: "100.10"'),
        (PRICES + "collar = 3", '"3%"'),
        (PRICES + "max_age = 5", '"60s"'),
        (LIMITS + 'max_open_notional = "0"', "zero never means unlimited"),
        (SYMBOL + 'order_types = ["STOP_LOSS"]', "STOP_LOSS_LIMIT"),
        (SYMBOL + 'order_types = ["TAKE_PROFIT"]', "TAKE_PROFIT_LIMIT"),
        (SYMBOL + 'sides = ["buy"]', 'did you mean "BUY"?'),
        ('environment = "tesnet"', 'did you mean "testnet"?'),
        ('[tools]\nallow = ["get_tickr"]', 'did you mean "get_ticker"?'),
        ('[tools]\nallow = ["create_order"]', "allow both, or neither"),
    ],
)
def test_a_mistake_says_what_to_write_instead(text: str, hint: str) -> None:
    """The hint is the next thing to type."""
    assert hint in (only_mistake("schema = 1\n" + text).hint or "")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "is required and missing"),
        ("environment = 'paper'", 1, "is required and missing"),
        ("\nschema = 2", 2, "2 is not known"),
        ("schema = true", 1, "true is not known"),
        ('schema = "1"', 1, '"1" is not known'),
        ("schema = 1.0", 1, "is a float"),
        ("schema = []", 1, "a list is not known"),
    ],
)
def test_the_schema_must_be_the_one_that_is_known(text: str, line: int, message: str) -> None:
    """A file without a version, or of another one, is not guessed at."""
    mistake = only_mistake(text)
    assert (mistake.key, mistake.line) == ("schema", line)
    assert message in mistake.message


@pytest.mark.parametrize(
    ("text", "key", "line", "hint"),
    [
        ("[limits]\nmax_open_notinal = 5", "limits.max_open_notinal", 3, "did you mean `max_open_notional`?"),
        ("colar = 5", "colar", 2, "the keys here are: schema, environment, paper,"),
        ("collar = '3%'", "collar", 2, "it belongs in `[prices]`"),
        ("[limits]\nenvironment = 'live'", "limits.environment", 3, "at the top of the file"),
        ("[limit]\nmax_open_orders = 5", "limit", 2, "did you mean `limits`?"),
        (SYMBOL + "max_order_notional = 5", "symbols.BTCUSDT.max_order_notional", 6, "did you mean `max_notional`?"),
        ("[limits]\nmax_orders = [{ window = '1m', max = 5, maxi = 1 }]", "limits.max_orders[1].maxi", 3, "`max`?"),
        ('"" = 5', '""', 2, "the keys here are"),
        (f"{'x' * 9000} = 5", f'"{"x" * 40}..."', 2, "the keys here are"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(text: str, key: str, line: int, hint: str) -> None:
    """A key that guardian does not know could be a limit that the owner relies on, so it is never passed over."""
    mistake = only_mistake("schema = 1\n" + text)
    assert (mistake.key, mistake.line, mistake.message) == (key, line, "there is no such key")
    assert hint in (mistake.hint or "")


def test_thousands_of_unknown_keys_are_all_told_without_a_guess_for_each() -> None:
    """Guessing takes time, so only the first few hundred get one; none is passed over."""
    mistakes = mistakes_of("schema = 1\n" + "".join(f"limit{n} = 1\n" for n in range(3000)))
    assert len(mistakes) == 3000
    assert mistakes[0].hint is not None
    assert mistakes[-1].hint is None


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    """One look at the file is enough to mend all of it."""
    mistakes = mistakes_of(
        """schema = 1
environment = "prod"
[paper]
endpoint = "http://10.0.0.1:1"
[limits]
max_open_notional = 1.5
rolling_notional = [
    { window = "5m", max = "x" },
    # a note
    { window = 24, max = "500" },
]
[prices]
colar = "3%"
[symbols.BTCUSDT]
max_notional = "0"
sides = ["BUY", "HOLD"]
[symbols.eth]
max_notional = "1"
max_quantity = "1"
max_position = "1"
[[examples]]
name = "first"
order = { symbol = "BTCUSDT", side = "BUY", order_type = "LIMIT", quantity = "1" }
[[examples]]
name = "second"
given = { bid = "5", aks = "6" }
order = { symbol = "BTCUSDT", side = "BUY", order_type = "MARKET", quantity = "1" }
expect = { decision = "maybe" }
"""
    )
    assert [(mistake.line, mistake.key) for mistake in mistakes] == [
        (2, "environment"),
        (4, "paper.endpoint"),
        (6, "limits.max_open_notional"),
        (8, "limits.rolling_notional[1].max"),
        (10, "limits.rolling_notional[2].window"),
        (13, "prices.colar"),
        (14, "symbols.BTCUSDT.max_quantity"),
        (14, "symbols.BTCUSDT.max_position"),
        (15, "symbols.BTCUSDT.max_notional"),
        (16, "symbols.BTCUSDT.sides[2]"),
        (17, "symbols.eth"),
        (21, "examples[1].expect.decision"),
        (23, "examples[1].order.price"),
        (26, "examples[2].given.bid"),
        (26, "examples[2].given.aks"),
        (28, "examples[2].expect.decision"),
    ]


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://localhost:18080",
        "https://127.0.0.1:18080",
        "http://127.0.0.1",
        "http://127.0.0.1:18080/",
        "http://127.0.0.1:18080/api",
        "http://127.0.0.1:0",
        "http://127.0.0.1:65536",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:18080?x=1",
        "http://127.0.0.1:18080#x",
        "http://user:pass@127.0.0.1:18080",
        "http://127.0.0.1:18080@evil.example",
        "http://127.0.0.1.evil.example:18080",
        "http://127.0.0.2:18080",
        "http://127.1:18080",
        "http://0.0.0.0:18080",
        "http://[::]:18080",
        "http://::1:18080",
        "http://[::ffff:127.0.0.1]:18080",
        "http://api.binance.com:80",
        "HTTP://127.0.0.1:18080",
        " http://127.0.0.1:18080",
        "http://127.0.0.1:18080\\n",
        "http://127.0.0.1:\uff11\uff18\uff10\uff18\uff10",
        "",
    ],
)
def test_only_loopback_with_a_port_and_nothing_else_is_an_endpoint(endpoint: str) -> None:
    """A simulator runs on this machine; no spelling of another host, a path or a password gets through."""
    text = f'schema = 1\nenvironment = "paper"\n[paper]\nendpoint = "{endpoint}"\napi_key = "a"\napi_secret = "b"\n'
    mistake = only_mistake(text)
    assert (mistake.key, mistake.line) == ("paper.endpoint", 4)
    assert "pass" not in str(mistake)
    assert ("is a name" in mistake.message) == ("localhost" in endpoint)


@pytest.mark.parametrize("value", ["5", "1.5", '""', '"a b"', '"a\\u00e9"', f'"{"a" * 257}"'])
def test_a_paper_key_that_is_none_is_refused_and_never_shown(value: str) -> None:
    """A key is printable ASCII; the mistake says so and does not repeat it."""
    text = 'schema = 1\nenvironment = "paper"\n[paper]\nendpoint = "http://127.0.0.1:1"\napi_key = "a"\n'
    mistake = only_mistake(f"{text}api_secret = {value}\n")
    assert mistake.key == "paper.api_secret"
    assert "aaaa" not in str(mistake)


@pytest.mark.parametrize("present", ["endpoint", "api_key", "api_secret"])
def test_the_three_paper_keys_come_together(present: str) -> None:
    """An endpoint without keys, or keys without an endpoint, is half a setting."""
    values = {"endpoint": "http://127.0.0.1:1", "api_key": "a", "api_secret": "b"}
    text = f'schema = 1\nenvironment = "paper"\n[paper]\n{present} = "{values[present]}"\n'
    assert {mistake.key for mistake in mistakes_of(text)} == {f"paper.{key}" for key in values if key != present}


@pytest.mark.parametrize("environment", ["testnet", "demo", "live"])
def test_paper_keys_are_refused_in_every_other_environment(environment: str) -> None:
    """A leftover address in another environment's policy is a mistake, not a no-op."""
    text = f'schema = 1\nenvironment = "{environment}"\n[paper]\nendpoint = "http://127.0.0.1:1"\n'
    text += '[confirmation]\nproof = "pin"\n'
    mistake = only_mistake(text)
    assert mistake.key == "paper.endpoint"
    assert 'belongs to `environment = "paper"`' in mistake.message


def test_a_misspelt_environment_does_not_make_its_paper_keys_mistakes() -> None:
    """What follows from a mistake is not reported as another one."""
    text = 'schema = 1\nenvironment = "papr"\n[paper]\nendpoint = "http://127.0.0.1:1"\napi_key = "a"\napi_secret = "b"'
    assert only_mistake(text).key == "environment"


@pytest.mark.parametrize("channel", ["chat", "elicit"])
def test_live_refuses_a_channel_in_which_a_program_can_answer(channel: str) -> None:
    """With real money, neither the assistant nor its client gives the proof that a person agreed."""
    confirmation = f'[confirmation]\nproof = "{{proof}}"\nchannel = "{channel}"\n'
    live = 'schema = 1\nenvironment = "live"\n' + confirmation.format(proof="terminal")
    assert "confirmation.channel" in {mistake.key for mistake in mistakes_of(live)}
    for environment in ("paper", "testnet", "demo"):
        load_policy(f'schema = 1\nenvironment = "{environment}"\n' + confirmation.format(proof="terminal"))


def test_live_refuses_an_answer_at_a_terminal_as_proof() -> None:
    """Any program with a shell can type it; a PIN or a passkey is demanded, and the default is neither."""
    live = 'schema = 1\nenvironment = "live"\n'
    assert only_mistake(live).key == "confirmation.proof"
    assert only_mistake(live + '[confirmation]\nproof = "terminal"\n').key == "confirmation.proof"
    for proof in ("pin", "passkey"):
        load_policy(live + f'[confirmation]\nproof = "{proof}"\n')


def test_neither_order_tool_is_a_valid_choice() -> None:
    """A policy may take both away, or leave cancelling alone."""
    load_policy('schema = 1\n[tools]\ndeny = ["create_order", "cancel_order"]')
    load_policy('schema = 1\n[tools]\ndeny = ["create_order"]')
    assert load_policy("schema = 1\n[tools]\nallow = []").tools.allowed == frozenset()


_KEY_LINES = [
    (number, found[1])
    for number, line in enumerate(EXAMPLE.splitlines(), 1)
    if (found := re.match(r"([a-z_]+) =", line))
]


@pytest.mark.parametrize(("number", "key"), _KEY_LINES, ids=[f"{n}-{k}" for n, k in _KEY_LINES])
def test_no_key_of_the_example_policy_can_be_misspelt(number: int, key: str) -> None:
    """Whichever key loses a letter, gains one or is written in capitals, its line is among the mistakes."""
    for wrong in (key[:-1], key + "x", key.upper(), key.replace("_", "-") + "-"):
        lines = EXAMPLE.splitlines()
        lines[number - 1] = lines[number - 1].replace(key, wrong, 1)
        mistakes = mistakes_of("\n".join(lines))
        assert any(m.line == number and m.key.endswith(wrong) for m in mistakes), wrong


@pytest.mark.parametrize(("number", "key"), _KEY_LINES, ids=[f"{n}-{k}" for n, k in _KEY_LINES])
def test_no_key_of_the_example_policy_takes_a_float(number: int, key: str) -> None:
    """Wherever a float is, the policy is invalid and its line is reported."""
    for wrong in ("1.5", "0.0", "nan", "-inf", "1e2"):
        lines = EXAMPLE.splitlines()
        lines[number - 1] = f"{key} = {wrong}"
        assert any(m.line == number for m in mistakes_of("\n".join(lines))), wrong


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("schema = 1\nschema = 1", 2),
        ("schema = 1\n[limits]\nmax_open_orders = 1\nmax_open_orders = 2", 4),
        ("schema = 1\n[limits]\n[prices]\n[limits]", 4),
        ("schema = 1\nlimits = { max_open_orders = 1, max_open_orders = 2 }", 2),
        ("schema = 1\n[limits]\nrolling_notional = 1\n[limits.rolling_notional]", 4),
        ("schema = 1\n[symbols.BTCUSDT]\n[symbols.BTCUSDT]", 3),
        ("schema = 1\n[symbols]\nBTCUSDT.max_notional = 1\nBTCUSDT.max_notional = 2", 4),
    ],
)
def test_what_is_given_twice_is_refused_with_its_line(text: str, line: int) -> None:
    """Of two limits neither is taken."""
    mistake = only_mistake(text)
    assert mistake.line == line
    assert mistake.message == "not readable as TOML: a key or a table is given twice"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("schema = 1\n[limits\n", 2),
        ("schema = 1\nenvironment = live", 2),
        ("schema = 1\n\n\nlimits = {\n", 4),
        ('schema = 1\nenvironment = "paper', 2),
        ("schema = [", 1),
        ("schema = 1\nhello there this is a line of words that somebody typed\n", 2),
    ],
)
def test_what_is_not_toml_is_refused_with_its_line(text: str, line: int) -> None:
    """A slip in the syntax is reported with its line."""
    mistake = only_mistake(text)
    assert (mistake.line, mistake.key) == (line, "")
    assert mistake.message.startswith("not readable as TOML: ")


@pytest.mark.parametrize("path", [*ROOT.glob("*.toml"), *ROOT.glob("policies/*.toml")], ids=lambda path: path.stem)
def test_every_key_of_a_file_has_a_line_and_the_line_has_the_key(path: Path) -> None:
    """The scan for lines finds what the TOML parser finds, each key where it is."""
    text = path.read_text(encoding="utf-8")
    lines, found = text.splitlines(), find_lines(text)
    for place in places(tomllib.loads(text)):
        name = next(str(part) for part in reversed(place) if isinstance(part, str))
        if isinstance(place[-1], str):
            assert name in lines[found.line_of(place) - 1], place
        assert found.line_of(place) >= found.line_of(place[:-1])


def places(value: object, at: KeyPath = ()) -> Iterator[KeyPath]:
    """The path of every key and every list element in a parsed file."""
    items: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value, 1)
    for part, inner in items:
        yield (*at, part)
        yield from places(inner, (*at, part))


def test_the_line_is_right_where_an_example_is_written_as_tables() -> None:
    """`[examples.order]` belongs to the `[[examples]]` above it, and so do the mistakes in it."""
    text = """schema = 1
[[examples]]
name = "first"
[examples.order]
symbol = 1
side = "BUY"
order_type = "MARKET"
quantity = "1"
[examples.expect]
decision = "deny"
[[examples]]
name = "second"
expect.decision = "deny"
[examples.order]
symbol = "BTCUSDT"
side = 2
order_type = "MARKET"
quantity = "1"
"""
    assert [(m.line, m.key) for m in mistakes_of(text)] == [
        (5, "examples[1].order.symbol"),
        (16, "examples[2].order.side"),
    ]


def test_the_line_is_right_however_the_key_is_written() -> None:
    """Dotted keys, quoted keys, keys after long strings and after nested lists have the line that they stand on."""
    text = '''schema = 1
symbols.BTCUSDT.reason = """
[limits]
max_open_orders = 1 # "
"""
symbols.BTCUSDT.'max_notional' = "x"
symbols . "BTCUSDT" . max_quantity = "x"   # ] } "
symbols.BTCUSDT.max_position = \'\'\'x\'\'\'
  [ tools ]  # allow = 1
deny = [ "get_ticker", # "
  "get_ticket" ]
[limits]
max_open_orders = { a = [1, [2, "]"], { b = "}" }], c = 1 }
halt_after_orders = """\\"""\\\\"""'''
    assert [(m.line, m.key) for m in mistakes_of(text)] == [
        (2, "symbols.BTCUSDT.reason"),
        (6, "symbols.BTCUSDT.max_notional"),
        (7, "symbols.BTCUSDT.max_quantity"),
        (8, "symbols.BTCUSDT.max_position"),
        (11, "tools.deny[2]"),
        (13, "limits.max_open_orders"),
        (14, "limits.halt_after_orders"),
    ]
