"""Which policy is in force where a looser one needs a person's yes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from guardian.domain.milliseconds import MINUTE_MS
from guardian.domain.owner.proof import Proof, ProofGiven
from guardian.errors import PolicyInvalid, PolicyMistake, ProofRefused, StoreConflict
from guardian.gate.base.journal import Journal
from guardian.gate.base.policy_file import PolicyFile, PolicyInForce, PolicyStanding
from guardian.gate.owner.policy_approval import NEVER_APPROVED, ApprovedPolicies, PendingPolicy, approve_policy
from guardian.policy.facts import NOT_LOOKED_UP
from guardian.policy.loading.load import load_policy
from guardian.policy.model import Policy
from guardian.store.owner.owner_records import ApprovedPolicy
from tests.gate.support.fake_clock import FakeClock
from tests.support.present import present
from tests.support.world import BASE, merged, toml

LIVE: dict[str, Any] = {"environment": "live"}
TIGHT: dict[str, Any] = {"limits": {"max_open_orders": 2}}
LOOSE: dict[str, Any] = {"limits": {"max_open_orders": 9}}
MIXED: dict[str, Any] = {"limits": {"max_open_orders": 9, "max_open_notional": "100"}}
PIN = ProofGiven(kind=Proof.PIN)


def a_policy(*changes: Mapping[str, Any]) -> Policy:
    """The defaults on paper, with a PIN to prove a yes, and these changes."""
    proof = {"confirmation": {"channel": "terminal", "proof": "pin"}}
    return load_policy(toml(merged(BASE, proof, *changes)))


class Owner:
    """One home's log, and what its owner and its server do with policies."""

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700, exist_ok=True)
        self.home = home
        self.clock = FakeClock()
        self.journal = Journal(home, self.clock)
        self.approvals = ApprovedPolicies()

    def set_pin(self) -> None:
        """Sets a PIN, and a policy has demanded it: the floor is raised."""
        with self.journal.transaction() as tx:
            tx.approvers.note_pin(is_set=True)
            tx.approvers.raise_floor(Proof.PIN)

    def serves(self, policy: Policy, *, adopts: bool = True) -> PolicyStanding:
        with self.journal.transaction() as tx:
            return self.approvals.look(tx, policy, adopts=adopts)

    def pending(self, policy: Policy) -> PendingPolicy | None:
        with self.journal.transaction() as tx:
            return self.approvals.pending(tx, policy)

    def approves(self, policy: Policy, proof: ProofGiven = PIN) -> ApprovedPolicy:
        return approve_policy(self.journal, present(self.pending(policy)), proof, approvals=self.approvals)

    def events(self) -> list[dict[str, Any]]:
        with sqlite3.connect(self.home / "guardian.db") as log:
            rows = log.execute("SELECT body FROM audit WHERE phase = 'event' ORDER BY seq").fetchall()
        log.close()
        found = [json.loads(body)["data"] for (body,) in rows]
        return [data for data in found if data["kind"] != "proof_floor"]

    def kinds(self) -> list[str]:
        return [event["kind"] for event in self.events()]


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Owner]:
    made = Owner(tmp_path / "home")
    yield made
    made.journal.close()


def test_every_edit_is_in_force_at_once_while_a_terminal_is_enough(owner: Owner) -> None:
    """Without a PIN or a passkey nothing could be proven, so nothing is asked, and nothing is stored."""
    for policy in (a_policy(), a_policy(LOOSE), a_policy(MIXED)):
        assert owner.serves(policy) == PolicyStanding(in_force=policy)
        assert owner.pending(policy) is None
    assert owner.kinds() == []


def test_first_policy_above_the_floor_is_taken_as_it_is_with_a_row(owner: Owner) -> None:
    """It was in force anyway; elsewhere than on live later ones are compared with it. Looking stores nothing."""
    owner.set_pin()
    policy = a_policy()
    assert owner.serves(policy, adopts=False).unapproved is None
    assert owner.kinds() == []
    assert owner.serves(policy) == PolicyStanding(in_force=policy)
    assert owner.serves(policy) == PolicyStanding(in_force=policy)
    assert owner.kinds() == ["policy_adopted"]


def test_tighter_policy_takes_its_place_at_once_and_the_way_back_waits(owner: Owner) -> None:
    """A row says so; what was in force before is then looser, and the tighter one stays in force."""
    owner.set_pin()
    owner.serves(a_policy())
    tight = a_policy(TIGHT)
    assert owner.serves(tight) == PolicyStanding(in_force=tight)
    assert owner.kinds() == ["policy_adopted", "policy_tightened"]
    assert owner.events()[1]["in_place_of"] == a_policy().digest
    back = owner.serves(a_policy())
    assert (back.in_force.digest, back.unapproved) == (tight.digest, None)
    waiting = present(back.waiting)
    assert (waiting.digest, waiting.effective_ms) == (a_policy().digest, None)
    assert waiting.looser == ("`limits.max_open_orders` goes from 2 to 5",)


