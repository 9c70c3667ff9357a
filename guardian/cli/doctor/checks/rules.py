"""The policy: whose it is, whether it is valid, what in it has no effect, and whether it is in force."""

from __future__ import annotations

from collections.abc import Iterator

from guardian.cli.doctor.checks.log_copy import scratch_home
from guardian.cli.doctor.examined import Examined
from guardian.cli.doctor.findings import Finding, ok, problem, warning
from guardian.errors import StoreError
from guardian.gate.base.journal import Journal
from guardian.gate.owner.policy_approval import ApprovedPolicies
from guardian.policy.loading.warnings import policy_warnings
from guardian.system.clock import SYSTEM_CLOCK


def check_policy(examined: Examined) -> Iterator[Finding]:
    """The policy is the owner's and valid."""
    found = examined.found_policy
    if found.error is not None:
        for mistake in found.error.mistakes:
            remedy = mistake.hint or "mend the file; `guardian policy check` lists every mistake"
            yield problem("policy", f"`{found.path}`: {mistake}", remedy)
        return
    policy = found.policy
    assert policy is not None
    what = f"{policy.environment.value.upper()}, digest {policy.digest[:12]}, {len(policy.symbols)} symbols"
    if found.packaged:
        yield warning(
            "policy", f"no policy of yours yet: the one that comes with guardian serves, {what}", "`guardian init`"
        )
    else:
        yield ok("policy", f"`{found.path}` is valid: {what}")
    for one in policy_warnings(policy):
        yield warning("policy.effect", f"`{one.key}`: {one.message}", one.hint)


def check_in_force(examined: Examined) -> Iterator[Finding]:
    """The owner's file is the policy in force."""
    policy = examined.policy
    if policy is None or examined.found_policy.packaged:
        return
    with scratch_home(examined.home) as copy:
        if copy is None:
            yield ok("policy.in-force", "in force; there is no log yet that says otherwise")
            return
        journal = Journal(copy, SYSTEM_CLOCK)
        try:
            with journal.transaction() as tx:
                pending = ApprovedPolicies().pending(tx, policy)
        except StoreError as error:
            yield problem(
                "policy.in-force", f"the log does not say which policy is in force: {error.message}", error.hint
            )
            return
        finally:
            journal.close()
    if pending is None:
        yield ok("policy.in-force", "the file is in force")
    elif pending.effective_ms is not None:
        yield warning(
            "policy.in-force", "the file is approved, and takes effect later: `guardian policy check` says when"
        )
    else:
        looser = ", ".join(map(str, pending.comparison.looser[:3]))
        yield warning(
            "policy.in-force", f"the file is looser than what is in force: {looser}", "`guardian policy approve`"
        )
