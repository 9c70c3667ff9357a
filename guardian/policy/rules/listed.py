"""Rules on the state of trading and on what the policy lists. One rule, one function; the engine has their order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from guardian.domain.codes import Code
from guardian.domain.money import plain
from guardian.domain.orders import STOP_LIMIT_TYPES, OrderSide, OrderSpec, OrderType
from guardian.domain.requests import CreateOrder
from guardian.domain.trading import TradingState
from guardian.policy.case import Case
from guardian.policy.facts import Fact
from guardian.policy.verdict import Denial

_LIMIT_FORMS: Final = {
    OrderType.STOP_LOSS: OrderType.STOP_LOSS_LIMIT,
    OrderType.TAKE_PROFIT: OrderType.TAKE_PROFIT_LIMIT,
}
"""The form of a stop that has a worst price."""


def trading_state(case: Case) -> Denial | None:
    """No order while trading is halted; exits alone while it is reducing. What cannot be read counts as halted."""
    usage = case.facts.usage
    if usage is None:
        why = case.facts.missing.get(Fact.USAGE, "the store did not answer")
        return Denial(code=Code.USAGE_UNKNOWN, message=f"what was entered before is not known: {why}")
    if usage.trading is TradingState.HALTED:
        return Denial(
            code=Code.TRADING_HALTED,
            message=f"trading is halted: {usage.halt_reason or 'no reason was given'}",
            hint="the owner can run `guardian resume`; reads and cancels keep working",
        )
    if usage.trading is TradingState.REDUCING and not case.is_exit:
        return Denial(
            code=Code.TRADING_REDUCING,
            message=f"trading is reducing: {usage.halt_reason or 'no reason was given'}; "
            "only selling back what guardian bought passes",
            hint="sell no more than guardian bought and neither sold nor offered; the owner can run `guardian resume`",
        )
    return None


def halt_after_orders(case: Case) -> Denial | None:
    """After `limits.halt_after_orders` orders without a person acting, only exits pass."""
    usage, most = case.facts.usage, case.policy.limits.halt_after_orders
    if usage is None or usage.trading is not TradingState.ACTIVE or case.is_exit:
        return None
    if usage.orders_since_person >= most:
        return Denial(
            code=Code.TRADING_REDUCING,
            message="this many orders were sent without a person acting; only selling back what guardian bought passes",
            observed=str(usage.orders_since_person),
            limit=str(most),
            hint="a person can run `guardian resume`",
        )
    return None


def policy_valid(case: Case) -> Denial | None:
    """No order while the policy file is missing or has mistakes; the last good policy serves reads and cancels."""
    problems = case.facts.policy_problems
    if problems:
        return Denial(
            code=Code.POLICY_INVALID,
            message=f"the policy file cannot be used: {'; '.join(problems[:5])}",
            observed="1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes",
            hint="mend the file; `guardian policy check` lists every mistake, and no restart is needed",
        )
    return None


def environment(case: Case) -> Denial | None:
    """The policy is for the environment that this process runs in."""
    if case.policy.environment is not case.facts.environment:
        return Denial(
            code=Code.POLICY_ENVIRONMENT_CHANGED,
            message="the policy now names another environment; it takes effect at the next start",
            observed=case.facts.environment.value,
            limit=case.policy.environment.value,
            hint="restart guardian to trade there, or change `environment` back",
        )
    return None


def policy_approved(case: Case) -> Denial | None:
    """A person approved the policy, where edits that loosen it need that: on `live`, and above the floor of a terminal.

    Exits are held back too: they are judged by the caps of a policy that nobody agreed to.
    """
    if case.facts.unapproved is not None:
        return Denial(
            code=Code.POLICY_NOT_APPROVED,
            message=f"the policy is not approved: {case.facts.unapproved}",
            hint="the owner can run `guardian policy approve`; reads and cancels work",
        )
    return None


def compared(case: Case) -> Denial | None:
    """Guardian's orders were compared with the exchange's since this process started, so that the budgets are true.

    An exit passes: it sells what is known to be held.
    """
    if case.facts.uncompared is not None and not case.is_exit:
        return Denial(
            code=Code.ORDERS_NOT_COMPARED,
            message="guardian's orders could not be compared with the exchange's since this process started: "
            f"{case.facts.uncompared}",
            hint="ask again in a moment: each order tries it once more; selling back what guardian bought passes",
        )
    return None


def tool_allowed(case: Case) -> Denial | None:
    """The policy allows `create_order`."""
    if CreateOrder.tool not in case.policy.tools.allowed:
        return tool_denial(CreateOrder.tool)
    return None


def tool_denial(tool: str) -> Denial:
    """Returns the denial of a tool that the policy does not allow."""
    return Denial(
        code=Code.TOOL_NOT_ALLOWED,
        message=f"the policy does not allow `{tool}`",
        hint="the owner can change `[tools]` in the policy",
    )


def symbol_listed(case: Case) -> Denial | None:
    """The policy has limits for the symbol; what is not listed is denied, but for an exit.

    An exit without symbol limits is bounded by what guardian bought, and `engine` always requires confirmation.
    """
    if case.limits is None and not case.is_exit:
        listed = ", ".join(sorted(case.policy.symbols)) or "none"
        return Denial(
            code=Code.SYMBOL_NOT_LISTED,
            message="the policy does not list this symbol",
            observed=case.spec.symbol,
            limit=listed,
            hint=f"use a listed symbol, or the owner can add `{_table(case.spec.symbol)}` to the policy; selling what "
            "guardian bought of it passes",
        )
    return None


def side_allowed(case: Case) -> Denial | None:
    """The symbol's `sides` has the side; an exit may be sold all the same."""
    if case.limits is not None and not case.is_exit and case.spec.side not in case.limits.sides:
        return _not_in(Code.SIDE_NOT_ALLOWED, "side", case.spec.side, case.limits.sides)
    return None


