"""The record of a judgement in the log."""

from __future__ import annotations

from guardian.domain.money import plain
from guardian.policy.facts import Facts
from guardian.policy.model import Policy
from guardian.policy.verdict import Verdict


def judgement_record(facts: Facts, verdict: Verdict, policy: Policy) -> dict[str, object]:
    """The facts and the verdict of an order, for the log: enough to repeat the judgement."""
    return {
        "policy": policy.digest,
        "decision": verdict.decision,
        "denials": tuple(denial.code for denial in verdict.denials),
        "order": None if verdict.order is None else verdict.order.as_dict(),
        "notional": verdict.notional,
        "quote_notional": verdict.quote_notional,
        "is_exit": verdict.is_exit,
        "now_ms": str(facts.now_ms),
        "clock_ms": str(facts.clock_ms),
        "clock_skew_ms": None if facts.clock_skew_ms is None else str(facts.clock_skew_ms),
        "books": {
            symbol: {"bid": book.bid, "ask": book.ask, "fetched_ms": str(book.fetched_ms)}
            for symbol, book in facts.books.items()
        },
        "averages": {
            symbol: {"price": average.price, "traded_ms": str(average.traded_ms)}
            for symbol, average in facts.averages.items()
        },
        "listed_orders": None
        if facts.listed_orders is None
        else {"count": str(facts.listed_orders.count), "stops": str(facts.listed_orders.stops)},
        "day_opens": dict(facts.day_opens),
        "usage": facts.usage,
        "missing": {fact.value: why for fact, why in facts.missing.items()}
        | {f"{fact.value} of {symbol}": why for (fact, symbol), why in facts.missing_of.items()},
        "problems": facts.policy_problems,
        "free": None if facts.free is None else {a: plain(v) for a, v in facts.free.items() if v > 0},
    }
