"""What counts as looser: never less than what lets an order through, by the engine's own judgement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from guardian.domain.orders import OrderSide, OrderSpec, OrderType, TimeInForce
from guardian.domain.owner.proof import Proof
from guardian.domain.secrets import Secret
from guardian.domain.trading import Environment
from guardian.policy.engine import judge_order
from guardian.policy.facts import Facts
from guardian.policy.looser import IGNORED, IGNORED_OF_SYMBOLS, SECTIONS, PolicyComparison, compare_policies
from guardian.policy.model import Channel, CountWindow, Example, NotionalWindow, PaperSettings, Policy
from guardian.policy.permissions import ExtraPermission
from guardian.policy.verdict import Decision
from tests.policy.builders import (
    DAY,
    ETHBTC,
    FIVE_MINUTES,
    MINUTE,
    NOW_MS,
    a_book,
    a_market,
    a_policy,
    an_average,
    an_instrument,
    an_order,
    cross_facts,
    facts,
    held,
    opened,
    symbol_limits,
)
from tests.policy.test_engine_properties import some, specs
from tests.support.profiles import tries

D = Decimal
FREEDOM = {Decision.DENY: 0, Decision.CONFIRM: 1, Decision.ALLOW: 2}


def compared(**changed: Any) -> PolicyComparison:
    """The default policy with other values of some of its keys, compared with the default one."""
    return compare_policies(a_policy(), a_policy(**changed))


def windows(*pairs: tuple[int, str]) -> tuple[NotionalWindow, ...]:
    return tuple(NotionalWindow(window_ms=length, maximum=D(most)) for length, most in pairs)


TIGHTER: dict[str, tuple[str, object]] = {
    "limits.max_open_notional": ("max_open_notional", D(200)),
    "limits.rolling_notional": ("rolling_notional", windows((FIVE_MINUTES, "100"), (DAY, "500"))),
    "limits.max_orders": (
        "max_orders",
        (CountWindow(window_ms=MINUTE, maximum=5), CountWindow(window_ms=DAY, maximum=40)),
    ),
    "limits.max_open_orders": ("max_open_orders", 4),
    "limits.max_daily_loss": ("max_daily_loss", D(50)),
    "limits.duplicate_window": ("duplicate_window_ms", 61_000),
    "limits.anti_slicing_window": ("anti_slicing_window_ms", 900_001),
    "limits.absence_window": ("absence_window_ms", 900_001),
    "limits.halt_after_orders": ("halt_after_orders", 19),
    "limits.max_calls_per_minute": ("max_calls_per_minute", 119),
    "limits.min_free_quote": ("min_free_quote", D(1)),
    "prices.collar": ("collar", D("0.02")),
    "prices.stop_distance": ("stop_distance", D("0.1")),
    "confirmation.required_above": ("required_above", D(999)),
    "confirmation.proposal_ttl": ("proposal_ttl_ms", 1),
    "confirmation.token_ttl": ("token_ttl_ms", 1),
    "confirmation.max_outstanding": ("max_outstanding", 2),
    "confirmation.max_drift": ("max_drift", D("0.004")),
    "confirmation.proof": ("proof", Proof.PIN),
    "live.loosening_delay": ("loosening_delay_ms", 600_001),
    "tools.allow": ("allowed", frozenset({"get_balance"})),
    "symbols.BTCUSDT.max_notional": ("symbol", {"max_notional": D(99)}),
    "symbols.BTCUSDT.max_quantity": ("symbol", {"max_quantity": D("0.004")}),
    "symbols.BTCUSDT.max_position": ("symbol", {"max_position": D("0.01")}),
    "symbols.BTCUSDT.sides": ("symbol", {"sides": frozenset({OrderSide.SELL})}),
    "symbols.BTCUSDT.order_types": ("symbol", {"order_types": frozenset({OrderType.LIMIT})}),
    "symbols.BTCUSDT.time_in_force": ("symbol", {"time_in_force": frozenset({TimeInForce.IOC})}),
}
"""By dotted key: the field of the builder, and a value that is tighter than its default."""


@pytest.mark.parametrize("key", TIGHTER)
def test_tighter_value_is_tighter_and_the_way_back_is_looser(key: str) -> None:
    """Each key in its own direction; both values are in the sentence."""
    name, value = TIGHTER[key]
    changed: dict[str, Any] = {name: value}
    tighter = a_policy(**changed)
    there, back = compare_policies(a_policy(), tighter), compare_policies(tighter, a_policy())
    assert ([change.key for change in there.tighter], there.looser) == ([key], ())
    assert ([change.key for change in back.looser], back.tighter) == ([key], ())
    assert back.is_purely_looser
    assert not there.is_purely_looser
    assert str(back.looser[0]) == f"`{key}` goes from {there.tighter[0].after} to {there.tighter[0].before}"


@pytest.mark.parametrize(
    ("key", "changed"),
    [
        ("prices.market_buffer", {"market_buffer": D("0.005")}),
        ("prices.market_buffer", {"market_buffer": D("0.02")}),
        ("prices.max_age", {"max_age_ms": 4000}),
        ("prices.max_age", {"max_age_ms": 6000}),
        ("prices.max_trade_age", {"max_trade_age_ms": 1000}),
        ("prices.max_divergence", {"max_divergence": D("0.01")}),
        ("accounting.currency", {"currency": "USDC"}),
        ("accounting.conversions", {"conversions": {"BTC": "BTCUSDT", "ETH": "ETHUSDT"}}),
        ("accounting.conversions", {"conversions": {"BTC": "BTCUSDT", "ETH": "ETHBTC", "BNB": "BNBUSDT"}}),
        ("confirmation.channel", {"channel": Channel.CHAT}),
        ("confirmation.channel", {"channel": Channel.ELICIT}),
        ("tools.cancel_foreign", {"cancel_foreign": True}),
        ("environment", {"environment": Environment.LIVE}),
        ("limits.rolling_notional", {"rolling_notional": windows((DAY, "500"))}),
        ("limits.rolling_notional", {"rolling_notional": windows((FIVE_MINUTES + 1, "201"), (DAY, "500"))}),
        ("limits.rolling_notional", {"rolling_notional": windows((FIVE_MINUTES - 1, "200"), (DAY, "500"))}),
        ("limits.max_orders", {"max_orders": (CountWindow(window_ms=MINUTE, maximum=5),)}),
    ],
)
def test_what_is_not_surely_tighter_counts_as_looser(key: str, changed: dict[str, Any]) -> None:
    """A change that reads tighter may let through what was denied, and a window that is gone bounds nothing."""
    found = compared(**changed)
    assert [change.key for change in found.looser] == [key]
    assert found.tighter == ()


@pytest.mark.parametrize(
    "changed",
    [
        windows((FIVE_MINUTES, "200"), (DAY, "500"), (MINUTE, "50")),
        windows((DAY, "200")),
        windows((FIVE_MINUTES, "150"), (DAY, "500")),
    ],
)
def test_window_that_another_implies_may_go(changed: tuple[NotionalWindow, ...]) -> None:
    """One as long or longer that allows as much or less bounds the shorter one too."""
    assert compared(rolling_notional=changed).looser == ()


def test_channel_of_the_terminal_is_the_tightest() -> None:
    """From the chat or an elicitation to the terminal is tighter, between those two it is not."""
    chat, elicit = a_policy(channel=Channel.CHAT), a_policy(channel=Channel.ELICIT)
    assert compare_policies(chat, a_policy()).looser == ()
    assert compare_policies(elicit, a_policy()).looser == ()
    assert compare_policies(chat, elicit).looser
    assert compare_policies(elicit, chat).looser


def test_permission_that_a_key_may_have_is_looser() -> None:
    """A key with it passes then; without it fewer keys do."""
    margin = a_policy(allow_permissions=frozenset({ExtraPermission.MARGIN}))
    assert [change.key for change in compare_policies(a_policy(), margin).looser] == ["live.allow_permissions"]
    assert compare_policies(margin, a_policy()).looser == ()


def test_symbol_that_is_added_is_looser_and_one_that_is_gone_is_tighter() -> None:
    """An added symbol is named whole."""
    with_it = a_policy(symbols={"BTCUSDT": symbol_limits(), "ETHUSDT": symbol_limits()})
    without_it = a_policy(symbols={"BTCUSDT": symbol_limits()})
    assert [str(change) for change in compare_policies(without_it, with_it).looser] == [
        "`symbols.ETHUSDT` goes from not listed to listed"
    ]
    assert compare_policies(with_it, without_it).looser == ()
    assert [change.key for change in compare_policies(with_it, without_it).tighter] == ["symbols.ETHUSDT"]


def test_policy_that_is_looser_here_and_tighter_there_is_neither() -> None:
    """A mixed policy is not purely looser."""
    mixed = compared(max_open_notional=D(400), max_open_orders=1)
    assert [change.key for change in mixed.looser] == ["limits.max_open_notional"]
    assert [change.key for change in mixed.tighter] == ["limits.max_open_orders"]
    assert not mixed.is_purely_looser


def test_reasons_examples_and_comments_change_nothing() -> None:
    """What no order depends on is in neither list."""
    example = Example(name="x", given={}, order={}, decision="deny")
    later = replace(a_policy({"reason": "for a while"}), examples=(example,), digest="d2", text="# other")
    assert compare_policies(a_policy(), later) == PolicyComparison()


def test_paper_exchange_elsewhere_is_looser_and_its_secret_is_not_shown() -> None:
    """Another simulator is another exchange."""
    paper = PaperSettings(endpoint="http://127.0.0.1:1", api_key=Secret("KEY"), api_secret=Secret("HIDDEN"))
    found = compare_policies(a_policy(), replace(a_policy(), paper=paper))
    assert [change.key for change in found.looser] == ["paper.endpoint", "paper.api_key", "paper.api_secret"]
    assert "HIDDEN" not in str(found) + "".join(map(str, found.looser))


def test_price_key_says_why_it_is_looser_either_way() -> None:
    """A person who tightens it is told why a yes is needed."""
    (change,) = compared(market_buffer=D("0.005")).looser
    assert str(change).startswith("`prices.market_buffer` goes from 1% to 0.5% (either way: ")


def test_values_are_written_as_in_the_file() -> None:
    """Durations, percentages, windows and lists of words."""
    (age,) = compared(max_age_ms=1500).looser
    assert (age.before, age.after) == ("5s", "1500ms")
    (rolling,) = compared(rolling_notional=windows((DAY, "500"), (MINUTE, "1.50"))).looser
    assert (rolling.before, rolling.after) == ("200 in 5m and 500 in 24h", "1.5 in 1m and 500 in 24h")
    (tools,) = compared(allowed=frozenset[str]()).tighter
    assert tools.after == "none"
    (conversions,) = compared(conversions={}).looser
    assert conversions.after == "none"


def test_every_key_of_the_policy_has_a_direction_or_is_named_here() -> None:
    """A key that is added is looser however it changes, until somebody says when it is tighter."""
    policy = a_policy()
    without_direction = {
        f"{section.name}.{one.name}"
        for section in fields(Policy)
        if section.name not in IGNORED
        for part in [policy.symbols["BTCUSDT"] if section.name == "symbols" else getattr(policy, section.name)]
        for one in (fields(part) if is_dataclass(part) else ())
        if one.name not in SECTIONS.get(section.name, {}) and one.name not in IGNORED_OF_SYMBOLS
    }
    assert without_direction == {"paper.endpoint", "paper.api_key", "paper.api_secret"}


# -- the engine as the judge


def scaled(value: Any, factor: Decimal) -> Any:
    return value * factor if isinstance(value, Decimal) else max(1, int(value * factor))


FACTORS = ("0.1", "0.5", "0.9", "1.1", "2", "10")
Change = Callable[[Policy, Any], Policy]


def _number(section: str, name: str) -> Change:
    def change(policy: Policy, factor: Decimal) -> Policy:
        part = getattr(policy, section)
        return replace(policy, **{section: replace(part, **{name: scaled(getattr(part, name), factor)})})

    return change


def _of_symbol(symbol: str, name: str) -> Change:
    def change(policy: Policy, factor: Decimal) -> Policy:
        if symbol not in policy.symbols:
            return policy
        limits = policy.symbols[symbol]
        found = getattr(limits, name)
        new = scaled(found, factor) if isinstance(found, Decimal) else frozenset(sorted(found)[: int(factor * 2)])
        changed: dict[str, Any] = {name: new or found}
        return replace(policy, symbols={**policy.symbols, symbol: replace(limits, **changed)})

    return change


def _of_windows(name: str) -> Change:
    def change(policy: Policy, factor: Decimal) -> Policy:
        before = getattr(policy.limits, name)
        if factor in {D("0.1"), D(10)}:  # the shape: one gone, or another length
            kept = before[1:] if factor > 1 else (replace(before[0], window_ms=before[0].window_ms * 2), *before[1:])
        else:
            kept = tuple(replace(one, maximum=scaled(one.maximum, factor)) for one in before)
        changed: dict[str, Any] = {name: kept}
        return replace(policy, limits=replace(policy.limits, **changed))

    return change


def _unlisted(policy: Policy, factor: Decimal) -> Policy:
    return replace(policy, symbols={name: one for name, one in policy.symbols.items() if name != "ETHBTC"})


def _no_conversion(policy: Policy, factor: Decimal) -> Policy:
    return replace(policy, accounting=replace(policy.accounting, conversions={}))


NUMBERS = [
    *(("limits", name) for name in SECTIONS["limits"] if name not in {"rolling_notional", "max_orders"}),
    *(("prices", name) for name in SECTIONS["prices"]),
    *(("confirmation", name) for name in SECTIONS["confirmation"] if name not in {"channel", "proof"}),
]
CHANGES: list[Change] = [
    *(_number(section, name) for section, name in NUMBERS),
    *(_of_symbol(symbol, name) for symbol in ("BTCUSDT", "ETHBTC") for name in SECTIONS["symbols"]),
    _of_windows("rolling_notional"),
    _of_windows("max_orders"),
    _unlisted,
    _no_conversion,
]


def changed_by(policy: Policy, changes: list[tuple[Change, str]]) -> Policy:
    for change, factor in changes:
        policy = change(policy, D(factor))
    return policy


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Policy, Policy]:
    """A policy in which most orders pass, and the same after a few changes of its keys in either direction."""
    some_changes = st.lists(st.tuples(st.sampled_from(CHANGES), st.sampled_from(FACTORS)), min_size=1, max_size=2)
    usual = a_policy(
        symbols={"BTCUSDT": symbol_limits(), "ETHBTC": symbol_limits(max_quantity=D(2), max_position=D(5))},
        required_above=draw(some("0", "60", "1000")),
    )
    before = changed_by(usual, draw(st.one_of(st.just([]), some_changes)))
    after = changed_by(before, draw(some_changes))
    return (after, before) if compare_policies(before, after).looser else (before, after)


NEAR: list[dict[str, Any]] = [
    *({"books": {"BTCUSDT": a_book(D(bid), D(bid) + 1, age), "ETHBTC": a_book("0.05", "0.05001", leg)}}
      for bid in ("60000", "59700", "60900") for age, leg in ((0, 0), (900, 0), (3000, 0), (0, 3000))),
    *({"averages": {"BTCUSDT": an_average(price, age), "ETHBTC": an_average("0.05", leg)}}
      for price in ("60000", "59500") for age, leg in ((0, 0), (100_000, 0), (0, 100_000))),
    *({"entered": {FIVE_MINUTES: D(much), DAY: D(much)}} for much in ("40", "100", "140", "440")),
    *({"ordered": {MINUTE: count, DAY: count}} for count in (1, 2, 4, 8, 40)),
    *({"open_notional": D(much)} for much in ("40", "140", "240")),
    *({"open_orders": count} for count in (1, 2, 4)),
    *({"position": D(much)} for much in ("0.0005", "0.001", "0.019", "0.5")),
    *({"position": D(much), "sliced_entered": D(40)} for much in ("0.001", "0.5")),
    {"sliced_entered": D(40)},
    *({"orders_since_person": count} for count in (4, 10, 19)),
    *({"unconfirmed_since_person": D(much)} for much in ("10", "40", "900")),
    *({"calls_last_minute": count} for count in (30, 70, 120)),
    *({"traded": (held("0.001", "0.001", cash),), "day_opens": {"BTCUSDT": opened("60000")}}
      for cash in ("-9", "-40", "-60", "-99")),
    *({"traded": (held("0.00005", "0", cash),)} for cash in ("-9", "-52", "-53.0001")),
    *({"free": {"USDT": D(much), "BTC": D(5)}} for much in ("60", "61", "110")),
]  # fmt: skip
"""What can be near a limit: one field of the facts, or a few that belong together."""


@st.composite
def near_facts(draw: st.DrawFn) -> Facts:
    """A calm market and past, but for at most two things."""
    calm: dict[str, Any] = {
        "instruments": {"BTCUSDT": an_instrument(), "ETHBTC": ETHBTC},
        "books": {"BTCUSDT": a_book(), "ETHBTC": a_book("0.05", "0.05001")},
        "averages": {"BTCUSDT": an_average(), "ETHBTC": an_average("0.05")},
        "entered": {FIVE_MINUTES: D(0), DAY: D(0)},
        "free": {"USDT": D(10000), "BTC": D(5), "ETH": D(5)},
        "held": {"USDT": D(10000), "BTC": D(5), "ETH": D(5)},
    }
    for one in draw(st.lists(st.sampled_from(NEAR), max_size=2)):
        calm |= one
    averages = calm.pop("averages")
    return replace(facts(**calm), averages=averages)


@st.composite
def orders(draw: st.DrawFn) -> OrderSpec:
    """Orders of a size that passes, or nearly does."""
    spec = draw(specs())
    sizes = ("0.0005", "0.001", "0.00165", "0.0017") if spec.symbol == "BTCUSDT" else ("0.01", "0.02", "0.033")
    return spec if spec.quantity is None else replace(spec, quantity=draw(some(*sizes)))


@st.composite
def pasts(draw: st.DrawFn) -> Mapping[str, int | None]:
    """How long ago the same order was sent, and an order over the cap was denied; None for never."""
    ages = st.sampled_from([None] * 9 + [1, 30_000, 60_000, 100_000, 600_000, 1_000_000])
    return {"duplicate": draw(ages), "sliced": draw(ages)}


def seen_by(policy: Policy, given_facts: Facts, past: Mapping[str, int | None]) -> Facts:
    """The facts as the store would count them for a policy: its windows over one past."""
    usage = given_facts.usage
    assert usage is not None
    limits = policy.limits
    duplicate, sliced = past["duplicate"], past["sliced"]
    return replace(
        given_facts,
        confirmed=None,
        usage=replace(
            usage,
            entered={one.window_ms: entered(usage.entered[DAY], one.window_ms) for one in limits.rolling_notional},
            ordered={one.window_ms: int(entered(D(usage.ordered[DAY]), one.window_ms)) for one in limits.max_orders},
            duplicate_of=None if duplicate is None or duplicate > limits.duplicate_window_ms else "g1-a",
            sliced_since_ms=None if sliced is None or sliced > limits.anti_slicing_window_ms else NOW_MS - sliced,
        ),
    )


def entered(of_a_day: Decimal, window_ms: int) -> Decimal:
    """What was entered within a window: more within a longer one."""
    return of_a_day if window_ms >= FIVE_MINUTES else of_a_day / 2


@settings(max_examples=tries(3000), deadline=None, suppress_health_check=list(HealthCheck))
@given(pairs(), orders(), near_facts(), pasts())
def test_policy_without_a_looser_key_lets_nothing_more_through(
    pair: tuple[Policy, Policy], spec: OrderSpec, given_facts: Facts, past: Mapping[str, int | None]
) -> None:
    """Whatever the order and the past: what was denied stays denied, and what was asked about is asked about.

    Aside from exits of a symbol that was taken away: each is put before a person, under no cap of its own.
    """
    before, after = pair
    assume(not compare_policies(before, after).looser)
    old = judge_order(spec, seen_by(before, given_facts, past), before)
    new = judge_order(spec, seen_by(after, given_facts, past), after)
    event(f"{old.decision.value} to {new.decision.value}")
    if spec.symbol in before.symbols and spec.symbol not in after.symbols and new.is_exit:
        assert new.decision is not Decision.ALLOW
        return
    assert FREEDOM[new.decision] <= FREEDOM[old.decision]


def decisions(before: Policy, after: Policy, spec: OrderSpec, given_facts: Facts) -> tuple[str, str]:
    return judge_order(spec, given_facts, before).decision.value, judge_order(spec, given_facts, after).decision.value


def test_smaller_market_buffer_lets_through_what_was_denied() -> None:
    """It reads tighter: the order then costs less at worst, and fits a cap that it did not fit before."""
    before, after = (a_policy({"max_notional": D(90)}, market_buffer=D(buffer)) for buffer in ("0.01", "0.005"))
    assert decisions(before, after, a_market(quantity="0.00149"), facts()) == ("deny", "allow")
    assert compare_policies(before, after).looser


def test_larger_market_buffer_lets_through_what_was_denied() -> None:
    """An order by value then buys less, and fits a quantity that it did not fit before."""
    before, after = (a_policy({"max_quantity": D("0.00164")}, market_buffer=D(buffer)) for buffer in ("0.01", "0.02"))
    assert decisions(before, after, a_market(quote_quantity="100"), facts()) == ("deny", "allow")
    assert compare_policies(before, after).looser


def test_stricter_age_of_prices_asks_about_an_exit_that_was_denied() -> None:
    """The exit is over the cap by a price of its conversion; without that price a person is asked about it."""
    stale_leg = {"ETHBTC": a_book("0.05", "0.05001"), "BTCUSDT": a_book(age_ms=3000)}
    sell = an_order(symbol="ETHBTC", side=OrderSide.SELL, quantity="0.04", price="0.05")
    given_facts = cross_facts(books=stale_leg, position=D("0.04"))
    after = a_policy(max_age_ms=2000)
    assert decisions(a_policy(), after, sell, given_facts) == ("deny", "confirm")
    assert compare_policies(a_policy(), after).looser


def test_shorter_window_lets_through_what_a_longer_one_denied() -> None:
    """The same sum in a shorter window bounds less."""
    before, after = (a_policy(rolling_notional=windows((length, "100"))) for length in (DAY, MINUTE))
    given_facts = facts(entered={DAY: D(90), MINUTE: D(0)})
    assert decisions(before, after, an_order(), given_facts) == ("deny", "allow")
    assert compare_policies(before, after).looser