def test_comment_in_the_file_needs_nobody(owner: Owner) -> None:
    """A text that says the same is in force at once."""
    owner.set_pin()
    owner.serves(a_policy())
    same = load_policy("# for a while\n" + a_policy().text)
    assert owner.serves(same) == PolicyStanding(in_force=same)


def test_policy_that_is_looser_here_and_tighter_there_creates_nothing_until_it_is_approved(owner: Owner) -> None:
    """Neither of the two is the tighter one; the keys that are looser are named."""
    owner.set_pin()
    owner.serves(a_policy())
    mixed = owner.serves(a_policy(MIXED))
    assert mixed.in_force.digest == a_policy().digest
    assert present(mixed.unapproved).startswith("the file is looser than the approved one in `limits.max_open_orders`,")
    assert owner.kinds() == ["policy_adopted"]


def test_yes_puts_a_looser_policy_in_force_at_once_elsewhere_than_on_live(owner: Owner) -> None:
    """The row has the statement with every looser key, and what proved it."""
    owner.set_pin()
    owner.serves(a_policy())
    loose = a_policy(LOOSE)
    approved = owner.approves(loose)
    assert approved.effective_ms == approved.approved_ms
    assert owner.serves(loose) == PolicyStanding(in_force=loose)
    row = owner.events()[-1]
    assert (row["kind"], row["policy"], row["proof"]) == ("policy_approved", loose.digest, {"kind": "pin"})
    assert row["statement"]["fields"]["looser"] == ["`limits.max_open_orders` goes from 5 to 9"]
    assert owner.pending(loose) is None


def test_nothing_is_in_force_on_live_before_a_person_approved_it(owner: Owner) -> None:
    """Reads go on under the file; no order is created, whatever the floor is, and no server takes it as it is."""
    live = a_policy(LIVE)
    found = owner.serves(live)
    assert (found.in_force, found.unapproved) == (live, NEVER_APPROVED)
    assert present(found.waiting).looser == (NEVER_APPROVED,)
    assert owner.kinds() == []


def test_looser_policy_takes_effect_on_live_after_the_delay(owner: Owner) -> None:
    """Until then the approved one is in force; each standing says when. The longer of both delays counts."""
    owner.set_pin()
    live = a_policy(LIVE)
    first = owner.approves(live)
    assert first.effective_ms - first.approved_ms == 10 * MINUTE_MS
    assert present(owner.serves(live).unapproved).startswith("it is approved and takes effect at ")
    assert present(owner.pending(live)).effective_ms == first.effective_ms
    owner.clock.forward(10 * 60)
    assert owner.serves(live) == PolicyStanding(in_force=live)
    hasty = a_policy(LIVE, LOOSE, {"live": {"loosening_delay": "1s"}})
    again = owner.approves(hasty)
    assert again.effective_ms - again.approved_ms == 10 * MINUTE_MS
    waits = owner.serves(hasty)
    assert waits.in_force.digest == live.digest
    assert waits.unapproved is None
    owner.clock.forward(9 * 60)
    assert owner.serves(hasty).in_force.digest == live.digest
    owner.clock.forward(60)
    assert owner.serves(hasty) == PolicyStanding(in_force=hasty)


def test_tighter_edit_on_live_holds_at_once_also_while_a_looser_one_waits(owner: Owner) -> None:
    """What waits does not come into force behind a tighter file."""
    owner.set_pin()
    live, tight = a_policy(LIVE), a_policy(LIVE, TIGHT)
    owner.approves(live)
    owner.clock.forward(10 * 60)
    owner.serves(live)
    owner.approves(a_policy(LIVE, LOOSE))
    assert owner.serves(tight) == PolicyStanding(in_force=tight)
    owner.clock.forward(10 * 60)
    assert owner.serves(tight) == PolicyStanding(in_force=tight)
    assert owner.serves(a_policy(LIVE, LOOSE)).in_force.digest == tight.digest


def test_environments_are_approved_apart(owner: Owner) -> None:
    """A yes for paper is none for live, and what was looked up of one says nothing of the other."""
    owner.set_pin()
    owner.serves(a_policy())
    live = a_policy(LIVE)
    assert owner.approvals.standing(live).unapproved == "its approval was not looked up"
    assert owner.serves(live).unapproved == NEVER_APPROVED


def test_standing_is_that_of_the_last_look(owner: Owner) -> None:
    """Between two looks nothing is read; before the first one nothing is known."""
    policy = a_policy()
    assert owner.approvals.standing(policy).unapproved == "its approval was not looked up"
    owner.serves(policy)
    assert owner.approvals.standing(policy) == PolicyStanding(in_force=policy)


