"""What `guardian arm` shows before it asks, and what it does after the yes."""

from __future__ import annotations

import secrets
from decimal import Decimal
from pathlib import Path

from guardian.cli.support.exit_codes import FINE, NO
from guardian.cli.support.opened_home import with_home
from guardian.cli.support.owner import agree
from guardian.cli.support.render import say, say_error, say_hint
from guardian.cli.support.times import clock_time
from guardian.domain.milliseconds import duration_text
from guardian.domain.money import plain
from guardian.domain.owner.proof import ProofGiven
from guardian.domain.trading import TradingState
from guardian.gate.owner.session_mandate import MandateTerms, arm, mandate_statement
from guardian.home.opened import OpenedHome
from guardian.policy.model import Policy
from guardian.store.owner.owner_records import Mandate
from guardian.store.schema.records import Scope


def arm_session(
    lasts_ms: int, budget: Decimal, symbols: frozenset[str], max_order: Decimal | None, policy_path: Path | None
) -> int:
    """Show the mandate, take the owner's yes, and put it in force; returns the exit code."""
    found = with_home(policy_path, lambda opened: _terms(opened, lasts_ms, budget, symbols, max_order))
    if isinstance(found, str):
        say_error(f"{found}; nothing was armed")
        return NO
    for line in _lines(found):
        say(line)
    proof = agree(mandate_statement(found), "allow this?", policy_path=policy_path)
    if proof is None:
        say("nothing was armed")
        return NO
    made = with_home(policy_path, lambda opened: _arm(opened, found, proof))
    say(f"armed until {clock_time(made.expires_ms)}; `guardian disarm` ends it at once")
    return FINE


async def _terms(
    opened: OpenedHome, lasts_ms: int, budget: Decimal, symbols: frozenset[str], max_order: Decimal | None
) -> MandateTerms | str:
    """What would be armed, or why it cannot be."""
    in_force = opened.policy_file.current()
    policy = in_force.policy
    if in_force.problems:
        return f"the policy `{in_force.source}` cannot be used: {'; '.join(in_force.problems)}"
    why = _why_useless(policy, symbols, budget, max_order)
    if why is not None:
        return why
    connection = await opened.connector.connect(needs_keys=True)
    scope = Scope(environment=opened.context.environment.value, account=connection.account)
    state = await opened.journal.transact(lambda tx: opened.journal.trading(tx)[0])
    if state is not TradingState.ACTIVE:
        say_hint("`guardian resume` first")
        return f"trading is {state.value}"
    return MandateTerms(
        scope=scope,
        currency=policy.accounting.currency,
        budget=budget,
        max_order=max_order,
        symbols=symbols,
        lasts_ms=lasts_ms,
        policy_digest=policy.digest,
    )


def _why_useless(policy: Policy, symbols: frozenset[str], budget: Decimal, max_order: Decimal | None) -> str | None:
    """Why a mandate would allow nothing that it seems to; None where it does."""
    unlisted = sorted(symbols - policy.symbols.keys())
    if unlisted:
        return f"the policy does not list {', '.join(unlisted)}"
    if max_order is not None and max_order > budget:
        return "one order may be larger than the whole budget"
    return None


def _lines(terms: MandateTerms) -> tuple[str, ...]:
    each = "" if terms.max_order is None else f", at most {plain(terms.max_order)} {terms.currency} each"
    return (
        f"{terms.scope.environment.upper()}  orders on {', '.join(sorted(terms.symbols))}, without asking you",
        f"up to {plain(terms.budget)} {terms.currency} together{each}, for {duration_text(terms.lasts_ms)}",
        "every other rule of the policy holds; selling back what guardian bought spends nothing of it",
        "it ends with its time or budget, a halt, a restart of the server, or a looser policy",
    )


async def _arm(opened: OpenedHome, terms: MandateTerms, proof: ProofGiven) -> Mandate:
    policy = opened.policy_file.current().policy
    return await opened.journal.run(lambda: arm(opened.journal, terms, policy, proof, random_bytes=secrets.token_bytes))
