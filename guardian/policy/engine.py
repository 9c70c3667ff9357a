"""Judges orders: every rule runs, every denial is collected, and the strictest decision wins.

`judge_order` is pure. An exception in a rule is a bug of guardian's and propagates: the gate answers `failed` and
nothing is sent, since a rule that fails must never count as a rule that passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from guardian.domain.codes import Code
from guardian.domain.money import ZERO, plus
from guardian.domain.orders import OrderSpec
from guardian.domain.requests import Request, RequestScope
from guardian.policy.case import Case, Counted, build_case, may_be_exit, sellable
from guardian.policy.exits import with_exit_hints
from guardian.policy.facts import Fact, Facts, Usage
from guardian.policy.model import Policy
from guardian.policy.rules import budget, confirmation, listed, live
from guardian.policy.rules import market as rules_market
from guardian.policy.verdict import Decision, Denial, Verdict


@dataclass(frozen=True, slots=True)
class Rule:
    """One check and the facts that it looks at. Most checks find one denial or none, and some find several."""

    check: Callable[[Case], Denial | Iterable[Denial] | None]
    needs: frozenset[Fact] = frozenset()


_U, _I, _B, _A = Fact.USAGE, Fact.INSTRUMENT, Fact.BOOK, Fact.AVERAGE

ALWAYS: Final = (
    Rule(listed.trading_state, frozenset({_U})),
    Rule(listed.halt_after_orders, frozenset({_U})),
    Rule(listed.policy_valid),
    Rule(listed.environment),
    Rule(listed.policy_approved),
    Rule(live.proof_available),
    Rule(live.keys_checked),
    Rule(live.armed),
    Rule(listed.tool_allowed),
    Rule(listed.compared),
    Rule(budget.calls, frozenset({_U})),
    Rule(listed.symbol_listed),
)
"""Rules that need nothing from the exchange. A symbol that the policy does not list is judged by these alone, unless
the order can be an exit."""

LISTED: Final = (
    Rule(listed.side_allowed),
    Rule(listed.order_type_allowed),
    Rule(listed.time_in_force_allowed),
    Rule(rules_market.instrument_trading, frozenset({_I})),
    Rule(rules_market.exchange_filters, frozenset({_I, _A, _U, Fact.BALANCES, Fact.OPEN_ORDERS})),
    Rule(rules_market.price_usable, frozenset({_B})),
    Rule(rules_market.price_average, frozenset({_A, _B})),
    Rule(rules_market.collar, frozenset({_I, _B})),
    Rule(rules_market.stop_distance, frozenset({_I, _B})),
    Rule(budget.countable, frozenset({_U})),
    Rule(budget.convertible, frozenset({_I, _A, Fact.RATES, Fact.STATUS})),
    Rule(budget.max_notional, frozenset({_I, _B, Fact.RATES})),
    Rule(budget.slicing, frozenset({_I, _B, Fact.RATES, _U})),
    Rule(budget.max_quantity, frozenset({_I})),
    Rule(budget.max_position, frozenset({_U})),
    Rule(budget.max_open_notional, frozenset({_I, _B, Fact.RATES, _U})),
    Rule(budget.max_open_orders, frozenset({_U})),
    Rule(budget.rolling_notional, frozenset({_I, _B, Fact.RATES, _U})),
    Rule(budget.max_orders, frozenset({_U})),
    Rule(budget.daily_loss, frozenset({_I, _B, _A, Fact.RATES, Fact.STATUS, Fact.DAY, _U})),
    Rule(budget.duplicate, frozenset({_U})),
    Rule(budget.unresolved, frozenset({_U})),
    Rule(budget.free_quote, frozenset({_I, _B, Fact.BALANCES})),
    Rule(budget.free_base, frozenset({_I, _B, Fact.BALANCES})),
    Rule(rules_market.clock, frozenset({Fact.CLOCK})),
    Rule(confirmation.still_holds, frozenset({_B})),
)
"""The rules for a listed symbol and for exits, after ALWAYS; their order is the precedence of the denials."""


_ALL: Final = ALWAYS + LISTED


def rules_for(spec: OrderSpec, policy: Policy, *, may_exit: bool) -> tuple[Rule, ...]:
    """Returns the rules that judge this order; `may_exit` is the answer of `may_be_exit`."""
    return _ALL if may_exit or spec.symbol in policy.symbols else ALWAYS


def needed_facts(spec: OrderSpec, policy: Policy, *, may_exit: bool) -> frozenset[Fact]:
    """Returns the facts that the rules for this order look at."""
    return frozenset[Fact]().union(*(rule.needs for rule in rules_for(spec, policy, may_exit=may_exit)))


def judge_order(spec: OrderSpec, facts: Facts, policy: Policy) -> Verdict:
    """Judges one order on these facts under this policy: `deny > confirm > allow`, with every denial."""
    case = build_case(spec, facts, policy)
    # Only an order for a symbol that is not listed is judged by fewer rules, unless it can be an exit.
    held = ZERO if case.limits is not None or facts.usage is None else sellable(facts.usage)
    rules = rules_for(spec, policy, may_exit=may_be_exit(spec, held))
    denials = _denials(case, rules)
    counted, usage, decision, mandate_id = case.counted, facts.usage, Decision.DENY, None
    if denials:
        denials = with_exit_hints(case, named_once(denials))
    else:
        if counted is None or usage is None:
            # No rule denied, and yet the order's cost is unknown: unknown means no.
            denials.append(Denial(code=Code.NOTIONAL_UNKNOWN, message="the worst-case cost of the order is unknown"))
        else:
            mandate_id = None if facts.confirmed is not None else confirmation.covering_mandate(case, counted)
            decision = Decision.ALLOW if mandate_id is not None else _confirm_or_allow(case, counted, usage)
    return Verdict(
        decision=decision,
        denials=tuple(denials),
        order=case.order,
        notional=None if counted is None else counted.notional,
        quote_notional=None if case.priced is None else case.priced.quote_notional,
        is_exit=case.is_exit,
        mandate_id=mandate_id,
    )


def _denials(case: Case, rules: Iterable[Rule]) -> list[Denial]:
    """Returns what the rules deny, in their order."""
    denials: list[Denial] = []
    for rule in rules:
        found = rule.check(case)
        if found is None:
            continue
        if isinstance(found, Denial):
            denials.append(found)
        else:
            denials.extend(found)
    return denials


def named_once(denials: Iterable[Denial]) -> list[Denial]:
    """Returns the denials without those that repeat the code and the message of another; the one with a hint is kept.

    Two rules may need a fact that is missing, and each says so.
    """
    found: dict[tuple[Code, str], Denial] = {}
    for denial in denials:
        first = found.setdefault((denial.code, denial.message), denial)
        if first.hint is None:
            found[denial.code, denial.message] = denial
    return list(found.values())


def _confirm_or_allow(case: Case, counted: Counted, usage: Usage) -> Decision:
    """CONFIRM where this order, with what went unconfirmed since a person last acted, exceeds the threshold.

    An exit always needs confirmation where it has no symbol limits, since the owner has removed the symbol, and where
    its value is in doubt. Any order needs confirmation where what went unconfirmed is unknown.
    """
    if case.facts.confirmed is not None:
        return Decision.ALLOW
    if case.limits is None or counted.is_value_unknown or not usage.is_unconfirmed_known:
        return Decision.CONFIRM
    unconfirmed = plus(usage.unconfirmed_since_person, counted.notional)
    return Decision.CONFIRM if unconfirmed > case.policy.confirmation.required_above else Decision.ALLOW


def judge_tool(request: Request, policy: Policy, calls_last_minute: int) -> Verdict:
    """Judges any other request: whether the tool is allowed, and whether the budget of calls has room.

    No policy denies a cancel: the gate finds out whether the order may be cancelled.
    """
    if request.scope is RequestScope.CANCEL:
        return Verdict(decision=Decision.ALLOW)
    denials = []
    if request.tool not in policy.tools.allowed:
        denials.append(listed.tool_denial(request.tool))
    most = policy.limits.max_calls_per_minute
    if calls_last_minute > most:
        denials.append(budget.calls_denial(calls_last_minute, most))
    return Verdict(decision=Decision.DENY if denials else Decision.ALLOW, denials=tuple(denials))