@pytest.mark.parametrize("policy", [a_policy(LOOSE), a_policy(LIVE)], ids=["looser", "live"])
def test_weaker_proof_approves_nothing_and_is_a_row(owner: Owner, policy: Policy) -> None:
    """An answer at a terminal is refused where a PIN is demanded, by the file or by the floor."""
    owner.set_pin()
    owner.serves(a_policy())
    with pytest.raises(ProofRefused, match="a pin is demanded, and a terminal was given"):
        owner.approves(policy, ProofGiven(kind=Proof.TERMINAL))
    assert owner.kinds()[-1] == "proof_refused"
    assert owner.serves(policy).in_force is not policy or owner.serves(policy).unapproved is not None


def test_file_that_demands_less_is_approved_by_what_the_policy_before_it_demands(owner: Owner) -> None:
    """An edit to `proof = "terminal"` is a loosening, and the PIN is what it needs."""
    owner.set_pin()
    owner.serves(a_policy())
    weaker = a_policy({"confirmation": {"proof": "terminal"}})
    assert present(owner.serves(weaker).waiting).looser == ("`confirmation.proof` goes from pin to terminal",)
    with pytest.raises(ProofRefused):
        owner.approves(weaker, ProofGiven(kind=Proof.TERMINAL))
    owner.approves(weaker)
    assert owner.serves(weaker).in_force is weaker


def test_proof_that_does_not_verify_approves_nothing(owner: Owner) -> None:
    """A passkey's proof without its signature is no proof."""
    owner.set_pin()
    owner.serves(a_policy())
    with pytest.raises(ProofRefused):
        owner.approves(a_policy(LOOSE), ProofGiven(kind=Proof.PASSKEY))
    assert owner.kinds()[-1] == "proof_refused"


def test_yes_to_a_comparison_that_is_not_true_any_more_is_refused(owner: Owner) -> None:
    """Another policy was approved between the question and the answer."""
    owner.set_pin()
    owner.serves(a_policy())
    shown = present(owner.pending(a_policy(LOOSE)))
    owner.serves(a_policy(TIGHT))
    with pytest.raises(StoreConflict):
        approve_policy(owner.journal, shown, PIN, approvals=owner.approvals)
    owner.approves(a_policy(LOOSE))
    with pytest.raises(StoreConflict):
        approve_policy(owner.journal, shown, PIN, approvals=owner.approvals)


# -- what the store says, and the log does not


def stored(owner: Owner, policy: Policy, seq: int, effective_ms: int = 0) -> None:
    """Writes a policy into the table of approvals, as a program with the file would."""
    with owner.journal.transaction() as tx:
        tx.policy_approvals.add(
            policy.environment.value, policy.digest, policy.text, approval_seq=seq, effective_ms=effective_ms
        )


def last_seq(owner: Owner) -> int:
    with sqlite3.connect(owner.home / "guardian.db") as log:
        ((seq,),) = log.execute("SELECT max(seq) FROM audit").fetchall()
    log.close()
    return int(seq)


def test_row_of_the_table_that_no_row_of_the_log_bears_out_approves_nothing(owner: Owner) -> None:
    """No row, a row about another policy, and a text that is not what the digest says."""
    owner.set_pin()
    owner.serves(a_policy())
    loose = a_policy(LOOSE)
    for seq in (999, last_seq(owner)):
        stored(owner, loose, seq)
        assert owner.serves(loose).unapproved == "the log has no row that the approved policy follows from"


def test_text_that_was_exchanged_in_the_table_approves_nothing(owner: Owner) -> None:
    """The digest in the log is that of the text that was approved."""
    owner.set_pin()
    owner.serves(a_policy())
    row = owner.events()[-1]
    with owner.journal.transaction() as tx:
        tx.policy_approvals.add(
            "paper",
            a_policy().digest,
            a_policy(LOOSE).text,
            approval_seq=last_seq(owner),
            effective_ms=int(row["effective_ms"]),
        )
    owner.approvals = ApprovedPolicies()
    assert owner.serves(a_policy(LOOSE)).unapproved == "the log has no row that the approved policy follows from"


def test_row_that_says_adopted_approves_nothing_on_live(owner: Owner) -> None:
    """There only a person's yes begins."""
    from guardian.store.schema.records import Record

    live = a_policy(LIVE)
    with owner.journal.transaction() as tx:
        body = {"kind": "policy_adopted", "environment": "live", "policy": live.digest, "effective_ms": "0"}
        entry = tx.audit.append(Record.event(None, body))
    stored(owner, live, entry.seq)
    assert owner.serves(live).unapproved == "the log has no row that the approved policy follows from"


