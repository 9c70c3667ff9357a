"""What `guardian policy approve` shows before it asks, and what it does after the yes."""

from __future__ import annotations

from pathlib import Path

from guardian.cli.support.exit_codes import FINE, NO
from guardian.cli.support.opened_home import with_journal
from guardian.cli.support.owner import agree
from guardian.cli.support.render import say, say_error
from guardian.cli.support.times import local_time
from guardian.domain.milliseconds import duration_text
from guardian.domain.owner.proof import ProofGiven
from guardian.errors import ProofRefused, StoreConflict
from guardian.gate.base.journal import Journal
from guardian.gate.base.policy_file import read_policy_text
from guardian.gate.owner.policy_approval import ApprovedPolicies, PendingPolicy, approve_policy
from guardian.home.folder import find_policy_file, home_folder, ready_made_policy
from guardian.policy.loading.load import load_policy
from guardian.policy.model import Policy
from guardian.store.owner.owner_records import ApprovedPolicy


def approve_file(file: Path | None) -> int:
    """Show what is looser in a policy, take the owner's yes, and store it; returns the exit code.

    Raises PolicyInvalid: the file has mistakes, and nothing of it can be approved.
    """
    path = find_policy_file(home_folder()) if file is None else file
    policy, approvals = _policy_of(path), ApprovedPolicies()
    pending = with_journal(lambda journal: _pending(journal, approvals, policy))
    if pending is None:
        say(f"{path} (digest {policy.digest[:12]}) needs no approval: nothing in it waits for your yes")
        return FINE
    for line in _lines(path, pending):
        say(line)
    if pending.effective_ms is not None:
        say(f"you approved it already: it takes effect at {local_time(pending.effective_ms)}")
        return FINE
    proof = agree(pending.statement, "approve this policy?", policy_path=file)
    if proof is None:
        say("nothing was approved; the policy that you approved before stays in force")
        return NO
    return with_journal(lambda journal: _approve(journal, approvals, pending, proof))


def _policy_of(path: Path) -> Policy:
    packaged = path.parent.resolve() == ready_made_policy("testnet").parent.resolve()
    return load_policy(read_policy_text(path, packaged=packaged))


def _pending(journal: Journal, approvals: ApprovedPolicies, policy: Policy) -> PendingPolicy | None:
    with journal.transaction() as tx:
        return approvals.pending(tx, policy)


def _lines(path: Path, pending: PendingPolicy) -> list[str]:
    policy, compared = pending.policy, pending.comparison
    lines = [f"{policy.environment.value.upper()}  {path} (digest {policy.digest[:12]})"]
    if pending.approved is None:
        lines += [f"no policy was approved for `{policy.environment.value}` before", *_caps(policy)]
    else:
        lines += [f"looser than the policy in force (digest {pending.approved.digest[:12]}):"]
        lines += [f"  {change}" for change in compared.looser]
        lines += [f"  tighter: {change}" for change in compared.tighter]
    if pending.delay_ms and pending.effective_ms is None:
        lines.append(f"it takes effect {duration_text(pending.delay_ms)} after your yes")
    return lines


def _caps(policy: Policy) -> list[str]:
    """What a first policy allows at most: there is nothing to compare it with."""
    currency, limits = policy.accounting.currency, policy.limits
    windows = " and ".join(f"{one.maximum:f} in {duration_text(one.window_ms)}" for one in limits.rolling_notional)
    symbols = ", ".join(f"{symbol} up to {one.max_notional:f}" for symbol, one in sorted(policy.symbols.items()))
    return [
        f"it allows orders on {symbols or 'no symbol'} ({currency} an order)",
        f"together at most {windows} {currency}, and a loss of {limits.max_daily_loss:f} {currency} within 24h",
    ]


def _approve(journal: Journal, approvals: ApprovedPolicies, pending: PendingPolicy, proof: ProofGiven) -> int:
    try:
        approved = approve_policy(journal, pending, proof, approvals=approvals)
    except (ProofRefused, StoreConflict) as error:
        say_error(error.message)
        return NO
    say(_said(approved, pending))
    return FINE


def _said(approved: ApprovedPolicy, pending: PendingPolicy) -> str:
    if not pending.delay_ms:
        return "approved: it is in force now"
    return f"approved: it takes effect at {local_time(approved.effective_ms)}; an edit that tightens it holds at once"
