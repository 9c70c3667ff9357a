"""Rules of `live`: what has to be in place before any order is created with real money.

On every other environment they say nothing. What was not looked up is missing.
"""

from __future__ import annotations

from typing import Final

from guardian.domain.codes import Code
from guardian.domain.money import plain
from guardian.domain.owner.proof import Proof
from guardian.domain.trading import Environment
from guardian.policy.case import Case
from guardian.policy.facts import LiveFacts
from guardian.policy.verdict import Denial

_LIVE: Final = Environment.LIVE
_MOST_PROBLEMS: Final = 5


def proof_available(case: Case) -> Denial | None:
    """The policy demands a PIN or a passkey, and the owner has set one up."""
    live = _facts(case)
    if live is None:
        return None
    unproven = live.unproven
    if case.policy.confirmation.proof is Proof.TERMINAL:
        unproven = "`confirmation.proof` of the policy is an answer at a terminal, which any program can type"
    if unproven is not None:
        return Denial(
            code=Code.LIVE_PROOF_MISSING,
            message=f"nobody can prove that they agree to an order on `live`: {unproven}",
            hint="the owner can run `guardian pin set`, or `guardian passkey add laptop` (a name of their choice)",
        )
    return None


def keys_checked(case: Case) -> Denial | None:
    """What the API key may do was read within six hours, and is safe."""
    live = _facts(case)
    if live is None:
        return None
    if live.keys is None:
        return Denial(
            code=Code.LIVE_KEYS_UNCHECKED,
            message=f"what the key of `live` may do is not known: {live.why_unchecked}",
            hint="each order reads it again; the owner can run `guardian keys check live`",
        )
    if not live.keys.is_safe:
        problems = live.keys.problems
        return Denial(
            code=Code.LIVE_KEYS_UNSAFE,
            message=f"the key of `live` is not safe to trade with: {'; '.join(problems[:_MOST_PROBLEMS])}",
            observed="1 problem" if len(problems) == 1 else f"{len(problems)} problems",
            hint="the owner changes the key on Binance's page, or stores another with `guardian keys rotate live`; "
            "`guardian keys check live` reads it again",
        )
    return None


def armed(case: Case) -> Denial | None:
    """A session mandate of the owner's is active."""
    live = _facts(case)
    if live is not None and live.unarmed is not None:
        return Denial(
            code=Code.LIVE_NOT_ARMED,
            message=f"`live` is not armed: {live.unarmed}",
            hint=f"the owner can run, for example, `{_arm(case)}`; reads and cancels work",
        )
    return None


def _arm(case: Case) -> str:
    """Returns a command that arms for the symbol of the order, or for one that the policy lists, as it can be typed."""
    policy = case.policy
    symbol = case.spec.symbol if case.limits is not None else min(policy.symbols, default="BTCUSDT")
    limits = policy.symbols.get(symbol)
    budget = policy.limits.max_open_notional if limits is None else limits.max_notional
    return f"guardian arm --for 2h --budget {plain(budget)} --symbols {symbol}"


def _facts(case: Case) -> LiveFacts | None:
    """Returns the facts of `live`, with everything missing where nobody looked; None on another environment."""
    if case.facts.environment is not _LIVE:
        return None
    return LiveFacts() if case.facts.live is None else case.facts.live