def test_row_with_the_statement_of_another_policy_approves_nothing(owner: Owner) -> None:
    """What the row is about and what was agreed to have to be the same."""
    from guardian.store.schema.records import Record

    owner.set_pin()
    live = a_policy(LIVE)
    owner.approves(live)
    said = owner.events()[-1]
    other = a_policy(LIVE, LOOSE)
    for changed in ({"policy": other.digest}, {"policy": other.digest, "kind": "approved"}, {"statement": None}):
        body = {**said, **changed, "effective_ms": "0"}
        with owner.journal.transaction() as tx:
            entry = tx.audit.append(Record.event(None, body))
        stored(owner, load_policy(other.text if "policy" in changed else live.text), entry.seq)
        assert owner.serves(other).unapproved == "the log has no row that the approved policy follows from"


def test_approved_policy_that_this_version_cannot_read_creates_nothing(owner: Owner) -> None:
    """What it allowed is not known, so nothing can be compared with it."""
    owner.set_pin()
    owner.serves(a_policy())

    def load(text: str) -> Policy:
        raise PolicyInvalid((PolicyMistake(key="", message="a key of another version"),))

    owner.approvals = ApprovedPolicies(load)
    for _ in range(2):
        found = owner.serves(a_policy(TIGHT))
        assert found.unapproved == "the approved policy cannot be read by this version of guardian"
    assert present(owner.pending(a_policy(TIGHT))).approved is None


# -- the file


@pytest.fixture
def file(owner: Owner, tmp_path: Path) -> PolicyFile:
    path = tmp_path / "policy.toml"
    write(path, a_policy())
    return PolicyFile(path, load_policy, owner.journal, packaged=False, approvals=owner.approvals)


def write(path: Path, policy: Policy, more: str = "") -> None:
    path.write_text(more + policy.text, "utf-8")
    path.chmod(0o600)


def looked(owner: Owner, file: PolicyFile, *, adopts: bool = True) -> PolicyInForce:
    """What a call sees that opens now."""
    file.current()
    with owner.journal.transaction() as tx:
        file.look(tx, adopts=adopts)
    return file.current()


def why(owner: Owner, file: PolicyFile, policy: Policy) -> str | None:
    with owner.journal.transaction() as tx:
        return file.why_unapproved(tx, policy)


def test_looser_file_leaves_the_approved_policy_in_force_for_every_call(owner: Owner, file: PolicyFile) -> None:
    """Orders go on under the approved caps; what waits is with it."""
    owner.set_pin()
    looked(owner, file)
    write(file.path, a_policy(LOOSE))
    found = looked(owner, file)
    assert found.policy.limits.max_open_orders == 5
    assert present(found.waiting).digest == a_policy(LOOSE).digest
    assert why(owner, file, found.policy) is None
    owner.approves(a_policy(LOOSE))
    # A call that opened before is judged by the tighter caps that it saw.
    assert file.current().policy.limits.max_open_orders == 5
    assert why(owner, file, file.current().policy) is None
    assert looked(owner, file).policy.limits.max_open_orders == 9


def test_call_that_opened_under_a_looser_policy_creates_nothing_once_a_tighter_one_is_in_force(
    owner: Owner, file: PolicyFile
) -> None:
    """It is judged by the policy that it opened with, and that is not in force any more."""
    owner.set_pin()
    before = looked(owner, file).policy
    write(file.path, a_policy(TIGHT))
    looked(owner, file)
    assert why(owner, file, before) == "another policy is in force now"


def test_mixed_file_denies_every_order_also_by_a_call_that_opened_before(owner: Owner, file: PolicyFile) -> None:
    """The file that was read last counts too."""
    owner.set_pin()
    before = looked(owner, file).policy
    write(file.path, a_policy(MIXED))
    found = looked(owner, file)
    assert present(found.unapproved) == why(owner, file, before) == why(owner, file, found.policy)


def test_file_that_is_broken_is_not_taken_for_a_tighter_one(owner: Owner, file: PolicyFile) -> None:
    """What stands in for a broken file was in force before, and is approved by nobody's edit."""
    owner.set_pin()
    looked(owner, file)
    owner.serves(a_policy(TIGHT))
    owner.approves(a_policy())
    write(file.path, a_policy(), more="oh")
    assert looked(owner, file).problems
    assert owner.kinds() == ["policy_adopted", "policy_tightened", "policy_approved"]


def test_file_without_approvals_is_none_for_live(owner: Owner, file: PolicyFile) -> None:
    """A gate that nobody gave the approvals creates no order there, and asks for none elsewhere."""
    bare = PolicyFile(file.path, load_policy, owner.journal, packaged=False)
    looked(owner, bare)
    assert why(owner, bare, a_policy()) is None
    assert why(owner, bare, a_policy(LIVE)) == NOT_LOOKED_UP