def order_type_allowed(case: Case) -> Iterator[Denial]:
    """The type has a worst price, and unless the order is an exit the symbol's `order_types` has it.

    A stop without a worst price could only come back as its limit form, so that is judged with it.
    """
    requested = case.spec.order_type
    wanted = _LIMIT_FORMS.get(requested, requested)
    lacks = case.limits is not None and not case.is_exit and wanted not in case.limits.order_types
    if wanted is not requested:
        how = f"use {wanted.value} with stop_price and price"
        yield Denial(
            code=Code.ORDER_TYPE_UNPRICED,
            message=f"{requested.value} has no worst price, so it cannot be held to a cap",
            observed=requested.value,
            hint=how if lacks else f"{how}; {_no_stop(case.spec, wanted)}",
        )
    if case.limits is not None and lacks:
        denial = _not_in(Code.ORDER_TYPE_NOT_ALLOWED, "order type", wanted, case.limits.order_types)
        yield _without_stops(denial, case.spec, wanted) if wanted in STOP_LIMIT_TYPES else denial


def _without_stops(denial: Denial, spec: OrderSpec, wanted: OrderType) -> Denial:
    """Returns the denial of a stop with who can change that, and that a LIMIT must not take its place."""
    return replace(
        denial,
        message=f"the policy's `order_types` for the symbol lacks {wanted.value}",
        hint=f'the owner can add "{wanted.value}" to `order_types` under `{_table(spec.symbol)}` in the policy; '
        f"{_no_stop(spec, wanted)}",
    )


def _table(symbol: str) -> str:
    """Returns the head of the symbol's table in the policy."""
    return f"[symbols.{symbol}]" if symbol.isascii() else f'[symbols."{symbol}"]'


def _no_stop(spec: OrderSpec, wanted: OrderType) -> str:
    """Why a LIMIT must not take the place of a stop. A stop-loss triggers where the market is worse than now."""
    if wanted is OrderType.TAKE_PROFIT_LIMIT:
        return "a LIMIT is not a stop: it waits for no stop_price and is in the book at once"
    where = "below" if spec.side is OrderSide.SELL else "above"
    at = "" if spec.stop_price is None else f" at the stop price {plain(spec.stop_price)} is"
    return f"a LIMIT is not a stop: a LIMIT {spec.side.value}{at} {where} the market and fills at once, so send none"


def time_in_force_allowed(case: Case) -> Denial | None:
    """The symbol's `time_in_force` has the requested one; exits and types without it are not judged by it."""
    requested = case.spec.time_in_force
    if requested is None or case.limits is None or case.is_exit:
        return None
    if requested not in case.limits.time_in_force:
        return _not_in(Code.TIME_IN_FORCE_NOT_ALLOWED, "time in force", requested, case.limits.time_in_force)
    return None


def _not_in(code: Code, what: str, requested: str, allowed: frozenset[str]) -> Denial:
    names = ", ".join(sorted(allowed))
    return Denial(
        code=code,
        message=f"the policy does not allow this {what} for the symbol",
        observed=str(requested),
        limit=names,
        hint=f"allowed: {names}",
    )
